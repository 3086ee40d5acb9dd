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
from typing import NamedTuple

from streams.kernel import NEG
from streams.model.order import RUNNING_AFTER, Coordinate, OrderEvent, OrderRef

Key = tuple[str, str]  # order, operation
_ENDS = ("ENDED", "CANCELLED")


class Status(NamedTuple):
    """An order at the work center: since when it runs, the time of the last thing that happened to it, the records that say so."""

    running: bool
    started_us: int
    time_us: int
    by: tuple[Coordinate, ...]


class _Same:
    """Nothing to take back."""


_SAME = _Same()


class Placed:
    """An event where it takes effect, the records that say so, and what it replaced there: in as few objects as can be, since
    there is one for each event of the history, and the interpreter's collector visits them all from time to time."""

    __slots__ = ("by", "children", "event", "product", "status", "time_us")

    def __init__(self, time_us: int, event: OrderEvent, by: tuple[Coordinate, ...]) -> None:
        self.time_us, self.event, self.by = time_us, event, by
        self.status: Status | _Same | None = _SAME  # of the order, before
        self.product: tuple[str, int] | _Same | None = _SAME
        self.children: tuple[tuple[str, bool, bool], ...] = ()  # of a split: order, is its product from here, is its status


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
        """What an event at or behind all that were applied before changes; `placed` keeps how to take it back."""
        event, time_us = placed.event, placed.time_us
        placed.status = placed.product = _SAME
        if event.product:
            known = self.products.get(event.order)
            if known is None or known[1] <= time_us:
                placed.product, self.products[event.order] = known, (event.product, time_us)
                self.changes += known is None or known[0] != event.product
        if event.split_into:
            placed.children = tuple([self._split(placed, child) for child in event.split_into])
        running = RUNNING_AFTER.get(event.event)
        if running is not None:
            key = event.order, event.operation
            before = self.status.get(key)
            if before is None or before.time_us <= time_us:
                placed.status = before
                started_us = before.started_us if before is not None and before.running else time_us
                self._set(key, None if event.event in _ENDS else Status(running, started_us, time_us, placed.by))

    def _split(self, placed: Placed, child: str) -> tuple[str, bool, bool]:
        key, named = (child, placed.event.operation), child in self.products
        known = key in self.status
        if not named:
            self.products[child] = self.product(placed.event.order), NEG  # what the child itself says of it counts more
            self.changes += 1
        if not known:
            self._set(key, Status(False, placed.time_us, placed.time_us, placed.by))
        return child, not named, not known

    def undo(self, placed: Placed) -> None:
        """Take back the event that was applied last."""
        order, operation = placed.event.order, placed.event.operation
        if not isinstance(placed.status, _Same):
            self._set((order, operation), placed.status)
        for child, product, status in reversed(placed.children):
            if status:
                self._set((child, operation), None)
            if product:
                del self.products[child]
        if placed.product is None:
            del self.products[order]
        elif not isinstance(placed.product, _Same):
            self.products[order] = placed.product

    def known_anew(self, placed: Placed) -> list[tuple[str, int]]:
        """(order, 1) for each status that an event applied last brought, (order, -1) for the one that it took."""
        found = [(child, 1) for child, _, status in placed.children if status]
        if not isinstance(placed.status, _Same):
            order = placed.event.order
            more = ((order, placed.event.operation) in self.status) - (placed.status is not None)
            if more:
                found.append((order, more))
        return found

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
