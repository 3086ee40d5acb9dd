"""The processes of the demo, each with a log of its own: the simulator, a worker for each topology. They end with the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from streams.errors import PlatformError
from streams.shell import worker_status

ANDON: Final = (sys.executable, "-c", "from streams.shell.cli import main; main()")
STOP_S: Final = 20.0


def andon(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a command of ours to its end; what it prints as JSON. PlatformError with its words where it fails and prints none."""
    done = subprocess.run([*ANDON, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise _failed(arguments, done) from error
    return found


def step(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command of ours to its end; PlatformError with its words where it fails."""
    done = subprocess.run([*ANDON, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(arguments, done)


def _failed(arguments: Sequence[str], done: subprocess.CompletedProcess[str]) -> PlatformError:
    return PlatformError("a step of the demo failed", step=" ".join(arguments[:2]), code=done.returncode, says=done.stderr[-800:])


class Running:
    """A process that prints events as JSON lines; what it says otherwise is in its log."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name, self.log, self.events = name, folder / f"{name}.log", list[dict[str, Any]]()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*ANDON, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,  # Ctrl-C is for the demo, which ends them in their order
            )  # fmt: skip
        self._text: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._text.append(line)
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    self.events.append(event)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def check(self) -> None:
        """PlatformError where it died."""
        if self.process.poll() not in (None, 0):
            died = next((str(e.get("error")) for e in reversed(self.events) if e["event"] == "died"), "")
            says = died or self.log.read_text(errors="replace")[-800:]
            raise PlatformError("a process of the demo died", process=self.name, code=self.process.returncode, says=says)

    def event(self, name: str) -> dict[str, Any] | None:
        return next((one for one in self.events if one["event"] == name), None)

    def result(self) -> dict[str, Any]:
        """The one JSON object that it printed; it has ended."""
        self._reader.join(5)
        found: dict[str, Any] = json.loads("".join(self._text))
        return found

    def stop(self) -> None:
        """SIGTERM, then kill after STOP_S."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self._reader.join(2)


class Worker(Running):
    """`andon run` of one topology, and what it last said of itself."""

    def __init__(self, topology: str, config: Path, environment: Mapping[str, str], folder: Path) -> None:
        super().__init__(topology, ["run", topology, "--config", str(config), "--json"], {**environment, "ANDON_WEB__PORT": "0"}, folder)
        self.status: dict[str, Any] = {"tasks": [], "ready": False}
        self.rate, self._before = 0.0, (time.monotonic(), 0)

    @property
    def address(self) -> str:
        serving = self.event("serving")
        return f"http://{serving['host']}:{serving['port']}" if serving else ""

    def look(self) -> None:
        """Ask it where it stands; nothing new while it starts or recovers."""
        if not self.address:
            return
        with suppress(PlatformError):
            self.status = worker_status.ask(self.address)
            now, records = time.monotonic(), sum(task["records_in"] for task in self.status["tasks"])
            if now - self._before[0] >= 1.0:
                self.rate, self._before = max(0, records - self._before[1]) / (now - self._before[0]), (now, records)

    @property
    def ready(self) -> bool:
        return bool(self.status["ready"] and self.status["tasks"])

    @property
    def lag(self) -> int | None:
        """Records that it has not read yet, over all inputs; None: not known."""
        lags = [one["lag"] for task in self.status["tasks"] for one in task["inputs"]]
        return sum(lags) if lags and all(lag is not None for lag in lags) else None
