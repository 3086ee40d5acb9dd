"""A run into a real Kafka, read back with nothing of ours: confluent_kafka's own consumer and Avro deserializer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from typer.testing import CliRunner

from streams.catalogue import TOPICS, schema_of
from streams.codec.murmur import partition_of
from streams.errors import PlatformError
from streams.shell.cli import app
from streams.shell.ingest import mapping_file
from streams.shell.ingest.encoding import encoded
from streams.shell.ingest.mapping import INPUTS
from streams.shell.ingest.merge import merged
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry
from streams.shell.settings import KafkaSettings, RegistrySettings
from tests.shell.ingest.material import ORDERS, written
from tests.shell.ingest.test_merge import CLAIMED, HEADER, LINES, RULES, S

CONFIGURATION = """
application = "plant"
topology = "context"
lane_classes = { default = "live" }
inputs = {}
rules = {}
"""


class Plant:
    """A mapping, files and a configuration in a folder; topics and contracts on the shared platform."""

    def __init__(self, folder: Path, kafka: str, registry_url: str, prefix: str) -> None:
        self.folder, self.prefix, self.kafka, self.registry_url = folder, prefix, KafkaSettings(bootstrap_servers=kafka), registry_url
        self.files = [
            written(
                folder,
                "day1.csv",
                "time,tag,value,line",
                *(f"{n * S},{'mode' if n % 7 == 0 else 'a'},{n},acme/x/y/l{n % 2}" for n in range(40)),
            ),
            written(folder, "day2.csv", "time,tag,value,line", *(f"{n * S // 3},b,{n / 8},acme/x/y/l0" for n in range(500))),
            written(
                folder, "orders.csv", HEADER, f"{3 * S},Start,o-1,OP10,COVER,press-1,,{9 * S},,,,", f"{4 * S},Split,o-1,,,,,,o-2;o-3,,,"
            ),
        ]
        self.mapping = written(
            folder,
            "m.toml",
            CLAIMED + LINES.replace('layout = "long"', 'layout = "long"\npacking = 100\npacking_span = "1 h"') + RULES + ORDERS,
        )
        self.configuration = written(
            folder, "c.toml", CONFIGURATION, *(f'topics."{name}" = {{ partitions = 2, append = "header" }}' for name in INPUTS)
        )

    def prepare(self, **settings: str) -> None:
        """settings: of the topics, beside the catalogue's."""
        topics = {topic.name: topic for topic in TOPICS}
        with Admin(self.kafka) as admin, Registry(RegistrySettings(url=self.registry_url)) as registry:
            for name in INPUTS:
                admin.create(self.prefix + name, 2, 1, {**topics[name].broker_settings(), **settings})
                registry.register(f"{self.prefix}{name}-value", json.dumps(schema_of(name)))

    def ingest(self, *more: str) -> Any:
        environment = {
            "ANDON_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers, "ANDON_REGISTRY__URL": self.registry_url,
            "ANDON_TOPIC_PREFIX": self.prefix,
        }  # fmt: skip
        arguments = ["ingest", *map(str, self.files), "--mapping", str(self.mapping), "--config", str(self.configuration), "--json", *more]
        return CliRunner(env=environment).invoke(app(), arguments)

    def read(self) -> Iterator[tuple[str, Any, Any]]:
        """(topic without prefix, message, value) of everything; in order within a partition."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.prefix, "enable.partition.eof": True})
        consumer.assign([TopicPartition(self.prefix + name, partition, 0) for name in INPUTS for partition in range(2)])
        with SchemaRegistryClient({"url": self.registry_url}) as client:
            deserializer, ended = AvroDeserializer(client), 0
            while ended < 2 * len(INPUTS):
                message = consumer.poll(20)
                assert message is not None, "Kafka has fallen silent"
                if message.error() is not None:
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    ended += 1
                    continue
                context = SerializationContext(message.topic(), MessageField.VALUE)
                yield message.topic().removeprefix(self.prefix), message, deserializer(message.value(), context)
        consumer.close()


@pytest.fixture
def plant(tmp_path: Path, kafka: str, registry_url: str, topic_prefix: str) -> Plant:
    return Plant(tmp_path, kafka, registry_url, topic_prefix)


def test_a_run_is_read_back_by_stock_clients(plant: Plant) -> None:
    plant.prepare()
    result = plant.ingest("--through", "1970-01-01T01:00Z")
    assert result.exit_code == 0, result.exception or result.stderr
    said = json.loads(result.stdout)
    found = list(plant.read())
    expected = list(merged(plant.files, mapping_file.load(plant.mapping), lambda _: 2, 3600 * S))

    assert len(found) == len(expected) == sum(sum(kinds.values()) for kinds in said["records"].values())
    for name in INPUTS:
        for partition in range(2):
            here = [(message, value) for topic, message, value in found if topic == name and message.partition() == partition]
            wanted = [record for record in expected if (record.topic, record.partition) == (name, partition)]
            assert [message.key() for message, _ in here] == [record.key for record in wanted]
            assert [message.headers() for message, _ in here] == [
                [("andon-append-us", str(record.append_us).encode())] for record in wanted
            ]
            assert [message.value()[5:] for message, _ in here] == [each.value[5:] for each in encoded(wanted, {name: 0})]
            assert [value["kind"] for _, value in here] == [record.kind for record in wanted]
            assert all(message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME for message, _ in here)
            assert all(partition_of(message.key(), 2) == partition for message, value in here if value["kind"] == "DATA")
    samples = [value for topic, _, value in found if topic == "ot.telemetry.v1" and value["kind"] == "DATA"]
    assert sum(len(value["values"]) for value in samples) == 534
    assert {value["source"] for value in samples} == {f"file:{name}" for name in (value["source"][5:] for value in samples)}
    order = next(value for topic, _, value in found if topic == "mes.order.v1" and value["event"] == "SPLIT")
    assert (order["order"], order["split_into"], order["event_time_us"].isoformat()) == ("o-1", ["o-2", "o-3"], "1970-01-01T00:00:04+00:00")
    ends = [
        value["through_us"].isoformat()
        for topic, message, value in found
        if value["kind"] == "CLAIM" and message.headers()[0][1] == b"3600000000"
    ]
    assert ends == ["1970-01-01T01:00:00+00:00"] * 10  # five claimed inputs, two partitions


def test_nothing_is_written_where_a_topic_or_a_contract_is_missing_or_partitions_differ(plant: Plant) -> None:
    result = plant.ingest()
    assert isinstance(result.exception, PlatformError)
    assert "there is no such topic" in str(result.exception)
    assert "andon topics apply" in str(result.exception)

    topics = {topic.name: topic for topic in TOPICS}
    with Admin(plant.kafka) as admin:
        for name in INPUTS:
            admin.create(plant.prefix + name, 3 if name == "ot.state.v1" else 2, 1, topics[name].broker_settings())
    result = plant.ingest()
    assert isinstance(result.exception, PlatformError)
    assert "another number of partitions than the catalogue" in str(result.exception)
    assert "partitions=3, catalogue=2" in str(result.exception)

    plant.configuration.write_text(
        plant.configuration.read_text().replace('topics."ot.state.v1" = { partitions = 2', 'topics."ot.state.v1" = { partitions = 3')
    )
    result = plant.ingest()
    assert isinstance(result.exception, PlatformError)
    assert "andon schemas apply" in str(result.exception)
    with Admin(plant.kafka) as admin:
        ends = admin.ends([(plant.prefix + name, partition) for name in INPUTS for partition in range(2)])
    assert set(ends.values()) == {0}


def test_a_record_that_the_broker_refuses_ends_the_run(plant: Plant) -> None:
    plant.prepare(**{"max.message.bytes": "100"})
    result = plant.ingest()

    assert isinstance(result.exception, PlatformError)
    assert "the run ended early: a record was not written" in str(result.exception)
    assert "MSG_SIZE_TOO_LARGE" in str(result.exception)
