"""Workers are killed, frozen, joined and left while gateways write: nothing is lost, nothing doubled, and the log folded again in
memory gives the same bytes. Every derived topic can be read by Confluent's own consumer."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.live.chaos import chaos
from tests.live.plant import PARTITIONS, Gateways, Plant

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

DERIVED = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1")
ASIDE = ("dq.late.v1", "dq.quarantine.v1", "dq.dead-letter.v1", "audit.restate-request.v1")


def test_chaos_leaves_the_same_bytes_as_the_memory_runner(plant: Plant) -> None:
    with Gateways(plant) as gateways:
        chaos(plant)
    plant.finish()
    found = plant.verified()
    assert found["same"] and not found["ahead"] and not sum(found["doubled"].values()), found
    assert all(found["equal"][name] > 200 for name in DERIVED), found["equal"]
    assert all(found["equal"][name] > 0 for name in ASIDE), found["equal"]
    assert gateways.written > 5_000
    _read_by_a_stock_consumer(plant, {**dict.fromkeys(DERIVED, PARTITIONS), "plant.epoch.v1": PARTITIONS, "plant.snapshot.v1": PARTITIONS,
                                      **dict.fromkeys((*ASIDE, "ctl.configuration.v1"), None)})  # fmt: skip


def _read_by_a_stock_consumer(plant: Plant, topics: dict[str, int | None]) -> None:
    """Confluent's consumer and Avro deserializer, with nothing of ours: every record of every topic becomes a dictionary."""
    consumer = Consumer({**plant.client, "group.id": "stock", "isolation.level": "read_committed", "enable.partition.eof": True,
                         "auto.offset.reset": "earliest"})  # fmt: skip
    with SchemaRegistryClient({"url": plant.registry_url}) as registry:
        decode = AvroDeserializer(registry)
        for name, wanted in topics.items():
            topic = plant.prefix + name
            partitions = list(consumer.list_topics(topic, 10).topics[topic].partitions)
            assert wanted in (None, len(partitions))
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            read: list[Any] = []
            ends = 0
            while ends < len(partitions):
                message = consumer.poll(20)
                assert message is not None
                if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                    ends += 1
                else:
                    read.append(decode(message.value(), SerializationContext(topic, MessageField.VALUE)))
            assert read and all(isinstance(record, dict) for record in read), name
    consumer.close()
