"""Files of samples as columns: what `andon ingest` makes of each line, without a message, an object or Avro between.

Fates, times, names, numbers and append times are those of an ingest run (docs/mapping.md): a batch of a Parquet file in layout long
that has nothing odd in it is mapped name by name, every other one goes through the same CellMapper as there. Files are merged by
append time, the running maximum of event time in a file, ties by source. A line's number is its sequence, so the numbers of a
source only grow, and no line can be a duplicate.

Memory: one batch of each file that is open, and what the tasks have not taken yet (job.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from streams.codec.murmur import partition_of
from streams.errors import AndonError, DataError
from streams.kernel import F64, I8, I32, I64, NEG, POS
from streams.model.path import line_path
from streams.operators.slice import GOOD
from streams.shell.ingest import entries as e
from streams.shell.ingest.cells import CellMapper
from streams.shell.ingest.chunks import Chunk, Identity, Reader, faults, numbers
from streams.shell.ingest.instants import parsed
from streams.shell.ingest.mapping import FileMapping, Text

BATCH: Final = 262_144  # lines of a Parquet file at a time, shared by the files that are open
_NEW, _ODD, _IGNORED = -1, -2, -3  # of a combination of names: not met; goes through the CellMapper; is not wanted
_PRODUCT_MAX: Final = 1 << 24  # combinations of names looked up in a table instead of sorted


class Columns(NamedTuple):
    """Samples in the order in which they are appended. signal: code in Signals; file: number in the run."""

    file: I32
    sequence: I64
    signal: I32
    time: I64
    append: I64
    value: F64
    quality: I8

    def taken(self, rows: Any) -> Columns:
        return Columns._make(column[rows] for column in self)


class Signals:
    """Line path, asset, tag and unit of every signal of the run, by code; with the partition that its line has."""

    def __init__(self, partitions: int) -> None:
        self._partitions, self._codes = partitions, dict[tuple[str, str, str, str], int]()
        self.names: list[tuple[str, str, str, str]] = []
        self.partition: list[int] = []

    def code(self, path: str, asset: str, tag: str, unit: str) -> int:
        name = (path, asset, tag, unit)
        if name not in self._codes:
            self._codes[name] = len(self.names)
            self.names.append(name)
            self.partition.append(partition_of(path.encode(), self._partitions))
        return self._codes[name]


@dataclass(slots=True)
class Fates:
    """What became of the entries of a run: written + refused + ignored = entries. first: the first refusals, for a person."""

    entries: int = 0
    written: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    first: list[tuple[str, int, str, str]] = field(default_factory=list)

    def check(self) -> None:
        assert self.entries == self.written + self.refused.total() + self.ignored, "an entry has no fate, or two"


class SampleFile:
    """One file whose rules want samples only."""

    def __init__(self, number: int, identity: Identity, block: FileMapping, reader: Reader, signals: Signals, fates: Fates) -> None:
        self.number, self.identity, self.block, self._reader = number, identity, block, reader
        self._signals, self._fates, self._mapper = signals, fates, CellMapper(block, reader)
        self._peak = NEG
        self._texts = {name: text for name, text in (("line", block.line), ("asset", block.asset)) if text is not None}
        columns = [*(text.column for text in self._texts.values() if text.column), block.tag]
        self._known = {column: _Known() for column in dict.fromkeys(columns)}
        self._rooms: tuple[int, ...] = ()
        self._table: I32 = np.zeros(0, np.int32)  # code of each combination of names
        self._scales: dict[int, float] = {}

    @property
    def entries_a_line(self) -> int:
        return self._mapper.entries_a_line

    def columns(self, lines: int) -> Iterator[Columns]:
        """The samples that the file gives, about so many lines at a time."""
        if self.block.format == "parquet" and self.block.layout == "long":
            for first, frame in self._batches(lines):
                yield self._appended(self._plain(first, frame) or self._mapped(_chunk(first, frame)))
        else:
            for chunk in self._reader.chunks():
                yield self._appended(self._mapped(chunk))
        self.identity.check()

    def _batches(self, lines: int) -> Iterator[tuple[int, pl.DataFrame]]:
        first = 0
        try:
            scan = pl.scan_parquet(self.identity.path).select(self.block.read)
            for batch in scan.collect_batches(chunk_size=lines, maintain_order=True):
                yield first, batch
                first += len(batch)
        except pl.exceptions.PolarsError as error:
            raise DataError("a file is not valid Parquet", file=str(self.identity.path), reason=str(error)) from error

    def _appended(self, found: Columns) -> Columns:
        if not len(found.time):
            return found
        append = np.maximum.accumulate(np.maximum(found.time, self._peak))
        self._peak = int(append[-1])
        return found._replace(append=append)

    # ---- nothing odd

    def _plain(self, first: int, frame: pl.DataFrame) -> Columns | None:
        """The samples of a batch; None where something in it is odd."""
        block, values = self.block, frame[self.block.value]
        if block.quality.column or block.quality.bad or block.quality.uncertain or not values.dtype.is_numeric() or values.null_count():
            return None
        times, number = parsed(frame[block.time_column], block.time), values.cast(pl.Float64).to_numpy()
        if times.reason.any() or not np.isfinite(number).all():
            return None
        codes = self._codes(frame)
        if codes is None:
            return None
        rows = np.flatnonzero(codes >= 0) if (codes == _IGNORED).any() else slice(None)
        signal, wanted = codes[rows], np.asarray(number[rows])
        scales = np.array([self._scales.get(n, 1.0) for n in range(int(signal.max(initial=-1)) + 1)])
        wanted = wanted * scales[signal]
        if not np.isfinite(wanted).all():
            return None
        count = len(signal)
        self._fates.entries += len(frame)
        self._fates.written += count
        self._fates.ignored += len(frame) - count
        sequence = np.arange(first, first + len(frame))[rows]
        return Columns(
            np.full(count, self.number, np.int32), sequence, signal, np.asarray(times.us[rows]), np.zeros(0, np.int64), wanted,
            np.full(count, GOOD, np.int8),
        )  # fmt: skip

    def _codes(self, frame: pl.DataFrame) -> I32 | None:
        """Code of each line's signal, or _IGNORED; None where a name is odd."""
        key: I64 = np.zeros(len(frame), np.int64)
        for column, known in self._known.items():
            own = known.codes(frame[column])
            if own is None:
                return None
            key = key * known.room + own
        rooms = tuple(known.room for known in self._known.values())
        if rooms != self._rooms:
            self._rooms, self._table = rooms, np.full(min(math.prod(rooms), _PRODUCT_MAX), _NEW, np.int32)
        if math.prod(rooms) > _PRODUCT_MAX:
            distinct, place = np.unique(key, return_inverse=True)
            found = np.array([self._coded(one) for one in distinct.tolist()], np.int32)[place]
        else:
            found = self._table[key]
            if (found == _NEW).any():
                for one in np.unique(key[found == _NEW]).tolist():
                    self._table[one] = self._coded(one)
                found = self._table[key]
        return None if (found == _ODD).any() else found

    def _coded(self, key: int) -> int:
        cells, rest = dict[str, str](), key
        for column, known in reversed(self._known.items()):
            rest, own = divmod(rest, known.room)
            cells[column] = known.texts[own]
        return self._code(cells)

    def _code(self, cells: dict[str, str]) -> int:
        tag, block = cells[self.block.tag], self.block
        number = block.rule_of(tag)
        if not tag or number < 0:
            return _ODD
        rule = block.tags[number]
        if rule.kind == "ignore":
            return _IGNORED
        path, asset = (_text(self._texts[name], cells) for name in ("line", "asset"))
        if not path or not asset or not _fits(path):
            return _ODD
        code = self._signals.code(path, asset, tag, rule.unit)
        scale = 1.0 if rule.scale is None else rule.scale
        if self._scales.setdefault(code, scale) != scale:  # two tags of one signal, scaled differently: as the mapper does it
            return _ODD
        return code

    # ---- something odd, or another format

    def _mapped(self, chunk: Chunk) -> Columns:
        found, fates = self._mapper.entries(chunk), self._fates
        fates.entries += len(found)
        refused = found.filter(pl.col("fate") == e.REFUSED)
        fates.refused.update(dict(refused.group_by("reason").len().iter_rows()))
        fates.ignored += int((found["fate"] == e.IGNORED).sum())
        for at, reason, detail in refused.head(max(0, 10 - len(fates.first))).select("at", "reason", "detail").iter_rows():
            fates.first.append((self.identity.path.name, at, reason, detail))
        rows = found.filter(pl.col("fate") == e.WRITTEN)
        fates.written += len(rows)
        names = rows.select("path", "asset", "tag", "rule")
        distinct = names.unique(maintain_order=True)
        codes = [self._signals.code(path, asset, tag, self.block.tags[rule].unit) for path, asset, tag, rule in distinct.iter_rows()]
        known = distinct.with_columns(code=pl.Series(codes, dtype=pl.Int32))
        signal = names.join(known, on=["path", "asset", "tag", "rule"], how="left", maintain_order="left")["code"].to_numpy()
        return Columns(
            np.full(len(rows), self.number, np.int32), rows["sequence"].to_numpy(), signal, rows["time"].to_numpy(), np.zeros(0, np.int64),
            rows["number"].fill_null(np.nan).to_numpy(), rows["quality"].cast(pl.Int8).to_numpy(),
        )  # fmt: skip


