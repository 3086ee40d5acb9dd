"""Decoded columns to the columns of the gate and of the operators: names become codes, content is checked.

A message whose content breaks its contract is dead as a whole, with a reason; it still moves append time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.codec import inputs as i
from streams.codec import reasons as r
from streams.codec.decode import NOT_UTF8, OK, Decoded
from streams.codec.log import Log
from streams.codec.murmur import hash128
from streams.columns.dictionary import FULL, NOT_TEXT, Table, intern
from streams.kernel import I8, I16, I32, I64, NEG, U8, U64, inner, int64, kernel
from streams.time.gate import CLAIM, DATA, DEAD, HEARTBEAT, UNNUMBERED
from streams.time.instants import FIRST_US, LAST_US

LARGEST = 1 << 60  # sequence number, difference of two times, count
MAX_PATH = 4

_LINES, _LANES, _SIGNALS, _SOURCES, _TEXTS = range(5)  # which dictionary is full


class Tables(NamedTuple):
    lines: Table
    lanes: Table
    signals: Table
    sources: Table
    texts: Table


class Out(NamedTuple):
    """Columns under construction: messages, heartbeat lanes, rows."""

    reason: I16
    kind: I8
    source: I32
    first: I64
    through: I64
    line: I32
    row: I64  # [n + 1]
    beat: I64  # [n + 1]
    beats: I32
    lane: I32
    time: I64
    fingerprint: U64
    identity: U64  # [row, 2]
    signal: I32
    value: I64
    extra: I64
    quality: I8


@kernel
def _mixed(h: np.uint64, x: np.uint64) -> np.uint64:
    h = (h ^ x) * np.uint64(0x9E3779B97F4A7C15)
    return h ^ (h >> np.uint64(29))


@kernel
def _line_path(buffer: U8, at: int, size: int) -> bool:
    """Four parts, none empty."""
    parts, length = 1, 0
    for k in range(size):
        if buffer[at + k] == 47:
            if length == 0:
                return False
            parts, length = parts + 1, 0
        else:
            length += 1
    return parts == MAX_PATH and length > 0


@inner
def line_of(t: Tables, log: Log, out: Out, m: int) -> int:
    """Code of the message's line, or a negative reason, or FULL - 1000. The key of the message before is tried first."""
    if log.key_size[m] <= 0:
        return -r.NO_KEY
    at, size = log.key_at[m], log.key_size[m]
    if m > 0 and out.line[m - 1] >= 0 and log.key_size[m - 1] == size:
        same = True
        for k in range(size):
            same = same and log.buffer[at + k] == log.buffer[log.key_at[m - 1] + k]
        if same:
            return int64(out.line[m - 1])
    if size > i.NAME_BYTES:
        return -r.TEXT_TOO_LONG
    if not _line_path(log.buffer, at, size):
        return -r.BAD_KEY
    code = intern(t.lines, 0, log.buffer, at, size, 0, 0, 0, 0)
    return -NOT_UTF8 if code == NOT_TEXT else code - 1000 if code == FULL else code


@inner
def _source(sources: Table, buffer: U8, d: Decoded, plain: U8, out: Out, m: int) -> int:
    """Code of (source, boot). The source of the message before is tried first."""
    at, size = d.at[i.SOURCE, m], d.size[i.SOURCE, m]
    if m > 0 and out.kind[m - 1] == DATA and d.size[i.SOURCE, m - 1] == size and d.ints[i.BOOT, m - 1] == d.ints[i.BOOT, m]:
        same = True
        for k in range(size):
            same = same and buffer[at + k] == buffer[d.at[i.SOURCE, m - 1] + k]
        if same:
            return int64(out.source[m - 1])
    boot = np.uint64(d.ints[i.BOOT, m]) ^ (np.uint64(1) << np.uint64(63))
    for k in range(8):  # the boot as text that sorts like the number: 16 letters, so that every name is UTF-8
        byte = (boot >> np.uint64(8 * (7 - k))) & np.uint64(255)
        plain[2 * k], plain[2 * k + 1] = 97 + (byte >> np.uint64(4)), 97 + (byte & np.uint64(15))
    for k in range(size):
        plain[16 + k] = buffer[at + k]
    return intern(sources, 0, plain, 16, size, 0, 16, 0, 0)


