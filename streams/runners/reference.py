"""Reference data and configurations as their topics hold them: what an epoch names by an offset and a fingerprint.

Runners read the topics; this is what they read, growing, never changing. Safe to ask from any thread while another one adds.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from math import nan
from typing import Any, Final

import fastavro

from streams.catalogue import CONFIGURATIONS, HIERARCHY, LIMITS, schema_of
from streams.codec.blobs import without_logical_types
from streams.configuration import Configuration, of_content
from streams.errors import TaskError
from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.epoch import Adopted, Epoch, Row
from streams.time.limits import ClassTable

_FRAME = 5
Writer = Callable[[int], Mapping[str, Any] | None]


def decoded(value: bytes | None, writer: Writer, contract: str) -> dict[str, Any] | str:
    """A framed record read as a contract, instants as integers; or the reason why it cannot be."""
    if value is None:
        return "no-value"
    if len(value) < _FRAME or value[0] != 0:
        return "bad-frame"
    schema = writer(int.from_bytes(value[1:_FRAME], "big"))
    if schema is None:
        return "unknown-schema"
    try:
        written, wanted = without_logical_types(schema), without_logical_types(schema_of(contract))
        found = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), written, wanted)
    except Exception as error:  # noqa: BLE001  fastavro has no exception of its own: whatever it raises is about these bytes
        return f"{type(error).__name__}: {error}"
    assert isinstance(found, dict)
    return found


def epoch_of(raw: Mapping[str, Any]) -> Epoch:
    """An epoch from a record of `ctl.epoch.v1`."""
    pairs = zip(raw["reference_topics"], raw["reference_offsets"], strict=True)
    return Epoch(raw["epoch"], tuple(raw["offsets"]), dict(pairs), raw["fingerprint"])


def _asset(raw: Mapping[str, Any]) -> AssetRow:
    return AssetRow(*(raw[name] for name in ("line", "asset", "parent", "valid_from_us", "revision")))


def _limits(raw: Mapping[str, Any]) -> CharacteristicRow:
    return CharacteristicRow._make(nan if raw[name] is None else raw[name] for name in CharacteristicRow._fields)


REFERENCE: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {HIERARCHY: _asset, LIMITS: _limits}


class ReferenceData:
    def __init__(self, application: str, writer: Writer) -> None:
        self._application, self._writer = application, writer
        self._rows: dict[str, list[tuple[int, Any]]] = {topic: [] for topic in REFERENCE}
        self._next = dict.fromkeys(REFERENCE, 0)
        self._refused: list[tuple[str, Row, str]] = []
        self._known: dict[str, Configuration] = {}
        self._hierarchies: dict[int, Hierarchy] = {}
        self._characteristics: dict[int, Characteristics] = {}
        self._lock = threading.Lock()

    def add(self, topic: str, rows: list[Row]) -> None:
        """Take rows of a reference topic in, by its catalogue name, in offset order. One that cannot be read is kept for a dead letter."""
        with self._lock:
            for row in rows:
                raw = decoded(row.value, self._writer, topic)
                if isinstance(raw, str):
                    self._refused.append((topic, row, raw))
                else:
                    self._rows[topic].append((row.offset, REFERENCE[topic](raw)))
                self._next[topic] = row.offset + 1

    def add_configurations(self, rows: list[Row]) -> None:
        """Take records of `ctl.configuration.v1` in; TaskError where one cannot be read: only tasks write them."""
        for row in rows:
            raw = decoded(row.value, self._writer, CONFIGURATIONS)
            if isinstance(raw, str):
                where: dict[str, Any] = {"topic": row.topic, "offset": row.offset}
                raise TaskError("a configuration under which tasks may have worked cannot be read", **where, reason=raw)
            with self._lock:
                self._known[raw["fingerprint"]] = of_content(self._application, raw["content"])

    def knows(self, fingerprint: str) -> bool:
        return fingerprint in self._known

    def class_table(self, fingerprint: str) -> ClassTable:
        """Lane classes of a configuration, of this application or another."""
        if fingerprint not in self._known:
            raise TaskError("a configuration that results name is not kept", fingerprint=fingerprint, known=sorted(self._known))
        return self._known[fingerprint].time.classes

    def next_of(self, topic: str) -> int:
        """The offset behind the last row that was read."""
        return self._next[topic]

    def hierarchy(self, before: int) -> Hierarchy:
        """The hierarchy of the rows below an offset; the same object for the same rows."""
        with self._lock:
            count = sum(offset < before for offset, _ in self._rows[HIERARCHY])
            if count not in self._hierarchies:
                self._hierarchies[count] = Hierarchy.of(row for _, row in self._rows[HIERARCHY][:count])
            return self._hierarchies[count]

    def limits(self, before: int) -> Characteristics:
        """The limits of the rows below an offset; the same object for the same rows."""
        with self._lock:
            count = sum(offset < before for offset, _ in self._rows[LIMITS])
            if count not in self._characteristics:
                self._characteristics[count] = Characteristics.of(row for _, row in self._rows[LIMITS][:count])
            return self._characteristics[count]

    def adopted(self, epoch: Epoch, configuration: Configuration | None = None, before: Epoch | None = None) -> Adopted:
        """What an epoch stands for. configuration: that of this process, if the epoch has it; before: the epoch before it.

        TaskError where not all that it names has been read: with fewer rows than it had, its results would be others.
        """
        for topic, until in epoch.reference.items():
            if until > self._next[topic]:
                raise TaskError("an epoch names reference rows that are not read yet", topic=topic, read_up_to=self._next[topic],
                                named_up_to=until, epoch=epoch.number)  # fmt: skip
        if configuration is None or configuration.fingerprint != epoch.fingerprint:
            if epoch.fingerprint not in self._known:
                raise TaskError("an epoch names a configuration that is not kept", fingerprint=epoch.fingerprint, known=sorted(self._known))
            configuration = self._known[epoch.fingerprint]
        since = before.reference if before else {}
        refused = tuple(
            (row, reason) for topic, row, reason in self._refused if since.get(topic, 0) <= row.offset < epoch.reference.get(topic, 0)
        )
        hierarchy, limits = self.hierarchy(epoch.reference.get(HIERARCHY, 0)), self.limits(epoch.reference.get(LIMITS, 0))
        return Adopted(epoch, configuration, hierarchy, refused, limits)

    def chain(self, epochs: Iterable[Epoch], configuration: Configuration | None = None) -> list[Adopted]:
        """What epochs 0, 1, 2, ... stand for."""
        found: list[Adopted] = []
        for epoch in epochs:
            found.append(self.adopted(epoch, configuration, found[-1].epoch if found else None))
        return found
