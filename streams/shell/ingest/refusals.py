"""What a run refuses: the first ones for the screen, all of them as JSON lines."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TextIO

import polars as pl

from streams.errors import PlatformError
from streams.shell.ingest import entries as e
from streams.shell.ingest.records import Source


class Refusal(NamedTuple):
    """line: as an editor counts, from 1. sequence: number of the entry. detail: what shows the reason."""

    file: str
    line: int
    sequence: int
    tag: str
    reason: str
    detail: str


class Refusals:
    """An observer of a scan (see scan.py); a context manager that closes the file it writes."""

    def __init__(self, path: Path | None = None, shown_max: int = 20) -> None:
        self._path, self._shown_max, self._open = path, shown_max, ExitStack()
        self._file: TextIO | None = None
        self.first: list[Refusal] = []
        self.count = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._open.enter_context(self._path.open("w", encoding="utf-8"))
            except OSError as error:
                raise PlatformError("the file for refused lines cannot be written", path=str(self._path), reason=error.strerror) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def __call__(self, source: Source, entries: pl.DataFrame) -> None:
        refused = entries.filter(pl.col("fate") == e.REFUSED)
        if not len(refused) or (self._file is None and len(self.first) == self._shown_max):
            self.count += len(refused)
            return
        for row in refused.select("at", "sequence", "tag", "reason", "detail").iter_rows():
            found = Refusal(str(source.identity.path), *row)
            if len(self.first) < self._shown_max:
                self.first.append(found)
            if self._file is not None:
                self._file.write(json.dumps(found._asdict(), ensure_ascii=False) + "\n")
        self.count += len(refused)
