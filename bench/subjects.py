"""Subjects of a benchmark, each a process of its own: our worker, a bare consumer, a Faust agent.

Rates count from a fifth of the messages to the end. Of our worker that is from the look at /status (every 50 ms) at which a fifth
was folded, the instant between two looks interpolated, to its event `finished`: everything is committed and a snapshot is written.
CPU is that of the whole process, its threads included, over the same stretch.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOOK_S = 0.05
STAGES = ("decode", "gate", "operators", "encode", "commit")


@dataclass(frozen=True)
class Measured:
    """What one run of a subject took for `messages` messages. stages: seconds of CPU, `fetch` what is left of the process."""

    subject: str
    messages: int
    seconds: float
    cpu_seconds: float
    rss_mb: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.cpu_seconds / self.messages


def _ended(process: subprocess.Popen[str], timeout_s: float) -> tuple[str, str]:
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"a subject does not end: {out[-500:]} {err[-2000:]}") from None
    if process.returncode:
        raise AssertionError(f"a subject died with {process.returncode}: {out[-500:]} {err[-2000:]}")
    return out, err


def peer(subject: str, arguments: list[str], environment: Mapping[str, str], timeout_s: float = 120) -> Measured:
    """Run a peer that prints what it measured as its last line."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = json.loads(_ended(process, timeout_s)[0].strip().splitlines()[-1])
    return Measured(subject, told.get("messages", 0), told.get("seconds", 0.0), told.get("cpu_seconds", 0.0), told=told)


@dataclass(frozen=True)
class Look:
    """A worker at one instant. cpu: by stage, and `process`."""

    at_s: float
    records: int
    cpu: Mapping[str, float]


class Worker:
    """`andon run`, watched. until_end: it ends by itself; else `finish` stops it once it has folded `total` records."""

    def __init__(self, topology: str, config: Path, environment: Mapping[str, str], *, until_end: bool = True) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.looks: list[Look] = []
        self.rss_mb, self.pending, self._port, self._until_end = 0.0, 0, threading.Event(), until_end
        self.began_s = time.time()
        command = ["run", topology, "--config", str(config), "--json", *(["--until-end"] if until_end else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from streams.shell.cli import main; main()", *command], cwd=ROOT,
            env={**os.environ, **environment, "ANDON_WEB__PORT": "0"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            event = json.loads(line)
            self.events[event["event"]] = event
            if event["event"] == "serving":
                self._port.set()

    def _look(self) -> None:
        with suppress(OSError, ValueError):
            text = Path(f"/proc/{self._process.pid}/status").read_text()
            if "VmHWM:" in text:
                self.rss_mb = int(text.split("VmHWM:")[1].split()[0]) / 1024
            with urllib.request.urlopen(f"http://127.0.0.1:{self.events['serving']['port']}/status", timeout=5) as answer:
                status = json.loads(answer.read())
            if not status["ready"] or not status["tasks"]:
                return
            cpu = {stage: sum(t["cpu_seconds"][stage] for t in status["tasks"]) for stage in STAGES}
            cpu["process"] = status["process_cpu_seconds"]
            self.looks.append(Look(time.time(), sum(t["records_in"] for t in status["tasks"]), cpu))
            self.pending = max(self.pending, sum(t["pending_samples"] for t in status["tasks"]))

    def finish(self, total: int = 0, timeout_s: float = 300) -> None:
        """Watch it until it ends; AssertionError where it fails or does not end."""
        end, asked = time.monotonic() + timeout_s, self._until_end
        self._port.wait(60)
        while self._process.poll() is None and time.monotonic() < end:
            self._look()
            if not asked and self.looks and self.looks[-1].records >= total:
                self._process.send_signal(signal.SIGTERM)
                asked = True
            time.sleep(LOOK_S)
        if self._process.poll() is None:
            self._process.kill()
        self._reader.join(10)
        errors = self._process.stderr.read() if self._process.stderr else ""
        if self._process.wait() or ("finished" if self._until_end else "stopped") not in self.events:
            raise AssertionError(f"the worker ended with {self._process.returncode}: {list(self.events.values())[-3:]} {errors[-2000:]}")

    @property
    def recovered_s(self) -> float:
        """From the start of the process until it has its state again."""
        return float(self.events["assigned"]["at_s"]) - self.began_s

    def measured(self, subject: str, total: int, warm: float = 0.2) -> Measured:
        """From `warm` of the records to the end."""
        after = next(n for n, look in enumerate(self.looks) if look.records >= warm * total)
        a, b, last = self.looks[max(0, after - 1)], self.looks[after], max(self.looks, key=lambda look: look.records)
        part = (warm * total - a.records) / max(1, b.records - a.records) if after else 1.0
        began_s = a.at_s + part * (b.at_s - a.at_s)
        cpu = {name: last.cpu[name] - (a.cpu[name] + part * (b.cpu[name] - a.cpu[name])) for name in last.cpu}
        stages = {stage: cpu[stage] for stage in STAGES}
        stages = {"fetch": cpu["process"] - sum(stages.values()), **stages}
        seconds = self.events["finished"]["at_s"] - began_s
        return Measured(subject, round((1 - warm) * total), seconds, cpu["process"], self.rss_mb, stages, self.events)