def _text(text: Text, cells: dict[str, str]) -> str | None:
    if text.column is None:
        return text.constant
    cell = cells[text.column]
    return text.of(cell) if cell else None


def _fits(path: str) -> bool:
    try:
        return bool(line_path(path))
    except AndonError:
        return False


class _Known:
    """The texts of a column that have been met, numbered from 0."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._type = pl.Enum([])

    @property
    def room(self) -> int:
        """A power of two above every number."""
        return 1 << max(3, (len(self.texts)).bit_length())

    def codes(self, cells: pl.Series) -> I64 | None:
        """Numbers of the texts; None where one is missing."""
        if cells.null_count():
            return None
        texts = cells.cast(pl.String)
        found = texts.cast(self._type, strict=False)
        if found.null_count():
            self.texts += texts.filter(found.is_null()).unique(maintain_order=True).to_list()
            self._type = pl.Enum(self.texts)
            found = texts.cast(self._type)
        return found.to_physical().to_numpy().astype(np.int64)


def _chunk(first: int, frame: pl.DataFrame) -> Chunk:
    """A batch of a Parquet file as its reader in ingest gives it."""
    texts = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum, pl.Decimal, pl.Time, pl.Duration)]
    dates = [name for name, kind in frame.schema.items() if kind == pl.Date]
    frame = frame.with_columns(pl.col(texts).cast(pl.String), pl.col(dates).cast(pl.Datetime("us")))
    fault, detail = faults(len(frame), {})
    return Chunk(first, numbers(first + 1, len(frame)), frame, fault, detail, np.zeros(len(frame), np.bool_))


def merged(files: Sequence[SampleFile]) -> Iterator[Columns]:
    """The samples of all files in append order; files are given in the order of their sources, which decides between equals."""
    lines = max(4_096, BATCH // max(1, len(files)))
    streams = {n: file.columns(lines) for n, file in enumerate(files)}
    hand: dict[int, Columns] = {}
    while streams or hand:
        for n in [n for n in streams if n not in hand]:
            found = next((part for part in streams[n] if len(part.time)), None)
            if found is None:
                del streams[n]
            else:
                hand[n] = found
        if not hand:
            return
        last = {n: int(hand[n].append[-1]) if n in streams else POS for n in hand}
        bound, open_file = min((at, n) for n, at in last.items())
        parts = []
        for n in sorted(hand):  # of equals, a file before the one that may have more of them goes first
            upto = int(np.searchsorted(hand[n].append, bound, "right" if n <= open_file else "left"))
            parts.append(hand[n].taken(slice(0, upto)))
            hand[n] = hand[n].taken(slice(upto, None))
        hand = {n: columns for n, columns in hand.items() if len(columns.time)}
        whole = Columns._make(np.concatenate(column) for column in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]
        yield whole if len(parts) == 1 else whole.taken(np.argsort(whole.append, kind="stable"))
