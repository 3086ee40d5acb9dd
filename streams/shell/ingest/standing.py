"""How much of a run stands in its topics already: a run that broke goes on where it stopped, a whole one is not written again.

A run over the same files gives the same records, and each partition takes them in order; so what an earlier run wrote of a
partition is the beginning of what this one would. Written once more behind its end, those records would be duplicates only within
the horizon and late beyond it, each with a request to restate what is right.

The end of each partition is compared with the run: its last records, AT_END at most, must stand one behind the other somewhere in
the run. What is older than the run's first record of the partition is an earlier run's. Anything else is refused: what the topics
hold reaches into the time of this run, and is not of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.catalogue import Append, Catalogue
from streams.codec.out_record import OutRecord
from streams.errors import DataError
from streams.kafka.reader import KafkaReader, Record, Span, append_us
from streams.kernel import NEG
from streams.shell.ingest.encoding import Message
from streams.shell.ingest.instants import spoken
from streams.shell.settings import KafkaSettings

AT_END: Final = 32  # records compared; a run has no more that are alike in a row: claims and blanks of one instant are two

Place = tuple[str, int]  # topic in the catalogue, partition
Said = tuple[int, bytes, bytes]  # append time, key, value behind its frame


def ends(settings: KafkaSettings, catalogue: Catalogue, topics: Iterable[str]) -> dict[Place, list[Said]]:
    """The last records of each partition that has any."""
    found: dict[Place, list[Said]] = {}
    with KafkaReader(settings.librdkafka()) as reader:
        for name in topics:
            topic = catalogue.of(name)
            for partition in range(topic.partitions):
                if last := _last(reader, topic.name, partition):
                    found[name, partition] = [_said(one, topic.append) for one in last]
    return found


def _said(record: Record, append: Append) -> Said:
    at = append_us(record, append)
    return NEG if at is None else at, record.key or b"", (record.value or b"")[5:]


def _last(reader: KafkaReader, topic: str, partition: int) -> list[Record]:
    """The last records; control markers take offsets too, so a look back may have to reach further."""
    span, back = reader.span(topic, partition), AT_END
    while span.start < span.end:
        start = max(span.start, span.end - back)
        records = [one for part in reader.read({(topic, partition): Span(start, span.end)}) for one in part.records]
        if records or start == span.start:
            return records[-AT_END:]
        back *= 8
    return []


@dataclass
class _Compared:
    end: list[Said]
    first_us: int | None = None  # append time of the run's first record here
    count: int = 0
    at: int = 0  # records of the run that stand here; 0: none was recognised
    latest: deque[Said] = field(default_factory=lambda: deque(maxlen=AT_END))

    def take(self, said: Said) -> None:
        if self.first_us is None:
            self.first_us = said[0]
            self.end = [one for one in self.end if one[0] >= said[0]]
        self.count += 1
        self.latest.append(said)
        if not self.at and self.end and said == self.end[-1] and list(self.latest)[-len(self.end) :] == self.end:
            self.at = self.count


def standing(ends_: Mapping[Place, list[Said]], run: Iterable[Message]) -> dict[Place, int]:
    """How many records of a run each partition holds already; DataError where one holds others of the run's time.

    >>> there = {("t", 0): [(5, b"k", b"a"), (6, b"k", b"b")]}
    >>> run = [Message("t", 0, at, b"k", b"frame" + value, []) for at, value in ((5, b"a"), (6, b"b"), (7, b"c"))]
    >>> standing(there, run)
    {('t', 0): 2}
    """
    places = {place: _Compared(list(end)) for place, end in ends_.items()}
    for message in run:
        if (found := places.get((message.topic, message.partition))) is not None:
            found.take((message.append_us, message.key, message.value[5:]))
    for (topic, partition), found in places.items():
        if found.first_us is None or found.at or all(at == found.first_us for at, _, _ in found.end):
            continue
        raise DataError(
            "a topic holds records of the time of this run that are not of this run", topic=topic, partition=partition,
            last=spoken(found.end[-1][0]), run_begins=spoken(found.first_us),
            hint="give all files of one time in one run; with --again everything is written, as duplicates or late",
        )  # fmt: skip
    return {place: found.at for place, found in places.items() if found.at}


def without(run: Iterable[OutRecord], there: Mapping[Place, int], passed: Counter[str]) -> Iterator[OutRecord]:
    """The records of a run that do not stand in the topics yet; `passed` counts the others by topic."""
    left = dict(there)
    for record in run:
        place = record.topic, record.partition
        if left.get(place, 0):
            left[place] -= 1
            passed[record.topic] += 1
        else:
            yield record
