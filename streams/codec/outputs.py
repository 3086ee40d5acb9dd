"""How the outputs of operators become the records of the derived topics.

A binding says, for each field of a contract, which column, name or constant fills it. What is not bound takes the field's
default. The key of every derived record is its line path; its headers are

    andon-id         the record's id
    andon-time-us    the output's time: when it was complete, in event time, microseconds as decimal digits
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
import numpy as np

from streams.catalogue import schema_of
from streams.codec import encode as e
from streams.codec.rows import Tables
from streams.errors import SchemaError
from streams.kernel import F64, I32, I64, U8, grown
from streams.model.order import Coordinate, OrderRef
from streams.operators.evidence import checksum
from streams.operators.slice import Columns, Names

Headers = list[tuple[str, bytes]]
ID_HEADER, TIME_HEADER = "andon-id", "andon-time-us"
DURATIONS_MOST = 64  # values of a window whose time is listed


@dataclass(frozen=True, slots=True)
class Binding:
    """fields: field -> ("long" | "opt-long" | "opt-double" | "name" | "opt-name" | "span" | ..., arguments); id: parts."""

    fields: Mapping[str, tuple[Any, ...]]
    id: tuple[tuple[Any, ...], ...]


_SIGNAL = {"asset": ("name", e.SIGNALS, 0, "signal"), "tag": ("name", e.SIGNALS, 1, "signal"), "unit": ("name", e.SIGNALS, 2, "signal")}
_KEY = (("name", e.LINES, 0, "line"), ("name", e.SIGNALS, 0, "signal"), ("name", e.SIGNALS, 1, "signal"), ("name", e.SIGNALS, 2, "signal"))
_TAIL: Mapping[str, tuple[Any, ...]] = {"orders": ("orders",), "evidence": ("evidence",)}
_STATISTICS = ("sum", "mean", "variance", "min", "max", "first", "last", "time_weighted_mean")
_WINDOW = {
    "shape": ("long", "shape"), "size_us": ("long", "size"), "hop_us": ("long", "hop"), "start_us": ("long", "start"),
    "end_us": ("long", "end"), "since_us": ("long", "since"), "until_us": ("long", "until"), "count": ("long", "count"),
    "count_bad": ("long", "count_bad"), "known_us": ("long", "known"),
}  # fmt: skip
_WINDOW_ID = (*_KEY, *(("decimal", name) for name in ("shape", "size", "hop", "start", "since")))

BINDINGS: Mapping[str, Binding] = {
    "windows": Binding({**_SIGNAL, **_WINDOW, **{name: ("opt-double", name) for name in _STATISTICS}, **_TAIL}, _WINDOW_ID),
    "discrete-windows": Binding(
        {**_SIGNAL, **_WINDOW, "durations": ("durations",), "durations_more": ("long", "more"), "durations_more_us": ("long", "more_us"),
         "first_value": ("opt-name", e.TEXTS, 0, "first"),
         "last_value": ("opt-name", e.TEXTS, 0, "last"), **_TAIL}, _WINDOW_ID,
    ),
    "intervals": Binding(
        {"asset": _SIGNAL["asset"], "tag": _SIGNAL["tag"], "value": ("opt-name", e.TEXTS, 0, "value"), "start_us": ("long", "start"),
         "end_us": ("long", "end"), "duration_us": ("long", "duration"), "entered_us": ("long", "entered"),
         "reason": ("name", e.TEXTS, 0, "reason"), **_TAIL}, (*_KEY, ("decimal", "start")),
    ),
    "increments": Binding(
        {"asset": _SIGNAL["asset"], "tag": _SIGNAL["tag"], "event_time_us": ("long", "time"), "increment": ("long", "increment"),
         "total": ("opt-long", "total"), "cause": ("long", "cause"), **_TAIL},
        (*_KEY, *(("decimal", name) for name in ("time", "ordinal"))),
    ),
    "measurements": Binding(
        {"asset": _SIGNAL["asset"], "characteristic": _SIGNAL["tag"], "unit": _SIGNAL["unit"], "event_time_us": ("long", "time"),
         "value": ("opt-double", "value"), "quality": ("long", "quality"), "result": ("long", "result"),
         **{name: ("span", f"{name}_at", f"{name}_size") for name in ("product", "serial", "subgroup", "gauge")}, **_TAIL},
        (*_KEY, *(("decimal", name) for name in ("time", "ordinal"))),
    ),
}  # fmt: skip


def avro_bytes(schema: Any, value: Any) -> bytes:
    """One value as Avro, by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


