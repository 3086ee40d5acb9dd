"""A piece of a file: lines as columns of texts, each line readable or with the reason why it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
import polars as pl

from streams.errors import DataError
from streams.kernel import B1, I64
from streams.shell.ingest.mapping import FileMapping

CELLS: Final = 65_536  # of a chunk, about; a run holds one chunk of each file that it is inside of
LINES_MAX: Final = 16_384


class Chunk(NamedTuple):
    """Lines first, first + 1, ... of the data (header not counted, from 0).

    at: of each line, its number in the file as an editor counts, from 1. frame: the columns that the mapping reads and the
    value columns. fault, detail: why a line cannot be read; fault null: it can. blank: nothing is on the line.
    """

    first: int
    at: I64
    frame: pl.DataFrame
    fault: pl.Series
    detail: pl.Series
    blank: B1

    def __len__(self) -> int:
        return len(self.at)


class Reader(Protocol):
    """A file that can be read any number of times, each time cut into the same chunks.

    value_columns: those of layout wide, in the file's order. null_absent: an empty cell is a text, null says that the line
    does not speak of the column at all (JSON lines).
    """

    value_columns: tuple[str, ...]
    null_absent: bool

    def chunks(self) -> Iterator[Chunk]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Which bytes a file holds. source: `file:` and the first 16 hexadecimal digits of their SHA-256."""

    path: Path
    source: str
    size: int
    modified_ns: int
    quotes: bool

    def check(self) -> None:
        """Refuse a file that was written to since it was identified."""
        now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            raise DataError("a file changed while it was read", file=str(self.path), hint="ingest files that nobody writes any more")


def identify(path: Path, quote: str = "") -> Identity:
    """Read a file once for its identity; quotes: does the quote character occur anywhere."""
    digest, mark, quotes = hashlib.sha256(), quote.encode(), False
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                quotes = quotes or (bool(mark) and mark in block)
        stat = path.stat()
    except OSError as error:
        raise DataError("a file cannot be read", file=str(path), reason=error.strerror) from error
    return Identity(path, f"file:{digest.hexdigest()[:16]}", stat.st_size, stat.st_mtime_ns, quotes)


def columns_of(path: Path, found: Sequence[str], block: FileMapping) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(columns to read, value columns) of a file with these columns; DataError where the mapping reads others."""
    twice = sorted({name for name in found if list(found).count(name) > 1})
    if twice:
        raise DataError("a file has two columns of one name", file=str(path), columns=twice)
    missing = [name for name in block.read if name not in found]
    if missing:
        raise DataError("a file lacks columns that the mapping reads", file=str(path), missing=missing, found=list(found))
    values = tuple(name for name in found if name not in block.read) if block.layout == "wide" else ()
    if block.layout == "wide" and not values:
        raise DataError("a file has no value columns beside those that the mapping names", file=str(path), found=list(found))
    return (*block.read, *values), values


def faults(count: int, found: dict[int, tuple[str, str]]) -> tuple[pl.Series, pl.Series]:
    """Columns fault and detail from the lines that have one."""
    if not found:
        return pl.Series([None], dtype=pl.String).new_from_index(0, count), pl.Series([None], dtype=pl.String).new_from_index(0, count)
    rows = [found.get(n, (None, None)) for n in range(count)]
    return pl.Series([row[0] for row in rows], dtype=pl.String), pl.Series([row[1] for row in rows], dtype=pl.String)


def texts_of(column: Sequence[str | None]) -> tuple[pl.Series, list[int]]:
    """A column of texts, and the rows that hold bytes which were not valid in the file's encoding (they become null)."""
    try:
        return pl.Series(column, dtype=pl.String), []
    except UnicodeEncodeError:
        broken = [n for n, text in enumerate(column) if text is not None and not _valid(text)]
        kept = [None if n in set(broken) else text for n, text in enumerate(column)]
        return pl.Series(kept, dtype=pl.String), broken


def _valid(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def numbers(start: int, count: int) -> I64:
    return np.arange(start, start + count, dtype=np.int64)
