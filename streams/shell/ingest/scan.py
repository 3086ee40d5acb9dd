"""The first pass over the files of a run: who they are, what becomes of every entry, what is still to come when.

A claim must know the smallest event time that is still to come on its input (see merge.py). Kept of the files are only the
minima of each chunk, by input; inside a chunk the second pass has the rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from streams.errors import DataError
from streams.kernel import I64, NEG, POS
from streams.shell.ingest import entries as e
from streams.shell.ingest.chunks import identify
from streams.shell.ingest.ledger import Ledger
from streams.shell.ingest.mapping import INPUTS, FileMapping, IngestMapping
from streams.shell.ingest.order_times import OrderTimes
from streams.shell.ingest.reading import reader_of
from streams.shell.ingest.records import Source

Observer = Callable[[Source, pl.DataFrame], None]


@dataclass(frozen=True, slots=True)
class FileScan:
    """A file after the first pass. to_come: for each chunk and input the smallest event time written in later chunks.
    first_us: event time of the first entry written, last_us: the largest; POS and NEG where nothing is."""

    source: Source
    to_come: I64
    smallest_us: I64
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class Scan:
    """All files of a run, ordered by source: the order in which they are read where append times are equal."""

    mapping: IngestMapping
    files: tuple[FileScan, ...]
    ledger: Ledger

    @property
    def first_us(self) -> int:
        return min((file.first_us for file in self.files), default=POS)

    @property
    def last_us(self) -> int:
        """The last event time of the run; NEG where nothing is written."""
        return max((file.last_us for file in self.files), default=NEG)

    @property
    def written(self) -> tuple[str, ...]:
        """The inputs that this run writes data to."""
        return tuple(name for n, name in enumerate(INPUTS) if any(file.smallest_us[n] < POS for file in self.files))


def scan(paths: Iterable[Path], mapping: IngestMapping, observers: Sequence[Observer] = ()) -> Scan:
    """Read every file once. Observers see each chunk of entries, files in the order given."""
    sources, ledger = sources_of(paths, mapping), Ledger()
    by_source: dict[str, Path] = {}
    for source in sources:
        other = by_source.setdefault(source.identity.source, source.identity.path)
        if other != source.identity.path and source.identity.size:
            names = [str(other), str(source.identity.path)]
            raise DataError("two files have the same content, so their records could not be told apart", files=names)
    if len({source.identity.path for source in sources}) < len(sources):
        raise DataError("a file is named twice", files=[str(source.identity.path) for source in sources])
    for source in sources:
        ledger.of(source)
    scans = [_scanned(source, [ledger.add, *observers]) for source in sources]
    return Scan(mapping, tuple(sorted(scans, key=lambda each: each.source.identity.source.encode())), ledger)


def sources_of(paths: Iterable[Path], mapping: IngestMapping) -> list[Source]:
    """The files of a run, in the order given. Where the times of some come from orders, the files of orders are read first."""
    blocks = [(path, mapping.of(path.name)) for path in paths]
    own = [None if block.moment else _source(path, block) for path, block in blocks]
    later = [path for path, block in blocks if block.moment]
    files = sorted((each for each in own if each and each.block.layout == "orders"), key=lambda each: each.identity.source.encode())
    if later and not files:
        names = [str(path) for path in later]
        raise DataError("times come from orders, and no file of the run has any", files=names, hint="name the files of orders too")
    orders = OrderTimes(file.entries() for file in files) if later else None
    return [each or _source(path, block, orders) for each, (path, block) in zip(own, blocks, strict=True)]


def source_of(path: Path, mapping: IngestMapping) -> Source:
    """A file with the block of the mapping that fits it, on its own."""
    return sources_of([path], mapping)[0]


def _source(path: Path, block: FileMapping, orders: OrderTimes | None = None) -> Source:
    identity = identify(path, block.quote)
    return Source(identity, block, reader_of(identity, block), orders)


def _scanned(source: Source, observers: Sequence[Observer]) -> FileScan:
    minima: list[list[int]] = []
    first, last = POS, NEG
    for entries in source.entries():
        for observer in observers:
            observer(source, entries)
        rows = entries.filter(pl.col("fate") == e.WRITTEN)
        smallest = dict(rows.group_by("topic").agg(pl.col("time").min()).iter_rows())
        minima.append([smallest.get(n, POS) for n in range(len(INPUTS))])
        if len(rows):
            first = rows["time"][0] if first == POS else first
            last = max(last, int(rows["time"].to_numpy().max()))
    table = np.array(minima, np.int64).reshape(-1, len(INPUTS))
    later = np.vstack([table[1:], np.full((1, len(INPUTS)), POS)]) if len(table) else table
    to_come = np.minimum.accumulate(later[::-1])[::-1]
    source.identity.check()
    return FileScan(source, to_come, table.min(axis=0, initial=POS), first, last)
