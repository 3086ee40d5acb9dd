"""The pacemaker: keeps append time moving where nothing is written, so that a silent input does not stop time.

A partition whose end has not moved for a while gets one record of kind BLANK. It says only that it was appended now; lost,
doubled, or missing from an archive, it changes no result. A second pacemaker sees the blanks of the first as sound, and keeps
quiet. Topics with append=header are left to their writer, whose time is not ours.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import fastavro
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException, Producer

from streams.catalogue import Topic, schema_of, text_of
from streams.configuration import Configuration
from streams.errors import PlatformError, SettingsError, require
from streams.kafka.calls import QUIET, Trouble
from streams.kafka.reader import Place
from streams.model.path import line_path
from streams.shell.deployment import topology_of
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of
from streams.shell.settings import KafkaSettings

_DELIVERED_MS: Final = 5_000  # a blank that arrives later says nothing that the next one does not say


class Silence:
    """Which partitions have not been written to for `silent_us`, by the clock of the caller.

    >>> silence = Silence(5)
    >>> [silence.due(now_us, {("t", 0): end}) for now_us, end in ((0, 7), (4, 7), (5, 7), (6, 8), (10, 8), (11, 8))]
    [[], [], [('t', 0)], [], [], [('t', 0)]]
    """

    def __init__(self, silent_us: int) -> None:
        require(silent_us > 0, "silent_us must be positive", silent_us=silent_us)
        self.silent_us = silent_us
        self._since: dict[Place, tuple[int, int]] = {}  # end, and since when it has been that

    def due(self, now_us: int, ends: Mapping[Place, int]) -> list[Place]:
        """Partitions to write to now; each is told again only after another silence."""
        found = []
        for place, end in ends.items():
            before, since_us = self._since.get(place, (None, now_us))
            if end != before:
                since_us = now_us
            elif now_us - since_us >= self.silent_us:
                found.append(place)
                since_us = now_us
            self._since[place] = (end, since_us)
        return found


def paced(configuration: Configuration, prefix: str = "") -> tuple[list[Topic], list[Topic]]:
    """Raw inputs of the application: those to pace, and those with append=header, which pace themselves.

    SettingsError where there is nothing to pace. Derived inputs need none: their tasks write how far they are.
    """
    topology, catalogue = topology_of(configuration), configuration.catalogue(prefix)
    raw = [catalogue.of(name) for name in topology.inputs if catalogue.of(name).kind is not None]
    mine, others = [t for t in raw if t.append == "log"], [t for t in raw if t.append == "header"]
    if not mine:
        raise SettingsError(
            "no input of the application is for the pacemaker", topics=[t.name for t in others],
            hint="the writer of a topic with append=header paces it",
        )  # fmt: skip
    return mine, others


def blank(topic: Topic, schema_id: int, source: str) -> bytes:
    """A framed record of kind BLANK."""
    out = io.BytesIO()
    schema = fastavro.parse_schema(dict(schema_of(topic.schema)), named_schemas={})
    fastavro.schemaless_writer(out, schema, {"kind": "BLANK", "source": source})
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def blank_key(partition: int) -> bytes:
    """A line path that no plant has.

    >>> blank_key(3)
    b'pacemaker/pacemaker/pacemaker/3'
    """
    return line_path(f"pacemaker/pacemaker/pacemaker/{partition}").encode()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all partitions: how many there are, and those that got a blank."""

    partitions: int
    blanks: Sequence[Place]


class Pacemaker:
    """Looks and writes; a context manager. source: who writes the blanks, `pacemaker:<host>`."""

    def __init__(
        self, kafka: KafkaSettings, topics: Sequence[Topic], registry: Registry, *, source: str, silent_us: int, timeout_s: float = 15.0
    ) -> None:
        self.settings, self.timeout_s, self._trouble, self._silence = kafka, timeout_s, Trouble(kafka.bootstrap_servers), Silence(silent_us)
        self._values = {t.name: blank(t, registry.id_of(subject_of(t.name), text_of(t.schema)), source) for t in topics}
        self._admin, self._refused = Admin(kafka, timeout_s=timeout_s), ""
        self._places = self._partitions()
        self._producer = Producer({
            **kafka.librdkafka(), **QUIET, "error_cb": self._trouble.note, "linger.ms": 0, "message.timeout.ms": _DELIVERED_MS,
            "client.id": source.replace(":", "-"),
        })  # fmt: skip
        self.written, self.lost = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._producer.purge()  # what has not left by now is not worth a wait

    def look(self, now_us: int) -> Look:
        """Write a blank to each partition that is due. PlatformError where Kafka cannot be asked; the next look may go well."""
        self._producer.poll(0)
        if self._refused:
            fact = "a topic bears its senders' time, so that a blank moves nothing"
            raise SettingsError(fact, topic=self._refused, hint="see `andon topics diff`")
        try:
            ends = self._admin.ends(self._places, committed=False)
        except PlatformError:
            self._admin = Admin(self.settings, timeout_s=self.timeout_s)  # a broker that comes back is met without old grudges
            raise
        due = self._silence.due(now_us, ends)
        for topic, partition in due:
            self._write(topic, partition)
        self._producer.poll(0)
        return Look(len(self._places), due)

    def _write(self, topic: str, partition: int) -> None:
        value, key, told = self._values[topic], blank_key(partition), self._delivered(topic)
        try:
            self._producer.produce(topic, value, key, partition=partition, on_delivery=told)
        except (BufferError, KafkaException) as error:
            raise PlatformError("a blank cannot be written", topic=topic, partition=partition, reason=str(error)) from error

    def _delivered(self, topic: str) -> Callable[[Any, Any], None]:
        def told(error: Any, message: Any) -> None:
            if error is not None:
                self.lost += 1
                self._trouble.note(error)
                return
            self.written += 1
            if message.timestamp()[0] != TIMESTAMP_LOG_APPEND_TIME:
                self._refused = topic

        return told

    @property
    def reason(self) -> str:
        """What librdkafka last complained about."""
        return self._trouble.reason

    def _partitions(self) -> list[Place]:
        described = self._admin.topics(self._values)
        missing = [name for name, found in described.items() if found is None]
        if missing:
            raise PlatformError("topics are missing", topics=missing, hint="run `andon topics apply`")
        return [(name, partition) for name, found in described.items() if found for partition in range(found.partitions)]
