"""andon pace: the pacemaker."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from streams import configuration as configurations
from streams.errors import PlatformError, require
from streams.time.durations import microseconds, spoken


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(pace)


class Report(Protocol):
    """Where the pacemaker says what it does."""

    def event(self, name: str, **values: Any) -> None: ...

    def state(self, partitions: int, written: int, reason: str) -> None: ...


def pace(
    config: Annotated[Path, typer.Option("--config", help="Configuration file of the application (TOML).")],
    interval: Annotated[str, typer.Option("--interval", help="How often to look, for example '1 s'.")] = "1 s",
    silent: Annotated[str, typer.Option("--silent", help="How long a partition is silent before it gets a blank.")] = "5 s",
) -> None:
    """Write a BLANK record to each partition of the inputs that has been silent, so that append time moves on.

    For inputs with append=log; the writer of an input with append=header paces it. Blanks change no result, however many
    there are or are lost. Runs until SIGTERM or Ctrl-C.

    Example: andon pace --config examples/context.toml --silent 2s
    """
    from streams.shell.pacemaker import Pacemaker, paced
    from streams.shell.registry import Registry
    from streams.shell.settings import settings

    interval_us, silent_us = microseconds(interval), microseconds(silent)
    require(0 < interval_us <= silent_us, "--interval must be positive and at most --silent", interval=interval, silent=silent)
    own, configuration = settings(), configurations.load(config)
    mine, others = paced(configuration, own.topic_prefix)
    source = f"pacemaker:{socket.gethostname()}"
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _out_of_any_wait)
    try:
        with Registry(own.registry) as registry:
            made = Pacemaker(own.kafka, mine, registry, source=source, silent_us=silent_us)
        with made as pacemaker, _report() as report:
            report.event("pacing", source=source, topics=[t.name for t in mine], interval=spoken(interval_us), silent=spoken(silent_us))
            if others:
                report.event("not paced: their writer does, append=header", topics=[t.name for t in others])
            try:
                _run(pacemaker, report, interval_us / 1e6)
            except KeyboardInterrupt:
                report.event("ended", blanks=pacemaker.written, lost=pacemaker.lost)
    except KeyboardInterrupt:  # before it had begun
        return
    sys.stderr.flush()
    os._exit(0)  # all is closed; to take down its own modules would cost the interpreter a third of a second


def _out_of_any_wait(_number: int, _frame: Any) -> None:
    """Signal handler: end now. Once; a second signal would hit librdkafka while it is being taken down."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(pacemaker: Any, report: Report, interval_s: float) -> None:
    while True:
        began_s = time.monotonic()
        try:
            look = pacemaker.look(time.monotonic_ns() // 1000)
        except PlatformError as error:  # a broker that is away now; nobody is harmed but the lanes that wait
            report.event("cannot look", reason=str(error))
        else:
            if look.blanks:
                report.event("blanks", partitions=[f"{topic}/{partition}" for topic, partition in look.blanks])
            report.state(look.partitions, pacemaker.written, pacemaker.reason)
        time.sleep(max(0.0, interval_s - (time.monotonic() - began_s)))


@contextmanager
def _report() -> Iterator[Report]:
    """A moving line on a terminal, JSON lines on standard error elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines()
        return
    with console.status("looking") as status:
        yield _Status(console, status)


class _Lines:
    def __init__(self) -> None:
        import structlog

        self._log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
        )

    def event(self, name: str, **values: Any) -> None:
        self._log.info(name, **values)

    def state(self, partitions: int, written: int, reason: str) -> None:
        """A log has the events."""


class _Status:
    def __init__(self, console: Console, status: Any) -> None:
        self._console, self._status = console, status

    def event(self, name: str, **values: Any) -> None:
        if name != "blanks":  # the line counts them
            self._console.print(f"{name}: {', '.join(f'{key} {value}' for key, value in values.items())}", markup=False)

    def state(self, partitions: int, written: int, reason: str) -> None:
        self._status.update(f"{partitions} partitions, {written} blanks written" + (f"; last trouble: {reason}" if reason else ""))