@inner
def _head(t: Tables, log: Log, d: Decoded, plain: U8, out: Out, m: int, samples: int) -> int:
    """Fill the message's columns; OK, a reason, or -(dictionary + 1) where one is full. `plain`: room for a source and its boot."""
    out.kind[m], out.source[m], out.first[m], out.through[m], out.line[m] = DEAD, 0, UNNUMBERED, NEG, -1
    out.row[m + 1], out.beat[m + 1] = out.row[m], out.beat[m]
    if out.reason[m] != OK:
        return int64(out.reason[m])
    kind, sequence, through = d.ints[i.KIND, m], d.ints[i.SEQUENCE, m], d.ints[i.THROUGH, m]
    line = line_of(t, log, out, m)
    if line < 0:
        return -(_LINES + 1) if line == FULL - 1000 else -line
    out.line[m] = line
    if kind == CLAIM or kind == HEARTBEAT:
        if through == NEG:
            return r.NO_THROUGH
        if through < FIRST_US or through > LAST_US:
            return r.BAD_TIME
        out.through[m] = through
    if kind == HEARTBEAT:
        n = out.beat[m]
        for k in range(d.start[i.LANES, m], d.start[i.LANES, m] + d.items[i.LANES, m]):
            lane = intern(t.lanes, line, log.buffer, d.item_at[k], d.item_size[k], 0, 0, 0, 0)
            if lane == FULL:
                return -(_LANES + 1)
            if lane == NOT_TEXT:
                return NOT_UTF8
            out.beats[n] = lane
            n += 1
        out.beat[m + 1] = n
    if kind == DATA:
        if sequence != UNNUMBERED and (sequence < 0 or sequence > LARGEST - samples):
            return r.BAD_SEQUENCE
        if sequence != UNNUMBERED and d.size[i.SOURCE, m] == 0:
            return r.NO_SOURCE
        code = _source(t.sources, log.buffer, d, plain, out, m)
        if code == FULL:
            return -(_SOURCES + 1)
        if code == NOT_TEXT:
            return NOT_UTF8
        out.source[m], out.first[m] = code, sequence
    out.kind[m] = kind
    return OK


@inner
def _signal(t: Tables, buffer: U8, line: int, a0: int, an: int, g0: int, gn: int, u0: int, un: int) -> int:
    """Code of a signal, linked to its lane; -(dictionary + 1) where one is full, NOT_TEXT - 10 where it is no text."""
    signal = intern(t.signals, line, buffer, a0, an, g0, gn, u0, un)
    if signal < 0:
        return -(_SIGNALS + 1) if signal == FULL else NOT_TEXT - 10
    if t.signals.link[signal] < 0:
        lane = intern(t.lanes, line, buffer, a0, an, 0, 0, 0, 0)
        if lane < 0:
            return -(_LANES + 1)
        t.signals.link[signal] = lane
    return signal


@inner
def _hashes(log: Log, m: int, whole: bool, numbered: bool, out: Out, n: int, h: np.uint64) -> None:
    """Fingerprint and identity of a one-sample message: of its fields, or of its bytes behind the frame."""
    other = np.uint64(0)
    if whole or not numbered:
        a, other = hash128(log.buffer, log.value_at[m] + 5, log.value_size[m] - 5)
        h = a if whole else h
    out.fingerprint[n] = h
    if not numbered:
        out.identity[n, 0], out.identity[n, 1] = _mixed(h, np.uint64(out.line[m] + 1)), other


