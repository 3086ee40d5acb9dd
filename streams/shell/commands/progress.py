"""Progress of a fetch and of compiling: a moving bar for a person at a terminal, plain lines for a log.

>>> lines = Lines(print_line=print)
>>> lines.begin(files=2, size=100_000_000)
fetching 2 files, 100.0 MB
>>> lines.received(40_000_000); lines.file_done("a.jar"); lines.received(60_000_000); lines.file_done("b.jar")
fetched 1 of 2 files, 40.0 of 100.0 MB
fetched 2 of 2 files, 100.0 of 100.0 MB
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from streams.shell.local import artifacts

MB = 1_000_000
LINES_AT_MOST = 10
KERNELS_ABOUT = 134  # with their variants, as many as a cold cache lacks


class Lines:
    """A line for each tenth of the files."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        self._print = print_line
        self._lock = threading.Lock()
        self._files = self._size = self._done = self._received = 0

    def begin(self, files: int, size: int) -> None:
        self._files, self._size = files, size
        self._print(f"fetching {files} files, {size / MB:.1f} MB")

    def received(self, size: int) -> None:
        with self._lock:
            self._received += size

    def file_done(self, file: str) -> None:
        with self._lock:
            self._done += 1
            tenth, before = (done * LINES_AT_MOST // self._files for done in (self._done, self._done - 1))
            if tenth > before:
                received = f"{self._received / MB:.1f} of {self._size / MB:.1f} MB"
                self._print(f"fetched {self._done} of {self._files} files, {received}")

    def note(self, text: str) -> None:
        self._print(text)


class Bar:
    """One moving line: files, bytes, speed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._files = self._done = 0

    def begin(self, files: int, size: int) -> None:
        self._files = files
        self._task = self._progress.add_task(f"0 of {files} files", total=size)

    def received(self, size: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, size)

    def file_done(self, file: str) -> None:
        self._done += 1
        if self._task is not None:
            self._progress.update(self._task, description=f"{self._done} of {self._files} files")

    def note(self, text: str) -> None:
        self._progress.console.print(text)


@contextmanager
def watched(console: Console, *, quiet: bool = False) -> Iterator[artifacts.Progress]:
    """The right kind of progress for where `console` writes."""
    if quiet:
        yield artifacts.Silent()
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=console) as progress:
            yield Bar(progress)
    else:
        yield Lines(lambda line: console.print(line, highlight=False, soft_wrap=True))


@contextmanager
def compiling(console: Console, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Progress of the kernels; nothing is shown before the first one, so nothing where none has to be compiled."""
    if quiet:
        yield lambda kernel: None
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("compiling kernels, once", total=KERNELS_ABOUT, visible=False)
            yield lambda kernel: progress.update(task, advance=1, visible=True)
    else:
        count = 0

        def told(kernel: str) -> None:
            nonlocal count
            count += 1
            if count % (KERNELS_ABOUT // LINES_AT_MOST) == 1:
                console.print(f"compiling kernels, once: {count} of about {KERNELS_ABOUT}", highlight=False, soft_wrap=True)

        yield told
