"""A process is one pid *and* one start time: nothing else is ever ended, and nothing outlives its owner unasked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.errors import PlatformError
from streams.shell.local import process
from streams.shell.local.ports import free_ports
from streams.shell.local.process import Process

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)",
]
OWNER = """
import pathlib, sys, time
from streams.shell.local import process
started = process.start(sys.argv[2:], log=pathlib.Path(sys.argv[1]))
print(started.pid, started.started, flush=True)
time.sleep(60)
"""


def gone_within(one: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while one.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not one.alive()


def test_a_pid_that_was_given_away_again_is_left_alone(tmp_path: Path) -> None:
    one = process.start(SLEEP, log=tmp_path / "log")
    recorded_before_a_reboot = Process(one.pid, "another boot/1")
    recorded_before_a_reboot.stop()
    recorded_before_a_reboot.kill()
    assert one.alive()
    one.stop()
    assert not one.alive()


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = process.start(STUBBORN, log=log)
    process.wait_ready(stubborn, lambda: "deaf" in log.read_text(), name="it", log=log, timeout_s=20.0)
    stubborn.stop(timeout_s=0.2)
    assert not stubborn.alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_ends_with_its_owner_however_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log"), *SLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as owner:
        assert owner.stdout is not None
        pid, _, started = owner.stdout.readline().strip().partition(" ")
        child = Process(int(pid), started)
        assert child.alive()
        owner.send_signal(number)
    assert gone_within(child, 10.0)


def test_a_process_that_ends_while_it_starts_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = process.start([sys.executable, "-c", "raise SystemExit('no disk left')"], log=log)
    with pytest.raises(PlatformError, match="ended while it started.*no disk left"):
        process.wait_ready(one, lambda: False, name="it", log=log, timeout_s=20.0)


def test_a_process_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = process.start(SLEEP, log=log)
    with pytest.raises(PlatformError, match="not ready in time"):
        process.wait_ready(one, lambda: False, name="it", log=log, timeout_s=0.1)
    assert not one.alive()


def test_a_program_that_is_not_there_is_an_error_of_the_platform(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="cannot start a program"):
        process.start([str(tmp_path / "nothing")], log=tmp_path / "log")


def test_memory_is_told_while_it_lives() -> None:
    me = Process(os.getpid(), "not looked at")
    assert me.memory_mb() > 10


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    """Else a client's connection can take the port of a broker while it restarts."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(limits.read_text().split()[0]) if limits.exists() else 32768
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < first
