"""A real broker takes every record that the largest legal input gives, uncompressed, into topics as the catalogue makes them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from streams.kafka.reader import KafkaReader
from tests.runners.test_sizes import LARGEST
from tests.shell.deployed import Deployed


def test_every_topic_takes_what_the_largest_legal_input_gives(deployed: Deployed) -> None:
    taken = [make() for make in LARGEST.values()]
    records = [(r.topic, r.key, r.value, r.headers) for one in taken for r in one.records]
    records += [(encoded.topic, *record) for one in taken for encoded in one.results for record in encoded.records()]
    topics, failed = sorted({topic for topic, *_ in records}), list[str]()
    deployed.create(*topics)

    def report(error: Any, message: Any) -> None:
        if error is not None:
            failed.append(f"{message.topic()}: {error.str()}")

    producer = deployed.producer(**{"message.max.bytes": 4 << 20, "compression.type": "none", "batch.num.messages": 1})
    for topic, key, value, headers in records:
        producer.produce(deployed.topic(topic), value, key, partition=0, headers=headers, on_delivery=report)
    assert producer.flush(60) == 0
    assert failed == []

    with KafkaReader(deployed.kafka.librdkafka()) as reader:
        spans = {(deployed.topic(topic), 0): reader.span(deployed.topic(topic), 0) for topic in topics}
        sizes = [(part.topic, len(one.value or b"")) for part in reader.read(spans) for one in part.records]
    assert Counter(sizes) == Counter((deployed.topic(topic), len(value)) for topic, _, value, _ in records)
    assert max(size for _, size in sizes) > 1 << 20, "nothing is as large as it was meant to be"
