"""Avro messages to columns, many at a time, without an object a message.

Hostile bytes are expected: every read is checked against the message's end, counts against the bytes that are left, varints
must be minimal, and a message must be consumed to its last byte. A message that fails leaves a reason code and no trace in the
columns of others; fastavro would accept trailing bytes and over-long varints, and spend gigabytes on six bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.codec.plan import (
    OP_ARRAY,
    OP_BOOLEAN,
    OP_BYTES,
    OP_DOUBLE,
    OP_ENUM,
    OP_FLOAT,
    OP_LONG,
    OP_LONG_TO_DOUBLE,
    OP_NULL,
    OP_OPTION,
    OP_RECORDS,
    OP_TEXT,
    Plan,
)  # fmt: skip
from streams.columns.text import utf8
from streams.kernel import F64, I8, I32, I64, NEG, U8, inner, int64, kernel

# Why a message cannot be decoded; part of the contract of dq.dead-letter.v1
REASONS = (
    "ok", "truncated", "bad-varint", "bad-length", "bad-union", "bad-enum", "bad-boolean", "trailing-bytes", "not-utf8",
)  # fmt: skip
OK, TRUNCATED, BAD_VARINT, BAD_LENGTH, BAD_UNION, BAD_ENUM, BAD_BOOLEAN, TRAILING, NOT_UTF8 = range(9)


class Decoded(NamedTuple):
    """Columns of n messages. Items of arrays lie in three pools; array a of message m has items[a, m] of them from start[a, m] on."""

    status: I8
    ints: I64  # [column, message]
    floats: F64
    at: I64  # spans: position in the buffer
    size: I32  # -1: null
    start: I64  # [array, message]
    items: I64
    item_ints: I64
    item_floats: F64
    item_at: I64
    item_size: I32


@kernel
def _varint(buffer: U8, pos: int, end: int) -> tuple[int, int]:
    """(zigzag-decoded value, position behind it), or a negative position: -TRUNCATED, -BAD_VARINT."""
    raw, shift = np.uint64(0), 0
    while True:
        if pos >= end:
            return 0, -TRUNCATED
        byte = buffer[pos]
        pos += 1
        if shift == 63 and byte > 1:
            return 0, -BAD_VARINT
        raw |= np.uint64(byte & 127) << np.uint64(shift)
        if byte < 128:
            if byte == 0 and shift > 0:
                return 0, -BAD_VARINT
            break
        shift += 7
        if shift > 63:
            return 0, -BAD_VARINT
    return int64(raw >> np.uint64(1)) ^ -int64(raw & np.uint64(1)), pos


@kernel
def _float64(buffer: U8, pos: int) -> int:
    """Bits of a little-endian double."""
    raw = np.uint64(0)
    for k in range(8):
        raw |= np.uint64(buffer[pos + k]) << np.uint64(8 * k)
    return int64(raw)


@inner
def _items(
    buffer: U8, pos: int, end: int, op: int, array: int, m: int, out: Decoded, item_bits: I64, used: I64
) -> int:  # fmt: skip
    """Decode an array's blocks into the pools; position behind it or a negative reason."""
    pool = 0 if op == OP_LONG else 1 if op in (OP_DOUBLE, OP_FLOAT) else 2
    if array >= 0:
        out.start[array, m], out.items[array, m] = used[pool], 0
    while True:
        count, pos = _varint(buffer, pos, end)
        if pos < 0:
            return pos
        if count == 0:
            return pos
        if count < 0:
            if count == NEG * 2:
                return -BAD_LENGTH
            count = -count
            size, pos = _varint(buffer, pos, end)
            if pos < 0:
                return pos
            if size < 0 or size > end - pos:
                return -BAD_LENGTH
        width = 8 if op == OP_DOUBLE else 4 if op == OP_FLOAT else 1
        if count > (end - pos) // width:
            return -TRUNCATED
        for _ in range(count):
            n = used[pool]
            if op == OP_LONG:
                value, pos = _varint(buffer, pos, end)
                if pos < 0:
                    return pos
                if array >= 0:
                    out.item_ints[n] = value
            elif op == OP_DOUBLE:
                if array >= 0:
                    item_bits[n] = _float64(buffer, pos)
                pos += 8
            elif op == OP_FLOAT:
                if array >= 0:
                    out.item_floats[n] = _single(buffer, pos)
                pos += 4
            else:
                size, pos = _varint(buffer, pos, end)
                if pos < 0:
                    return pos
                if size < 0:
                    return -BAD_LENGTH
                if size > end - pos:
                    return -TRUNCATED
                if op == OP_TEXT and not utf8(buffer, pos, size):
                    return -NOT_UTF8
                if array >= 0:
                    out.item_at[n], out.item_size[n] = pos, size
                pos += size
            if array >= 0:
                used[pool] += 1
        if array >= 0:
            out.items[array, m] += count


