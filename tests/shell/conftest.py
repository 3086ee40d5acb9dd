"""Fixtures for the commands that administer an application.

    deployed        an application on the shared platform, nothing applied yet
    registered      one whose contracts are registered, for all tests of the session
    fresh           topics of one's own, with the contracts of `registered`
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streams.shell.settings import KafkaSettings
from tests.shell.deployed import Deployed


@pytest.fixture
def deployed(kafka: str, registry_url: str, topic_prefix: str, tmp_path: Path) -> Deployed:
    folder = tmp_path / "configurations"
    folder.mkdir()
    return Deployed(KafkaSettings(bootstrap_servers=kafka), registry_url, topic_prefix, folder / "none").configured()


@pytest.fixture(scope="session")
def registered(kafka: str, registry_url: str, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    folder = tmp_path_factory.mktemp("configurations")
    made = Deployed(KafkaSettings(bootstrap_servers=kafka), registry_url, "registered.", folder / "none").configured()
    made.apply()
    return made


@pytest.fixture
def fresh(deployed: Deployed, registered: Deployed) -> Deployed:
    return replace(deployed, subjects=registered.prefix)
