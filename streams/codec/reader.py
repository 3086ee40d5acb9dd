"""Reads the records of one input: framed Avro in, columns for the gate and the operators out.

>>> reader = Reader("sample", {}.get)
>>> read = reader.read(log_of([(0, 5, b"acme/hamburg/pressing/line-1", b"garbage", b"")]), Names())
>>> REASONS[read.reason[0]], len(read.samples.lane)
('bad-frame', 0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from streams.catalogue import InputKind
from streams.codec import rows
from streams.codec.decode import OK, Decoded, decode
from streams.codec.inputs import ASSETS, SHAPES
from streams.codec.log import Log, log_of
from streams.codec.plan import Column, Plan, compile_plan
from streams.codec.reasons import REASONS, SCHEMA_REFUSED, TEXT_TOO_LONG, UNKNOWN_SCHEMA
from streams.columns.dictionary import Dictionary
from streams.errors import PlatformError, SchemaError
from streams.kernel import I16, I32, I64
from streams.operators.slice import Names
from streams.time.gate import UNNUMBERED, Messages, Samples
from streams.time.pending import Content
from streams.time.told import Told

if TYPE_CHECKING:
    from streams.codec.derived import Cited

__all__ = ["REASONS", "Names", "Read", "Reader", "log_of"]

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A part of a log as columns. reason: of each message, 0 where it was decoded; line: code of its line or -1.

    Of a derived input: what its frontier records tell, and what its rows cite.
    """

    log: Log
    messages: Messages
    samples: Samples
    content: Content
    reason: I16
    schema_id: I64
    line: I32
    told: tuple[Told, ...] = ()
    cited: Cited | None = None


class Plans:
    """How messages of any writer fill the columns that a reader wants. `writer`: the schema of an id, None where the registry does
    not know it; may raise PlatformError where the registry cannot be asked: that is no fault of the message.

    known: the ids that an epoch names. Every other id is unknown, whatever the registry says by now, so that a verdict does not depend
    on when it was asked (docs/adr/0015). None: what the writer knows.
    """

    def __init__(self, columns: Sequence[Column], writer: Callable[[int], Schema | None], needed: Sequence[str] = ()) -> None:
        """needed: columns that a writer's schema must have: without them it is another contract, whose messages are no such ones."""
        self._columns, self._writer, self._needed = columns, writer, frozenset(needed)
        self._plans: dict[int, Plan | int] = {}
        self.topic, self.known = "", cast("frozenset[int] | None", None)
        self._any = compile_plan({"type": "record", "name": "Nothing", "fields": []}, columns)

    def read_only(self, topic: str, schemas: Sequence[int] | None) -> None:
        """From here on, records of these schema ids are read; topic: for errors."""
        self.topic, self.known = topic, None if schemas is None else frozenset(schemas)

    def strange(self, log: Log) -> set[int]:
        """Schema ids in the log that no epoch names yet."""
        if self.known is None or not len(log.offset):
            return set()
        ids = _schema_ids(log)[0]
        ends = {int(ids.min()), int(ids.max())}  # most often all are the same
        return (ends if len(ends) == 1 else set(np.unique(ids).tolist())) - self.known - {-1}

    def _plan(self, schema_id: int, offset: int) -> Plan | int:
        """The plan of a schema id, or the reason why there is none. offset: of a record that bears it."""
        if self.known is not None and schema_id not in self.known:
            return UNKNOWN_SCHEMA
        if schema_id not in self._plans:
            writer = self._writer(schema_id)
            if writer is None and self.known is not None:
                raise PlatformError(
                    "the registry does not have a schema that an epoch names", topic=self.topic, offset=offset, schema_id=schema_id,
                    hint="an id is never given back: is this another registry, or a replica that lags?",
                )  # fmt: skip
            if writer is None:
                return UNKNOWN_SCHEMA
            try:
                plan = compile_plan(writer, self._columns)
                self._plans[schema_id] = SCHEMA_REFUSED if self._needed.intersection(plan.missing) else plan
            except SchemaError:
                self._plans[schema_id] = SCHEMA_REFUSED
        return self._plans[schema_id]

    def _check_texts(self, decoded: Decoded, reason: I16) -> None:
        """Set the reason of messages with a text that is too long: what is accepted must fit into what is made of it."""
        good = reason == OK
        for k, column in enumerate(self._any.spans):
            if column.bytes_most:
                reason[good & (decoded.size[k] > column.bytes_most)] = TEXT_TOO_LONG
        for k, column in enumerate(self._any.arrays):
            if not column.bytes_most:
                continue
            start, end = decoded.start[k], decoded.start[k] + decoded.items[k]
            long = np.flatnonzero(decoded.item_size[: int(end[good].max(initial=0))] > column.bytes_most)
            held = np.searchsorted(long, end) > np.searchsorted(long, start)
            reason[good & held] = TEXT_TOO_LONG

    def decode(self, log: Log) -> tuple[Decoded, I16, I64]:
        """Columns of every record, why it has none, the id of its schema."""
        schema_id, reason = _schema_ids(log)
        plans: list[tuple[I64, Plan]] = []
        for one in np.unique(schema_id[schema_id >= 0]).tolist():
            which = np.flatnonzero(schema_id == one)
            plan = self._plan(one, int(log.offset[which[0]]))
            if isinstance(plan, int):
                reason[which] = plan
            else:
                plans.append((which, plan))
        decoded = decode(log.buffer, log.value_at + 5, log.value_size.astype(np.int64) - 5, plans or [(np.zeros(0, np.int64), self._any)])
        reason[reason == OK] = decoded.status[reason == OK]
        self._check_texts(decoded, reason)
        return decoded, reason, schema_id


