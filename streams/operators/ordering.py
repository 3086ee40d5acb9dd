"""Outputs of one instant in the order of their signals' bytes: codes depend on who was seen first, bytes do not."""

from __future__ import annotations

from streams.columns.dictionary import Table, compare
from streams.kernel import I64, kernel


@kernel
def by_signal(signals: Table, run: I64, signal: I64, order: I64) -> None:
    """Sort `order`, a permutation of rows, within each stretch of equal run[row]; a run is as long as a lane has signals."""
    for n in range(1, order.shape[0]):
        row, at = order[n], n
        while at > 0 and run[order[at - 1]] == run[row] and compare(signals, signal[order[at - 1]], signal[row]) > 0:
            order[at] = order[at - 1]
            at -= 1
        order[at] = row
