"""Delimited text and CSV as chunks.

A file without any quote character is cut at its separators, column-wise; a file with quotes goes through the csv module, which
knows separators and line ends inside quotes. Lines end with LF or CR LF. A byte that the encoding does not have refuses its line
only; an unmatched quote refuses what it swallowed.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

import numpy as np
import polars as pl

from streams.errors import DataError
from streams.shell.ingest.chunks import CELLS, LINES_MAX, Chunk, Identity, columns_of, faults, numbers, texts_of
from streams.shell.ingest.mapping import FileMapping

LETTERS = 1 << 19  # read at a time
COUNT, ENCODING, RETURN, QUOTES = (
    "the line has another number of columns", "the line is not valid in the file's encoding", "a carriage return stands inside the line",
    "quotes do not match",
)  # fmt: skip


def opened(identity: Identity, encoding: str) -> TextIO:
    """The file as text. Invalid bytes become lone surrogates, which `texts_of` finds, where the encoding is like ASCII."""
    name = codecs.lookup(encoding).name
    errors = "surrogateescape" if "|\n0".encode(name) == b"|\n0" else "strict"
    return identity.path.open(encoding="utf-8-sig" if name == "utf-8" else name, errors=errors, newline="")


def line_blocks(file: TextIO, path: str) -> Iterator[list[str]]:
    """Lines without their LF, as many at a time as one reading gives."""
    rest = ""
    try:
        while text := file.read(LETTERS):
            text = rest + text
            cut = text.rfind("\n") + 1
            rest = text[cut:]
            if cut:
                yield text[: cut - 1].split("\n")
    except UnicodeError as error:
        raise DataError("a file is not valid in its encoding", file=path, reason=str(error)) from error
    if rest:
        yield [rest]


class DelimitedReader:
    """See the module."""

    null_absent = False

    def __init__(self, identity: Identity, block: FileMapping) -> None:
        self._identity, self._block = identity, block
        self._all = self._names()
        self._read, self.value_columns = columns_of(identity.path, self._all, block)
        needed = [block.time_column, block.tag, block.value, block.line.column, block.quality.column]
        needed += [text.column for text in (block.moment.texts if block.moment else ())]
        needed += [block.asset.column if block.asset else None, *(t.column for _, t in (block.order.texts if block.order else ()))]
        self._needed = 1 + max(self._all.index(name) for name in needed if name)

    def _names(self) -> list[str]:
        block = self._block
        names = list(block.columns)
        if block.header:
            with opened(self._identity, block.encoding) as file:
                names = next(self._rows(file), [])
            if not names:
                raise DataError("a file has no header", file=str(self._identity.path))
        return [name.strip() for name in names] if block.trim else names

    def _rows(self, file: TextIO) -> Iterator[list[str]]:
        block = self._block
        lines = (f"{line}\n" for lines in line_blocks(file, str(self._identity.path)) for line in lines)
        if not block.quote:
            return csv.reader(lines, delimiter=block.separator, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=block.separator, quotechar=block.quote, strict=True)

    def chunks(self) -> Iterator[Chunk]:
        with opened(self._identity, self._block.encoding) as file:
            yield from self._quoted(file) if self._identity.quotes else self._plain(file)

    def _plain(self, file: TextIO) -> Iterator[Chunk]:
        first, at = 0, 1
        for lines in line_blocks(file, str(self._identity.path)):
            if at == 1 and self._block.header:
                lines, at = lines[1:], 2  # noqa: PLW2901  the header is no data
            for n in range(0, len(lines), LINES_MAX):
                part = lines[n : n + LINES_MAX]
                yield self._cut(first, at, part)
                first, at = first + len(part), at + len(part)

    def _cut(self, first: int, at: int, lines: list[str]) -> Chunk:
        """Lines without quotes, cut at every separator."""
        bad: dict[int, tuple[str, str]] = {}
        if any("\r" in line for line in lines):
            lines = [line.removesuffix("\r") for line in lines]
            bad |= {n: (RETURN, "") for n, line in enumerate(lines) if "\r" in line}
        texts, broken = texts_of(lines)
        bad |= dict.fromkeys(broken, (ENCODING, self._block.encoding))
        texts = texts.fill_null("")
        fields = (texts.str.count_matches(self._block.separator, literal=True) + 1).cast(pl.Int64).to_numpy()
        blank = (texts.str.strip_chars() == "").to_numpy()
        bad |= self._miscounted(fields, blank, bad)
        columns = texts.str.split_exact(self._block.separator, len(self._all) - 1).struct.unnest()
        columns.columns = self._all
        return self._chunk(first, numbers(at, len(lines)), columns.select(self._read), bad, blank)

    def _miscounted(self, fields: np.ndarray, blank: np.ndarray, bad: dict[int, tuple[str, str]]) -> dict[int, tuple[str, str]]:
        right = fields >= self._needed if self._block.ragged else fields == len(self._all)
        wrong = np.flatnonzero(~right & ~blank)
        return {int(n): (COUNT, f"{fields[n]} instead of {len(self._all)}") for n in wrong if int(n) not in bad}

    def _quoted(self, file: TextIO) -> Iterator[Chunk]:
        reader, first = self._rows(file), 0
        budget = max(64, min(LINES_MAX, CELLS // len(self._all)))
        records = self._records(reader)
        if self._block.header:
            next(records, None)
        while taken := list(islice(records, budget)):
            bad = {n: (fault, detail) for n, (_, _, fault, detail) in enumerate(taken) if fault}
            fields = np.array([len(row) for row, _, _, _ in taken])
            blank = np.array([not fault and (not row or (len(row) == 1 and not row[0].strip())) for row, _, fault, _ in taken])
            bad |= self._miscounted(fields, blank, bad)
            width = len(self._all)
            rows = [row if len(row) == width else [*row[:width], *[None] * (width - len(row))] for row, _, _, _ in taken]
            by_column = dict(zip(self._all, zip(*rows, strict=True), strict=True))
            columns = {}
            for name in self._read:
                columns[name], broken = texts_of(by_column[name])
                bad |= dict.fromkeys(broken, (ENCODING, self._block.encoding))
            yield self._chunk(first, np.array([at for _, at, _, _ in taken]), pl.DataFrame(columns), bad, blank)
            first += len(taken)

    @staticmethod
    def _records(reader: Iterator[list[str]]) -> Iterator[tuple[list[str], int, str, str]]:
        """(row, line it begins in, fault, detail)."""
        end = 0
        while True:
            fault = detail = ""
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row, fault, detail = [], QUOTES, str(error)
            now: int = reader.line_num  # type: ignore[attr-defined]  # the csv module's reader has it, its stub hides the class
            if fault and now > end + 1:
                detail = f"{detail}; through line {now}"
            yield row, end + 1, fault, detail
            end = now

    def _chunk(self, first: int, at: np.ndarray, frame: pl.DataFrame, bad: dict[int, tuple[str, str]], blank: np.ndarray) -> Chunk:
        if self._block.trim:
            frame = frame.select(pl.all().str.strip_chars())
        fault, detail = faults(len(at), bad)
        return Chunk(first, at, frame, fault, detail, blank)