@inner
def _single(t: Tables, log: Log, d: Decoded, value_kind: int, extra_kind: int, named: bool, bits: I64, out: Out, m: int) -> int:
    """The one row of a DATA message; OK, a reason, or -(dictionary + 1)."""
    n, line, time, quality = out.row[m], out.line[m], d.ints[i.TIME, m], d.ints[i.QUALITY, m]
    if time < FIRST_US or time > LAST_US:
        return r.BAD_TIME
    if named and d.size[i.ASSET, m] == 0:
        return r.NO_ASSET
    if named and d.size[i.TAG, m] == 0:
        return r.NO_TAG
    at, size = d.at[i.ASSET, m], d.size[i.ASSET, m]
    if named:
        signal = _signal(t, log.buffer, line, at, size, d.at[i.TAG, m], d.size[i.TAG, m], d.at[i.UNIT, m], d.size[i.UNIT, m])
        if signal < 0:
            return NOT_UTF8 if signal == NOT_TEXT - 10 else signal
        lane = int64(t.signals.link[signal])
    else:
        signal, lane = int64(-1), intern(t.lanes, line, log.buffer, at, size, 0, 0, 0, 0)
        if lane < 0:
            return -(_LANES + 1) if lane == FULL else NOT_UTF8
    value, extra = int64(0), int64(0)
    if value_kind == i.VALUE_FLOAT:
        value = bits[m]
    elif value_kind == i.VALUE_INT:
        value = d.ints[i.MODE + 1, m]
        if value != NEG and (value < -LARGEST or value > LARGEST):
            return r.BAD_COUNT
    elif value_kind == i.VALUE_TEXT:
        value = int64(-1)
        if d.size[i.TEXT, m] >= 0:
            value = intern(t.texts, 0, log.buffer, d.at[i.TEXT, m], d.size[i.TEXT, m], 0, 0, 0, 0)
            if value < 0:
                return -(_TEXTS + 1) if value == FULL else NOT_UTF8
    if extra_kind == i.EXTRA_TEXT or extra_kind == i.EXTRA_COUNTER:
        extra = intern(t.texts, 0, log.buffer, d.at[i.REASON, m], d.size[i.REASON, m], 0, 0, 0, 0)
        if extra < 0:
            return -(_TEXTS + 1) if extra == FULL else NOT_UTF8
        if extra_kind == i.EXTRA_COUNTER:
            extra |= d.ints[i.MODE, m] << 32
    out.lane[n], out.time[n], out.signal[n], out.value[n], out.extra[n], out.quality[n] = lane, time, signal, value, extra, quality
    h = _mixed(_mixed(np.uint64(signal + 1), np.uint64(time)), np.uint64(value) ^ np.uint64(quality))
    _hashes(log, m, extra_kind != i.EXTRA_NONE, out.first[m] != UNNUMBERED, out, n, h)
    out.row[m + 1] = n + 1
    return OK


@kernel
def single_rows(
    t: Tables, log: Log, d: Decoded, value_kind: int, extra_kind: int, named: bool, bits: I64, plain: U8, out: Out, start: int
) -> tuple[int, int]:
    """Messages of a one-sample contract from `start` on. Stops at a message for which a dictionary is full: (it, which)."""
    for m in range(start, log.offset.shape[0]):
        status = _head(t, log, d, plain, out, m, 1)
        if status == OK and out.kind[m] == DATA:
            status = _single(t, log, d, value_kind, extra_kind, named, bits, out, m)
        if status < 0:
            return m, -status - 1
        if status != OK:
            out.reason[m], out.kind[m], out.row[m + 1], out.beat[m + 1] = status, DEAD, out.row[m], out.beat[m]
    return log.offset.shape[0], -1


@inner
def _signal_table(t: Tables, log: Log, d: Decoded, line: int, m: int, codes: I32) -> int:
    """Codes of the message's signals; OK, a reason, or -(dictionary + 1)."""
    count = d.items[i.ASSETS, m]
    if d.items[i.TAGS, m] != count or d.items[i.UNITS, m] != count:
        return r.ARRAYS_DIFFER
    for k in range(count):
        a, g, u = d.start[i.ASSETS, m] + k, d.start[i.TAGS, m] + k, d.start[i.UNITS, m] + k
        if d.item_size[a] == 0:
            return r.NO_ASSET
        if d.item_size[g] == 0:
            return r.NO_TAG
        signal = _signal(t, log.buffer, line, d.item_at[a], d.item_size[a], d.item_at[g], d.item_size[g], d.item_at[u], d.item_size[u])
        if signal < 0:
            return NOT_UTF8 if signal == NOT_TEXT - 10 else signal
        codes[k] = signal
    return OK


