"""Known sample ids, as ranges of sequence numbers.

A source (with its boot) numbers its samples. An id is *known* while the append time of the log is at most the horizon H
behind the mark of its last sighting; each sighting renews the mark. Sources number densely, so ids are kept as disjoint
ranges (low, high exclusive, mark) sorted by low, and marks are rounded up to H / 64: about 65 ranges a source instead of
thousands, and exactly the same verdicts as a map from id to mark (tests/twin/gate.py, `IdMap`).

Cost: a message that continues its source's last range touches one range. A source that leaves gaps (one counter shared by
several partitions) costs one range of 32 bytes for each stretch it writes within H.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import B1, I32, I64, grown, inner, int64, kernel

MARKS = 64  # steps of a mark in a horizon


class Ranges(NamedTuple):
    low: I64
    high: I64
    mark: I64
    after: I32  # next range of the source by low; the free list uses it too
    before: I32
    head: I32  # of each source
    tail: I32
    counts: I64  # [rows ever used, first free row or -1, live rows]


def empty(rows: int = 64, sources: int = 8) -> Ranges:
    return Ranges(
        np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.full(rows, -1, np.int32),
        np.full(rows, -1, np.int32), np.full(sources, -1, np.int32), np.full(sources, -1, np.int32), np.array([0, -1, 0]),
    )  # fmt: skip


def with_room(ranges: Ranges, rows: int, sources: int) -> Ranges:
    """Room for `rows` more ranges and for source codes below `sources`."""
    need = max(int(ranges.counts[0]), int(ranges.counts[2]) + rows)
    return Ranges(
        grown(ranges.low, need), grown(ranges.high, need), grown(ranges.mark, need), grown(ranges.after, need, -1),
        grown(ranges.before, need, -1), grown(ranges.head, sources, -1), grown(ranges.tail, sources, -1), ranges.counts,
    )  # fmt: skip


@inner
def room(ranges: Ranges) -> int:
    """How many rows can be taken without enlarging."""
    return int64(ranges.low.shape[0] - ranges.counts[2])


@inner
def _take(r: Ranges, low: int, high: int, mark: int) -> int:
    row = r.counts[1]
    if row >= 0:
        r.counts[1] = r.after[row]
    else:
        row = r.counts[0]
        r.counts[0] += 1
    r.counts[2] += 1
    r.low[row], r.high[row], r.mark[row] = low, high, mark
    return int64(row)


@inner
def _free(r: Ranges, row: int) -> None:
    r.after[row] = r.counts[1]
    r.counts[1] = row
    r.counts[2] -= 1


@inner
def _link(r: Ranges, source: int, row: int, left: int, right: int) -> None:
    r.before[row], r.after[row] = left, right
    if left >= 0:
        r.after[left] = row
    else:
        r.head[source] = row
    if right >= 0:
        r.before[right] = row
    else:
        r.tail[source] = row


@inner
def _unlink(r: Ranges, source: int, row: int) -> None:
    left, right = r.before[row], r.after[row]
    if left >= 0:
        r.after[left] = right
    else:
        r.head[source] = right
    if right >= 0:
        r.before[right] = left
    else:
        r.tail[source] = left
    _free(r, row)


@kernel
def _cut(r: Ranges, source: int, first: int, end: int, oldest: int, known: B1, at: int) -> int:
    """Take [first, end) out of the source's ranges, mark in `known` what was alive there; the range left of the hole."""
    row = r.tail[source]
    while row >= 0 and r.low[row] >= end:
        row = r.before[row]
    while row >= 0 and r.high[row] > first:
        left = r.before[row]
        if r.mark[row] >= oldest:
            for i in range(max(r.low[row], first), min(r.high[row], end)):
                known[at + i - first] = True
            if r.high[row] > end:
                right = _take(r, end, r.high[row], r.mark[row])
                _link(r, source, right, row, r.after[row])
            if r.low[row] < first:
                r.high[row] = first
                return int64(row)
        _unlink(r, source, row)
        row = left
    return int64(row)


@inner
def see(r: Ranges, source: int, first: int, count: int, append_us: int, horizon_us: int, known: B1, at: int) -> None:
    """Sight ids first .. first + count - 1 at append time; known[at + k] says whether id first + k was known before.

    Needs room for two rows. `append_us` is the running maximum of the partition's log.
    """
    step = max(1, horizon_us // MARKS)
    mark, oldest, end = -(-append_us // step) * step, append_us - horizon_us, first + count
    for k in range(count):
        known[at + k] = False
    while r.head[source] >= 0 and r.mark[r.head[source]] < oldest:
        _unlink(r, source, r.head[source])
    left = r.tail[source]
    if left >= 0 and first < r.high[left]:
        left = _cut(r, source, first, end, oldest, known, at)
    right = r.after[left] if left >= 0 else r.head[source]
    if left >= 0 and r.high[left] == first and r.mark[left] == mark:
        r.high[left] = end
        row = left
    else:
        row = _take(r, first, end, mark)
        _link(r, source, row, left, right)
    if right >= 0 and r.low[right] == end and r.mark[right] == mark:
        r.high[row] = r.high[right]
        _unlink(r, source, right)


@kernel
def forget(r: Ranges, append_us: int, horizon_us: int) -> None:
    """Drop every range that is no longer known: changes no verdict under this horizon, frees memory."""
    oldest = append_us - horizon_us
    for source in range(r.head.shape[0]):
        row = r.head[source]
        while row >= 0:
            after = r.after[row]
            if r.mark[row] < oldest:
                _unlink(r, source, row)
            row = after


@kernel
def _collect(r: Ranges, source: I64, low: I64, high: I64, mark: I64) -> None:
    n = 0
    for s in range(r.head.shape[0]):
        row = r.head[s]
        while row >= 0:
            source[n], low[n], high[n], mark[n] = s, r.low[row], r.high[row], r.mark[row]
            n += 1
            row = r.after[row]


@kernel
def _restore(r: Ranges, source: I64, low: I64, high: I64, mark: I64) -> None:
    for i in range(source.shape[0]):
        row = _take(r, low[i], high[i], mark[i])
        _link(r, source[i], row, r.tail[source[i]], -1)


def to_columns(ranges: Ranges) -> dict[str, I64]:
    """Live ranges as columns, by source code, then low."""
    columns = {name: np.zeros(int(ranges.counts[2]), np.int64) for name in ("source", "low", "high", "mark")}
    _collect(ranges, *columns.values())
    return columns


def from_columns(columns: dict[str, I64], sources: int) -> Ranges:
    """What `to_columns` gave, as ranges again; sources: room for codes below it."""
    ranges = empty(max(64, len(columns["low"])), max(8, sources))
    _restore(ranges, columns["source"], columns["low"], columns["high"], columns["mark"])
    return ranges