class _Compiler:
    def __init__(self, schema: Mapping[str, Any], binding: Binding, constants: Mapping[str, Any]) -> None:
        self.schema, self.binding, self.constants = schema, binding, constants
        self.ints: list[str] = []
        self.floats: list[str] = []
        self.consts = bytearray()

    def _int(self, name: str) -> int:
        if name not in self.ints:
            self.ints.append(name)
        return self.ints.index(name)

    def _const(self, raw: bytes) -> tuple[int, int]:
        self.consts += raw
        return len(self.consts) - len(raw), len(raw)

    def step(self, kind: str, arguments: Sequence[Any]) -> tuple[int, int, int, int]:
        if kind in ("long", "opt-long", "decimal"):
            return {"long": e.LONG, "opt-long": e.OPT_LONG, "decimal": e.DECIMAL}[kind], self._int(arguments[0]), 0, 0
        if kind == "opt-double":
            if arguments[0] not in self.floats:
                self.floats.append(arguments[0])
            return e.OPT_DOUBLE, self.floats.index(arguments[0]), 0, 0
        if kind in ("name", "opt-name"):
            return e.NAME if kind == "name" else e.OPT_NAME, arguments[0], arguments[1], self._int(arguments[2])
        if kind == "span":
            return e.SPAN, self._int(arguments[0]), self._int(arguments[1]), 0
        op = {"orders": e.ORDERS, "evidence": e.EVIDENCE, "durations": e.DURATIONS, "id": e.ID}[kind]
        return op, self._int("context") if op in (e.ORDERS, e.EVIDENCE) else 0, 0, 0

    def run(self, topics: Sequence[tuple[str, int]]) -> e.Program:
        """topics: (topic, partition) of each evidence column."""
        named: dict[str, Any] = {}
        steps = []
        for field in self.schema["fields"]:
            kind, *arguments = ("id",) if field["name"] == "id" else self.binding.fields.get(field["name"], ("const",))
            if kind == "const":
                value = self.constants.get(field["name"], field.get("default"))
                if value is None and "default" not in field:
                    raise SchemaError("a field of the contract is bound to nothing", field=field["name"])
                parsed = fastavro.parse_schema(_inlined(field["type"], named), _force=True)
                steps.append((e.CONST, *self._const(avro_bytes(parsed, value)), 0))
            else:
                steps.append(self.step(kind, arguments))
            _remember(field["type"], named)
        id_steps = [(e.CONST, *self._const("|".join((self.constants["rule"], self.constants["version"], "0")).encode()), 0)]
        for kind, *arguments in self.binding.id:
            id_steps += [(e.CONST, *self._const(b"|"), 0), self.step(kind, arguments)]
        where = [self._const(avro_bytes("string", topic) + avro_bytes("int", partition)) for topic, partition in topics]
        return e.Program(
            np.array(steps, np.int64), np.array(id_steps, np.int64), np.frombuffer(bytes(self.consts), np.uint8),
            np.array(where, np.int64).reshape(-1, 2),
        )  # fmt: skip


def _remember(kind: Any, named: dict[str, Any]) -> None:
    for one in kind if isinstance(kind, list) else [kind]:
        if isinstance(one, dict) and "name" in one:
            named[one["name"]] = one


def _inlined(kind: Any, named: Mapping[str, Any]) -> Any:
    if isinstance(kind, list):
        return [_inlined(one, named) for one in kind]
    return named.get(kind, kind) if isinstance(kind, str) else kind


@dataclass(frozen=True, slots=True)
class Encoded:
    """Records of one derived topic, in order. The record of row k: key of line[k], value buffer[at[k] : end[k]]."""

    topic: str
    names: Names
    line: I32
    lane: I32
    time: I64
    ids: U8
    buffer: bytes
    at: I64
    end: I64

    def __len__(self) -> int:
        return len(self.time)

    def records(self) -> Iterator[tuple[bytes, bytes, Headers]]:
        """(key, value, headers) of each record."""
        keys = {int(code): self.names.lines.decode(int(code))[0] for code in np.unique(self.line)}
        ids, columns = self.ids.tobytes(), (self.line.tolist(), self.time.tolist(), self.at.tolist(), self.end.tolist())
        for k, (line, time, at, end) in enumerate(zip(*columns, strict=True)):
            yield keys[line], self.buffer[at:end], [(ID_HEADER, ids[32 * k : 32 * k + 32]), (TIME_HEADER, b"%d" % time)]


