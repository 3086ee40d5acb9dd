"""All files of a run as one log, in append order, with its claims.

Each file's records keep their order; files are merged by append time (the running maximum of event time in a file), ties by
source. So append time never goes back in the run, and an event is appended when its own file says that it happened.

Inputs that the mapping claims are written by this run alone. They get CLAIM records on every partition at an interval of append
time, and once more at the end. A claim says through = min(A, smallest event time still to come on that input): a bounded file has
an end, so its writer knows what is still to come (docs/adr/0003). Other inputs that the run writes get BLANK records at the same
pace instead, so that append time goes on where a partition has no data: nobody else paces a topic whose append time stands in
headers. Neither carries content; when they come decides when results appear, never what they are.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from streams.codec.murmur import partition_of
from streams.codec.out_record import OutRecord
from streams.errors import InvalidValue
from streams.kernel import NEG, POS
from streams.shell.ingest.instants import spoken
from streams.shell.ingest.mapping import INPUTS, IngestMapping
from streams.shell.ingest.records import FileRecord
from streams.shell.ingest.scan import FileScan, Scan, scan

RUN_KEY: Final = b"andon/ingest/run/claim"  # a line path, as every key of a raw topic is; claims and blanks belong to no line
INTERVAL_US_MIN, SPAN_PARTS = 1_000_000, 1_000


def merged(
    files: Iterable[Path], mapping: IngestMapping, partitions_of: Callable[[str], int], through: int | None = None,
    claim_interval: int | None = None,
) -> Iterator[OutRecord]:  # fmt: skip
    """The log of a run over these files. partitions_of: partitions of an input, by its name in the catalogue.

    through: end of what the run claims, default the last event time + 1 us. claim_interval: of append time, default the
    mapping's, else the longer of 1 s and a thousandth of the run's span. Instants and durations are microseconds.
    """
    return log(scan(files, mapping), partitions_of, through, claim_interval)


def log(
    found: Scan, partitions_of: Callable[[str], int], through: int | None = None, claim_interval: int | None = None
) -> Iterator[OutRecord]:
    """The second pass, over files that were scanned; refuses an end before the last event."""
    end = end_of(found, through)
    interval = claim_interval or found.mapping.claim_interval_us or interval_of(found)
    return _Run(found, partitions_of, interval).records(end)


def interval_of(found: Scan) -> int:
    """Claims where the mapping does not say how often: a thousand in the run, but no more than one a second."""
    return max(INTERVAL_US_MIN, (found.last_us - found.first_us) // SPAN_PARTS) if found.written else INTERVAL_US_MIN


def end_of(found: Scan, through: int | None) -> int:
    """The end of what a run claims."""
    last = found.last_us
    if through is None:
        if last == NEG:
            raise InvalidValue("no entry of the files is written, so the end of the run is not known", hint="say --through")
        return last + 1
    if through < last:
        raise InvalidValue("the run cannot end before its last event", through=spoken(through), last_event=spoken(last))
    return through


def in_append_order(files: Sequence[FileScan]) -> Iterator[tuple[int, FileRecord]]:
    """(index of the file, record): a merge that opens a file when append time reaches its first entry, and holds one chunk of
    each open file. The files are ordered by source."""
    heap: list[tuple[int, int, FileRecord | None]] = [(file.first_us, n, None) for n, file in enumerate(files) if file.last_us > NEG]
    heapq.heapify(heap)
    streams: dict[int, Iterator[FileRecord]] = {}
    while heap:
        _, n, record = heap[0]
        if record is None:
            streams[n] = files[n].source.records(files[n].to_come)
        else:
            yield n, record
        following = next(streams[n], None)
        if following is None:
            heapq.heappop(heap)
            streams.pop(n)
            files[n].source.identity.check()
        else:
            heapq.heapreplace(heap, (following.append_us, n, following))


class _Run:
    def __init__(self, found: Scan, partitions_of: Callable[[str], int], interval_us: int) -> None:
        self._files, self._interval_us = found.files, interval_us
        claimed = [name for name in INPUTS if name in found.mapping.claims]
        self._claimed = claimed
        self._paced = [name for name in found.written if name not in claimed]
        self._partitions = {name: partitions_of(name) for name in (*claimed, *found.written)}
        self._to_come = {name: [int(file.smallest_us[INPUTS.index(name)]) for file in found.files] for name in self._partitions}
        names = " ".join(file.source.identity.source for file in found.files)
        self._source = f"run:{hashlib.sha256(names.encode()).hexdigest()[:16]}"

    def records(self, end_us: int) -> Iterator[OutRecord]:
        append, due = NEG, NEG
        keys: dict[tuple[str, str], tuple[int, bytes]] = {}
        for n, (at, topic, path, value, entries, to_come) in in_append_order(self._files):
            if (home := keys.get((topic, path))) is None:
                key = path.encode()
                home = keys[topic, path] = (partition_of(key, self._partitions[topic]), key)
            yield OutRecord(topic, home[0], home[1], value, at, "DATA", entries)
            self._to_come[topic][n] = to_come
            append = at
            if append >= due:
                if due > NEG:
                    yield from self._pace(append)
                due = append + self._interval_us
        for name in self._claimed:
            yield from self._everywhere(name, "CLAIM", max(append, end_us), end_us)
        if append > NEG:
            for name in self._paced:
                yield from self._everywhere(name, "BLANK", append)

    def _pace(self, append: int) -> Iterator[OutRecord]:
        for name in self._claimed:
            yield from self._everywhere(name, "CLAIM", append, min(append, min(self._to_come[name], default=POS)))
        for name in self._paced:
            yield from self._everywhere(name, "BLANK", append)

    def _everywhere(self, topic: str, kind: str, append: int, through: int | None = None) -> Iterator[OutRecord]:
        value = {"kind": kind, "source": self._source, "sequence": None, "through_us": through}
        for partition in range(self._partitions[topic]):
            yield OutRecord(topic, partition, RUN_KEY, value, append, kind)
