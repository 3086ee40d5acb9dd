"""A plant of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.plant import Plant


@pytest.fixture
def plant(kafka: str, registry_url: str, topic_prefix: str, tmp_path: Path) -> Iterator[Plant]:
    made = Plant(kafka, registry_url, topic_prefix, tmp_path)
    yield made
    made.close()
