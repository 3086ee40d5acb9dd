"""Known samples without a sequence number, by a 128-bit hash of their content.

The same rule as for numbered ids (ranges.py): known while the log's append time is at most the horizon behind the mark of
the last sighting. 24 bytes a sample within the horizon: sources should number their samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import I64, NEG, U64, inner, int64, kernel
from streams.time.ranges import MARKS


class Contents(NamedTuple):
    high: U64  # open addressing, capacity a power of two
    low: U64
    mark: I64  # NEG: slot is free
    counts: I64  # [slots taken]


def empty(capacity: int = 64) -> Contents:
    return Contents(
        np.zeros(capacity, np.uint64), np.zeros(capacity, np.uint64), np.full(capacity, NEG, np.int64), np.zeros(1, np.int64)
    )


@inner
def _slot(c: Contents, high: np.uint64, low: np.uint64) -> int:
    mask = c.mark.shape[0] - 1
    slot = int64(low & np.uint64(mask))
    while c.mark[slot] != NEG and (c.high[slot] != high or c.low[slot] != low):
        slot = (slot + 1) & mask
    return slot


@inner
def see(c: Contents, high: np.uint64, low: np.uint64, append_us: int, horizon_us: int) -> bool:
    """Sight a content at append time: was it known? Needs a free slot."""
    step = max(1, horizon_us // MARKS)
    slot = _slot(c, high, low)
    if c.mark[slot] == NEG:
        c.high[slot], c.low[slot] = high, low
        c.counts[0] += 1
        known = False
    else:
        known = c.mark[slot] >= append_us - horizon_us
    c.mark[slot] = -(-append_us // step) * step
    return known


@kernel
def _copy(source: Contents, target: Contents, oldest: int) -> None:
    for i in range(source.mark.shape[0]):
        if source.mark[i] != NEG and source.mark[i] >= oldest:
            slot = _slot(target, source.high[i], source.low[i])
            target.high[slot], target.low[slot], target.mark[slot] = source.high[i], source.low[i], source.mark[i]
            target.counts[0] += 1


def without_forgotten(c: Contents, append_us: int, horizon_us: int, room: int = 1) -> Contents:
    """The contents still known, in a table with `room` free slots at less than half load."""
    oldest = append_us - horizon_us
    alive = int(np.count_nonzero((c.mark != NEG) & (c.mark >= oldest)))
    capacity = 64
    while capacity < 4 * (alive + room):
        capacity *= 2
    target = empty(capacity)
    _copy(c, target, oldest)
    return target


def of_columns(high: U64, low: U64, mark: I64) -> Contents:
    """Contents from their columns, as a snapshot keeps them."""
    capacity = 64
    while capacity < 4 * (len(mark) + 1):
        capacity *= 2
    target = empty(capacity)
    _copy(Contents(high, low, mark, np.zeros(1, np.int64)), target, NEG + 1)
    return target