@kernel
def _single(buffer: U8, pos: int) -> float:
    """A 32-bit float, exactly, from its parts."""
    raw = int64(0)
    for k in range(4):
        raw |= int64(buffer[pos + k]) << int64(8 * k)
    sign = -1.0 if raw >> 31 else 1.0
    exponent, fraction = (raw >> 23) & 255, raw & 0x7FFFFF
    if exponent == 255:
        return np.nan if fraction else sign * np.inf
    value = np.float64(fraction) if exponent == 0 else np.float64(fraction | 0x800000)
    shift = (1 if exponent == 0 else exponent) - 150
    while shift > 0:
        value *= 2.0
        shift -= 1
    while shift < 0:
        value *= 0.5
        shift += 1
    return sign * value


@inner
def _after_varint(
    buffer: U8, pos: int, end: int, op: int, column: int, argument: int, other: int, maps: I64, m: int, out: Decoded
) -> int:  # fmt: skip
    """Decode a field that begins with a varint; position behind it or a negative reason."""
    value, pos = _varint(buffer, pos, end)
    if pos < 0:
        return pos
    if op == OP_LONG:
        if argument and (value < -(1 << 31) or value >= 1 << 31):
            return -BAD_VARINT
        if column >= 0:
            out.ints[column, m] = value
    elif op == OP_BYTES or op == OP_TEXT:
        if value < 0:
            return -BAD_LENGTH
        if value > end - pos:
            return -TRUNCATED
        if op == OP_TEXT and not utf8(buffer, pos, value):
            return -NOT_UTF8
        if column >= 0:
            out.at[column, m], out.size[column, m] = pos, value
        pos += value
    elif op == OP_ENUM:
        if value < 0 or value >= other:
            return -BAD_ENUM
        if column >= 0:
            if maps[argument + value] < 0:
                return -BAD_ENUM
            out.ints[column, m] = maps[argument + value]
    else:
        out.floats[column, m] = np.float64(value)
    return pos


@inner
def _fixed_size(buffer: U8, pos: int, end: int, op: int, column: int, argument: int, m: int, out: Decoded, bits: I64) -> int:
    """Decode a field whose size is known; position behind it or a negative reason."""
    size = 8 if op == OP_DOUBLE else 4 if op == OP_FLOAT else 1 if op == OP_BOOLEAN else argument
    if end - pos < size:
        return -TRUNCATED
    if op == OP_DOUBLE:
        if column >= 0:
            bits[column * out.ints.shape[1] + m] = _float64(buffer, pos)
    elif op == OP_BOOLEAN:
        if buffer[pos] > 1:
            return -BAD_BOOLEAN
        if column >= 0:
            out.ints[column, m] = buffer[pos]
    elif column >= 0:
        if op == OP_FLOAT:
            out.floats[column, m] = _single(buffer, pos)
        else:
            out.at[column, m], out.size[column, m] = pos, size
    return pos + size


