"""Samples that are accepted but not yet complete: each lane's, in the order in which the operators will see them.

    order of a lane: (event time, input rank, source, boot, sequence, offset, index); sources by their bytes

Rows lie in one pool; the rows of a lane are a list linked by row number, kept sorted on insertion. A gateway sends a lane
almost in order, so the place is found at the tail, or beside the row inserted before out of order (the finger): a few steps,
also for a lane that catches up behind a live one.

Where that takes too long, as with several buffers of one lane sent line by line, the row goes to the side: a pairing heap of
the lane (Fredman et al., Algorithmica 1, 1986) through the same two links, from which it comes when its time is released. Steps are
bought: a row out of order brings STEPS of them, CREDIT at most are saved. So n rows cost STEPS * n steps and n log n comparisons,
whatever their order. The head of the list is always the lane's first row, also of those at the side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.columns.dictionary import Dictionary, Table, compare
from streams.kernel import I8, I32, I64, POS, grown, inner, int64, kernel
from streams.time.gate import ACCEPTED, UNNUMBERED, Messages

STEPS, CREDIT = 8, 1 << 14
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
    after: I32  # [row]; the free list uses it too; at the side: the next sibling
    before: I32  # at the side: the first child
    head: I32  # [lane]
    tail: I32
    finger: I32
    side: I32  # root of the lane's heap
    counts: I64  # [rows ever used, first free row or -1, live rows, steps left]


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
    return Links._make([*(np.full(n, -1, np.int32) for n in (rows, rows, lanes, lanes, lanes, lanes)), np.array([0, -1, 0, CREDIT])])


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


@kernel
def _meld(sources: Table, p: Rows, links: Links, a: int, b: int) -> int:
    """One heap of two roots, neither with a sibling; -1: no heap."""
    if a < 0 or b < 0:
        return max(a, b)
    if _before(sources, p, b, a):
        a, b = b, a
    links.after[b], links.before[a] = links.before[a], b
    return a


@kernel
def _popped(sources: Table, p: Rows, links: Links, root: int) -> int:
    """The heap without its root: its children melded two by two, then from the last pair to the first."""
    child, pairs = int64(links.before[root]), int64(-1)
    while child >= 0:
        other = int64(links.after[child])
        following = int64(links.after[other]) if other >= 0 else int64(-1)
        links.after[child] = -1
        if other >= 0:
            links.after[other] = -1
        pair = _meld(sources, p, links, child, other)
        links.after[pair], pairs, child = pairs, pair, following
    heap = int64(-1)
    while pairs >= 0:
        following = int64(links.after[pairs])
        links.after[pairs] = -1
        heap, pairs = _meld(sources, p, links, heap, pairs), following
    return heap


@inner
def _place(sources: Table, p: Rows, links: Links, lane: int, row: int) -> int:
    """Row behind which a row that does not belong behind the tail stands; -1: none, -2: not found within the steps left."""
    left, steps = int64(links.finger[lane]), links.counts[3]
    if left >= 0 and _before(sources, p, left, row):
        while steps > 0 and _before(sources, p, links.after[left], row):  # ends at the tail at the latest
            left, steps = int64(links.after[left]), steps - 1
        found = steps > 0
    else:
        if left < 0:
            left = int64(links.tail[lane])
        while steps > 0 and _before(sources, p, row, left):  # ends at the head at the latest
            left, steps = int64(links.before[left]), steps - 1
        found = steps > 0
    links.counts[3] = steps
    return left if found else int64(-2)


@inner
def _insert(sources: Table, p: Rows, links: Links, lane: int, row: int) -> None:
    left = int64(links.tail[lane])
    if left >= 0 and _before(sources, p, row, left):
        links.counts[3] = min(links.counts[3] + STEPS, CREDIT)
        left = -1
        if not _before(sources, p, row, links.head[lane]):
            left = _place(sources, p, links, lane, row)
            if left == -2:
                links.before[row], links.after[row] = -1, -1
                links.side[lane] = _meld(sources, p, links, int64(links.side[lane]), row)
                return
        links.finger[lane] = row
    _link(links, lane, left, row)


@inner
def _link(links: Links, lane: int, left: int, row: int) -> None:
    """Put a row into the list behind `left`, -1: before all."""
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
def _from_the_side(sources: Table, p: Rows, links: Links, lanes: I32, until: I64) -> None:
    """Bring the rows below `until` from the lanes' sides into their lists, all of which are walked up to there."""
    for j in range(lanes.shape[0]):
        lane = lanes[j]
        row, left = int64(links.side[lane]), int64(links.head[lane])
        while row >= 0 and p.time[row] < until[j]:
            links.side[lane] = _popped(sources, p, links, row)
            while links.after[left] >= 0 and _before(sources, p, links.after[left], row):  # the head is before every row at the side
                left = int64(links.after[left])
            _link(links, lane, left, row)
            left, row = row, int64(links.side[lane])


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
def _take(sources: Table, p: Rows, links: Links, lanes: I32, found: I32, start: I64, out: Rows) -> None:
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
        first = int64(links.side[lane])
        if first >= 0 and (rest < 0 or _before(sources, p, first, rest)):
            links.side[lane] = _popped(sources, p, links, first)
            _link(links, lane, -1, first)
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
    """Memory: 61 bytes a sample, 16 a lane."""

    def __init__(self) -> None:
        self.rows, self.links = empty_rows(16), empty_links()
        self._sources = Dictionary().table  # as of the last admission: it knows the source of every row that waits

    def __len__(self) -> int:
        return int(self.links.counts[2])

    def with_lanes(self, lanes: int) -> None:
        """Room for lane codes below `lanes`."""
        k = self.links
        if lanes > len(k.head):
            self.links = k._replace(
                head=grown(k.head, lanes, -1), tail=grown(k.tail, lanes, -1), finger=grown(k.finger, lanes, -1),
                side=grown(k.side, lanes, -1),
            )  # fmt: skip

    def admit(
        self, sources: Table, input_rank: int, messages: Messages, offset: I64, lane: I32, time: I64, content: Content, verdict: I8
    ) -> None:  # fmt: skip
        """Take the accepted samples in. `offset`: of each message."""
        self._sources = sources
        need = max(int(self.links.counts[0]), len(self) + int(np.count_nonzero(verdict == ACCEPTED)))
        if need > min(len(self.rows.time), len(self.links.after)):
            self.rows = Rows._make(grown(column, need) for column in self.rows)
            self.links = self.links._replace(after=grown(self.links.after, need, -1), before=grown(self.links.before, need, -1))
        _admit(sources, self.rows, self.links, input_rank, messages, offset, lane, time, content, verdict)

    def _select(self, lanes: I32, until: I64) -> tuple[I32, I64]:
        """Row numbers of the lanes' samples below `until` in order, lane by lane; and where each lane's start."""
        found, start = np.empty(len(self), np.int32), np.zeros(len(lanes) + 1, np.int64)
        _from_the_side(self._sources, self.rows, self.links, lanes, until)
        count = _select(self.rows, self.links, lanes, until, found, start)
        return found[:count], start

    def release(self, lanes: I32, until: I64) -> tuple[Rows, I64]:
        """Take out the samples of each lane that lie below its `until`, in order; and where each lane's rows start."""
        found, start = self._select(lanes, until)
        count = len(found)
        out = Rows._make(np.empty(count, column.dtype) for column in self.rows)
        _take(self._sources, self.rows, self.links, lanes, found, start, out)
        if 2 * count > int(self.links.counts[0]):  # of a smaller part it would cost more than it saves
            _order_free(self.links)
        return out, start

    def rows_of(self, input_rank: int) -> I64:
        """Row numbers of the waiting samples of an input."""
        found, _ = self._select(np.arange(len(self.links.head), dtype=np.int32), np.full(len(self.links.head), POS))
        wanted: I32 = found[self.rows.input[found] == input_rank]
        return wanted.astype(np.int64)

    def all_rows(self, lanes: int) -> tuple[Rows, I64]:
        """A copy of everything, lane by lane, for a snapshot."""
        found, start = self._select(np.arange(lanes, dtype=np.int32), np.full(lanes, POS))
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
