"""Fixture for the commands that administer an application.

    deployed        a streams.shell application on the shared platform, nothing applied yet
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.shell.settings import KafkaSettings
from tests.shell.deployed import Deployed


@pytest.fixture
def deployed(kafka: str, registry_url: str, topic_prefix: str, tmp_path: Path) -> Deployed:
    folder = tmp_path / "configurations"
    folder.mkdir()
    return Deployed(KafkaSettings(bootstrap_servers=kafka), registry_url, topic_prefix, folder / "none").configured()
