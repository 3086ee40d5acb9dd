"""Processes that this package starts: known by pid *and* start time, so that no other process is ever ended.

A pid alone is not an identity: after a crash or a reboot the number belongs to somebody else. The start time as the
kernel tells it (with the boot it counts from) makes it one.

>>> import os, sys, tempfile, pathlib
>>> log = pathlib.Path(tempfile.mkdtemp()) / "log"
>>> sleeper = start([sys.executable, "-c", "import time; time.sleep(60)"], log=log)
>>> sleeper.alive(), Process(sleeper.pid, started="another time").alive()
(True, False)
>>> sleeper.stop()
>>> sleeper.alive()
False
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from streams.errors import PlatformError

POLL_S = 0.02
_PROC = Path("/proc")
_children: dict[int, subprocess.Popen[bytes]] = {}  # ours to reap; a dead child stays visible until somebody asks
_keeper: list[subprocess.Popen[bytes]] = []  # of the leash: at most one


@dataclass(frozen=True, slots=True)
class Process:
    """One process, told apart from every later one with the same pid."""

    pid: int
    started: str

    def alive(self) -> bool:
        child = _children.get(self.pid)
        if child is not None and child.poll() is not None:
            _children.pop(self.pid, None)
        return _start_time(self.pid) == self.started

    def stop(self, timeout_s: float = 20.0) -> None:
        """Ask it to end and wait; kill it if it does not. Nothing happens if it is gone."""
        self._signal(signal.SIGTERM)
        if not self._gone_within(timeout_s):
            self.kill()

    def kill(self) -> None:
        """End it at once (kill -9) and wait until it is gone."""
        self._signal(signal.SIGKILL)
        if not self._gone_within(10.0):
            raise PlatformError("a killed process does not go away", pid=self.pid)

    def memory_mb(self) -> int:
        """Resident memory; 0 if it is gone or the system does not tell."""
        try:
            status = (_PROC / str(self.pid) / "status").read_text()
        except FileNotFoundError:
            return 0
        resident = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(resident[0]) // 1024 if resident else 0

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended between the two lines: what was wanted

    def _gone_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def start(
    command: Sequence[str],
    *,
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    detached: bool = False,
) -> Process:
    """Start `command` in a session of its own (Ctrl-C does not reach it), its output in `log`.

    Unless `detached`, it is on a leash: it ends when this Python process ends, even by kill -9.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise PlatformError("cannot start a program", program=command[0], reason=str(error)) from error
    _children[child.pid] = child
    process = Process(child.pid, _start_time(child.pid, ended=True) or "gone before it was seen")
    if not detached:
        leash = _leash()
        leash.write(f"{process.pid} {process.started}\n".encode())
        leash.flush()
    return process


def wait_ready(process: Process, ready: Callable[[], bool], *, name: str, log: Path, timeout_s: float) -> None:
    """Wait until `ready()`; if the process ends before or takes too long, raise with the end of its log."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not process.alive():
            raise PlatformError(f"{name} ended while it started", log=str(log), hint=last_lines(log))
        if time.monotonic() > deadline:
            process.kill()
            raise PlatformError(
                f"{name} was not ready in time", timeout_s=timeout_s, log=str(log), hint=last_lines(log)
            )
        time.sleep(POLL_S)


def last_lines(log: Path, count: int = 6) -> str:
    """The end of a log, for an error text."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "its log ends: " + " | ".join(line.strip() for line in text.splitlines()[-count:])


def _start_time(pid: int, *, ended: bool = False) -> str | None:
    """Boot and start time of a process, None if it is gone; one that waits to be reaped is there only if `ended`."""
    if not (_PROC / "self" / "stat").exists():
        return _start_time_by_ps(pid, ended=ended)
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold blanks and brackets
    if fields[0] in "ZX" and not ended and not _other_threads(pid):
        return None
    return f"{_boot()}/{fields[19]}"


def _other_threads(pid: int) -> bool:
    """A killed JVM's first thread is gone before the others, and the port is not free before the last one is."""
    try:
        return len(list((_PROC / str(pid) / "task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def _start_time_by_ps(pid: int, *, ended: bool) -> str | None:
    """The same where there is no /proc (macOS)."""
    lines = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(lines) < 2 or (lines[0].startswith("Z") and not ended) else lines[1].strip()


@cache
def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


@atexit.register
def _let_go() -> None:
    """Give the leash its end now and not at some point of the shutdown; what is detached goes on."""
    if _leash.cache_info().currsize:
        _leash().close()
        _keeper[0].wait()
    for child in _children.values():
        child.returncode = 0 if child.returncode is None else child.returncode  # else Popen warns that it goes on


@cache
def _leash() -> IO[bytes]:
    """The pipe to one small process that ends ours when we are gone: it sees the pipe close, however we ended."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "streams.shell.local.leash"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],  # so that it finds this package, installed or not
        start_new_session=True,
    )
    _keeper.append(keeper)
    assert keeper.stdin is not None
    return keeper.stdin
