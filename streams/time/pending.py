"""Samples that are accepted but not yet complete: each lane's, in the order in which the operators will see them.

    order of a lane: (event time, input rank, source, boot, sequence, offset, index); sources by their bytes

Rows lie in one pool; the rows of a lane are a list linked by row number, kept sorted on insertion. A gateway sends a lane
almost in order, so the place is found at the tail, or beside the row inserted before out of order (the finger): constant
time, also for a lane that catches up behind a live one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.columns.dictionary import Table, compare
from streams.kernel import I8, I32, I64, grown, inner, int64, kernel
from streams.time.gate import ACCEPTED, UNNUMBERED, Messages

_FREE = -2  # in `before` of a row that is free


class Rows(NamedTuple):
    """Samples as columns of one length. `value` holds the bits of a float, an integer or a code, as the input decides."""

    time: I64
    input: I8
    quality: I8
    source: I32
    sequence: I64
    offset: I64
    index: I32  # type: ignore[assignment]  # it hides tuple.index, which nobody misses
    signal: I32
    value: I64
    extra: I64


class Links(NamedTuple):
    after: I32  # [row]; the free list uses it too
    before: I32
    head: I32  # [lane]
    tail: I32
    finger: I32
    counts: I64  # [rows ever used, first free row or -1, live rows]


class Content(NamedTuple):
    """What the samples of one input's messages say, aligned with the gate's Samples."""

    signal: I32
    value: I64
    extra: I64
    quality: I8


def empty_rows(count: int) -> Rows:
    types = (np.int64, np.int8, np.int8, np.int32, np.int64, np.int64, np.int32, np.int32, np.int64, np.int64)
    return Rows._make(np.zeros(count, t) for t in types)


def empty_links(rows: int = 16, lanes: int = 16) -> Links:
    return Links._make([*(np.full(n, -1, np.int32) for n in (rows, rows, lanes, lanes, lanes)), np.array([0, -1, 0])])


@inner
def _before(sources: Table, p: Rows, a: int, b: int) -> bool:
    """Does row a come before row b?"""
    if p.time[a] != p.time[b]:
        return bool(p.time[a] < p.time[b])
    if p.input[a] != p.input[b]:
        return bool(p.input[a] < p.input[b])
    if p.source[a] != p.source[b]:
        return compare(sources, p.source[a], p.source[b]) < 0
    if p.sequence[a] != p.sequence[b]:
        return bool(p.sequence[a] < p.sequence[b])
    if p.offset[a] != p.offset[b]:
        return bool(p.offset[a] < p.offset[b])
    return bool(p.index[a] < p.index[b])


@inner
def _insert(sources: Table, p: Rows, links: Links, lane: int, row: int) -> None:
    left = int64(links.tail[lane])
    if left >= 0 and _before(sources, p, row, left):
        finger = int64(links.finger[lane])
        if finger >= 0 and _before(sources, p, finger, row):
            left = finger
            while links.after[left] >= 0 and _before(sources, p, links.after[left], row):
                left = int64(links.after[left])
        else:
            if finger >= 0:
                left = finger
            while left >= 0 and _before(sources, p, row, left):
                left = int64(links.before[left])
        links.finger[lane] = row
    right = int64(links.after[left]) if left >= 0 else int64(links.head[lane])
    links.before[row], links.after[row] = left, right
    if left >= 0:
        links.after[left] = row
    else:
        links.head[lane] = row
    if right >= 0:
        links.before[right] = row
    else:
        links.tail[lane] = row


@kernel
def _admit(
    sources: Table, p: Rows, links: Links, input_rank: int, messages: Messages, offset: I64, lane: I32, time: I64,
    content: Content, verdict: I8,
) -> None:  # fmt: skip
    for m in range(messages.kind.shape[0]):
        for k in range(messages.row[m], messages.row[m + 1]):
            if verdict[k] != ACCEPTED:
                continue
            row = links.counts[1]
            if row >= 0:
                links.counts[1] = links.after[row]
            else:
                row = links.counts[0]
                links.counts[0] += 1
            links.counts[2] += 1
            index = k - messages.row[m]
            p.time[row], p.input[row], p.quality[row] = time[k], input_rank, content.quality[k]
            p.source[row], p.offset[row], p.index[row] = messages.source[m], offset[m], index
            first = messages.first[m]
            p.sequence[row] = first if first == UNNUMBERED else first + index
            p.signal[row], p.value[row], p.extra[row] = content.signal[k], content.value[k], content.extra[k]
            _insert(sources, p, links, lane[k], row)


@kernel
def _select(p: Rows, links: Links, lanes: I32, until: I64, found: I32, start: I64) -> int:
    """Row numbers of the lanes' samples below `until`, lane by lane; start[j] .. start[j + 1] - 1 are of lanes[j]."""
    n = 0
    for j in range(lanes.shape[0]):
        start[j] = n
        row = links.head[lanes[j]]
        while row >= 0 and p.time[row] < until[j]:
            found[n] = row
            n += 1
            row = links.after[row]
    start[lanes.shape[0]] = n
    return n


