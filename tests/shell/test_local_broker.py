"""A real broker: what it has acknowledged survives kill -9, and a cluster survives the loss of a broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.errors import InvalidValue, PlatformError
from streams.shell.local.broker import Broker, cluster
from streams.shell.local.ports import free_ports

QUIET = {"log_level": 0}


def create(settings: dict[str, str], topic: str, *, copies: int = 1) -> None:
    admin = AdminClient({**settings, **QUIET})  # must outlive its answers
    for made in admin.create_topics([NewTopic(topic, 1, copies)]).values():
        made.result(20.0)


def write(settings: dict[str, Any], topic: str, values: list[bytes]) -> None:
    """Write and wait until every record is acknowledged."""
    refused: list[Any] = []

    def delivered(error: Any, _message: Message) -> None:
        if error is not None:
            refused.append(error)

    producer = Producer({**settings, **QUIET, "message.timeout.ms": 30_000})
    for value in values:
        producer.produce(topic, value, on_delivery=delivered)
    assert producer.flush(30.0) == 0
    assert refused == []


def read(settings: dict[str, str], topic: str, count: int) -> list[bytes]:
    consumer = Consumer({**settings, **QUIET, "group.id": "not joined"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() for message in consumer.consume(count, timeout=30.0)]
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def test_the_settings_that_we_rely_on_are_in_force(broker: Broker) -> None:
    admin = AdminClient({**broker.client(), **QUIET})
    [asked] = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    settings = {name: entry.value for name, entry in asked.result(20.0).items()}
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["message.max.bytes"] == str(4 << 20)
    assert settings["group.initial.rebalance.delay.ms"] == "0"
    assert settings["log.message.timestamp.type"] == "CreateTime"  # each topic of ours says LogAppendTime itself
    assert settings["transaction.state.log.num.partitions"] == settings["offsets.topic.num.partitions"] == "4"


def test_a_topic_does_not_come_into_being_by_a_typing_error(broker: Broker) -> None:
    admin = AdminClient({**broker.client(), **QUIET})
    asked = admin.list_topics("no-such-topic", timeout=20.0).topics["no-such-topic"]  # makes it, where that is allowed
    assert asked.error.name() == "UNKNOWN_TOPIC_OR_PART"
    assert "no-such-topic" not in admin.list_topics(timeout=20.0).topics


def test_a_port_that_is_taken_is_named(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=f"taken by another process: ports=\\[{broker.port}\\]"):
        Broker(tmp_path, ports=(broker.port, free_ports(1)[0])).start()


def test_a_broker_is_not_started_twice(broker: Broker) -> None:
    with pytest.raises(InvalidValue, match="runs already"):
        broker.start()


def test_a_property_that_kafka_refuses_is_shown(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"message\.max\.bytes"):
        Broker(tmp_path, properties={"message.max.bytes": "many"}).start()


def test_a_folder_of_another_cluster_is_refused(broker: Broker) -> None:
    with pytest.raises(InvalidValue, match="belongs to another cluster"):
        Broker(broker.folder, cluster_id="A" * 22)


def test_what_was_acknowledged_survives_kill_9(broker: Broker) -> None:
    """Another object goes on with the folder, as a later `andon up` does; other ports would do as well."""
    create(broker.client(), "killed")
    write(broker.client(), "killed", [b"before"])
    broker.kill9()
    assert not broker.alive
    assert not broker.answers()
    with Broker(broker.folder, ports=(free_ports(1)[0], broker.controller_port)) as second:
        assert second.answers()
        assert second.cluster_id == broker.cluster_id
        write(second.client(), "killed", [b"after"])
        assert read(second.client(), "killed", 2) == [b"before", b"after"]
    assert not second.alive


def test_a_cluster_goes_on_without_one_of_its_brokers(tmp_path: Path) -> None:
    quick = {"broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 400}  # to notice the loss
    with cluster(tmp_path, 3, properties=quick) as brokers:
        settings = {"bootstrap.servers": ",".join(broker.bootstrap_servers for broker in brokers)}
        create(settings, "shared", copies=3)
        write(settings, "shared", [b"three"])
        brokers[0].kill9()
        write({**settings, "acks": "all"}, "shared", [b"two"])
        assert read(settings, "shared", 2) == [b"three", b"two"]
    assert not any(broker.alive for broker in brokers)
