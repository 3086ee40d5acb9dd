"""Topics held against the catalogue: what is safe is done, what would lose something is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.catalogue import DAY_MS, Topic
from streams.errors import InvalidValue, PlatformError
from streams.shell.kafka_admin import Change, apply, plan
from streams.shell.kafka_connection import Admin
from streams.shell.local.broker import cluster
from streams.shell.settings import KafkaSettings


@pytest.fixture(scope="module")
def admin(kafka: str) -> Admin:
    return Admin(KafkaSettings(bootstrap_servers=kafka))


@pytest.fixture
def topic(topic_prefix: str) -> Topic:
    return Topic(name=f"{topic_prefix}ot.sample.v1", schema="ot.sample.v1", key="line path", owner="gateways", partitions=2)


def differences(changes: list[Change]) -> list[tuple[str, str, str, str, bool]]:
    return [(c.kind, c.setting, c.now, c.wanted, bool(c.refused)) for c in changes]


def test_applied_twice_is_applied_once(admin: Admin, topic: Topic) -> None:
    assert [c.kind for c in apply([topic], admin)] == ["missing"]
    assert apply([topic], admin) == []
    assert plan([topic], admin) == []
    in_force = admin.settings_of([topic.name])[topic.name]
    assert {name: in_force[name].value for name in topic.broker_settings()} == topic.broker_settings()


def test_each_difference_is_named(admin: Admin, topic: Topic) -> None:
    wanted = topic.broker_settings()
    admin.create(topic.name, 3, 1, wanted | {"retention.ms": str(DAY_MS), "cleanup.policy": "compact", "segment.ms": "1000000"})
    assert differences(plan([topic], admin, replication=2)) == [
        ("partitions", "", "3", "2", True),
        ("replication", "", "1", "2", True),
        ("setting", "cleanup.policy", "compact", "delete", True),
        ("setting", "retention.ms", str(DAY_MS), str(30 * DAY_MS), False),
        ("foreign", "segment.ms", "1000000", "", False),
    ]


def test_a_number_of_partitions_is_never_changed(admin: Admin, topic: Topic) -> None:
    """And nothing else is, while that is refused."""
    admin.create(topic.name, 1, 1, topic.broker_settings() | {"retention.ms": str(DAY_MS)})
    with pytest.raises(PlatformError, match=r"partitions is 1, wanted 2: keys would move"):
        apply([topic], admin)
    described = admin.topics([topic.name])[topic.name]
    assert described is not None
    assert described.partitions == 1
    assert admin.settings_of([topic.name])[topic.name]["retention.ms"].value == str(DAY_MS)


def test_what_would_delete_records_needs_a_word(admin: Admin, topic: Topic) -> None:
    admin.create(topic.name, 2, 1, topic.broker_settings() | {"retention.ms": "-1"})
    with pytest.raises(PlatformError, match="the broker would delete records"):
        apply([topic], admin)
    assert differences(apply([topic], admin, allow_deletion=True)) == [("setting", "retention.ms", "-1", str(30 * DAY_MS), False)]
    assert plan([topic], admin) == []


def test_settings_of_others_stay(admin: Admin, topic: Topic) -> None:
    admin.create(topic.name, 2, 1, topic.broker_settings() | {"retention.ms": str(DAY_MS), "segment.ms": "1000000"})
    apply([topic], admin)
    assert differences(plan([topic], admin)) == [("foreign", "segment.ms", "1000000", "", False)]


class TestCreateTime:
    """A topic whose records bear their senders' time has no append time that can be trusted."""

    @pytest.fixture(autouse=True)
    def existing(self, admin: Admin, topic: Topic) -> None:
        admin.create(topic.name, 2, 1, topic.broker_settings() | {"message.timestamp.type": "CreateTime"})

    def test_it_is_refused_until_append_is_chosen(self, admin: Admin, topic: Topic) -> None:
        [change] = plan([topic], admin)
        assert (change.kind, change.now, bool(change.refused)) == ("timestamp", "CreateTime", True)
        with pytest.raises(PlatformError, match="nobody has chosen where append time comes from"):
            apply([topic], admin)

    def test_with_append_log_chosen_an_empty_one_is_set(self, admin: Admin, topic: Topic) -> None:
        apply([topic], admin, append_chosen={topic.name})
        assert plan([topic], admin) == []

    def test_with_append_log_chosen_one_that_holds_records_is_refused(self, admin: Admin, topic: Topic) -> None:
        from confluent_kafka import Producer

        producer = Producer(admin.settings.librdkafka())
        producer.produce(topic.name, b"of yesterday")
        producer.flush()
        with pytest.raises(PlatformError, match="it holds records that bear their senders' time"):
            apply([topic], admin, append_chosen={topic.name})

    def test_with_append_header_it_is_set(self, admin: Admin, topic: Topic) -> None:
        """The header carries append time; the stamp only decides how long the broker keeps the record."""
        headed = Topic(name=topic.name, schema=topic.schema, key=topic.key, owner=topic.owner, partitions=2, append="header")
        apply([headed], admin)
        assert plan([headed], admin) == []


def test_more_replicas_than_brokers_are_refused(admin: Admin, topic: Topic) -> None:
    with pytest.raises(InvalidValue, match="replication needs as many brokers"):
        apply([topic], admin, replication=2)


def test_with_several_brokers_replication_must_be_said(tmp_path: Path, topic: Topic) -> None:
    """A silent 1 would lose records with the first disk."""
    with cluster(tmp_path, 2) as brokers:
        admin = Admin(KafkaSettings(bootstrap_servers=",".join(broker.bootstrap_servers for broker in brokers)))
        with pytest.raises(PlatformError, match="--replication"):
            apply([topic], admin)
        apply([topic], admin, replication=2)
        described = admin.topics([topic.name])[topic.name]
        assert described is not None
        assert described.replication == 2


def test_a_kafka_that_is_not_there_is_named() -> None:
    with pytest.raises(PlatformError, match=r"bootstrap_servers='127.0.0.1:1'.*Connection refused"):
        Admin(KafkaSettings(bootstrap_servers="127.0.0.1:1"), timeout_s=1.0).topics(["ot.sample.v1"])
