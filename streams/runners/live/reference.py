"""Reference data and configurations: two topics of one partition, kept for ever, that every worker reads whole and follows.

What a task has adopted of them is named by an offset and a fingerprint, so that recovery finds exactly that again.
"""

from __future__ import annotations

import io
import threading
from typing import Any

import fastavro
from confluent_kafka import Message

from streams.catalogue import CONFIGURATIONS, HIERARCHY
from streams.configuration import Configuration, of_content
from streams.errors import GapError, TaskError
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.live import kafka
from streams.runners.live.setup import Setup
from streams.runners.records import Record, RecordWriter, reference_letter

_FRAME = 5


class Whole:
    """One topic of one partition, followed from its first offset on."""

    def __init__(self, setup: Setup, name: str) -> None:
        self.setup, self.topic, self.next = setup, setup.catalogue.of(name), 0

    def new(self) -> list[Message]:
        """Committed records since the last call."""
        consumer = kafka.reader(self.setup.connection.client, self.setup.application)
        try:
            low, end = kafka.edges(consumer, self.topic.name, 0)
            if low > self.next:
                raise GapError("records of a topic that is kept for ever are gone", topic=self.topic.name, expected=self.next, log_start=low)
            found = [m for part in kafka.messages(consumer, self.topic.name, 0, self.next, end) for m in part]
        finally:
            consumer.close()
        if found:
            self.next = found[-1].offset() + 1
        return found


class Reference:
    """Everything read so far; grows, never changes. `refresh` blocks; the rest may be asked from any thread."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._assets, self._configurations = Whole(setup, HIERARCHY), Whole(setup, CONFIGURATIONS)
        self._rows: list[tuple[int, AssetRow]] = []
        self._refused: list[tuple[Message, str]] = []
        self._known: dict[str, Configuration] = {}
        self._hierarchies: dict[int, Hierarchy] = {}
        self._lock = threading.Lock()
        self.next = 0

    def refresh(self) -> None:
        """Read what is new, to the end."""
        with self._lock:
            for message in self._configurations.new():
                raw = self._decoded(message)
                if isinstance(raw, str):
                    raise TaskError("a configuration that tasks may have worked under cannot be read", topic=message.topic(), offset=message.offset(), reason=raw)
                self._known[raw["fingerprint"]] = of_content(self.setup.configuration.application, raw["content"])
            for message in self._assets.new():
                raw = self._decoded(message)
                if isinstance(raw, str):
                    self._refused.append((message, raw))
                else:
                    row = AssetRow(raw["line"], raw["asset"], raw["parent"], raw["valid_from_us"], raw["revision"])
                    self._rows.append((message.offset(), row))
            self.next = self._assets.next

    def _decoded(self, message: Message) -> dict[str, Any] | str:
        """The record as written, instants as integers; or the reason why it cannot be read."""
        value = message.value()
        if value is None:
            return "no-value"
        if len(value) < _FRAME or value[0] != 0:
            return "bad-frame"
        schema = self.setup.writer(int.from_bytes(value[1:_FRAME], "big"))
        if schema is None:
            return "unknown-schema"
        name = HIERARCHY if message.topic() == self._assets.topic.name else CONFIGURATIONS
        try:
            found = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), kafka.plain(schema), kafka.plain(self.setup.catalogue.of(name).avsc))
        except Exception as error:  # noqa: BLE001  fastavro has no exception of its own: whatever it raises is about these bytes
            return f"{type(error).__name__}: {error}"
        assert isinstance(found, dict)
        return found

    def hierarchy(self, before: int) -> Hierarchy:
        """The hierarchy of the rows below an offset; the same object for the same rows."""
        with self._lock:
            count = sum(offset < before for offset, _ in self._rows)
            if count not in self._hierarchies:
                self._hierarchies[count] = Hierarchy.of(row for _, row in self._rows[:count])
            return self._hierarchies[count]

    def configuration(self, fingerprint: str) -> Configuration:
        """A configuration by what an epoch calls it."""
        if fingerprint == self.setup.configuration.fingerprint:
            return self.setup.configuration
        if fingerprint not in self._known:
            raise TaskError("an epoch names a configuration that is not kept", fingerprint=fingerprint, topic=self._configurations.topic.name)
        return self._known[fingerprint]

    def is_kept(self, fingerprint: str) -> bool:
        return fingerprint in self._known

    def letters(self, writer: RecordWriter, since: int, until: int) -> list[Record]:
        """Dead letters of the rows at since <= offset < until that cannot be read."""
        return [
            reference_letter(writer, m.topic(), m.offset(), 1000 * m.timestamp()[1], m.key(), m.value(), reason)
            for m, reason in self._refused if since <= m.offset() < until
        ]  # fmt: skip
