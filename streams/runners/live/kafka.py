"""What the live runner adds to `streams.kafka`: producers that fence, and readers of its own records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Producer

from streams.errors import PlatformError
from streams.kafka.calls import CALL_S, attempt
from streams.kafka.reader import KafkaReader, Part
from streams.runners import reference
from streams.runners.live.setup import Setup


def transactional_producer(client: Mapping[str, Any], transactional_id: str, timeout_s: float) -> Producer:
    """A producer that has fenced the one before it with the same id, and waited for its half-done commit."""
    producer = Producer({
        **client, "transactional.id": transactional_id, "transaction.timeout.ms": int(1000 * timeout_s), "linger.ms": 2,
        "compression.type": "lz4", "socket.timeout.ms": 10_000, "queue.buffering.max.messages": 1_000_000, "message.max.bytes": 4 << 20,
        "queue.buffering.max.kbytes": 1 << 20, "log_level": 2,
    })  # fmt: skip
    attempt(producer.init_transactions, CALL_S)
    return producer


def reader(setup: Setup) -> KafkaReader:
    """A reader that knows what the application has committed."""
    return KafkaReader(setup.connection.client, group=setup.application)


def decoded(part: Part, writer: Callable[[int], Mapping[str, Any] | None], contract: str) -> dict[int, dict[str, Any]]:
    """Of records of our own by offset, instants as integers; PlatformError where one cannot be read: nobody else may write there."""
    found = {}
    for record in part.records:
        one = reference.decoded(record.value, writer, contract)
        if isinstance(one, str):
            raise PlatformError(
                "a record of this program cannot be read", topic=part.topic, partition=part.partition, offset=record.offset, reason=one
            )
        found[record.offset] = one
    return found