@kernel
def _take(p: Rows, links: Links, lanes: I32, found: I32, start: I64, out: Rows) -> None:
    """Move the selected rows out of the pool."""
    for j in range(lanes.shape[0]):
        if start[j] == start[j + 1]:
            continue
        lane, last = lanes[j], found[start[j + 1] - 1]
        rest = links.after[last]
        links.head[lane] = rest
        if rest >= 0:
            links.before[rest] = -1
        else:
            links.tail[lane] = -1
        for k in range(start[j], start[j + 1]):
            row = found[k]
            if links.finger[lane] == row:
                links.finger[lane] = -1
            out.time[k], out.input[k], out.quality[k] = p.time[row], p.input[row], p.quality[row]
            out.source[k], out.sequence[k] = p.source[row], p.sequence[row]
            out.offset[k], out.index[k] = p.offset[row], p.index[row]
            out.signal[k], out.value[k], out.extra[k] = p.signal[row], p.value[row], p.extra[row]
            links.before[row], links.after[row] = _FREE, links.counts[1]
            links.counts[1] = row
            links.counts[2] -= 1


@kernel
def _order_free(links: Links) -> None:
    """List the free rows from the first to the last: rows that are admitted together then lie together, which halves the time
    that admission and release take (measured); in the order of their release, lane by lane, they scatter more with every slice."""
    following = -1
    for row in range(links.counts[0] - 1, -1, -1):
        if links.before[row] == _FREE:
            links.after[row], following = following, row
    links.counts[1] = following


class Pending:
    """Memory: 61 bytes a sample, 12 a lane."""

    def __init__(self) -> None:
        self.rows, self.links = empty_rows(16), empty_links()

    def __len__(self) -> int:
        return int(self.links.counts[2])

    def with_lanes(self, lanes: int) -> None:
        """Room for lane codes below `lanes`."""
        k = self.links
        if lanes > len(k.head):
            self.links = k._replace(
                head=grown(k.head, lanes, -1), tail=grown(k.tail, lanes, -1), finger=grown(k.finger, lanes, -1)
            )

    def admit(
        self, sources: Table, input_rank: int, messages: Messages, offset: I64, lane: I32, time: I64, content: Content, verdict: I8
    ) -> None:  # fmt: skip
        """Take the accepted samples in. `offset`: of each message."""
        need = max(int(self.links.counts[0]), len(self) + int(np.count_nonzero(verdict == ACCEPTED)))
        if need > min(len(self.rows.time), len(self.links.after)):
            self.rows = Rows._make(grown(column, need) for column in self.rows)
            self.links = self.links._replace(after=grown(self.links.after, need, -1), before=grown(self.links.before, need, -1))
        _admit(sources, self.rows, self.links, input_rank, messages, offset, lane, time, content, verdict)

    def release(self, lanes: I32, until: I64) -> tuple[Rows, I64]:
        """Take out the samples of each lane that lie below its `until`, in order; and where each lane's rows start."""
        found, start = np.empty(len(self), np.int32), np.zeros(len(lanes) + 1, np.int64)
        count = _select(self.rows, self.links, lanes, until, found, start)
        out = Rows._make(np.empty(count, column.dtype) for column in self.rows)
        _take(self.rows, self.links, lanes, found, start, out)
        if 2 * count > int(self.links.counts[0]):  # of a smaller part it would cost more than it saves
            _order_free(self.links)
        return out, start

    def rows_of(self, input_rank: int) -> I64:
        """Row numbers of the waiting samples of an input."""
        found, start = np.empty(len(self), np.int32), np.zeros(len(self.links.head) + 1, np.int64)
        every = np.arange(len(self.links.head), dtype=np.int32)
        _select(self.rows, self.links, every, np.full(len(every), np.iinfo(np.int64).max), found, start)
        wanted: I32 = found[self.rows.input[found] == input_rank]
        return wanted.astype(np.int64)

    def all_rows(self, lanes: int) -> tuple[Rows, I64]:
        """A copy of everything, lane by lane, for a snapshot."""
        every, found = np.arange(lanes, dtype=np.int32), np.empty(len(self), np.int32)
        start = np.zeros(lanes + 1, np.int64)
        _select(self.rows, self.links, every, np.full(lanes, np.iinfo(np.int64).max), found, start)
        return Rows._make(column[found] for column in self.rows), start

    def restore(self, rows: Rows, start: I64) -> None:
        """Put back into an empty pool what `all_rows` gave."""
        count, lanes = len(rows.time), len(start) - 1
        self.rows = rows if count else empty_rows(16)
        self.links = empty_links(max(16, count), max(16, lanes))
        _chain(self.links, start)


@kernel
def _chain(links: Links, start: I64) -> None:
    for lane in range(start.shape[0] - 1):
        for row in range(start[lane], start[lane + 1]):
            links.before[row] = row - 1 if row > start[lane] else -1
            links.after[row] = row + 1 if row + 1 < start[lane + 1] else -1
        if start[lane + 1] > start[lane]:
            links.head[lane], links.tail[lane] = start[lane], start[lane + 1] - 1
    links.counts[0] = links.counts[2] = start[start.shape[0] - 1]
