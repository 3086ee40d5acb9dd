"""Output columns to framed Avro messages, many at a time, without an object a message.

An encoding program has one instruction a leaf of the schema, bound to a column, a name or a constant (outputs.py binds them).
Every message is exactly what any Avro writer gives for the same values: arrays in one block, no padding.

The id of a result is the hexadecimal MurmurHash3 x64 128 of the text that the id program writes: parts joined by '|', names as
they are, numbers in decimal. Anybody can compute it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.codec.murmur import hash128
from streams.codec.rows import Tables
from streams.columns.dictionary import Table
from streams.kernel import F64, I32, I64, NEG, U8, inner, int64, kernel
from streams.operators.evidence import COUNT, WIDTH

(CONST, LONG, OPT_LONG, OPT_DOUBLE, NAME, OPT_NAME, ORDERS, EVIDENCE, DURATIONS, SPAN, ID, DECIMAL) = range(12)
LINES, LANES, SIGNALS, SOURCES, TEXTS = range(5)  # dictionaries of a NAME
ROOM = 4096  # bytes that a message may need beside its names and arrays


class Contexts(NamedTuple):
    """Encoded parts of each context: the items of its orders array, and its evidence record."""

    arena: U8
    orders_at: I64
    orders_size: I32
    orders_count: I32
    evidence_at: I64
    evidence_size: I32  # 0: none


class Columns(NamedTuple):
    """What a program draws on. Columns of n rows; the durations of row k are spent_start[k] .. spent_start[k + 1] - 1."""

    ints: I64  # [column, row]
    floats: F64
    evidence: I64  # [row, 6 * input]
    spent_start: I64
    spent_value: I64
    spent_duration: I64
    blobs: U8  # texts of SPAN columns


class Program(NamedTuple):
    steps: I64  # [instruction, 4]
    id_steps: I64
    consts: U8
    topics: I64  # [input, (at, size)] in consts: topic and partition of the input, encoded


@kernel
def _put_long(out: U8, pos: int, value: int) -> int:
    raw = np.uint64(value << 1) ^ np.uint64(value >> 63)
    while raw > 127:
        out[pos] = np.uint8(raw & np.uint64(127)) | np.uint8(128)
        raw >>= np.uint64(7)
        pos += 1
    out[pos] = np.uint8(raw)
    return pos + 1


@kernel
def _put_bytes(out: U8, pos: int, source: U8, at: int, size: int) -> int:
    for k in range(size):
        out[pos + k] = source[at + k]
    return pos + size


@kernel
def _put_decimal(out: U8, pos: int, value: int) -> int:
    if value < 0:
        out[pos] = 45
        pos += 1
    magnitude = np.uint64(-value) if value < 0 else np.uint64(value)
    digits, power = 1, np.uint64(10)
    while digits < 20 and magnitude >= power:
        digits += 1
        power *= np.uint64(10)
    for k in range(digits):
        out[pos + digits - 1 - k] = np.uint8(48) + np.uint8(magnitude % np.uint64(10))
        magnitude //= np.uint64(10)
    return pos + digits


@kernel
def _put_name(out: U8, pos: int, t: Table, code: int, part: int, avro: bool) -> int:
    at = t.start[code]
    for k in range(part):
        at += t.lengths[3 * code + k]
    size = t.lengths[3 * code + part]
    if avro:
        pos = _put_long(out, pos, size)
    return _put_bytes(out, pos, t.arena, at, size)


@inner
def _put_of(out: U8, pos: int, tables: Tables, dictionary: int, code: int, part: int, avro: bool) -> int:
    if dictionary == SIGNALS:
        return _put_name(out, pos, tables.signals, code, part, avro)
    if dictionary == LANES:
        return _put_name(out, pos, tables.lanes, code, part, avro)
    if dictionary == TEXTS:
        return _put_name(out, pos, tables.texts, code, part, avro)
    return _put_name(out, pos, tables.lines, code, part, avro)


@inner
def _put_evidence(out: U8, pos: int, c: Columns, p: Program, x: Contexts, context: int, row: int) -> int:
    inputs, count = c.evidence.shape[1] // WIDTH, 0
    for k in range(inputs):
        count += 1 if c.evidence[row, WIDTH * k + COUNT] else 0
    own = x.evidence_size[context] > 0
    count += 1 if own else 0
    if count:
        pos = _put_long(out, pos, count)
        for k in range(inputs):
            if c.evidence[row, WIDTH * k + COUNT]:
                pos = _put_bytes(out, pos, p.consts, p.topics[k, 0], p.topics[k, 1])
                for f in range(WIDTH):
                    pos = _put_long(out, pos, c.evidence[row, WIDTH * k + f])
        if own:
            pos = _put_bytes(out, pos, x.arena, x.evidence_at[context], x.evidence_size[context])
    out[pos] = 0
    return pos + 1


@inner
def _put_durations(out: U8, pos: int, c: Columns, tables: Tables, row: int) -> int:
    first, end = c.spent_start[row], c.spent_start[row + 1]
    if end > first:
        pos = _put_long(out, pos, end - first)
        for k in range(first, end):
            pos = _put_name(out, pos, tables.texts, c.spent_value[k], 0, True)
            pos = _put_long(out, pos, c.spent_duration[k])
    out[pos] = 0
    return pos + 1


@inner
def _put_id(c: Columns, p: Program, tables: Tables, row: int, scratch: U8, ids: U8) -> None:
    pos = 0
    for s in range(p.id_steps.shape[0]):
        op, a, b, col = p.id_steps[s, 0], p.id_steps[s, 1], p.id_steps[s, 2], p.id_steps[s, 3]
        if op == CONST:
            pos = _put_bytes(scratch, pos, p.consts, a, b)
        elif op == DECIMAL:
            pos = _put_decimal(scratch, pos, c.ints[a, row])
        else:
            pos = _put_of(scratch, pos, tables, a, c.ints[col, row], b, False)
    high, low = hash128(scratch, 0, pos)
    for k in range(8):
        for half in range(2):
            byte = ((high if half == 0 else low) >> np.uint64(8 * k)) & np.uint64(255)
            for nibble in range(2):
                digit = (byte >> np.uint64(4)) if nibble == 0 else (byte & np.uint64(15))
                ids[32 * row + 16 * half + 2 * k + nibble] = np.uint8(digit) + np.uint8(48 if digit < 10 else 87)


@inner
def _size_of(c: Columns, tables: Tables, p: Program, x: Contexts, row: int, context_column: int, name_most: int) -> int:
    """No fewer bytes than the message of a row needs."""
    size = ROOM + p.steps.shape[0] * (name_most + 10) + p.consts.shape[0] + WIDTH * 10 * c.evidence.shape[1]
    size += (c.spent_start[row + 1] - c.spent_start[row]) * (name_most + 20)
    context = c.ints[context_column, row] if context_column >= 0 else 0
    return int64(size + x.orders_size[context] + x.evidence_size[context])


@inner
def _put_double(out: U8, pos: int, value: float, bits: int) -> int:
    """Null where the value is NaN, else the bits of the double."""
    if np.isnan(value):
        out[pos] = 0
        return pos + 1
    out[pos] = 2
    for k in range(8):
        out[pos + 1 + k] = np.uint8((np.uint64(bits) >> np.uint64(8 * k)) & np.uint64(255))
    return pos + 9


@inner
def _put_orders(out: U8, pos: int, x: Contexts, context: int) -> int:
    if x.orders_count[context]:
        pos = _put_long(out, pos, x.orders_count[context])
        pos = _put_bytes(out, pos, x.arena, x.orders_at[context], x.orders_size[context])
    out[pos] = 0
    return pos + 1


@inner
def _put_rare(
    out: U8, pos: int, p: Program, c: Columns, tables: Tables, x: Contexts, ids: U8, op: int, a: int, b: int, col: int, row: int
) -> int:  # fmt: skip
    """A field that a message has once or twice."""
    if op == OPT_NAME:
        code = c.ints[col, row]
        out[pos] = 0 if code < 0 else 2
        pos += 1
        if code >= 0:
            pos = _put_of(out, pos, tables, a, code, b, True)
    elif op == ID:
        pos = _put_long(out, pos, 32)
        for k in range(32):
            out[pos + k] = ids[32 * row + k]
        pos += 32
    elif op == ORDERS:
        pos = _put_orders(out, pos, x, c.ints[a, row])
    elif op == EVIDENCE:
        pos = _put_evidence(out, pos, c, p, x, c.ints[a, row], row)
    elif op == DURATIONS:
        pos = _put_durations(out, pos, c, tables, row)
    elif op == SPAN:
        pos = _put_long(out, pos, c.ints[b, row])
        pos = _put_bytes(out, pos, c.blobs, c.ints[a, row], c.ints[b, row])
    return pos


@kernel
def encode(
    p: Program, c: Columns, tables: Tables, x: Contexts, floats_bits: I64, context_column: int, name_most: int, blob_most: int,
    frame: U8, out: U8, start: I64, ids: U8, scratch: U8, first: int,
) -> int:  # fmt: skip
    """Messages of rows from `first` on, each behind `frame`; start[k] is where row k begins. Stops at a row for which `out`
    may lack room: its number. name_most, blob_most: the longest name and span."""
    rows = start.shape[0] - 1
    for row in range(first, rows):
        pos = start[row]
        if out.shape[0] - pos < _size_of(c, tables, p, x, row, context_column, name_most) + p.steps.shape[0] * blob_most:
            return row
        _put_id(c, p, tables, row, scratch, ids)
        pos = _put_bytes(out, pos, frame, 0, frame.shape[0])
        for s in range(p.steps.shape[0]):
            op, a, b, col = p.steps[s, 0], p.steps[s, 1], p.steps[s, 2], p.steps[s, 3]
            if op == CONST:
                pos = _put_bytes(out, pos, p.consts, a, b)
            elif op == LONG:
                pos = _put_long(out, pos, c.ints[a, row])
            elif op == OPT_DOUBLE:
                pos = _put_double(out, pos, c.floats[a, row], floats_bits[a * c.floats.shape[1] + row])
            elif op == NAME:
                pos = _put_of(out, pos, tables, a, c.ints[col, row], b, True)
            elif op == OPT_LONG:
                value = c.ints[a, row]
                out[pos] = 0 if value == NEG else 2
                pos = pos + 1 if value == NEG else _put_long(out, pos + 1, value)
            else:
                pos = _put_rare(out, pos, p, c, tables, x, ids, op, a, b, col, row)
        start[row + 1] = pos
    return int64(rows)
