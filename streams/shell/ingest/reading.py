"""Files as chunks of lines, whatever their format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl

from streams.errors import DataError
from streams.shell.ingest.chunks import CELLS, LINES_MAX, Chunk, Identity, Reader, columns_of, faults, numbers, texts_of
from streams.shell.ingest.delimited import ENCODING as ENCODING_FAULT
from streams.shell.ingest.delimited import DelimitedReader, line_blocks, opened
from streams.shell.ingest.mapping import FileMapping
from streams.shell.ingest.qif import QifReader

NO_OBJECT, NO_CELL, UNKNOWN_KEY = (
    "the line is not a JSON object", "a value is not a single text or number", "the line has a key that the mapping does not name",
)  # fmt: skip


def reader_of(identity: Identity, block: FileMapping) -> Reader:
    """The reader for a file; DataError where its columns are not those that the mapping reads."""
    if block.format == "parquet":
        return ParquetReader(identity, block)
    if block.format == "jsonl":
        return JsonLinesReader(identity, block)
    if block.format == "qif":
        return QifReader(identity, block)
    return DelimitedReader(identity, block)


class JsonLinesReader:
    """One object a line. Numbers keep their digits: they are read as texts. null is an empty cell."""

    null_absent = True

    def __init__(self, identity: Identity, block: FileMapping) -> None:
        self._identity, self._block = identity, block
        self.value_columns = block.columns if block.layout == "wide" else ()
        self._read = tuple(dict.fromkeys((*block.read, *self.value_columns)))
        self._needed = () if block.layout == "wide" else (block.tag, block.value)

    def chunks(self) -> Iterator[Chunk]:
        first = 0
        budget = max(64, min(LINES_MAX, CELLS // len(self._read)))
        with opened(self._identity, self._block.encoding) as file:
            for lines in line_blocks(file, str(self._identity.path)):
                for n in range(0, len(lines), budget):
                    part = lines[n : n + budget]
                    yield self._chunk(first, part)
                    first += len(part)

    def _chunk(self, first: int, lines: list[str]) -> Chunk:
        bad: dict[int, tuple[str, str]] = {}
        blank = np.array([not line.strip() for line in lines])
        cells: dict[str, list[str | None]] = {name: [None] * len(lines) for name in self._read}
        for n, line in enumerate(lines):
            if blank[n]:
                continue
            try:
                found = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError) as error:
                bad[n] = (NO_OBJECT, str(error))
                continue
            if not isinstance(found, dict):
                bad[n] = (NO_OBJECT, type(found).__name__)
                continue
            if (wrong := self._line(found, cells, n)) is not None:
                bad[n] = wrong
        columns = {}
        for name, texts in cells.items():
            columns[name], broken = texts_of(texts)
            bad |= dict.fromkeys(broken, (ENCODING_FAULT, self._block.encoding))
        frame = pl.DataFrame(columns)
        if self._block.trim:
            frame = frame.select(pl.all().str.strip_chars())
        fault, detail = faults(len(lines), bad)
        return Chunk(first, numbers(first + 1, len(lines)), frame, fault, detail, blank)

    def _line(self, found: dict[str, Any], cells: dict[str, list[str | None]], n: int) -> tuple[str, str] | None:
        for name, value in found.items():
            if name not in cells:
                if self.value_columns:
                    return UNKNOWN_KEY, name
                continue
            if isinstance(value, list | dict):
                return NO_CELL, name
            cells[name][n] = "" if value is None else str(value).lower() if isinstance(value, bool) else value
        missing = [name for name in self._needed if name not in found]
        return (NO_OBJECT, f"lacks {missing[0]}") if missing else None


_SINGLE: Final = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Datetime, pl.Date, pl.Time, pl.Duration, pl.Decimal)


class ParquetReader:
    """Columns keep their types: a number is not turned into a text and back, a time is taken as it is."""

    null_absent = False

    def __init__(self, identity: Identity, block: FileMapping) -> None:
        self._identity, self._block = identity, block
        try:
            schema = pl.read_parquet_schema(identity.path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError("a file is not Parquet", file=str(identity.path), reason=str(error)) from error
        self._read, self.value_columns = columns_of(identity.path, list(schema), block)
        nested = [n for n in self._read if not (schema[n].is_numeric() or isinstance(schema[n], _SINGLE) or schema[n] in _SINGLE)]
        if nested:
            raise DataError("columns hold more than a single value a line", file=str(identity.path), columns=nested)

    def chunks(self) -> Iterator[Chunk]:
        rows, first = max(64, min(LINES_MAX, CELLS // len(self._read))), 0
        held: list[pl.DataFrame] = []
        try:
            for batch in pl.scan_parquet(self._identity.path).select(self._read).collect_batches(chunk_size=rows, maintain_order=True):
                held.append(batch)
                while sum(map(len, held)) >= rows:  # batches follow the file's row groups, chunks do not
                    frame = pl.concat(held)
                    held = [frame.slice(rows)]
                    yield self._chunk(first, frame.head(rows))
                    first += rows
        except pl.exceptions.PolarsError as error:
            raise DataError("a file is not valid Parquet", file=str(self._identity.path), reason=str(error)) from error
        rest = pl.concat(held) if held else pl.DataFrame()
        if len(rest):
            yield self._chunk(first, rest)

    def _chunk(self, first: int, frame: pl.DataFrame) -> Chunk:
        texts = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum, pl.Decimal, pl.Time, pl.Duration)]
        dates = [name for name, kind in frame.schema.items() if kind == pl.Date]
        frame = frame.with_columns(pl.col(texts).cast(pl.String), pl.col(dates).cast(pl.Datetime("us")))
        fault, detail = faults(len(frame), {})
        return Chunk(first, numbers(first + 1, len(frame)), frame, fault, detail, np.zeros(len(frame), np.bool_))
