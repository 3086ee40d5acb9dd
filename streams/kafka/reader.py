"""Read partitions of Kafka without joining a group: committed records only, from an offset to an end, or for ever.

    with KafkaReader(settings().kafka.librdkafka()) as reader:
        for part in reader.read({("ot.sample.v1", 0): Span(0, 1000)}):
            part.log("log")                             columns, as the codec takes them

An end is a last stable offset. Control markers and aborted records leave gaps below it, so no record need bear the offset end - 1:
a partition is done when a record at or above the end arrives, or when the broker says that it has nothing more below it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import OFFSET_INVALID, TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, TopicPartition

from streams.catalogue import Append
from streams.codec.append_time import in_header
from streams.codec.log import Log, log_of, pack_headers
from streams.errors import DataError, GapError, PlatformError, require
from streams.kafka.calls import CALL_S, QUIET, Trouble, attempt
from streams.kernel import NEG

Headers = list[tuple[str, bytes | None]]
Place = tuple[str, int]  # topic, partition

AT_ONCE: Final = 5_000  # records that one call to librdkafka hands over at most
_LOOK_S: Final = 0.05  # such a call returns when it is full or after this: keep it short
_OF_NO_GROUP = {KafkaError.GROUP_AUTHORIZATION_FAILED}  # who may read a topic need not have the right to any group
_PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}


class Span(NamedTuple):
    """Offsets start <= offset < end."""

    start: int
    end: int


class Record(NamedTuple):
    """A record as the log has it. timestamp_type: 0 none, 1 CreateTime, 2 LogAppendTime."""

    offset: int
    timestamp_type: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Part(NamedTuple):
    """Consecutive records of one partition."""

    topic: str
    partition: int
    records: Sequence[Record]

    def log(self, append: Append) -> Log:
        """Their columns; append time unknown where the record does not bear it, which decoding makes a dead letter."""
        return log_of([
            (r.offset, NEG if (at := append_us(r, append)) is None else at, r.key, r.value, pack_headers(r.headers) if r.headers else b"")
            for r in self.records
        ])  # fmt: skip


def append_us(record: Record, append: Append) -> int | None:
    """When the record was appended, microseconds; None: it does not say.

    >>> append_us(Record(0, 2, 1_700_000_000_000, None, b"", [("andon-append-us", b"12")]), "log")
    1700000000000000
    >>> append_us(Record(0, 2, 1_700_000_000_000, None, b"", [("andon-append-us", b"12")]), "header")
    12
    >>> append_us(Record(0, 1, 1_700_000_000_000, None, b"", []), "log") is None
    True
    """
    if append == "log":
        return 1000 * record.timestamp_ms if record.timestamp_type == TIMESTAMP_LOG_APPEND_TIME else None
    return in_header(record.headers)


class KafkaReader:
    """A consumer in assign mode; a context manager. client: librdkafka's settings of the connection.

    group: whose committed offsets are asked for; librdkafka wants a name in any case. stall_s: how long a bounded read may go
    without hearing anything.
    """

    def __init__(self, client: Mapping[str, Any], *, group: str = "andon-reader", stall_s: float = 60.0) -> None:
        require(stall_s > 0, "stall_s must be positive", stall_s=stall_s)
        self.stall_s, self._trouble, self._heard = stall_s, Trouble(str(client["bootstrap.servers"])), False
        try:
            self._consumer = Consumer({
                **client, **QUIET, "error_cb": self._trouble.note, "group.id": group,
                "isolation.level": "read_committed",  # also makes the answer about committed offsets wait for open commits
                "enable.partition.eof": True, "auto.offset.reset": "error", "enable.auto.commit": False, "enable.auto.offset.store": False,
                "check.crcs": True, "queued.max.messages.kbytes": 32_768, "fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 5,
            })  # fmt: skip
        except KafkaException as error:
            raise PlatformError("these Kafka settings cannot be used", reason=error.args[0].str()) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def group_metadata(self) -> Any:
        """What a transaction's offset commit wants to know of the group: the reader is no member, so nobody's generation."""
        return self._consumer.consumer_group_metadata()

    def committed(self, topics: Sequence[str], partition: int) -> list[tuple[int, str]]:
        """(the group's committed offset or -1, metadata) of each topic's partition."""
        found = attempt(self._consumer.committed, [TopicPartition(t, partition) for t in topics], CALL_S)
        for one in found:
            if one.error is not None:
                raise PlatformError("committed offsets cannot be read", topic=one.topic, partition=partition, reason=one.error.str())
        return [(one.offset if one.offset >= 0 else -1, one.metadata or "") for one in found]

    def span(self, topic: str, partition: int) -> Span:
        """Log start to last stable offset."""
        return Span(*map(int, attempt(self._consumer.get_watermark_offsets, TopicPartition(topic, partition), CALL_S)))

    def read(self, wanted: Mapping[Place, Span], progress: Callable[[int], None] | None = None) -> Iterator[Part]:
        """All committed records in the spans, each partition in offset order. progress: told how many offsets were passed.

        GapError: the log has lost some of them. PlatformError: nothing came for `stall_s`.
        """
        left = {place: span.end for place, span in wanted.items() if span.start < span.end}
        passed = {place: wanted[place].start for place in left}
        self._assign(passed)
        heard_s = time.monotonic()
        while left:
            records, ends = self._poll()
            if records or ends:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > self.stall_s:
                raise self._stalled(left, passed)
            for place, found in records.items():
                if place not in left:
                    continue
                kept = found if found[-1].offset < left[place] else [r for r in found if r.offset < left[place]]
                ends[place] = max(ends.get(place, 0), found[-1].offset + 1)
                if kept:
                    yield Part(*place, kept)
            for place in [place for place in ends if place in left]:
                reached = min(ends[place], left[place])
                if progress:
                    progress(reached - passed[place])
                passed[place] = reached
                if reached == left[place]:
                    del left[place]
                    self._consumer.pause([TopicPartition(*place)])

    def follow(self, starts: Mapping[Place, int]) -> Iterator[list[Part]]:
        """Committed records from these offsets on as they come, for ever; an empty list at least every moment that nothing comes."""
        self._assign(starts)
        while True:
            records, _ = self._poll()
            yield [Part(*place, found) for place, found in records.items()]

    def _assign(self, starts: Mapping[Place, int]) -> None:
        self._consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in starts.items()])
        self._consumer.resume([TopicPartition(*place) for place in starts])  # a pause of an earlier read outlives its assignment

    def _poll(self) -> tuple[dict[Place, list[Record]], dict[Place, int]]:
        """Records that have come, and offsets below which a partition has nothing more."""
        records, ends = defaultdict[Place, list[Record]](list), dict[Place, int]()
        for message in self._consumer.consume(AT_ONCE, _LOOK_S):
            error = message.error()
            if error is None:
                kind, stamp_ms = message.timestamp()
                records[message.topic(), message.partition()].append(
                    Record(message.offset(), kind, stamp_ms, message.key(), message.value(), message.headers() or [])
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[message.topic(), message.partition()] = message.offset()
            elif not (error.retriable() or error.code() in _PASSING or error.code() in _OF_NO_GROUP):
                raise self._failed(message, error)
        self._heard = self._heard or bool(records or ends)
        if self._trouble.final and not self._heard:  # later, it is a broker that restarts
            raise self._trouble.error("Kafka cannot be reached")
        return records, ends

    def _failed(self, message: Any, error: Any) -> Exception:
        where = {"topic": message.topic(), "partition": message.partition()}
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            offset = {} if message.offset() == OFFSET_INVALID else {"offset": message.offset()}
            return GapError("the log does not have this offset: deleted by now, or not yet written", **where, **offset, reason=error.str())
        if error.code() == KafkaError._BAD_MSG:
            return DataError("records of a partition are corrupt", **where, reason=error.str())
        return PlatformError("a partition cannot be read", **where, reason=f"{error.name()}: {error.str()}")

    def _stalled(self, left: Mapping[Place, int], passed: Mapping[Place, int]) -> PlatformError:
        waiting = {f"{topic}/{partition}": f"{passed[topic, partition]} of {end}" for (topic, partition), end in left.items()}
        return self._trouble.error("Kafka has sent nothing", for_s=self.stall_s, waiting=waiting)
