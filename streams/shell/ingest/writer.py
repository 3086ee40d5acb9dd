"""The log of a run into Kafka: an idempotent producer, keys by line path, partitions that are checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.catalogue import Catalogue, Topic, text_of
from streams.errors import PlatformError, SettingsError
from streams.kafka.calls import QUIET, Trouble
from streams.shell.ingest.encoding import Message
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of
from streams.shell.settings import KafkaSettings, RegistrySettings

PRODUCER: Final[Mapping[str, Any]] = {
    "enable.idempotence": True, "acks": "all", "compression.type": "lz4", "linger.ms": 50, "batch.size": 1_000_000,
    "queue.buffering.max.messages": 200_000, "queue.buffering.max.kbytes": 131_072, "delivery.timeout.ms": 120_000,
}  # fmt: skip
POLLED_EVERY: Final = 1_000  # messages; delivery reports are taken in between


def check_append(catalogue: Catalogue, names: Iterable[str]) -> None:
    """Refuse inputs whose append time does not come from a header: what a file says happened long before it is written, and a
    simulated second is not one of the clock."""
    wrong = [name for name in names if catalogue.of(name).append != "header"]
    if wrong:
        raise SettingsError(
            "what bears its own append time can only be written to topics that take it from a header", topics=wrong,
            hint=f'in the configuration: [topics."{wrong[0]}"] append = "header"',
        )  # fmt: skip


def check_topics(settings: KafkaSettings, catalogue: Catalogue, names: Iterable[str]) -> None:
    """Refuse topics that are missing or have another number of partitions than the catalogue says."""
    wanted: dict[str, Topic] = {catalogue.of(name).name: catalogue.of(name) for name in names}
    with Admin(settings) as admin:
        there = admin.topics(wanted)
    for name, topic in wanted.items():
        found = there[name]
        if found is None:
            raise PlatformError("there is no such topic", topic=name, hint="run `andon topics apply`")
        if found.partitions != topic.partitions:
            raise PlatformError(
                "a topic has another number of partitions than the catalogue", topic=name, partitions=found.partitions,
                catalogue=topic.partitions,
                hint=f'in the configuration: [topics."{name.removeprefix(catalogue.prefix)}"] partitions',
            )  # fmt: skip


def schema_ids(settings: RegistrySettings, catalogue: Catalogue, names: Iterable[str]) -> dict[str, int]:
    """Ids of our contracts under the subjects of these topics; PlatformError where one is not registered."""
    with Registry(settings) as registry:
        return {name: registry.id_of(subject_of(catalogue.of(name).name), text_of(catalogue.of(name).schema)) for name in names}


class Delivery:
    """What the broker has acknowledged, and the first thing that it has not."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.failure: tuple[str, int, str] | None = None

    def report(self, error: KafkaError | None, message: Any) -> None:
        """Callback of the producer."""
        if error is None:
            self.acknowledged += 1
        elif self.failure is None:
            self.failure = (message.topic(), message.partition(), f"{error.name()}: {error.str()}")

    def check(self, trouble: Trouble, settings: KafkaSettings) -> None:
        if self.failure is not None:
            topic, partition, reason = self.failure
            given = {"trouble": trouble.reason} if trouble.reason else {}
            raise PlatformError(
                "the run ended early: a record was not written", bootstrap_servers=settings.bootstrap_servers, topic=topic,
                partition=partition, reason=reason, **given,
                hint="run it again: it goes on behind the records that are there",
            )  # fmt: skip


def write(
    messages: Iterable[Message], settings: KafkaSettings, catalogue: Catalogue, written: Callable[[Message], None] = lambda _: None
) -> Counter[str]:
    """Write every message and wait until the broker has them all; counts by topic. `written` is told of each message in turn."""
    delivery, trouble, counts = Delivery(), Trouble(settings.bootstrap_servers), Counter[str]()
    try:
        producer = Producer({**settings.librdkafka(), **PRODUCER, **QUIET, "error_cb": trouble.note})
    except KafkaException as error:
        raise PlatformError("these Kafka settings cannot be used", reason=error.args[0].str()) from error
    names = {name: topic.name for name, topic in catalogue.topics.items()}
    try:
        for number, message in enumerate(messages):
            _produce(producer, names[message.topic], message, delivery)
            counts[message.topic] += 1
            written(message)
            if number % POLLED_EVERY == 0:
                producer.poll(0)
                delivery.check(trouble, settings)
        while producer.flush(1.0):
            delivery.check(trouble, settings)
        delivery.check(trouble, settings)
    except BaseException:
        producer.purge()  # what waits in the queue would be sent while the program ends
        raise
    assert delivery.acknowledged == sum(counts.values()), "a record is neither acknowledged nor refused"
    return counts


def _produce(producer: Any, topic: str, message: Message, delivery: Delivery) -> None:
    while True:
        try:
            producer.produce(
                topic, message.value, message.key, partition=message.partition, headers=message.headers, on_delivery=delivery.report
            )
            return
        except BufferError:
            producer.poll(0.1)  # the queue is full: wait for the broker
        except KafkaException as error:
            raise PlatformError("a record cannot be sent", topic=topic, partition=message.partition, reason=error.args[0].str()) from error
