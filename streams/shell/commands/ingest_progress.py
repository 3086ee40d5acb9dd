"""Progress of an ingest run: a moving bar for a person at a terminal, a line every few seconds for a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_EVERY_S: Final = 10.0


class Advance(Protocol):
    def advance(self, entries: int) -> None: ...


class Silent:
    def advance(self, entries: int) -> None:
        """Nobody looks."""


class Lines:
    """A line every ten seconds, and one at the end."""

    def __init__(self, console: Console, what: str, total: int | None) -> None:
        self._console, self._what, self._of = console, what, f" of {total:,}" if total is not None else ""
        self._done, self._begun_s = 0, time.monotonic()
        self._due_s = self._begun_s + LINE_EVERY_S

    def advance(self, entries: int) -> None:
        self._done += entries
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + LINE_EVERY_S
            self.line()

    def line(self) -> None:
        seconds = max(time.monotonic() - self._begun_s, 1e-3)
        self._console.print(f"{self._what}: {self._done:,}{self._of} entries, {self._done / seconds:,.0f}/s", highlight=False)


class Bar:
    """Entries, rate and time. The screen is touched ten times a second, however often entries come."""

    def __init__(self, progress: Progress, what: str, total: int | None) -> None:
        self._progress, self._task = progress, progress.add_task(what, total=total, rate="")
        self._done, self._begun_s, self._due_s = 0, time.monotonic(), 0.0

    def advance(self, entries: int) -> None:
        self._done += entries
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + 0.1
            self.show()

    def show(self) -> None:
        seconds = max(time.monotonic() - self._begun_s, 1e-3)
        self._progress.update(self._task, completed=self._done, rate=f"{self._done / seconds:,.0f}/s")


@contextmanager
def watched(console: Console, what: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Advance]:
    """The right kind of progress for where `console` writes."""
    if quiet:
        yield Silent()
    elif console.is_terminal:
        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = Bar(progress, what, total)
            yield bar
            bar.show()
    else:
        lines = Lines(console, what, total)
        yield lines
        lines.line()