def merged(parts: Sequence[Encoded]) -> Encoded:
    """Outputs of several steps for one topic as one: by lane and time, at one time in the order of the steps. Without it the
    order of a lane's records in the topic would depend on where slices are cut."""
    if len(parts) == 1:
        return parts[0]
    step = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    lane, time = np.concatenate([p.lane for p in parts]), np.concatenate([p.time for p in parts])
    order = np.lexsort((step, time, lane))
    base = np.cumsum([0, *(len(p.buffer) for p in parts)])[step]
    line, ids = np.concatenate([p.line for p in parts]), np.concatenate([p.ids for p in parts])
    at, end = (base + np.concatenate(columns) for columns in ([p.at for p in parts], [p.end for p in parts]))
    buffer = b"".join(p.buffer for p in parts)
    return Encoded(parts[0].topic, parts[0].names, line[order], lane[order], time[order], ids[order], buffer, at[order], end[order])


_EVIDENCE_ITEM = next(f for f in schema_of("ctx.count.v1")["fields"] if f["name"] == "evidence")["type"]["items"]
_ORDER_ITEM = next(f for f in schema_of("ctx.count.v1")["fields"] if f["name"] == "orders")["type"]["items"]


class ContextTable:
    """Contexts as encoded bytes, one after another as they are met. topics: (topic, partition) of each input rank.

    A code that is given anew leaves its bytes behind; when they are more than what is in use, what is in use moves together.
    """

    def __init__(self, topics: Sequence[tuple[str, int]]) -> None:
        self.topics = topics
        self._order, self._evidence = fastavro.parse_schema(_ORDER_ITEM, _force=True), fastavro.parse_schema(_EVIDENCE_ITEM, _force=True)
        self._parts: dict[int, tuple[bytes, int, bytes]] = {}
        self._used = self._live = 0
        self._table = e.Contexts(
            np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int64),
            np.zeros(1, np.int32),
        )  # fmt: skip

    def table(self, fresh: Iterable[tuple[int, tuple[Sequence[OrderRef], Sequence[Coordinate]]]] = ()) -> e.Contexts:
        """The table with the contexts of these codes, new ones or given anew. Code 0 without a context is "no order"."""
        for code, (refs, coordinates) in fresh:
            before = self._parts.get(code, (b"", 0, b""))
            self._live -= len(before[0]) + len(before[2])
            part = b"".join(self._order_bytes(ref) for ref in refs), len(refs), self._cited(coordinates)
            self._parts[code] = part
            self._put(code, part)
        if self._used > 1 << 16 and self._used > 2 * self._live:
            self._used = self._live = 0
            self._table = self._table._replace(arena=np.zeros(1, np.uint8))
            for code, part in self._parts.items():
                self._put(code, part)
        return self._table

    def _put(self, code: int, part: tuple[bytes, int, bytes]) -> None:
        orders, count, evidence = part
        end = self._used + len(orders) + len(evidence)
        table = e.Contexts(grown(self._table.arena, end), *(grown(column, code + 1, 0) for column in self._table[1:]))
        table.arena[self._used : end] = np.frombuffer(orders + evidence, np.uint8)
        table.orders_at[code], table.orders_size[code], table.orders_count[code] = self._used, len(orders), count
        table.evidence_at[code], table.evidence_size[code] = self._used + len(orders), len(evidence)
        self._live += end - self._used
        self._table, self._used = table, end

    def _order_bytes(self, ref: OrderRef) -> bytes:
        named = {"order": ref.order, "operation": ref.operation, "product": ref.product, "work_center": ref.work_center}
        return avro_bytes(self._order, named)

    def _cited(self, coordinates: Sequence[Coordinate]) -> bytes:
        if not coordinates:
            return b""
        topic, partition = self.topics[coordinates[0].input]
        own = sorted({(c.offset, c.index) for c in coordinates})
        first, last = own[0], own[-1]
        return avro_bytes(self._evidence, {
            "topic": topic, "partition": partition, "first_offset": first[0], "first_index": first[1], "last_offset": last[0],
            "last_index": last[1], "count": len(own), "checksum": checksum(own),
        })  # fmt: skip



