"""Reference data and configurations as their topics hold them: what an epoch names by an offset and a fingerprint.

Runners read the topics; this is what they read, growing, never changing. Safe to ask from any thread while another one adds.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import nan
from typing import Any, Final, TypeVar

import fastavro

from streams.catalogue import CONFIGURATIONS, HIERARCHY, LIMITS, schema_of
from streams.codec.blobs import without_logical_types
from streams.configuration import Configuration, of_content
from streams.errors import PlatformError, TaskError
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
        return UNKNOWN
    try:
        written, wanted = without_logical_types(schema), without_logical_types(schema_of(contract))
        found = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), written, wanted)
    except Exception as error:  # noqa: BLE001  fastavro has no exception of its own: whatever it raises is about these bytes
        return f"{type(error).__name__}: {error}"
    assert isinstance(found, dict)
    return found


def epoch_of(raw: Mapping[str, Any]) -> Epoch:
    """An epoch from a record of `ctl.epoch.v1`."""
    pairs, schemas = zip(raw["reference_topics"], raw["reference_offsets"], strict=True), raw["schemas"]
    return Epoch(raw["epoch"], tuple(raw["offsets"]), dict(pairs), raw["fingerprint"], None if schemas is None else tuple(schemas))


def _asset(raw: Mapping[str, Any]) -> AssetRow:
    return AssetRow(*(raw[name] for name in ("line", "asset", "parent", "valid_from_us", "revision")))


def _limits(raw: Mapping[str, Any]) -> CharacteristicRow:
    return CharacteristicRow._make(nan if raw[name] is None else raw[name] for name in CharacteristicRow._fields)


T = TypeVar("T")
UNKNOWN: Final = "unknown-schema"
REFERENCE: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {HIERARCHY: _asset, LIMITS: _limits}


def schema_id_of(value: bytes | None) -> int | None:
    """The schema id in a value's frame; None: it has no frame."""
    return int.from_bytes(value[1:_FRAME], "big") if value is not None and len(value) >= _FRAME and value[0] == 0 else None


class ReferenceData:
    def __init__(self, application: str, writer: Writer) -> None:
        self._application, self._writer = application, writer
        self._rows: dict[str, list[Row]] = {topic: [] for topic in REFERENCE}
        self._next = dict.fromkeys(REFERENCE, 0)
        self._read: dict[tuple[str, int], Any] = {}
        self._known: dict[str, Configuration] = {}
        self._wholes: dict[tuple[str, int, frozenset[int | None]], Any] = {}
        self._lock = threading.Lock()
        self.schema_ids: frozenset[int] = frozenset()  # that rows bear

    def add(self, topic: str, rows: list[Row]) -> None:
        """Take rows of a reference topic in, by its catalogue name, in offset order. They are read when an epoch adopts them."""
        with self._lock:
            for row in rows:
                self._rows[topic].append(row)
                self._next[topic] = row.offset + 1
            self.schema_ids |= {one for row in rows if (one := schema_id_of(row.value)) is not None}

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

    def _row(self, topic: str, row: Row, schemas: frozenset[int] | None) -> Any:
        """The row read, or as text why it cannot be: a function of the row and of the schema ids that the epoch names."""
        schema_id = schema_id_of(row.value)
        if schemas is not None and schema_id is not None and schema_id not in schemas:
            return UNKNOWN
        if (topic, row.offset) not in self._read:
            raw = decoded(row.value, self._writer, topic)
            if raw == UNKNOWN:
                if schemas is None:
                    return UNKNOWN
                raise PlatformError("the registry does not have a schema that an epoch names", topic=topic, offset=row.offset,
                                    schema_id=schema_id)  # fmt: skip
            self._read[topic, row.offset] = raw if isinstance(raw, str) else REFERENCE[topic](raw)
        return self._read[topic, row.offset]

    def _whole(self, topic: str, before: int, schemas: Iterable[int] | None, of: Callable[[Iterable[Any]], T]) -> T:
        """What the rows below an offset say together; the same object for the same rows."""
        known = None if schemas is None else frozenset(schemas)
        with self._lock:
            below = [(row, self._row(topic, row, known)) for row in self._rows[topic] if row.offset < before]
            read = [(row, one) for row, one in below if not isinstance(one, str)]
            key = (topic, len(read), frozenset(schema_id_of(row.value) for row, _ in read))  # all with these ids: so many, so these
            if key not in self._wholes:
                self._wholes[key] = of(one for _, one in read)
            found: T = self._wholes[key]
            return found

    def hierarchy(self, before: int, schemas: Iterable[int] | None = None) -> Hierarchy:
        """The hierarchy of the rows below an offset whose schema ids an epoch names; the same object for the same rows."""
        return self._whole(HIERARCHY, before, schemas, Hierarchy.of)

    def limits(self, before: int, schemas: Iterable[int] | None = None) -> Characteristics:
        """The limits of the rows below an offset whose schema ids an epoch names; the same object for the same rows."""
        return self._whole(LIMITS, before, schemas, Characteristics.of)

    def _refused(self, epoch: Epoch, since: Mapping[str, int]) -> Iterator[tuple[Row, str]]:
        """Rows, new with this epoch, that cannot be read, and why."""
        known = None if epoch.schemas is None else frozenset(epoch.schemas)
        for topic, until in epoch.reference.items():
            for row in self._rows[topic]:
                if since.get(topic, 0) <= row.offset < until and isinstance(reason := self._row(topic, row, known), str):
                    yield row, reason

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
        with self._lock:
            refused = tuple(self._refused(epoch, before.reference if before else {}))
        hierarchy = self.hierarchy(epoch.reference.get(HIERARCHY, 0), epoch.schemas)
        limits = self.limits(epoch.reference.get(LIMITS, 0), epoch.schemas)
        return Adopted(epoch, configuration, hierarchy, refused, limits)

    def chain(self, epochs: Iterable[Epoch], configuration: Configuration | None = None) -> list[Adopted]:
        """What epochs 0, 1, 2, ... stand for."""
        found: list[Adopted] = []
        for epoch in epochs:
            found.append(self.adopted(epoch, configuration, found[-1].epoch if found else None))
        return found
