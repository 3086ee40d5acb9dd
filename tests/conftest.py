"""Fixtures for all tests. The real Kafka and the registry start once a session, with the first test that asks for them.

    platform        both, as a streams.shell.local.platform.Platform
    kafka           its bootstrap servers, a string
    registry_url    the registry's, a string
    topic_prefix    another one for each test: tests share the broker, so they never share a topic, group or subject
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest

from streams.shell.local.platform import Platform, running


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    with running(ephemeral=True) as started:
        yield started


@pytest.fixture(scope="session")
def kafka(platform: Platform) -> str:
    return platform.bootstrap_servers


@pytest.fixture(scope="session")
def registry_url(platform: Platform) -> str:
    return platform.registry_url


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Ends with a dot and tells which test it was; also good for group ids, transactional ids and subjects."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")[:60]
    return f"{name}.{uuid.uuid4().hex[:8]}."
