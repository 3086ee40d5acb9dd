"""Reference data and configurations as their topics hold them: what an epoch names by an offset and a fingerprint.

Runners read the topics; this is what they read, growing, never changing. Safe to ask from any thread while another one adds.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import fastavro

from streams.catalogue import CONFIGURATIONS, HIERARCHY, schema_of
from streams.codec.blobs import without_logical_types
from streams.configuration import Configuration, of_content
from streams.errors import TaskError
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.epoch import Adopted, Epoch, Row

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


class ReferenceData:
    def __init__(self, application: str, writer: Writer) -> None:
        self._application, self._writer = application, writer
        self._rows: list[tuple[int, AssetRow]] = []
        self._refused: list[tuple[Row, str]] = []
        self._known: dict[str, Configuration] = {}
        self._hierarchies: dict[int, Hierarchy] = {}
        self._lock = threading.Lock()
        self.next = 0

    def add_assets(self, rows: list[Row]) -> None:
        """Take rows of `ref.asset.v1` in, in offset order. One that cannot be read is kept for a dead letter."""
        with self._lock:
            for row in rows:
                raw = decoded(row.value, self._writer, HIERARCHY)
                if isinstance(raw, str):
                    self._refused.append((row, raw))
                else:
                    fields = (raw[name] for name in ("line", "asset", "parent", "valid_from_us", "revision"))
                    self._rows.append((row.offset, AssetRow(*fields)))
                self.next = row.offset + 1

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

    def hierarchy(self, before: int) -> Hierarchy:
        """The hierarchy of the rows below an offset; the same object for the same rows."""
        with self._lock:
            count = sum(offset < before for offset, _ in self._rows)
            if count not in self._hierarchies:
                self._hierarchies[count] = Hierarchy.of(row for _, row in self._rows[:count])
            return self._hierarchies[count]

    def adopted(self, epoch: Epoch, configuration: Configuration | None = None, before: Epoch | None = None) -> Adopted:
        """What an epoch stands for. configuration: that of this process, if the epoch has it; before: the epoch before it."""
        if configuration is None or configuration.fingerprint != epoch.fingerprint:
            if epoch.fingerprint not in self._known:
                raise TaskError("an epoch names a configuration that is not kept", fingerprint=epoch.fingerprint, known=sorted(self._known))
            configuration = self._known[epoch.fingerprint]
        since, until = before.reference[HIERARCHY] if before else 0, epoch.reference[HIERARCHY]
        refused = tuple((row, reason) for row, reason in self._refused if since <= row.offset < until)
        return Adopted(epoch, configuration, self.hierarchy(until), refused)

    def chain(self, epochs: Iterable[Epoch], configuration: Configuration | None = None) -> list[Adopted]:
        """What epochs 0, 1, 2, ... stand for."""
        found: list[Adopted] = []
        for epoch in epochs:
            found.append(self.adopted(epoch, configuration, found[-1].epoch if found else None))
        return found
