"""How the orders of a work center stand, event by event, and back again.

    started, resumed                       runs; since its start
    created, released, paused              does not run, but is known
    ended, cancelled                       is forgotten
    split                                  the new orders are known, as released, with the product of the old one

An event that is older than what is known of its order changes nothing of how it stands, an older product not the product. That
is only met by events that come later than the history reaches back: see order_book.py.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any, NamedTuple

from streams.kernel import NEG
from streams.model.order import RUNNING_AFTER, Coordinate, OrderEvent, OrderRef

Key = tuple[str, str]  # order, operation
_STATUS, _PRODUCT = range(2)
_ENDS = ("ENDED", "CANCELLED")


class Status(NamedTuple):
    """An order at the work center: since when it runs, the time of the last thing that happened to it, the records that say so."""

    running: bool
    started_us: int
    time_us: int
    by: tuple[Coordinate, ...]


class Placed:
    """An event where it takes effect, the records that say so, and what it changed there."""

    __slots__ = ("by", "event", "time_us", "undo")

    def __init__(self, time_us: int, event: OrderEvent, by: tuple[Coordinate, ...]) -> None:
        self.time_us, self.event, self.by = time_us, event, by
        self.undo: list[tuple[int, Any, Any]] = []


class Standing:
    """Orders that have not ended, and products with the time that told them."""

    def __init__(self, status: Iterable[tuple[Key, Status]] = (), products: Iterable[tuple[str, tuple[str, int]]] = ()) -> None:
        self.status, self.products = dict(status), dict(products)
        self.running = sorted((s.started_us, key) for key, s in self.status.items() if s.running)
        self.changes = 0  # grows with what may change which orders run, or their products

    def refs(self, work_center: str) -> tuple[OrderRef, ...]:
        """Running orders, in order of their start."""
        return tuple([OrderRef(key[0], key[1], self.product(key[0]), work_center) for _, key in self.running])

    def evidence(self) -> tuple[Coordinate, ...]:
        """The records that say how the running orders stand."""
        return tuple([c for _, key in self.running for c in self.status[key].by])

    def product(self, order: str) -> str:
        known = self.products.get(order)
        return known[0] if known else ""

    def apply(self, placed: Placed) -> None:
        """What an event at or behind all that were applied before changes; `placed.undo` keeps how to take it back."""
        event, time_us, undo = placed.event, placed.time_us, list[tuple[int, Any, Any]]()
        order, key = event.order, (event.order, event.operation)
        if event.product:
            known = self.products.get(order)
            if known is None or known[1] <= time_us:
                undo.append((_PRODUCT, order, known))
                self.products[order] = event.product, time_us
                self.changes += known is None or known[0] != event.product
        for child in event.split_into:
            if child not in self.products:
                undo.append((_PRODUCT, child, None))
                self.products[child] = self.product(order), NEG  # what the child itself says of it counts more
                self.changes += 1
            if (child, event.operation) not in self.status:
                undo.append((_STATUS, (child, event.operation), None))
                self._set((child, event.operation), Status(False, time_us, time_us, placed.by))
        running = RUNNING_AFTER.get(event.event)
        before = self.status.get(key)
        if running is not None and (before is None or before.time_us <= time_us):
            undo.append((_STATUS, key, before))
            started_us = before.started_us if before is not None and before.running else time_us
            self._set(key, None if event.event in _ENDS else Status(running, started_us, time_us, placed.by))
        placed.undo = undo

    def undo(self, placed: Placed) -> None:
        """Take back the event that was applied last."""
        for what, key, before in reversed(placed.undo):
            if what == _STATUS:
                self._set(key, before)
            elif before is None:
                del self.products[key]
            else:
                self.products[key] = before

    def known_anew(self, placed: Placed) -> list[tuple[str, int]]:
        """(order, 1) for each status that an event applied last brought, (order, -1) for each that it took."""
        found = [(key[0], (key in self.status) - (before is not None)) for what, key, before in placed.undo if what == _STATUS]
        return [one for one in found if one[1]]

    def _set(self, key: Key, status: Status | None) -> None:
        before = self.status.get(key)
        if before is not None and before.running:
            del self.running[bisect_left(self.running, (before.started_us, key))]
            self.changes += 1
        if status is None:
            self.status.pop(key, None)
            return
        self.status[key] = status
        if status.running:
            insort(self.running, (status.started_us, key))
            self.changes += 1
