"""What an administrator asks of Kafka: topics, their settings, their offsets. One connection, bounded waits, errors of ours.

    with Admin(settings().kafka) as admin:
        admin.topics(["ot.sample.v1"])          {"ot.sample.v1": Described(partitions=8, replication=1)} or None for a missing one
        admin.settings_of(["ot.sample.v1"])     every setting in force, and whether somebody set it on the topic itself
        admin.ends([("ot.sample.v1", 0)])       read_committed: the last stable offset

A refused log-in or certificate ends a wait at once; a broker that does not answer ends it after `timeout_s`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from streams.errors import PlatformError
from streams.kafka.calls import QUIET, Trouble
from streams.kafka.reader import Place, Span
from streams.shell.settings import KafkaSettings

K = TypeVar("K")
V = TypeVar("V")

_PASSING = {  # while leaders move or a broker comes up; asked again
    KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_CONTROLLER, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}  # fmt: skip
_LOOK_S = 0.1


class Described(NamedTuple):
    partitions: int
    replication: int


class Setting(NamedTuple):
    """A topic setting in force. own: set on the topic itself, not inherited from the broker."""

    value: str
    own: bool


class Admin:
    """An administrator's connection; a context manager, or left to the garbage collector."""

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 15.0) -> None:
        self.settings, self.timeout_s, self._trouble = settings, timeout_s, Trouble(settings.bootstrap_servers)
        try:
            self._client = AdminClient({**settings.librdkafka(), **QUIET, "error_cb": self._trouble.note})
        except KafkaException as error:  # for example a PEM file that is none
            raise PlatformError("these Kafka settings cannot be used", reason=error.args[0].str()) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.poll(0)

    def spans(self, topics: Sequence[str]) -> dict[Place, Span]:
        """Of every partition of these topics what is there now: log start to last stable offset. PlatformError names missing topics."""
        described = self.topics(topics)
        missing = [name for name, found in described.items() if found is None]
        if missing:
            raise PlatformError("there is no such topic", topics=missing, hint="run `andon topics apply`, or see ANDON_TOPIC_PREFIX")
        places = [(name, partition) for name, found in described.items() if found for partition in range(found.partitions)]
        ends = self.ends(places)  # before the starts: retention may move a start past an end, which is then an empty span
        return {place: Span(start, max(start, ends[place])) for place, start in self.starts(places).items()}

    def cluster(self) -> tuple[str, int]:
        """Cluster id and number of brokers."""
        found = self._value("describe the cluster", self._client.describe_cluster)
        return str(found.cluster_id), len(found.nodes)

    def topics(self, names: Iterable[str]) -> dict[str, Described | None]:
        """Of each topic its partitions and the fewest replicas of any; None: there is no such topic."""
        wanted = list(names)
        answers = self._values("describe topics", lambda: self._client.describe_topics(TopicCollection(wanted))) if wanted else {}
        found: dict[str, Described | None] = {}
        for name in wanted:
            answer = answers[name]
            if isinstance(answer, KafkaError):
                if answer.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._refusal("a topic cannot be described", answer, topic=name)
                found[name] = None
            else:
                found[name] = Described(len(answer.partitions), min(len(p.replicas) for p in answer.partitions))
        return found

    def settings_of(self, names: Iterable[str]) -> dict[str, dict[str, Setting]]:
        """Settings of those of the topics that exist, by the broker's names."""
        resources = {ConfigResource(ResourceType.TOPIC, name): name for name in names}
        answers = self._values("describe settings", lambda: self._client.describe_configs(list(resources))) if resources else {}
        found = {}
        for resource, answer in answers.items():
            if isinstance(answer, KafkaError) and answer.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if isinstance(answer, KafkaError):
                raise self._refusal("the settings of a topic cannot be read", answer, topic=resources[resource])
            found[resources[resource]] = {
                name: Setting(str(entry.value), entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value) for name, entry in answer.items()
            }
        return found

    def starts(self, places: Iterable[Place]) -> dict[Place, int]:
        """First offset that the log still has."""
        return self._offsets(places, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    def ends(self, places: Iterable[Place], *, committed: bool = True) -> dict[Place, int]:
        """Last stable offset: everything below is committed or aborted. Not committed: the end of the log."""
        return self._offsets(places, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED)

    def create(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> bool:
        """Make a topic; False: somebody else made it in the meantime."""
        new = NewTopic(name, num_partitions=partitions, replication_factor=replication, config=dict(settings))
        [answer] = self._values("create a topic", lambda: self._client.create_topics([new])).values()
        if isinstance(answer, KafkaError):
            if answer.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise self._refusal("a topic cannot be created", answer, topic=name)
        return True

    def set(self, name: str, settings: Mapping[str, str]) -> None:
        """Set these settings of a topic; all others stay as they are."""
        entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        [answer] = self._values("change a topic", lambda: self._client.incremental_alter_configs([resource])).values()
        if isinstance(answer, KafkaError):
            raise self._refusal("a topic cannot be changed", answer, topic=name, settings=dict(settings))

    def _offsets(self, places: Iterable[Place], spec: Any, isolation: Any) -> dict[Place, int]:
        wanted = {TopicPartition(topic, partition): spec for topic, partition in places}
        if not wanted:
            return {}
        found = {}
        answers: dict[Any, Any] = self._values("list offsets", lambda: self._client.list_offsets(wanted, isolation_level=isolation))
        for place, answer in answers.items():
            if isinstance(answer, KafkaError):
                raise self._refusal("the offsets of a partition cannot be read", answer, topic=place.topic, partition=place.partition)
            found[place.topic, place.partition] = int(answer.offset)
        return found

    def _refusal(self, fact: str, error: Any, **values: Any) -> PlatformError:
        return PlatformError(fact, **values, reason=f"{error.name()}: {error.str()}")

    def _value(self, what: str, call: Callable[[], Any]) -> Any:
        answer = self._values(what, lambda: {"": call()})[""]
        if isinstance(answer, KafkaError):
            raise self._refusal(f"Kafka refuses to {what}", answer)
        return answer

    def _values(self, what: str, call: Callable[[], Mapping[K, Future[V]]]) -> dict[K, V | KafkaError]:
        """The answers, or Kafka's own error in an answer's place."""
        deadline_s = time.monotonic() + self.timeout_s
        while True:
            try:
                found = {key: self._wait(what, future, deadline_s) for key, future in call().items()}
            except KafkaException as error:  # a call that is not even sent
                raise self._refusal(f"Kafka refuses to {what}", error.args[0]) from error
            passing = any(isinstance(answer, KafkaError) and answer.code() in _PASSING for answer in found.values())
            if not passing or time.monotonic() > deadline_s:
                return found
            time.sleep(_LOOK_S)

    def _wait(self, what: str, future: Future[V], deadline_s: float) -> V | KafkaError:
        while True:
            try:
                return future.result(_LOOK_S)
            except KafkaException as error:
                if error.args[0].code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
                    raise self._trouble.error("Kafka does not answer", asked=what) from error
                return error.args[0]
            except TimeoutError as error:
                self._client.poll(0)  # fetches the reason
                if self._trouble.final or time.monotonic() > deadline_s:
                    raise self._trouble.error("Kafka cannot be reached", asked=what) from error
