"""The ledger of a task: every message and every sample has exactly one fate.

    messages read = decoded + dead                                                     for each input
    samples       = applied + pending + duplicate + conflict + late + future          for each input

Late order events are counted as late; that they hold from the watermark they missed is an effect, not a fate.
"""

from __future__ import annotations

import numpy as np

from streams.kernel import I8, I16, I64
from streams.time.gate import FATES

MESSAGES, DEAD, APPLIED = "messages", "dead", "applied"
COLUMNS = (MESSAGES, DEAD, *FATES, APPLIED)


class Ledger:
    """counts[input, column] since the task's first record."""

    def __init__(self, inputs: int) -> None:
        self.counts: I64 = np.zeros((inputs, len(COLUMNS)), np.int64)

    def fed(self, rank: int, reason: I16, verdict: I8) -> None:
        self.counts[rank, 0] += len(reason)
        self.counts[rank, 1] += np.count_nonzero(reason)
        self.counts[rank, 2:7] += np.bincount(verdict, minlength=len(FATES))

    def applied(self, rank: int, count: int) -> None:
        self.counts[rank, 7] += count

    def row(self, rank: int) -> dict[str, int]:
        """Fates of one input; `pending` is what was accepted, or late and an order, and is not applied yet."""
        return dict(zip(COLUMNS, self.counts[rank].tolist(), strict=True))