def bounded_durations(columns: Columns) -> Columns:
    """Durations with the longest DURATIONS_MOST of each row; `more`, `more_us`: how many values the others are, their time.

    Of equally long ones the first by their bytes stay, in whose order they are listed; so the choice depends on no code.
    """
    start, value, duration = columns["spent_start"], columns["spent_value"], columns["spent_duration"]
    count = np.diff(start)
    more, more_us = np.zeros(len(count), np.int64), np.zeros(len(count), np.int64)
    kept = np.ones(int(start[-1]), np.bool_)
    for row in np.flatnonzero(count > DURATIONS_MOST).tolist():
        own = slice(int(start[row]), int(start[row + 1]))
        rest = np.argsort(-duration[own], kind="stable")[DURATIONS_MOST:]  # they lie by their bytes
        kept[own.start + rest] = False
        more[row], more_us[row] = len(rest), sum(duration[own][rest].tolist())
    ends: I64 = np.concatenate([[0], np.cumsum(count - more)])
    return {**columns, "spent_start": ends, "spent_value": value[: len(kept)][kept], "spent_duration": duration[: len(kept)][kept],
            "more": more, "more_us": more_us}  # fmt: skip


class Encoder:
    """Encodes one output of one step as one derived topic. cited: (topic, partition) of each evidence column."""

    def __init__(
        self, topic: str, schema: str, binding: str, rule: str, version: str, schema_id: int, cited: Sequence[tuple[str, int]]
    ) -> None:
        self.topic = topic
        constants = {"kind": "DATA", "frontier": None, "revision": 0, "rule": rule, "version": version}
        compiler = _Compiler(schema_of(schema), BINDINGS[binding], constants)
        self.program = compiler.run(cited)
        self.ints, self.floats = compiler.ints, compiler.floats
        self.frame = np.frombuffer(b"\0" + schema_id.to_bytes(4, "big"), np.uint8)
        self._names: Names | None = None
        self._measured, self._longest = [0, 0, 0, 0], 0

    def _longest_name(self, names: Names) -> int:
        """Bytes of the longest name; only those that are new since the last call are looked at."""
        if names is not self._names:
            self._names, self._measured, self._longest = names, [0, 0, 0, 0], 0
        for k, d in enumerate((names.lines, names.lanes, names.signals, names.texts)):
            new = d.table.lengths[3 * self._measured[k] : 3 * len(d)]  # what lies behind them is not set
            self._longest, self._measured[k] = max(self._longest, int(new.max(initial=0))), len(d)
        return self._longest

    def encode(self, columns: Columns, names: Names, contexts: e.Contexts, blobs: U8 | None = None) -> Encoded:
        """Records of the columns of an operator's output; needs every column that the binding names."""
        rows = len(columns["time"])
        line = names.lanes.table.scope[columns["lane"]]
        every = {**columns, "line": line}
        if "duration" in self.ints and "duration" not in every:
            every["duration"] = columns["end"] - columns["start"]
        if "more" in self.ints:
            every = bounded_durations(every)
        ints = np.empty((len(self.ints), rows), np.int64)
        for k, name in enumerate(self.ints):
            ints[k] = every[name]
        floats: F64 = np.empty((len(self.floats), rows))
        for k, name in enumerate(self.floats):
            floats[k] = every[name]
        none = np.zeros(rows + 1, np.int64)
        drawn = e.Columns(
            ints, floats, columns["evidence"], every.get("spent_start", none), every.get("spent_value", none),
            every.get("spent_duration", none), np.zeros(1, np.uint8) if blobs is None else blobs,
        )  # fmt: skip
        tables = Tables(names.lines.table, names.lanes.table, names.signals.table, names.sources.table, names.texts.table)
        most = self._longest_name(names)
        spans = [self.ints.index(n) for n in self.ints if n.endswith("_size")]
        blob_most = int(ints[spans].max(initial=0)) if spans else 0
        out, start, ids = np.empty(max(1 << 16, 256 * rows), np.uint8), np.zeros(rows + 1, np.int64), np.empty((rows, 32), np.uint8)
        scratch, first = np.empty(e.ROOM + 64 * (most + 24), np.uint8), 0
        context = self.ints.index("context") if "context" in self.ints else -1
        while True:
            first = e.encode(
                self.program, drawn, tables, contexts, floats.reshape(-1).view(np.int64), context, most, blob_most, self.frame, out, start,
                ids.reshape(-1), scratch, first,
            )  # fmt: skip
            if first == rows:
                break
            out = np.concatenate([out, np.empty(len(out) + 64 * (most + blob_most) + (1 << 20), np.uint8)])
        buffer = out[: int(start[-1])].tobytes()
        return Encoded(self.topic, names, line, columns["lane"], columns["time"], ids, buffer, start[:-1], start[1:])
