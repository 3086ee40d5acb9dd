"""Committed records, all of them, and an end that is reached though no record bears its offset."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streams.codec.log import APPEND_HEADER, header_number, pack_headers
from streams.errors import GapError, PlatformError
from streams.kafka.reader import KafkaReader, Part, Record, Span, append_us
from streams.kernel import NEG
from tests.shell.deployed import Deployed, in_transaction

STAMPED = {"message.timestamp.type": "LogAppendTime"}


@pytest.fixture
def reader(deployed: Deployed) -> Iterator[KafkaReader]:
    with KafkaReader(deployed.kafka.librdkafka(), stall_s=15.0) as opened:
        yield opened


@pytest.fixture
def topic(deployed: Deployed) -> str:
    name = deployed.topic("x")
    deployed.admin().create(name, 3, 1, STAMPED)
    return name


def offsets(parts: Iterator[Part]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for part in parts:
        found.setdefault(part.partition, []).extend(record.offset for record in part.records)
    return found


def test_a_read_ends_behind_what_was_aborted_and_before_what_is_open(deployed: Deployed, reader: KafkaReader, topic: str) -> None:
    """Partition 0 ends with an aborted transaction and its marker, partition 1 with one that is still open, 2 is empty."""
    closed, opened = deployed.producer(**{"transactional.id": f"{topic}a"}), deployed.producer(**{"transactional.id": f"{topic}b"})
    closed.init_transactions()
    for abort in (False, True, False, True):
        in_transaction(closed, lambda: [closed.produce(topic, b"x", partition=0) for _ in range(3)], abort=abort)
    opened.init_transactions()
    plain = deployed.producer()
    plain.produce(topic, b"before", partition=1)
    plain.flush()
    opened.begin_transaction()
    opened.produce(topic, b"open", partition=1)
    opened.flush()
    plain.produce(topic, b"after", partition=1)
    plain.flush()

    there = deployed.admin().spans([topic])
    assert there == {(topic, 0): (0, 16), (topic, 1): (0, 1), (topic, 2): (0, 0)}
    passed: list[int] = []
    assert offsets(reader.read(there, passed.append)) == {0: [0, 1, 2, 8, 9, 10], 1: [0]}
    assert sum(passed) == 17

    opened.commit_transaction()
    assert offsets(reader.read(there)) == {0: [0, 1, 2, 8, 9, 10], 1: [0]}  # the end is that of the call
    assert offsets(reader.read(deployed.admin().spans([topic])))[1] == [0, 1, 2]


def test_a_read_takes_half_open_spans(deployed: Deployed, reader: KafkaReader, topic: str) -> None:
    producer = deployed.producer()
    for _ in range(10):
        producer.produce(topic, b"x", partition=0)
    producer.flush()
    assert offsets(reader.read({(topic, 0): Span(3, 6), (topic, 1): Span(0, 0)})) == {0: [3, 4, 5]}
    assert offsets(reader.read({})) == {}


def test_a_record_keeps_every_byte(deployed: Deployed, reader: KafkaReader, topic: str) -> None:
    sent: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
        (None, b"v", []), (b"", b"", []), (b"k", None, [("a", None), ("a", b""), ("b", b"\xff")]), (b"\xff", b"\0" * 1000, [("é", b"1")]),
    ]  # fmt: skip
    producer = deployed.producer()
    for key, value, headers in sent:
        producer.produce(topic, value, key, partition=0, headers=headers)
    producer.flush()
    [part] = reader.read(deployed.admin().spans([topic]))
    assert [(r.key, r.value, r.headers) for r in part.records] == sent
    log = part.log("log")
    assert [(log.key(n), log.value(n), log.headers(n)) for n in range(4)] == sent
    assert log.append.tolist() == [1000 * r.timestamp_ms for r in part.records]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([("andon-append-us", b"12")], 12), ([("x", b"1"), ("andon-append-us", b"-7")], -7), ([], None), ([("andon-append-us", None)], None),
     ([("andon-append-us", b"1e3")], None), ([("andon-append-us", b"-")], None), ([("andon-append-us", b"1" * 19)], None),
     ([("andon-append-us", b"x"), ("andon-append-us", b"1")], None)],
)  # fmt: skip
def test_append_time_from_the_header_is_what_the_codec_reads(headers: list[tuple[str, bytes | None]], expected: int | None) -> None:
    """The live runner parses fetches in a kernel, an export in Python: the two must never differ."""
    record = Record(0, 2, 5, None, None, headers)
    packed = np.frombuffer(pack_headers(headers), np.uint8)
    assert append_us(record, "header") == expected
    assert header_number(packed, 0, len(packed), np.frombuffer(APPEND_HEADER, np.uint8)) == (NEG if expected is None else expected)


def test_an_offset_that_the_log_does_not_have_is_a_gap(reader: KafkaReader, topic: str) -> None:
    with pytest.raises(GapError, match="the log does not have this offset"):
        list(reader.read({(topic, 0): Span(5, 9)}))


def test_silence_does_not_last_for_ever(deployed: Deployed, topic: str) -> None:
    silent = pytest.raises(PlatformError, match=r"Kafka has sent nothing.*0 of 9")
    with KafkaReader(deployed.kafka.librdkafka(), stall_s=0.5) as reader, silent:
        list(reader.read({(topic, 7): Span(0, 9)}))  # there is no partition 7


def test_a_missing_topic_is_named(deployed: Deployed) -> None:
    with pytest.raises(PlatformError, match="there is no such topic.*nobody"):
        deployed.admin().spans(["nobody"])