@inner
def _null(column: int, m: int, out: Decoded) -> None:
    """What an absent value is: `column` is 3 * its place + 0, 1, 2 for ints, floats, spans (plan.py)."""
    if column >= 0:
        if column % 3 == 0:
            out.ints[column // 3, m] = NEG
        elif column % 3 == 1:
            out.floats[column // 3, m] = np.nan
        else:
            out.size[column // 3, m] = -1


@inner
def _block(buffer: U8, pos: int, end: int) -> tuple[int, int]:
    """Items of an array's next block, 0: the array ends; position behind the count, or a negative reason."""
    count, pos = _varint(buffer, pos, end)
    if pos < 0 or count == 0:
        return count, pos
    if count < 0:
        if count == NEG * 2:
            return 0, -BAD_LENGTH
        count = -count
        size, pos = _varint(buffer, pos, end)
        if pos < 0:
            return 0, pos
        if size < 0 or size > end - pos:
            return 0, -BAD_LENGTH
    return (count, pos) if count <= end - pos else (0, -TRUNCATED)


@inner
def _message(
    buffer: U8, pos: int, end: int, program: I64, maps: I64, m: int, out: Decoded, bits: I64, item_bits: I64, used: I64
) -> int:  # fmt: skip
    """Run the program over one message: OK or a reason. While `loop` is an array of records, its body runs once an item."""
    step, steps, loop, left = 0, program.shape[0], -1, 0
    while step < steps or loop >= 0:
        if loop >= 0 and step == loop + 1 + program[loop, 2]:
            left -= 1
            if left <= 0:
                left, pos = _block(buffer, pos, end)
                if pos < 0:
                    return -pos
            if left > 0:
                step = loop + 1
            else:
                if program[loop, 1] >= 0:
                    out.size[program[loop, 1], m] = pos - out.at[program[loop, 1], m]
                loop = -1
            continue
        op, column, argument, other = program[step, 0], program[step, 1], program[step, 2], program[step, 3]
        step += 1
        if op == OP_RECORDS:
            if column >= 0:
                out.at[column, m] = pos
            loop, left, step = step - 1, 0, step + argument  # as behind an item: the next block is read first
            continue
        if op == OP_OPTION:
            branch, pos = _varint(buffer, pos, end)
            if pos >= 0:
                if branch != 0 and branch != 1:
                    return BAD_UNION
                if branch == argument:
                    step += other
                    _null(column, m, out)
        elif op == OP_LONG or op == OP_TEXT or op == OP_BYTES or op == OP_ENUM or op == OP_LONG_TO_DOUBLE:
            pos = _after_varint(buffer, pos, end, op, column, argument, other, maps, m, out)
        elif op == OP_ARRAY:
            pos = _items(buffer, pos, end, argument, column, m, out, item_bits, used)
        elif op != OP_NULL:
            pos = _fixed_size(buffer, pos, end, op, column, argument, m, out, bits)
        if pos < 0:
            return -pos
    return OK if pos == end else TRAILING


@kernel
def _decode(
    buffer: U8, which: I64, at: I64, size: I64, program: I64, maps: I64, out: Decoded, bits: I64, item_bits: I64, used: I64
) -> None:  # fmt: skip
    for k in range(which.shape[0]):
        m = which[k]
        before = (used[0], used[1], used[2])
        status = _message(buffer, at[m], at[m] + size[m], program, maps, m, out, bits, item_bits, used)
        out.status[m] = status
        if status != OK:
            used[0], used[1], used[2] = before


def decode(buffer: U8, at: I64, size: I64, plans: list[tuple[I64, Plan]]) -> Decoded:
    """Columns of messages at[m] .. at[m] + size[m] of the buffer. plans: (message numbers, their plan); every plan was made
    for the same wanted columns. Messages in no plan keep their status OK and defaults: the caller knows them."""
    plan, n = plans[0][1], len(at)
    total = int(size.clip(min=0).sum()) + 1
    has = {c.kind for c in plan.arrays}
    out = Decoded(
        np.zeros(n, np.int8), np.empty((len(plan.ints), n), np.int64), np.empty((len(plan.floats), n)),
        np.zeros((len(plan.spans), n), np.int64), np.zeros((len(plan.spans), n), np.int32), np.zeros((len(plan.arrays), n), np.int64),
        np.zeros((len(plan.arrays), n), np.int64), np.empty(total if "ints" in has else 1, np.int64),
        np.empty(total // 4 + 1 if "floats" in has else 1), np.empty(total if "spans" in has else 1, np.int64),
        np.empty(total if "spans" in has else 1, np.int32),
    )  # fmt: skip
    for column, wanted in zip(out.ints, plan.ints, strict=True):
        column[:] = int(wanted.default)
    for floats, wanted in zip(out.floats, plan.floats, strict=True):
        floats[:] = wanted.default
    used, bits, item_bits = np.zeros(3, np.int64), out.floats.reshape(-1).view(np.int64), out.item_floats.view(np.int64)
    for which, one in plans:
        _decode(buffer, which, at, size, one.program, one.maps, out, bits, item_bits, used)
    return out
