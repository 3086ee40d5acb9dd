"""up, down, status: say it twice and nothing changes, half of it dead and it is mended, and only ours is ever ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from streams.errors import PlatformError
from streams.shell.local import platform, process
from streams.shell.local.platform import Platform, Service
from streams.shell.local.ports import free_ports


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    platform.down(tmp_path / "home")


def service(running: Platform, name: str) -> Service:
    [found] = [each for each in running.services if each.name == name]
    return found


def leave_something(running: Platform) -> None:
    """The schema last: a registry that is killed at once must have it in its file already."""
    admin = AdminClient({"bootstrap.servers": running.bootstrap_servers, "log_level": 0})
    [made] = admin.create_topics([NewTopic("kept", 1, 1)]).values()
    made.result(20.0)
    with SchemaRegistryClient({"url": running.registry_url}) as registry:
        registry.register_schema("kept-value", Schema('"string"', "AVRO"))


def what_is_there(running: Platform) -> tuple[bool, list[str]]:
    admin = AdminClient({"bootstrap.servers": running.bootstrap_servers, "log_level": 0})
    with SchemaRegistryClient({"url": running.registry_url}) as registry:
        return "kept" in admin.list_topics(timeout=20.0).topics, registry.get_subjects()


def test_up_is_idempotent_mends_what_is_broken_and_keeps_data(home: Path) -> None:
    first = platform.up(home, detached=False)
    assert first.now == ("broker", "registry")
    again = platform.up(home, detached=False)
    assert (again.now, again.platform) == ((), first.platform)

    leave_something(first.platform)
    os.kill(service(first.platform, "registry").pid, signal.SIGSTOP)  # it lives, its port is open, it answers nothing
    mended = platform.up(home, detached=False)
    assert mended.now == ("registry",)
    assert service(mended.platform, "broker") == service(first.platform, "broker")
    assert what_is_there(mended.platform) == (True, ["kept-value"])

    service(mended.platform, "broker").process.kill()
    whole = platform.up(home, detached=False)
    assert whole.now == ("broker",)
    assert service(whole.platform, "registry") == service(mended.platform, "registry")
    found = platform.status(home)
    assert found is not None
    assert [each.answers for each in found[1]] == [True, True]

    assert platform.down(home) == ("broker", "registry")
    assert platform.down(home) == ()
    assert platform.status(home) is None
    assert not any(each.process.alive() for each in whole.platform.services)

    later = platform.up(home, detached=False)
    assert later.platform.environment == first.platform.environment
    assert later.platform.cluster_id == first.platform.cluster_id
    assert what_is_there(later.platform) == (True, ["kept-value"])


def test_down_ends_only_what_it_started(home: Path, tmp_path: Path) -> None:
    """After a reboot the recorded pids belong to others."""
    other = process.start([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    home.mkdir()
    stale = Service("broker", "4.4.0", "127.0.0.1:1", (1, 2), other.pid, "before the reboot", str(tmp_path / "log"))
    recorded = Platform(home, home, False, "A" * 22, "127.0.0.1:1", "http://127.0.0.1:2", (stale,))
    platform._write_state(recorded)
    assert platform.down(home) == ()
    assert platform.status(home) is None
    assert other.alive()
    other.stop()


def test_a_platform_that_cannot_come_up_leaves_nothing_behind(home: Path) -> None:
    broker_port, controller_port, registry_port = free_ports(3)
    home.mkdir()
    layout = {"broker": [broker_port, controller_port], "registry": registry_port, "cluster_id": "A" * 22}
    (home / platform.LAYOUT).write_text(json.dumps(layout))
    with socket.create_server(("127.0.0.1", broker_port)), pytest.raises(PlatformError, match="taken by another"):
        platform.up(home, detached=False)
    assert platform.status(home) is None
    with socket.create_server(("127.0.0.1", registry_port)):
        pass  # the registry, which starts first, has given it back


def test_a_record_that_cannot_be_read_is_an_error_and_stays(home: Path) -> None:
    home.mkdir()
    state = home / platform.STATE
    state.write_text('{"half a')
    with pytest.raises(PlatformError, match=r"cannot be read.*state\.json"):
        platform.status(home)
    assert state.exists()
    state.unlink()


def test_the_home_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANDON_HOME", raising=False)
    assert platform.home_folder() == tmp_path / ".andon"
    monkeypatch.setenv("ANDON_HOME", str(tmp_path / "elsewhere"))
    assert platform.home_folder() == tmp_path / "elsewhere"
    assert platform.home_folder(tmp_path / "given") == tmp_path / "given"
