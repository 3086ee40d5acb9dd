"""An export as a task takes it: its epochs, its reference data, its logs in parts. `andon verify` and `andon backfill` read it alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from streams.catalogue import CONFIGURATIONS, Catalogue
from streams.codec.log import Log
from streams.codec.reader import Read
from streams.errors import DataError
from streams.runners.epoch import Adopted, Row
from streams.runners.reference import REFERENCE, ReferenceData, decoded, epoch_of
from streams.runners.task import Environment, Task
from streams.shell.export import Export, log_of_frame

PART: Final = 65_536  # records of an input partition in hand

Passed = Callable[[int], None]  # told of records that were folded


def reference_of(export: Export) -> ReferenceData:
    """Configurations and reference data of an export; empty where it has none."""
    found = ReferenceData(export.manifest.get("application", ""), export.schemas.get)
    adders: dict[str, Callable[[list[Row]], None]] = {topic: partial(found.add, topic) for topic in REFERENCE}
    for name, add in (adders | {CONFIGURATIONS: found.add_configurations}).items():
        if name in export.topics:
            topic = export.topics[name].topic
            add([Row(topic, r.offset, 1000 * r.timestamp_ms, r.key, r.value) for r in export.records(name, 0)])
    return found


def epochs_of(export: Export, reference: ReferenceData, partition: int) -> list[Adopted]:
    """The epochs of one task, from number 0 on; none where it never began."""
    name = f"{export.manifest['application']}.epoch.v1"
    found = []
    for record in export.records(name, partition):
        raw = decoded(record.value, export.schemas.get, "ctl.epoch.v1")
        if isinstance(raw, str):
            raise DataError("an epoch record cannot be read", topic=name, partition=partition, offset=record.offset, reason=raw)
        found.append(epoch_of(raw))
    return reference.chain(sorted(found, key=lambda epoch: epoch.number))


def environment_of(export: Export, reference: ReferenceData, partition: int, schema_id: Callable[[str], int]) -> Environment:
    """Names are those of the exported deployment: they stand in evidence and in ids."""
    about = export.manifest
    catalogue, application = Catalogue({}, about["prefix"]), about["prefix"] + about["application"]
    return Environment(application, partition, catalogue, export.schemas.get, schema_id, reference.class_table)


def exported_id(export: Export) -> Callable[[str], int]:
    """Id of a topic's contract as the exported records bear it; 0 where there is none: whatever is recomputed there differs."""
    return lambda name: max(export.topics[name].schema_ids if name in export.topics else (), default=0)


class FrameFeed:
    """A feed (runners/replay.py) of frames in the form of an export. from_offset: records below it are passed over.

    Of a raw topic, headers are put together only for records that end as dead letters, which alone show them: that halves the time
    to read. headers: always, as a derived topic needs them, whose times stand there.
    """

    def __init__(self, frames: Iterable[pl.DataFrame], from_offset: int, passed: Passed, *, headers: bool = False) -> None:
        self._frames, self._from, self._passed, self._headers = iter(frames), from_offset, passed, headers
        self._frame: pl.DataFrame | None = None
        self._log, self._place = Log._make(np.zeros(0, np.int64) for _ in Log._fields), 0

    def left(self, end: int) -> int:
        while self._place == len(self._log.offset):
            self._frame = next(self._frames, None)
            if self._frame is None:
                return 0
            self._log = log_of_frame(self._frame, headers=self._headers)
            self._place = int(np.searchsorted(self._log.offset, self._from))
        return max(0, int(np.searchsorted(self._log.offset, end)) - self._place)

    def append_us(self) -> int:
        return int(self._log.append[self._place])

    def give(self, task: Task, rank: int, count: int) -> None:
        assert self._frame is not None
        first, self._place = self._place, self._place + count
        part = self._log.part(first, self._place)
        task.meter.begin()
        read = task.readers[rank].read(part, task.names)
        task.meter.lap("decode")
        if read.reason.any() and not self._headers:
            read = replace(read, log=log_of_frame(self._frame.slice(first, count)))
        task.admit(rank, self.cited(read, task), int(part.offset[-1]) + 1)
        self._passed(count)

    def cited(self, read: Read, task: Task) -> Read:
        """The records with the coordinates that evidence names."""
        return read


def frames(export: Export, topic: str, partition: int, rows: int = PART) -> Iterator[pl.DataFrame]:
    """A partition of an export, some records at a time."""
    path = export.file(topic, partition)
    try:
        for batch in pl.scan_parquet(path).collect_batches(chunk_size=rows, maintain_order=True):
            for start in range(0, len(batch), rows):
                yield batch.slice(start, rows)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError("a file of the export cannot be read", topic=topic, partition=partition, reason=str(error)) from error
