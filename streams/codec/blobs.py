"""Whole messages of samples that wait: measurements and orders carry more than the columns of a sample.

A message is kept as its bytes (frame included) in one arena until its sample is released; a row's `extra` says where: position
* 2^24 + size. When more than half of the arena is dead, what is alive moves together.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fastavro
import numpy as np

from streams.codec.decode import Decoded, decode
from streams.codec.inputs import MEASUREMENT_TEXTS
from streams.codec.plan import Column, Plan, compile_plan
from streams.kernel import I32, I64, U8, grown, int64, kernel
from streams.operators.slice import Columns

SIZE_BITS = 24
_MASK = (1 << SIZE_BITS) - 1


@kernel
def _keep(arena: U8, used: int, source: U8, at: I64, size: I32, row: I64, kept: U8, extra: I64) -> int:
    """Copy the message of each kept row behind `used`; row[m] .. row[m + 1] - 1 are the rows of message m (one or none)."""
    for m in range(at.shape[0]):
        for k in range(row[m], row[m + 1]):
            if kept[k]:
                for b in range(size[m]):
                    arena[used + b] = source[at[m] + b]
                extra[k] = used << SIZE_BITS | int64(size[m])
                used += int64(size[m])
    return used


@kernel
def _move(arena: U8, target: U8, extra: I64) -> int:
    used = 0
    for k in range(extra.shape[0]):
        at, size = extra[k] >> SIZE_BITS, extra[k] & _MASK
        for b in range(size):
            target[used + b] = arena[at + b]
        extra[k] = used << SIZE_BITS | size
        used += size
    return used


class Blobs:
    """The arena of one input kind's waiting messages."""

    def __init__(self) -> None:
        self.arena, self.used, self.live = np.empty(1024, np.uint8), 0, 0

    def keep(self, source: U8, at: I64, size: I32, row: I64, kept: U8, extra: I64) -> None:
        """Keep the messages of the rows with kept[row] = 1; writes their place into extra."""
        self.arena = grown(self.arena, self.used + int(size.clip(min=0).sum()))
        before = self.used
        self.used = int(_keep(self.arena, self.used, source, at, size, row, kept, extra))
        self.live += self.used - before

    def released(self, extra: I64) -> None:
        """These rows need their messages no longer, once the caller has read them."""
        self.live -= int((extra & _MASK).sum())

    @property
    def wasteful(self) -> bool:
        return self.used > 1 << 16 and self.used > 2 * self.live

    def compact(self, extra: I64) -> None:
        """Move the messages of all waiting rows together; `extra` of each is written anew."""
        target = np.empty(max(1024, self.live), np.uint8)
        self.used = self.live = int(_move(self.arena, target, extra))
        self.arena = target

    def text(self, at: int, size: int) -> str:
        """A text of a kept message; a null is empty."""
        return self.arena[at : at + max(0, size)].tobytes().decode()


def without_logical_types(schema: Any) -> Any:
    """A schema with instants as plain integers."""
    if isinstance(schema, dict):
        return {k: without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    return [without_logical_types(v) for v in schema] if isinstance(schema, list) else schema


class RecordReader:
    """Reads framed messages as dictionaries, instants as integers: for the few records that are handled one by one."""

    def __init__(self, writer: Callable[[int], Mapping[str, Any] | None]) -> None:
        self._writer, self._schemas = writer, dict[int, Any]()

    def read(self, message: bytes) -> dict[str, Any]:
        """The record of a message that the decoding kernel has accepted."""
        schema_id = int.from_bytes(message[1:5], "big")
        if schema_id not in self._schemas:
            self._schemas[schema_id] = fastavro.parse_schema(without_logical_types(self._writer(schema_id)), _force=True)
        found = fastavro.schemaless_reader(io.BytesIO(message[5:]), self._schemas[schema_id], None)
        assert isinstance(found, dict), "a message that was accepted is no record"
        return found


class Details:
    """Reads some columns of kept messages. The columns were among those by which the messages were accepted (codec/inputs.py), so
    a plan for them exists, and their texts are UTF-8."""

    def __init__(self, columns: Sequence[Column], writer: Callable[[int], Mapping[str, Any] | None]) -> None:
        self.columns, self._writer, self._plans = columns, writer, dict[int, Plan]()
        self._nothing = compile_plan({"type": "record", "name": "Nothing", "fields": []}, columns)

    def _plan(self, schema_id: int) -> Plan:
        if schema_id not in self._plans:
            schema = self._writer(schema_id)
            assert schema is not None, "a message was accepted by a schema that nobody knows"
            self._plans[schema_id] = compile_plan(schema, self.columns)
        return self._plans[schema_id]

    def read(self, blobs: Blobs, extra: I64) -> Decoded:
        """The columns of the messages at `extra`, spans as places in the arena."""
        at, size = extra >> SIZE_BITS, extra & _MASK
        ids = sum(blobs.arena[at + k].astype(np.int64) << 8 * (4 - k) for k in range(1, 5)) if len(at) else at
        plans = [(np.flatnonzero(ids == one), self._plan(int(one))) for one in np.unique(ids)]
        found = decode(blobs.arena, at + 5, size - 5, plans or [(np.zeros(0, np.int64), self._nothing)])
        assert not found.status.any(), "a message that was accepted cannot be read"
        return found


def measurement_columns(blobs: Blobs, extra: I64, details: Details) -> Columns:
    """The texts of measurements, as spans of the arena, and the inspector's verdict."""
    found = details.read(blobs, extra)
    columns: Columns = {"result": found.ints[0]}
    for k, name in enumerate(MEASUREMENT_TEXTS):
        columns |= {f"{name}_at": found.at[k], f"{name}_size": found.size[k].clip(min=0).astype(np.int64)}
    return columns
