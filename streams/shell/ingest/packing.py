"""Which samples share a message.

A message holds consecutive numbers of one line path, at most so many samples and so long a stretch of event time, and the
samples of a lane in time order: the gate reads a lane's watermark once a message, so a sample that is older than one before it in
the same message would be judged by an earlier watermark than if each were sent alone. A lane whose file goes back in time
therefore begins a new message, and packing decides nothing about who is late.

The stretch is bounded because append time is the message's: a lane that waits `silence` in append time is taken to be complete,
and a message longer than that would overtake its own first samples.
"""

from __future__ import annotations

import numpy as np

from streams.kernel import B1, I64, NEG, kernel


@kernel
def _cut(
    packed: B1, path: I64, lane: I64, sequence: I64, time: I64, samples_max: int, span_us_max: int, seen: I64, seen_in: I64, begins: B1
) -> None:
    message, first, low, high = -1, 0, NEG, NEG
    for n in range(packed.shape[0]):
        t = time[n]
        joins = n > 0 and packed[n] and packed[n - 1] and path[n] == path[n - 1] and sequence[n] == sequence[n - 1] + 1
        joins = joins and n - first < samples_max and max(high, t) - min(low, t) <= span_us_max
        joins = joins and not (seen_in[lane[n]] == message and t < seen[lane[n]])
        if not joins:
            message, first, low, high = message + 1, n, t, t
        low, high = min(low, t), max(high, t)
        seen[lane[n]], seen_in[lane[n]] = t, message
        begins[n] = not joins


def cut(packed: B1, path: I64, lane: I64, sequence: I64, time: I64, samples_max: int, span_us_max: int) -> I64:
    """Where messages begin, of rows in file order; rows that are not packed are messages of their own.

    path, lane: codes of line path and lane, from 0.

    >>> rows = np.arange(6)
    >>> none = np.zeros(6, np.int64)
    >>> cut(rows != 3, none, none, rows, np.array([10, 20, 15, 30, 40, 90]), 500, 40).tolist()
    [0, 2, 3, 4, 5]
    """
    begins = np.zeros(len(packed), np.bool_)
    lanes = int(lane.max()) + 1 if len(lane) else 0
    _cut(packed, path, lane, sequence, time, samples_max, span_us_max, np.zeros(lanes, np.int64), np.full(lanes, -1, np.int64), begins)
    return np.flatnonzero(begins)