def _schema_ids(log: Log) -> tuple[I64, I16]:
    """Schema id of each value, or -1 and why it has none."""
    schema_id, reason = np.empty(len(log.offset), np.int64), np.empty(len(log.offset), np.int16)
    rows.frames(log, schema_id, reason)
    return schema_id, reason


class Reader:
    """Reads one kind of input."""

    def __init__(self, kind: InputKind, writer: Callable[[int], Schema | None]) -> None:
        self.kind, self.shape = kind, SHAPES[kind]
        self.plans = Plans(self.shape.columns, writer, self.shape.needed)

    def read(self, log: Log, names: Names) -> Read:
        """Decode every record; names met for the first time enter the dictionaries."""
        decoded, reason, schema_id = self.plans.decode(log)
        out = self._rows(log, decoded, reason, names)
        count, beats = int(out.row[-1]), int(out.beat[-1])
        messages = Messages(rows.believed(log.append), out.kind, out.source, out.first, out.through, out.row, out.beat, out.beats[:beats])
        samples = Samples(out.lane[:count], out.time[:count], out.fingerprint[:count], out.identity[:count])
        content = Content(out.signal[:count], out.value[:count], out.extra[:count], out.quality[:count])
        return Read(log, messages, samples, content, reason, schema_id, out.line)

    def _rows(self, log: Log, decoded: Decoded, reason: I16, names: Names) -> rows.Out:
        n, packed = len(log.offset), self.kind == "telemetry"
        most = int(decoded.items[4].sum()) if packed else n
        unnumbered = bool((decoded.ints[2] == UNNUMBERED).any())
        out = rows.Out(
            reason, np.empty(n, np.int8), np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32),
            np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.empty(len(decoded.item_at), np.int32), np.empty(most, np.int32),
            np.empty(most, np.int64), np.empty(most, np.uint64), np.empty((most if unnumbered else 0, 2), np.uint64),
            np.empty(most, np.int32), np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int8),
        )  # fmt: skip
        plain = np.empty(16 + int(decoded.size[0].max(initial=0)), np.uint8)
        plain[:16] = 97
        codes = np.empty(int(decoded.items[ASSETS].max(initial=0)) if packed else 0, np.int32)
        start, full = 0, 0
        while True:
            tables = rows.Tables(*(d.table for d in _dictionaries(names)))
            if packed:
                start, full = rows.packed_rows(tables, log, decoded, codes, decoded.item_floats.view(np.int64), plain, out, start)
            else:
                shape, bits = self.shape, decoded.floats.reshape(-1).view(np.int64)
                start, full = rows.single_rows(tables, log, decoded, shape.value, shape.extra, shape.named, bits, plain, out, start)
            if full < 0:
                return out
            lacking = _dictionaries(names)[full]
            lacking.enlarge(max(64, len(lacking)), int(log.value_size[start]) + int(log.key_size[start]))


def _dictionaries(names: Names) -> tuple[Dictionary, ...]:
    return names.lines, names.lanes, names.signals, names.sources, names.texts
