"""Fixtures for all tests. The real Kafka and the registry start once a session, with the first test that asks for them.

    platform        both, as a streams.shell.local.platform.Platform
    kafka           its bootstrap servers, a string
    registry_url    the registry's, a string
    topic_prefix    another one for each test: tests share the broker, so they never share a topic, group or subject
    nist            folder of NIST's machine records, found through ANDON_DATA
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def nist() -> Path:
    """Without ANDON_DATA a printed skip; a failure where the data are required, as in continuous integration (.ci/run)."""
    named = os.environ.get("ANDON_DATA")
    folder = Path(named or ".") / "nist-sms"
    if named and folder.is_dir():
        return folder
    reason = f"ANDON_DATA={named}: it has no folder nist-sms" if named else "ANDON_DATA does not name the folder of the real data"
    if named or os.environ.get("ANDON_REQUIRE_DATA"):
        pytest.fail(reason)
    print(f"skipped: {reason}")
    pytest.skip(reason)
