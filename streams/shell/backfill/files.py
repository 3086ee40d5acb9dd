"""Files of a plant as a history, by the mapping that `andon ingest` takes: the same records, without Kafka.

Where the rules want samples only, files are read as columns (tables.py) and merged while the tasks fold. Any other run is written
aside as the log that ingest would write, in the layout of an export, and read from there.

Evidence cites files instead of a topic: topic "files", partition the task's, offset = number of the file * 2^40 + number of the
entry in it, as ingest numbers them; the manifest lists the files by number. A packed message cites its first entry, the index counts
on from there.

There are no epochs and no reference data: every file is folded under the configuration given, every asset stands below its line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from streams.catalogue import TOPICS, Catalogue, schema_of
from streams.codec.out_record import OutRecord
from streams.codec.reader import Read
from streams.configuration import Configuration
from streams.errors import SettingsError
from streams.kernel import I64
from streams.model.hierarchy import Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.replay import Feed
from streams.runners.task import Environment, Task
from streams.shell.backfill.folder import PartFile
from streams.shell.backfill.history import contracts_of, ids_of, outputs_of
from streams.shell.backfill.records import Out
from streams.shell.backfill.replayed import PART, FrameFeed, Passed
from streams.shell.deployment import partitions_of, topology_of
from streams.shell.ingest import encoding, merge
from streams.shell.ingest.mapping import FileMapping, IngestMapping
from streams.shell.ingest.scan import Scan

FILES: Final = "files"  # the topic that evidence of files cites
FILE_BITS: Final = 40
IDS: Final[Mapping[str, int]] = {topic.name: number for number, topic in enumerate(TOPICS, 1)}  # of the inputs' contracts, here


def samples_only(blocks: Sequence[FileMapping]) -> bool:
    """Do the rules want samples and nothing else?"""
    kinds = {rule.kind for block in blocks for rule in block.tags}
    return kinds <= {"sample", "ignore"} and all(block.layout in ("long", "wide") for block in blocks)


def coordinates(task: Task, source: Any, first: Any, numbers: Mapping[bytes, int]) -> I64:
    """What evidence cites of messages: file and entry. numbers: of each file, by source."""
    known = task.names.sources
    of = np.array([numbers.get(known.decode(code)[0], 0) for code in range(len(known))] or [0], np.int64)
    found: I64 = (of[source] << FILE_BITS) + np.maximum(first, 0)
    return found


class FilesHistory:
    """What both ways of reading files share."""

    ids: Mapping[str, int]
    schemas: Mapping[int, Any]
    about: Mapping[str, Any]
    total: int | None

    def __init__(self, configuration: Configuration, topology: str, passed: Passed) -> None:
        if configuration.topology != topology:
            raise SettingsError("the configuration is for another topology", given=topology, configuration=configuration.topology)
        self.configuration, self.passed, self.partitions = configuration, passed, partitions_of(configuration)
        self.inputs, self.outputs = topology_of(configuration).inputs, outputs_of(configuration)
        self.ids = ids_of(self.outputs, {}, list(IDS.values()))
        derived = [name for name in self.inputs if configuration.catalogue().of(name).derived]
        if derived:
            raise SettingsError("the topology reads results of another one, which no files hold", inputs=derived,
                                hint="fold it from an export of the deployment")  # fmt: skip
        self.schemas = contracts_of(self.ids)
        self.about = {"from": FILES, "topology": topology, "configuration": configuration.fingerprint, "as_known": False,
                                      "application": configuration.application, "prefix": ""}  # fmt: skip
        catalogue = configuration.catalogue()
        named = {name: replace(topic, name=FILES) if name in self.inputs else topic for name, topic in catalogue.topics.items()}
        catalogue.topics = MappingProxyType(named)
        self._catalogue: Catalogue = catalogue

    def epochs(self, partition: int) -> list[Adopted]:  # noqa: ARG002  the same for all
        return [Adopted(Epoch(0, (0,) * len(self.inputs), {}, self.configuration.fingerprint), self.configuration, Hierarchy())]

    def environment(self, partition: int) -> Environment:
        numbers = {number: schema_of(topic.schema) for topic in TOPICS if (number := IDS.get(topic.name))}
        return Environment(self.configuration.application, partition, self._catalogue, numbers.get, self.ids.__getitem__)


class CitedFeed(FrameFeed):
    """Records written aside, cited by file and entry."""

    def __init__(self, frames: Iterator[pl.DataFrame], passed: Passed, numbers: Mapping[bytes, int]) -> None:
        super().__init__(frames, 0, passed)
        self._numbers = numbers

    def cited(self, read: Read, task: Task) -> Read:
        offset = coordinates(task, read.messages.source, read.messages.first, self._numbers)
        return replace(read, log=read.log._replace(offset=offset))


class LogHistory(FilesHistory):
    """The log of an ingest run, written aside in a folder that is gone afterwards."""

    at_once = False

    def __init__(
        self, found: Scan, configuration: Configuration, topology: str, through_us: int | None, aside: Path, passed: Passed
    ) -> None:  # fmt: skip
        super().__init__(configuration, topology, passed)
        self._found, self._aside = found, aside
        self._end_us = merge.end_of(found, through_us)
        self._numbers = {file.source.identity.source.encode(): n for n, file in enumerate(found.files)}
        self.total = None  # known when the log is written
        read = [(file.source.identity, file.source.entries_a_line) for file in found.files]
        self.about = {**self.about, "files": [described(n, identity, entries) for n, (identity, entries) in enumerate(read)]}

    def spool(self, wrote: Callable[[int], None]) -> None:
        """Write the log aside. wrote: told of entries."""
        catalogue, homes = self.configuration.catalogue(), dict[tuple[str, int], PartFile]()
        for name in self.inputs:
            for partition in range(self.partitions):
                homes[name, partition] = PartFile(self._aside, name, partition, "log", {})
        run = merge.log(self._found, lambda name: catalogue.of(name).partitions, self._end_us)
        wanted = (record for record in _told(run, wrote) if record.topic in self.inputs)
        for message in encoding.encoded(wanted, {name: IDS[name] for name in self.inputs}):
            self.total = (self.total or 0) + 1
            homes[message.topic, message.partition].add([Out(message.key, message.value, tuple(message.headers))])
        for home in homes.values():
            home.finish()

    def feeds(self, task: Task) -> Sequence[Feed]:
        partition = task.environment.partition
        return [CitedFeed(self._frames(name, partition), self.passed, self._numbers) for name in self.inputs]

    def _frames(self, name: str, partition: int) -> Iterator[pl.DataFrame]:
        scan = pl.scan_parquet(self._aside / name / f"{partition}.parquet")
        for batch in scan.collect_batches(chunk_size=PART, maintain_order=True):
            yield from (batch.slice(start, PART) for start in range(0, len(batch), PART))

    def reading(self, stop: Event) -> AbstractContextManager[object]:
        return nullcontext(stop)

    def told(self) -> Mapping[str, Any]:
        return {"entries": self._found.ledger.total.description()}


def _told(run: Iterator[OutRecord], wrote: Callable[[int], None]) -> Iterator[OutRecord]:
    for record in run:
        yield record
        wrote(record.entries)


def described(number: int, identity: Any, entries_a_line: int) -> dict[str, Any]:
    """A file as the manifest lists it: entry // entries_a_line is its line, counted from 0 without the header."""
    return {
        "number": number, "name": identity.path.name, "source": identity.source, "bytes": identity.size, "entries_a_line": entries_a_line,
    }  # fmt: skip


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A folder beside the results, for what is written on the way; gone afterwards, whatever happens."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.log-", dir=folder.parent) as name:
        yield Path(name)


def blocks_of(paths: Sequence[Path], mapping: IngestMapping) -> list[FileMapping]:
    return [mapping.of(path.name) for path in paths]
