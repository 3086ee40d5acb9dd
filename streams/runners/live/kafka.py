"""librdkafka as the live runner uses it: producers that fence, consumers in assign mode, calls that may be tried again.

Pinned to confluent-kafka 2.10.1: later ones can hang in `send_offsets_to_transaction` after a broker restart (docs/upstream.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.codec import append_time
from streams.codec.log import Log, log_of, pack_headers
from streams.errors import FencedError, GapError, PlatformError
from streams.kernel import NEG
from streams.runners import reference

T = TypeVar("T")
CALL_S = 15.0  # one call to the broker

_WAITS = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


def attempt(call: Callable[..., T], *arguments: Any, patience_s: float = 1.5 * CALL_S) -> T:
    """Call; again where librdkafka says that this may help. Everything else ends the task: after an indeterminate
    transactional call the producer is never used again."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return call(*arguments)
        except KafkaException as error:
            reason = error.args[0]
            if reason.code() in _FENCED:
                raise FencedError("another owner has taken this task over", reason=reason.str()) from error
            if not reason.retriable() or time.monotonic() > end:
                raise PlatformError("Kafka refused a call", call=getattr(call, "__name__", str(call)), reason=reason.str()) from error
            time.sleep(0.1)


def transactional_producer(client: Mapping[str, Any], transactional_id: str, timeout_s: float) -> Producer:
    """A producer that has fenced the one before it with the same id, and waited for its half-done commit."""
    producer = Producer({
        **client, "transactional.id": transactional_id, "transaction.timeout.ms": int(1000 * timeout_s), "linger.ms": 2,
        "compression.type": "lz4", "socket.timeout.ms": 10_000, "queue.buffering.max.messages": 1_000_000, "message.max.bytes": 4 << 20,
        "queue.buffering.max.kbytes": 1 << 20, "log_level": 2,
    })  # fmt: skip
    attempt(producer.init_transactions, CALL_S)
    return producer


def reader(client: Mapping[str, Any], group: str) -> Consumer:
    """A consumer in assign mode: it never joins the group. read_committed also makes the offset read wait for open commits."""
    return Consumer({
        **client, "group.id": group, "enable.auto.commit": False, "isolation.level": "read_committed", "auto.offset.reset": "error",
        "enable.partition.eof": True, "fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 5, "log_level": 2,
    })  # fmt: skip


def committed(consumer: Consumer, topics: list[str], partition: int) -> list[tuple[int, str]]:
    """(committed offset or -1, metadata) of each topic's partition."""
    found = attempt(consumer.committed, [TopicPartition(t, partition) for t in topics], CALL_S)
    for one in found:
        if one.error is not None:
            raise PlatformError("committed offsets cannot be read", topic=one.topic, partition=partition, reason=one.error.str())
    return [(one.offset if one.offset >= 0 else -1, one.metadata or "") for one in found]


def edges(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """(log start, last stable offset)."""
    low, high = attempt(consumer.get_watermark_offsets, TopicPartition(topic, partition), CALL_S)
    return int(low), int(high)


def messages(consumer: Consumer, topic: str, partition: int, start: int, end: int, chunk: int = 5000) -> Iterator[list[Message]]:
    """Data records with start <= offset < end, in lists; ends at the end of the partition at the latest."""
    if start >= end:
        return
    low, _ = edges(consumer, topic, partition)
    if start < low:
        raise GapError("records that are needed are no longer in the log", topic=topic, partition=partition, needed=start, log_start=low)
    consumer.assign([TopicPartition(topic, partition, start)])
    silent_since, done = time.monotonic(), False
    while not done:
        found: list[Message] = []
        for message in consumer.consume(chunk, 0.05):  # returns only when full or after the time-out: keep it short
            error = message.error()
            if error is None:
                if message.offset() >= end:
                    done = True
                    break
                found.append(message)
                done = done or message.offset() == end - 1
            elif error.code() == KafkaError._PARTITION_EOF:
                done = True
            elif error.code() == KafkaError._AUTO_OFFSET_RESET or error.code() == KafkaError.OFFSET_OUT_OF_RANGE:
                raise GapError("records that are needed are no longer in the log", topic=topic, partition=partition, reason=error.str())
            elif not error.retriable() and error.code() not in _WAITS:
                raise PlatformError("a topic cannot be read", topic=topic, partition=partition, reason=error.str())
        if found:
            silent_since = time.monotonic()
            yield found
        elif time.monotonic() - silent_since > 60:
            raise PlatformError("Kafka gave no record for 60 s", topic=topic, partition=partition, hint="are its brokers up?")
    consumer.unassign()


def as_log(found: list[Message], in_header: bool) -> Log:
    """Messages as columns, with append times from the log or from the header."""
    rows = []
    for message in found:
        headers = message.headers()
        if in_header:
            told = append_time.in_header(headers or ())
            append = NEG if told is None else told
        else:
            kind, milliseconds = message.timestamp()
            if kind != TIMESTAMP_LOG_APPEND_TIME:
                raise PlatformError("the topic has CreateTime: choose append=header or LogAppendTime for it", topic=message.topic())
            append = 1000 * milliseconds
        rows.append((message.offset(), append, message.key(), message.value(), pack_headers(headers) if headers else b""))
    return log_of(rows)


def decoded(message: Message, writer: Callable[[int], Mapping[str, Any] | None], contract: str) -> dict[str, Any]:
    """One of our own records, instants as integers; PlatformError where it cannot be read: nobody else may write there."""
    found = reference.decoded(message.value(), writer, contract)
    if isinstance(found, str):
        where = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
        raise PlatformError("a record of this program cannot be read", **where, reason=found)
    return found
