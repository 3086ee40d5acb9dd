"""Reads the derived records of an earlier stage: results as rows, frontier records as what they tell.

A result's time is its output time, in the header `andon-time-us`: in the order of a lane it never goes back, and the lane's
frontier is told in it. What a row carries beside its columns lies in an arena (streams/operators/cited.py).

    contract             value                        sequence
    ctx.window.v1        mean; BAD where it is null   size_us of a whole tumbling window; -1 of any other, also of a piece of one
    ctx.measurement.v1   value                        0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from streams.catalogue import DerivedKind, schema_of
from streams.codec import reasons as r
from streams.codec import rows
from streams.codec.blobs import Blobs
from streams.codec.decode import NOT_UTF8, OK, Decoded
from streams.codec.inputs import QUALITIES
from streams.codec.log import Log, header_number
from streams.codec.plan import Column, canonical
from streams.codec.reader import Plans, Read
from streams.codec.rows import Tables
from streams.columns.dictionary import FULL, Dictionary, Table, intern, intern_bytes
from streams.kernel import I8, I32, I64, NEG, U8, grown, inner, int64, kernel
from streams.operators.cited import EVIDENCE_AT, FLAGS_AT, FLAT, ID_AT, SIZE_BITS
from streams.operators.slice import BAD, GOOD, Names
from streams.time.gate import BLANK, DATA, DEAD, Messages, Samples
from streams.time.instants import FIRST_US, LAST_US
from streams.time.pending import Content
from streams.time.told import Told

TIME_HEADER: Final = np.frombuffer(b"andon-time-us", np.uint8)
KINDS: Final = ("DATA", "FRONTIER")
SHAPES_OF_WINDOWS: Final = ("TUMBLING", "HOPPING", "SESSION")
FRONTIER_KEY: Final = b"frontier"

_KIND, _QUALITY, _SHAPE, _SIZE, _SINCE, _UNTIL = range(6)  # ints
_VALUE, _MIN, _MAX = range(3)  # floats
_ID, _ASSET, _TAG, _UNIT, _ORDERS, _EVIDENCE, _TABLE = range(7)  # spans
_LANES, _FRONTIERS, _CLASSES, _FLOORS = range(4)  # arrays

_LINES, _LANE_NAMES, _SIGNALS, _CONTEXTS = range(4)  # which dictionary is full


def _items(field: str) -> str:
    kind = next(f for f in schema_of("ctx.measurement.v1")["fields"] if f["name"] == field)["type"]
    return canonical(kind["items"])


def _shape(tag: str, value: str, *more: Column) -> tuple[Column, ...]:
    ints = {name: Column(f"(no {name})", "int") for name in ("quality", "shape", "size_us", "since_us", "until_us")}
    floats = {"min": Column("(no min)", "float", default=float("nan")), "max": Column("(no max)", "float", default=float("nan"))}
    given = {c.name: c for c in more}
    return (
        Column("kind", "int", symbols=KINDS), *(given.get(name, other) for name, other in ints.items()),
        Column(value, "float", default=float("nan")), *(given.get(name, other) for name, other in floats.items()),
        Column("id", "span"), Column("asset", "span"), Column(tag, "span"), Column("unit", "span"),
        Column("orders", "span", items=_items("orders")), Column("evidence", "span", items=_items("evidence")),
        Column("frontier.class_table", "span", text=True),
        Column("frontier.lanes", "spans"), Column("frontier.frontiers_us", "ints"), Column("frontier.classes", "spans", text=True),
        Column("frontier.floors_us", "ints"),
    )  # fmt: skip


SHAPES: Final[Mapping[DerivedKind, tuple[Column, ...]]] = {
    "window": _shape(
        "tag", "mean", Column("shape", "int", symbols=SHAPES_OF_WINDOWS), Column("size_us", "int"),
        Column("since_us", "int"), Column("until_us", "int"),
        Column("min", "float", default=float("nan")), Column("max", "float", default=float("nan")),
    ),
    "context-measurement": _shape("characteristic", "value", Column("quality", "int", symbols=QUALITIES)),
}  # fmt: skip


class Cited(NamedTuple):
    """Of each row: what goes into the arena."""

    id_at: I64
    evidence_at: I64
    evidence_size: I64
    context: I32
    flat: I8


class _Out(NamedTuple):
    head: rows.Out
    cited: Cited


@inner
def _hexadecimal(buffer: U8, at: int, size: int) -> bool:
    if size != 32:
        return False
    for k in range(size):
        byte = buffer[at + k]
        if not (48 <= byte <= 57 or 97 <= byte <= 102):
            return False
    return True


@inner
def _signal(t: Tables, log: Log, d: Decoded, line: int, m: int) -> int:
    """Code of the signal, linked to its lane; a negative reason; or -(1000 + dictionary) where one is full."""
    if d.size[_ASSET, m] <= 0:
        return -r.NO_ASSET
    if d.size[_TAG, m] <= 0:
        return -r.NO_TAG
    a0, an, u0, un = d.at[_ASSET, m], d.size[_ASSET, m], d.at[_UNIT, m], max(0, d.size[_UNIT, m])
    code = intern(t.signals, line, log.buffer, a0, an, d.at[_TAG, m], d.size[_TAG, m], u0, un)
    if code < 0:
        return -(1000 + _SIGNALS) if code == FULL else -NOT_UTF8
    if t.signals.link[code] < 0:
        lane = intern(t.lanes, line, log.buffer, a0, an, 0, 0, 0, 0)
        if lane < 0:
            return -(1000 + _LANE_NAMES)
        t.signals.link[code] = lane
    return code


@inner
def _result(t: Tables, contexts: Table, log: Log, d: Decoded, line: int, time: int, bits: I64, out: _Out, m: int) -> int:
    """The row of a result; OK, a negative reason, or -(1000 + dictionary)."""
    n, o = out.head.row[m], out.head
    if not _hexadecimal(log.buffer, d.at[_ID, m], d.size[_ID, m]):
        return -r.BAD_ID
    signal = _signal(t, log, d, line, m)
    if signal < 0:
        return signal
    context = intern_bytes(contexts, 0, log.buffer, d.at[_ORDERS, m], d.size[_ORDERS, m])
    if context == FULL:
        return -(1000 + _CONTEXTS)
    value, shape = d.floats[_VALUE, m], d.ints[_SHAPE, m]
    quality = max(0, d.ints[_QUALITY, m])
    o.lane[n], o.signal[n], o.time[n], o.value[n] = t.signals.link[signal], signal, time, bits[m]
    o.quality[n] = BAD if np.isnan(value) and quality == GOOD else quality
    whole = shape == 0 and d.ints[_UNTIL, m] - d.ints[_SINCE, m] == d.ints[_SIZE, m]
    o.first[m] = 0 if shape < 0 else d.ints[_SIZE, m] if whole else -1
    o.fingerprint[n], o.extra[n] = 0, 0
    c = out.cited
    c.id_at[n], c.evidence_at[n], c.evidence_size[n] = d.at[_ID, m], d.at[_EVIDENCE, m], d.size[_EVIDENCE, m]
    c.context[n], c.flat[n] = context, np.int8(FLAT) if d.floats[_MIN, m] == d.floats[_MAX, m] else np.int8(0)
    return OK


@inner
def _lane_of(t: Tables, buffer: U8, at: int, size: int) -> int:
    """Code of a lane given as `line path/asset`; a negative reason, or -(1000 + dictionary)."""
    slashes, cut = 0, -1
    for k in range(size):
        if buffer[at + k] == 47:
            slashes += 1
            if slashes == rows.MAX_PATH:
                cut = k
                break
    if cut < 0:
        return -r.BAD_KEY
    line = intern(t.lines, 0, buffer, at, cut, 0, 0, 0, 0)
    if line < 0:
        return -(1000 + _LINES) if line == FULL else -NOT_UTF8
    lane = intern(t.lanes, line, buffer, at + cut + 1, size - cut - 1, 0, 0, 0, 0)
    if lane < 0:
        return -(1000 + _LANE_NAMES) if lane == FULL else -NOT_UTF8
    return int64(lane)


@inner
def _frontier(t: Tables, log: Log, d: Decoded, out: rows.Out, m: int) -> int:
    """The lanes that a frontier record names; OK, a negative reason, or -(1000 + dictionary)."""
    count = d.items[_LANES, m]
    if d.items[_FRONTIERS, m] != count or d.items[_CLASSES, m] != d.items[_FLOORS, m] or d.size[_TABLE, m] <= 0:
        return -r.ARRAYS_DIFFER
    n = out.beat[m]
    for k in range(count):
        at = d.start[_LANES, m] + k
        lane = _lane_of(t, log.buffer, d.item_at[at], d.item_size[at])
        if lane < 0:
            return lane
        out.beats[n + k] = lane
    out.beat[m + 1] = n + count
    return OK


@kernel
def _rows(t: Tables, contexts: Table, log: Log, d: Decoded, bits: I64, wanted: U8, out: _Out, start: int) -> tuple[int, int]:
    """Messages from `start` on. Stops at a message for which a dictionary is full: (it, which)."""
    o = out.head
    for m in range(start, log.offset.shape[0]):
        o.kind[m], o.source[m], o.first[m], o.through[m], o.line[m] = DEAD, 0, 0, NEG, -1
        o.row[m + 1], o.beat[m + 1] = o.row[m], o.beat[m]
        status = int64(o.reason[m])
        if status == OK and d.ints[_KIND, m] == 1:
            status = _frontier(t, log, d, o, m)
            if status == OK:
                o.kind[m] = BLANK
        elif status == OK:
            status = rows.line_of(t, log, o, m)
            if status == FULL - 1000:
                status = -(1000 + _LINES)
            elif status >= 0:
                time = header_number(log.buffer, log.headers_at[m], log.headers_at[m] + log.headers_size[m], wanted)
                o.line[m] = status
                status = _result(t, contexts, log, d, status, time, bits, out, m) if FIRST_US <= time <= LAST_US else -r.BAD_TIME
            if status == OK:
                o.kind[m], o.row[m + 1] = DATA, o.row[m] + 1
        if status <= -1000:
            return m, int64(-status - 1000)
        if status != OK:
            o.reason[m], o.kind[m], o.row[m + 1], o.beat[m + 1] = abs(status), DEAD, o.row[m], o.beat[m]
    return log.offset.shape[0], -1


class DerivedReader:
    """Reads one kind of derived input. `writer`: as of codec.reader.Plans."""

    def __init__(self, kind: DerivedKind, writer: Callable[[int], Mapping[str, Any] | None]) -> None:
        self.kind = kind
        self.plans = Plans(SHAPES[kind], writer)

    def read(self, log: Log, names: Names) -> Read:
        """Decode every record; names met for the first time enter the dictionaries."""
        decoded, reason, schema_id = self.plans.decode(log)
        n, most = len(log.offset), int(decoded.items[_LANES].sum())
        out = _Out(
            rows.Out(
                reason, np.empty(n, np.int8), np.zeros(n, np.int32), np.zeros(n, np.int64), np.full(n, NEG), np.empty(n, np.int32),
                np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.empty(most, np.int32), np.empty(n, np.int32),
                np.empty(n, np.int64), np.empty(n, np.uint64), np.empty((0, 2), np.uint64), np.empty(n, np.int32), np.empty(n, np.int64),
                np.empty(n, np.int64), np.empty(n, np.int8),
            ),
            Cited(np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.int8)),
        )  # fmt: skip
        start, full, bits = 0, 0, decoded.floats.reshape(-1).view(np.int64)
        while True:
            tables = Tables(*(d.table for d in (names.lines, names.lanes, names.signals, names.sources, names.texts)))
            start, full = _rows(tables, names.contexts.table, log, decoded, bits, TIME_HEADER, out, start)
            if full < 0:
                break
            lacking: Dictionary = (names.lines, names.lanes, names.signals, names.contexts)[full]
            lacking.enlarge(max(64, len(lacking)), int(log.value_size[start]) + int(log.key_size[start]))
        return self._read(log, decoded, schema_id, out)

    def _read(self, log: Log, decoded: Decoded, schema_id: I64, out: _Out) -> Read:
        o, count, beats = out.head, int(out.head.row[-1]), int(out.head.beat[-1])
        messages = Messages(rows.believed(log.append), o.kind, o.source, o.first, o.through, o.row, o.beat, o.beats[:beats])
        samples = Samples(o.lane[:count], o.time[:count], o.fingerprint[:count], o.identity)
        content = Content(o.signal[:count], o.value[:count], o.extra[:count], o.quality[:count])
        told = tuple(self._told(log, decoded, o, m) for m in np.flatnonzero(o.kind == BLANK).tolist())
        cited = Cited._make(column[:count] for column in out.cited)
        return Read(log, messages, samples, content, o.reason, schema_id, o.line, told, cited)

    @staticmethod
    def _told(log: Log, d: Decoded, out: rows.Out, m: int) -> Told:
        def ints(array: int) -> I64:
            return d.item_ints[d.start[array, m] : d.start[array, m] + d.items[array, m]]

        def text(at: int, size: int) -> str:
            return log.buffer[at : at + size].tobytes().decode()

        which = range(int(d.start[_CLASSES, m]), int(d.start[_CLASSES, m] + d.items[_CLASSES, m]))
        classes = tuple(text(int(d.item_at[k]), int(d.item_size[k])) for k in which)
        table = text(int(d.at[_TABLE, m]), int(d.size[_TABLE, m]))
        return Told(out.beats[out.beat[m] : out.beat[m + 1]].copy(), ints(_FRONTIERS).copy(), table, classes, tuple(ints(_FLOORS).tolist()))


@kernel
def _keep(arena: U8, used: int, source: U8, cited: Cited, kept: I8, extra: I64) -> int:
    for k in range(kept.shape[0]):
        if not kept[k]:
            continue
        context = cited.context[k]
        for b in range(4):
            arena[used + b] = np.uint8((context >> np.int32(8 * b)) & np.int32(255))
        arena[used + FLAGS_AT] = np.uint8(cited.flat[k])
        for b in range(16):
            high, low = source[cited.id_at[k] + 2 * b], source[cited.id_at[k] + 2 * b + 1]
            arena[used + ID_AT + b] = (high - np.uint8(48 if high < 97 else 87)) << np.uint8(4) | (low - np.uint8(48 if low < 97 else 87))
        for b in range(cited.evidence_size[k]):
            arena[used + EVIDENCE_AT + b] = source[cited.evidence_at[k] + b]
        size = EVIDENCE_AT + cited.evidence_size[k]
        extra[k] = int64(used) << SIZE_BITS | size
        used += size
    return int64(used)


class CitedArena(Blobs):
    """The arena of all derived inputs of a task."""

    def keep_cited(self, source: U8, cited: Cited, kept: I8, extra: I64) -> None:
        """Keep what the rows with kept[row] = 1 cite; writes the place into extra."""
        self.arena = grown(self.arena, self.used + int(cited.evidence_size.sum()) + EVIDENCE_AT * len(kept))
        before = self.used
        self.used = int(_keep(self.arena, self.used, source, cited, kept, extra))
        self.live += self.used - before
