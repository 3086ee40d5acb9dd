"""Inputs that transactions wrote: aborted records are never read, and markers at the end of a partition hold nothing up."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from confluent_kafka import Producer

from streams.errors import GapError
from streams.runners.live.inbox import Inbox
from streams.runners.live.private import Fetch
from tests.live.plant import LINES, Plant

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

_SAMPLE = {"kind": "DATA", "source": "g", "boot": 0, "asset": "m1", "tag": "x", "quality": "GOOD"}


CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def test_only_what_is_committed_is_folded(plant: Plant) -> None:
    for rank, compression in enumerate(CODECS):
        producer = Producer({**plant.client, "transactional.id": f"{plant.prefix}{compression}", "compression.type": compression,
                             "partitioner": "murmur2_random"})  # fmt: skip
        producer.init_transactions(20)
        for value, abort in ((1.0 + rank, False), (-1000.0, True)):
            _write(plant, producer, f"gateway-{compression}", value, abort)
    time.sleep(1.2)  # until every window of 1 s around the samples has ended
    for _ in range(2):  # the first one may lie in front of the last markers
        plant.everywhere({"kind": "CLAIM", "source": "", "through_us": int(1e6 * time.time())})
        plant.producer.flush()
    _write(plant, producer, "gateway", -1000.0, abort=True)  # nothing but an aborted transaction lies at the end
    plant.finish()
    found = plant.verified()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 0 and not found["equal"]["dq.late.v1"], found
    windows = [json.loads(line)["value"] for line in plant.call("tail", "ctx.window.v1", "--until-end").stdout.splitlines()]
    tumbling = [w for w in windows if w["end_us"] - w["start_us"] == 1_000_000]
    assert sum(w["count"] for w in tumbling) == 50 * len(CODECS)
    assert (min(w["min"] for w in tumbling), max(w["max"] for w in tumbling)) == (1.0, 5.0)


def _write(plant: Plant, producer: Producer, source: str, value: float, abort: bool) -> None:
    producer.begin_transaction()
    for number in range(50):
        record: dict[str, Any] = _SAMPLE | {"source": source, "sequence": number, "value": value, "event_time_us": int(1e6 * time.time())}
        producer.produce(f"{plant.prefix}ot.sample.v1", plant.framed("ot.sample.v1", record), LINES[0].encode())
    producer.flush()
    if abort:
        producer.abort_transaction(20)
    else:
        producer.commit_transaction(20)


def test_an_inbox_cuts_what_was_had_and_refuses_a_gap() -> None:
    inbox = Inbox(["a", "b"], 0, [5, 7])

    def fetch(topic: str, start: int, end: int) -> Fetch:
        return Fetch(TopicPartition(topic, 0), b"12", [], start, end)

    assert inbox.put(fetch("b", 2, 7)) == 1 and not len(inbox), "all of it was had"
    inbox.put(fetch("b", 2, 9))
    assert (inbox.position, inbox.bytes, inbox.has(0), inbox.has(1)) == ([5, 9], [0, 2], False, True)
    with pytest.raises(GapError, match="records are missing from the log.*expected=9, found=10"):
        inbox.put(fetch("b", 10, 12))
    ((rank, waiting),) = inbox.take([0, 1])
    assert (rank, waiting.start) == (1, 7) and not len(inbox) and inbox.bytes == [0, 0]