@inner
def _packed(t: Tables, log: Log, d: Decoded, codes: I32, bits: I64, out: Out, m: int) -> int:
    """Rows of a telemetry message; OK, a reason, or -(dictionary + 1)."""
    status = _signal_table(t, log, d, out.line[m], m, codes)
    if status != OK:
        return status
    count, table, base = d.items[i.SIGNALS, m], d.items[i.ASSETS, m], d.ints[i.TIME, m]
    qualities = d.items[i.QUALITIES_OF, m]
    if d.items[i.TIMES, m] != count or d.items[i.VALUES, m] != count or (qualities != 0 and qualities != count):
        return r.ARRAYS_DIFFER
    if base < FIRST_US or base > LAST_US:
        return r.BAD_TIME
    n, numbered = out.row[m], out.first[m] != UNNUMBERED
    for k in range(count):
        which, delta = d.item_ints[d.start[i.SIGNALS, m] + k], d.item_ints[d.start[i.TIMES, m] + k]
        quality = d.item_ints[d.start[i.QUALITIES_OF, m] + k] if qualities else 0
        if which < 0 or which >= table:
            return r.BAD_INDEX
        if delta < -LARGEST or delta > LARGEST or base + delta < FIRST_US or base + delta > LAST_US:
            return r.BAD_TIME
        if quality < 0 or quality > 2:
            return r.BAD_QUALITY
        signal, value, time = codes[which], bits[d.start[i.VALUES, m] + k], base + delta
        out.lane[n], out.signal[n], out.time[n], out.value[n] = t.signals.link[signal], signal, time, value
        out.extra[n], out.quality[n] = 0, quality
        h = _mixed(_mixed(np.uint64(signal + 1), np.uint64(time)), np.uint64(value) ^ np.uint64(quality))
        out.fingerprint[n] = h
        if not numbered:
            other = _mixed(np.uint64(out.source[m]) + np.uint64(0x5BF0), _mixed(np.uint64(value), np.uint64(time) ^ h))
            out.identity[n, 0], out.identity[n, 1] = _mixed(h, np.uint64(out.source[m])), other
        n += 1
    out.row[m + 1] = n
    return OK


@kernel
def packed_rows(
    t: Tables, log: Log, d: Decoded, codes: I32, bits: I64, plain: U8, out: Out, start: int
) -> tuple[int, int]:
    """Telemetry messages from `start` on; as `single_rows`."""
    for m in range(start, log.offset.shape[0]):
        status = _head(t, log, d, plain, out, m, int64(d.items[i.SIGNALS, m]) if out.reason[m] == OK else 0)
        if status == OK and out.kind[m] == DATA:
            status = _packed(t, log, d, codes, bits, out, m)
        if status < 0:
            return m, -status - 1
        if status != OK:
            out.reason[m], out.kind[m], out.row[m + 1], out.beat[m + 1] = status, DEAD, out.row[m], out.beat[m]
    return log.offset.shape[0], -1


def believed(append: I64) -> I64:
    """Append times; NEG, which moves nothing, where one is refused: a header may say anything."""
    return np.where((append < FIRST_US) | (append > LAST_US), NEG, append)


@kernel
def frames(log: Log, schema_id: I64, reason: I16) -> None:
    """Schema id of each value, or why it has none."""
    for m in range(log.offset.shape[0]):
        at, size = log.value_at[m], log.value_size[m]
        schema_id[m], reason[m] = -1, OK
        if log.append[m] < FIRST_US or log.append[m] > LAST_US:
            reason[m] = r.NO_APPEND_TIME
        elif size < 0:
            reason[m] = r.NO_VALUE
        elif size < 5 or log.buffer[at] != 0:
            reason[m] = r.BAD_FRAME
        else:
            number = int64(0)
            for k in range(1, 5):
                number = number << 8 | int64(log.buffer[at + k])
            schema_id[m] = number


