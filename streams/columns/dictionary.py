"""Dictionary: names to small dense integers and back.

The hot path compares and indexes integers; names enter once. A name is a scope (an integer, such as the code of the line it
belongs to) and up to three byte strings (asset, tag, unit). A link, another code, may be kept with it. Codes count up in order
of first sight, which depends on how inputs interleave: nothing that leaves the process may depend on a code, only on the bytes
behind it.

>>> names = Dictionary()
>>> names.encode(0, b"press-1", b"temperature", b"Cel"), names.encode(0, b"press-1", b"force", b"kN")
(0, 1)
>>> names.encode(0, b"press-1", b"temperature", b"Cel"), names.decode(1)
(0, (b'press-1', b'force', b'kN'))
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.columns.text import utf8
from streams.errors import DataError
from streams.kernel import I32, I64, U8, U64, grown, inner, int64, kernel

FULL = -2  # returned by `intern` when an array must be enlarged first
NOT_TEXT = -3  # returned by `intern` for a new name that is not UTF-8


class Table(NamedTuple):
    slots: I32  # open addressing, capacity a power of two; code or -1
    hashes: U64  # of each code
    scope: I32
    start: I64  # of each code's bytes in the arena
    lengths: I32  # of its three strings, flat: 3 * code + k
    arena: U8
    used: I64  # [codes, bytes of the arena]
    link: I32  # of each code, set by its owner; -1 at first


@kernel
def _stir(h: np.uint64, buffer: U8, at: int, size: int) -> np.uint64:
    """Hash a string into h, eight bytes a step; the length first, so that strings do not run into each other."""
    h = (h ^ np.uint64(size)) * np.uint64(0x9E3779B97F4A7C15)
    i, end = at, at + size
    while end - i >= 8:
        word = (
            np.uint64(buffer[i]) | np.uint64(buffer[i + 1]) << np.uint64(8) | np.uint64(buffer[i + 2]) << np.uint64(16)
            | np.uint64(buffer[i + 3]) << np.uint64(24) | np.uint64(buffer[i + 4]) << np.uint64(32)
            | np.uint64(buffer[i + 5]) << np.uint64(40) | np.uint64(buffer[i + 6]) << np.uint64(48)
            | np.uint64(buffer[i + 7]) << np.uint64(56)
        )  # fmt: skip
        h = (h ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(32)
        i += 8
    rest = np.uint64(0)
    while i < end:
        rest = rest << np.uint64(8) | np.uint64(buffer[i])
        i += 1
    h = (h ^ rest) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(29))


@inner
def _hash(scope: int, buffer: U8, p0: int, n0: int, p1: int, n1: int, p2: int, n2: int) -> np.uint64:
    """It only has to spread, never to be stable."""
    h = _stir(np.uint64(scope), buffer, p0, n0)
    return _stir(_stir(h, buffer, p1, n1), buffer, p2, n2)


@kernel
def _same(a: U8, p: int, b: U8, q: int, n: int) -> bool:
    for i in range(n):  # noqa: SIM110 - a kernel has no generators
        if a[p + i] != b[q + i]:
            return False
    return True


@kernel
def _copy(target: U8, at: int, source: U8, start: int, size: int) -> None:
    for i in range(size):
        target[at + i] = source[start + i]


@inner
def _find_or_add(table: Table, scope: int, buffer: U8, p0: int, n0: int, p1: int, n1: int, p2: int, n2: int, text: bool) -> int:
    h = _hash(scope, buffer, p0, n0, p1, n1, p2, n2)
    mask = table.slots.shape[0] - 1
    slot = int64(h & np.uint64(mask))
    while True:
        code = table.slots[slot]
        if code < 0:
            break
        if (
            table.hashes[code] == h
            and table.scope[code] == scope
            and table.lengths[3 * code] == n0
            and table.lengths[3 * code + 1] == n1
            and table.lengths[3 * code + 2] == n2
        ):
            at = table.start[code]
            if (
                _same(table.arena, at, buffer, p0, n0)
                and _same(table.arena, at + n0, buffer, p1, n1)
                and _same(table.arena, at + n0 + n1, buffer, p2, n2)
            ):
                return int64(code)
        slot = (slot + 1) & mask
    if text and not (utf8(buffer, p0, n0) and utf8(buffer, p1, n1) and utf8(buffer, p2, n2)):
        return NOT_TEXT
    code64, at = table.used[0], table.used[1]
    size = n0 + n1 + n2
    if 2 * (code64 + 1) > table.slots.shape[0] or code64 >= table.scope.shape[0] or at + size > table.arena.shape[0]:
        return FULL
    table.slots[slot] = code64
    table.hashes[code64], table.scope[code64], table.start[code64] = h, scope, at
    table.lengths[3 * code64], table.lengths[3 * code64 + 1], table.lengths[3 * code64 + 2] = n0, n1, n2
    _copy(table.arena, at, buffer, p0, n0)
    _copy(table.arena, at + n0, buffer, p1, n1)
    _copy(table.arena, at + n0 + n1, buffer, p2, n2)
    table.used[0], table.used[1] = code64 + 1, at + size
    return int64(code64)


@kernel
def intern(table: Table, scope: int, buffer: U8, p0: int, n0: int, p1: int, n1: int, p2: int, n2: int) -> int:
    """Code of (scope, three spans of buffer); a new one where it is new; FULL where there is no room for a new one,
    NOT_TEXT where a new one is not UTF-8."""
    return _find_or_add(table, scope, buffer, p0, n0, p1, n1, p2, n2, True)


@kernel
def intern_bytes(table: Table, scope: int, buffer: U8, p0: int, n0: int) -> int:
    """As `intern`, of a span that need not be text."""
    return _find_or_add(table, scope, buffer, p0, n0, 0, 0, 0, 0, False)


@kernel
def _encode(table: Table, scope: int, buffer: U8, p0: int, n0: int, p1: int, n1: int, p2: int, n2: int, text: bool) -> int:
    return _find_or_add(table, scope, buffer, p0, n0, p1, n1, p2, n2, text)


@kernel
def _rehash(slots: I32, hashes: U64, count: int) -> None:
    mask = slots.shape[0] - 1
    for code in range(count):
        slot = int64(hashes[code] & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = code


@kernel
def compare(table: Table, a: int, b: int) -> int:
    """-1, 0, 1: the bytes of code a against those of b, string by string, each as unsigned bytes."""
    p, q = table.start[a], table.start[b]
    for k in range(3):
        n, m = table.lengths[3 * a + k], table.lengths[3 * b + k]
        for i in range(min(n, m)):
            x, y = table.arena[p + i], table.arena[q + i]
            if x != y:
                return -1 if x < y else 1
        if n != m:
            return -1 if n < m else 1
        p, q = p + n, q + m
    return 0


class Dictionary:
    """Grows without end; memory a name: about 40 bytes and its own bytes. text: names must be UTF-8."""

    def __init__(self, names: int = 64, size: int = 1024, *, text: bool = True) -> None:
        self.text = text
        capacity = 1 << max(4, (2 * names - 1).bit_length())
        self.table = Table(
            np.full(capacity, -1, np.int32), np.zeros(names, np.uint64), np.zeros(names, np.int32), np.zeros(names, np.int64),
            np.zeros(3 * names, np.int32), np.zeros(size, np.uint8), np.zeros(2, np.int64), np.full(names, -1, np.int32),
        )  # fmt: skip

    def __len__(self) -> int:
        return int(self.table.used[0])

    def enlarge(self, names: int = 1, size: int = 0) -> None:
        """Make room for `names` more names of `size` bytes in all (at least a doubling of what is full)."""
        t = self.table
        count, used = len(self), int(t.used[1])
        rows = max(count + names, 2 * count if count + names > t.scope.shape[0] else 0)
        slots = t.slots
        while slots.shape[0] < 2 * (rows + 1):
            slots = np.full(2 * slots.shape[0], -1, np.int32)
        hashes = grown(t.hashes, rows)
        if slots is not t.slots:
            _rehash(slots, hashes, count)
        room = used + size + 64 * names
        self.table = Table(
            slots, hashes, grown(t.scope, rows), grown(t.start, rows), grown(t.lengths, 3 * rows), grown(t.arena, room), t.used,
            grown(t.link, rows, -1),
        )  # fmt: skip

    def encode(self, scope: int, first: bytes, second: bytes = b"", third: bytes = b"") -> int:
        buffer = np.frombuffer(first + second + third, np.uint8)
        spans = 0, len(first), len(first), len(second), len(first) + len(second), len(third)
        while (code := _encode(self.table, scope, buffer, *spans, self.text)) == FULL:
            self.enlarge(max(1, len(self)), len(buffer))
        if code == NOT_TEXT:
            raise DataError("a name must be UTF-8", name=first + b" " + second + b" " + third)
        return int(code)

    def decode(self, code: int) -> tuple[bytes, bytes, bytes]:
        a, b, c = self.table.lengths[3 * code : 3 * code + 3].tolist()
        at = int(self.table.start[code])
        raw = self.table.arena[at : at + a + b + c].tobytes()
        return raw[:a], raw[a : a + b], raw[a + b :]

    def scope(self, code: int) -> int:
        return int(self.table.scope[code])

    def link(self, code: int) -> int:
        return int(self.table.link[code])

    def names(self, since: int = 0) -> list[tuple[int, bytes, bytes, bytes]]:
        """Scope and strings of every code from `since` on, in order of code."""
        return [(self.scope(code), *self.decode(code)) for code in range(since, len(self))]
