"""Production orders of a line: which come, how large, and what is reported of them, when and how wrongly.

Of every five orders one is reported rightly throughout, one late, one is paused, one is split, one has a wrong time reported and
corrected. What is late or wrong is the start, in one cell, and it is never reported earlier than it was: so between the true start
and the report no order is known there, and no sample is held against another product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from streams.simulation import chance
from streams.simulation.plant import SECOND_US, Line

PLAIN, LATE, PAUSED, SPLIT, CORRECTED = "plain", "late", "paused", "split", "corrected"
STORIES: Final = (PLAIN, LATE, PAUSED, SPLIT, CORRECTED)
QUANTITY: Final = (24, 41)  # parts, low <= quantity < high
PROMPT_US: Final = (40_000, 250_000)  # from an event to its record, where nobody is in the way
LATE_US: Final = (45 * SECOND_US, 90 * SECOND_US)
WRONG_US: Final = (15 * SECOND_US, 40 * SECOND_US)  # a start reported so much too late
CORRECTION_US: Final = (30 * SECOND_US, 60 * SECOND_US)  # from a wrong report to its correction
PAUSE_US: Final = (30 * SECOND_US, 75 * SECOND_US)


@dataclass(slots=True, eq=False)
class LiveOrder:
    """An order on its way. quantity shrinks when it is split. cell: index of the cell where its story is told."""

    number: str
    product: int
    quantity: int
    story: str
    cell: int
    launched: int = 0


class Booking(NamedTuple):
    """A report on an order, as the bridge to the MES gets it. event_us: what it says; append_us: when it comes in the log."""

    line: int
    work_center: str
    operation: str
    event: str
    order: LiveOrder
    event_us: int
    append_us: int
    good: int | None = None
    scrap: int | None = None
    split_into: tuple[str, ...] = ()
    corrects_us: int | None = None  # CORRECTED, of the start: time that was reported for it
    corrected_us: int | None = None


class OrderBook:
    """The orders of a line in their sequence, drawn one by one."""

    def __init__(self, line: Line, index: int, seed: int) -> None:
        self._line, self._index, self._stream = line, index, chance.of(seed, "orders", index)
        self._orders: list[LiveOrder] = []
        self._stories: list[str] = []
        self._numbered = 0

    def at(self, position: int) -> tuple[LiveOrder, bool]:
        """The order at a position, and whether it is new: drawn by this call. Positions are asked for one after another."""
        new = position == len(self._orders)
        if new:
            self._orders.append(self._drawn())
        return self._orders[position], new

    def split(self, order: LiveOrder) -> LiveOrder:
        """The rest of the order, which has begun nowhere, as an order of its own that comes next."""
        rest = LiveOrder(f"{order.number}-1", order.product, order.quantity - order.launched, PLAIN, order.cell)
        order.quantity = order.launched
        self._orders.insert(self._orders.index(order) + 1, rest)
        return rest

    def _drawn(self) -> LiveOrder:
        if not self._stories:
            self._stories = [STORIES[int(n)] for n in self._stream.permutation(len(STORIES))]
        self._numbered += 1
        product = chance.between(self._stream, 0, len(self._line.products))
        quantity, cell = chance.between(self._stream, *QUANTITY), chance.between(self._stream, 0, len(self._line.cells))
        return LiveOrder(f"{1000 * (self._index + 1) + self._numbered}", product, quantity, self._stories.pop(), cell)


def prompt_us(stream: np.random.Generator) -> int:
    """How long a report takes where nobody is in the way."""
    return chance.between(stream, *PROMPT_US)
