"""Confluent's own consumer and Avro deserializer, with nothing of ours: what an IT system sees of the derived topics."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.live.plant import Plant


def read_by_a_stock_consumer(plant: Plant, topics: dict[str, int | None]) -> None:
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
