"""Everything private of Faust 0.15.3 and aiokafka 0.14.0 that the live runner leans on; tests/live/test_private.py turns
red when an upgrade changes any of it.

- A fetch reaches us as the bytes of its record batches, one object a topic partition, instead of one object a record: aiokafka's
  `PartitionRecords` and `MemoryRecords` are replaced in its fetcher module. Aborted transactions and control markers are left
  out here, by batch, as aiokafka does it by record.
- Faust's consumer reads committed data only: it offers no public setting for that outside its own exactly-once mode.
- Faust makes folders for its tables when an application starts, in the working folder unless told where.
- Faust looks at `offset`, `timestamp`, ... of what its consumer fetched: `Fetch` has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faust
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy

from streams.codec.log import HEADER, Batch, batches
from streams.errors import GapError


class Fetch:
    """The record batches of one fetch of one topic partition. To Faust it is one record.

    kept: batches with data that is committed. start, end: physical offsets that the fetch covers, markers included.
    """

    headers: tuple[()] = ()
    key = checksum = None
    serialized_key_size = serialized_value_size = 0
    timestamp_type = 1

    def __init__(self, tp: TopicPartition, data: bytes, kept: list[Batch], start: int, end: int) -> None:
        self.topic, self.partition = tp.topic, tp.partition
        self.data, self.kept, self.start, self.end = data, kept, start, end
        self.offset = end - 1
        self.timestamp = max((b.max_timestamp_ms for b in kept), default=0)
        self.value = self


class _Records:
    """Stands in for aiokafka's MemoryRecords: keeps the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)

    def size_in_bytes(self) -> int:
        return len(self.data)

    def has_next(self) -> bool:
        size = len(self.data)
        return size >= HEADER and 12 + int.from_bytes(self.data[8:12], "big", signed=True) <= size


class _Partition:
    """Stands in for aiokafka's PartitionRecords: an iterator of one Fetch."""

    def __init__(
        self, tp: TopicPartition, records: _Records, aborted_transactions: Any, fetch_offset: int, key_deserializer: Any,
        value_deserializer: Any, check_crcs: bool, isolation_level: int,
    ) -> None:  # fmt: skip
        self._tp, self._records = tp, records
        self._aborted = sorted(aborted_transactions or [], key=lambda x: x[1])
        self.next_fetch_offset = fetch_offset

    def __iter__(self) -> Iterator[Fetch]:
        start, found = self.next_fetch_offset, batches(self._records.data)
        at = start
        for batch in found:
            if batch.base_offset > at > start:
                raise GapError("record batches of a fetch leave a gap", topic=self._tp.topic, partition=self._tp.partition, expected=at,
                               found=batch.base_offset)  # fmt: skip
            at = batch.next_offset
        self.next_fetch_offset = max(start, at)
        first = found[0].base_offset if found else start
        yield Fetch(self._tp, self._records.data, self._committed(found), max(start, first), self.next_fetch_offset)

    def _committed(self, found: list[Batch]) -> list[Batch]:
        """Batches with data, without those of aborted transactions."""
        producers: set[int] = set()
        aborted, kept = list(self._aborted), []
        for batch in found:
            while aborted and aborted[0][1] <= batch.base_offset:
                producers.add(aborted.pop(0)[0])
            if batch.control:
                if self._records.data[batch.at + HEADER :] and _aborts(self._records.data, batch):
                    producers.discard(batch.producer_id)
            elif not (batch.transactional and batch.producer_id in producers):
                kept.append(batch)
        return kept


def _aborts(data: bytes, batch: Batch) -> bool:
    """Is the control batch's one record an abort marker? Its key is (int16 version, int16 type); type 0 aborts."""
    at = batch.at + HEADER
    # record: length, attributes, time delta, offset delta, key length: each one byte in a marker
    return data[at + 4] == 8 and data[at + 7 : at + 9] == b"\0\0"


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


class _Scheduler(DefaultSchedulingStrategy):
    """Hands a fetch on as it is; there are no changelogs to take turns with."""

    def iterate(self, records: Any) -> Iterator[tuple[Any, Any]]:
        return ((tp, fetch) for tp, fetches in records.items() for fetch in fetches)


SCHEDULER = _Scheduler


def install(app: faust.App) -> None:
    """Make an application fetch raw, committed record batches, and no folders for tables: it has none."""
    fetcher.MemoryRecords, fetcher.PartitionRecords = _Records, _Partition
    app.transport = _Transport(app.conf.broker_consumer, app)
    app._create_directories = lambda: None  # type: ignore[method-assign]


def generation(app: faust.App) -> int:
    """The consumer group's generation of the current assignment."""
    return int(app.consumer_generation_id)


def generation_of(event: Any) -> int:
    """The generation in which an event was fetched."""
    return int(event.message.generation_id)


async def pause(app: faust.App, partitions: set[tuple[str, int]]) -> None:
    """Stop fetching these: by aiokafka's own pause, because Faust's drops what it has fetched of a partition it pauses."""
    await _in_consumer(app, "pause", partitions)


async def resume(app: faust.App, partitions: set[tuple[str, int]]) -> None:
    await _in_consumer(app, "resume", partitions)


def _thread_of(app: faust.App) -> Any:
    consumer: Any = app.consumer
    return consumer._thread


async def _in_consumer(app: faust.App, method: str, partitions: set[tuple[str, int]]) -> None:
    thread = _thread_of(app)
    consumer = thread._ensure_consumer()
    mine = consumer.assignment()
    wanted = [tp for tp in (TopicPartition(*p) for p in partitions) if tp in mine]
    if wanted:
        await thread.call_thread(getattr(consumer, method), *wanted)


def last_stable(app: faust.App, topic: str, partition: int) -> int | None:
    """Last stable offset of a partition as of the last fetch; None before the first."""
    consumer, tp = _thread_of(app)._ensure_consumer(), TopicPartition(topic, partition)
    if tp not in consumer.assignment():
        return None
    found = consumer.last_stable_offset(tp)
    return None if found is None or found < 0 else int(found)


def crash_of(app: faust.App) -> BaseException | None:
    """What Faust or aiokafka has crashed with on its own."""
    return getattr(app, "_crash_reason", None) if app.crashed else None
