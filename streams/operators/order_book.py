"""Which orders run at a work center, from its order events; and what a late or corrected event changes of the past.

A book keeps the events of the last `history_us` and what stood before. Its *view* says for every instant which orders run, by
all events known: each at its event time, or at the time a correction gives it. Folding an event at time `now` (its event time;
for a late one the watermark it missed, so that the past that was already told stays as it was told):

    from now on      the view with the event holds, also for the future that corrections promise
    before now       nothing changes, but the stretches in which the views before and after the event differ are named:
                     results made there are asked to be restated

An event or correction that reaches further back than the history names everything from there to now.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streams.kernel import NEG, POS
from streams.model.order import RUNNING_AFTER, Coordinate, OrderEvent, OrderRef


class Segment(NamedTuple):
    """From `time_us` on these orders run, by these records."""

    time_us: int
    refs: tuple[OrderRef, ...]
    evidence: tuple[Coordinate, ...]


class Status(NamedTuple):
    """An order at the work center: the last thing that happened to it."""

    event: str
    running: bool
    started_us: int
    at: Coordinate


@dataclass(frozen=True, slots=True)
class Book:
    work_center: str
    horizon_us: int = NEG
    base: tuple[tuple[tuple[str, str], Status], ...] = ()  # (order, operation) -> status at the horizon
    products: tuple[tuple[str, str], ...] = ()  # order -> product at the horizon
    history: tuple[OrderEvent, ...] = ()  # by (time, rank)


class Folded(NamedTuple):
    book: Book
    changed: tuple[tuple[int, int], ...]  # [since, until) before now in which the view changed
    segments: tuple[Segment, ...]  # the view from now on; the first one stands at now


def _key(event: OrderEvent) -> tuple[int, tuple[bytes, int, int, int, int]]:
    return event.time_us, event.rank


def _effective(history: Sequence[OrderEvent]) -> list[tuple[int, OrderEvent, tuple[Coordinate, ...]]]:
    """(time, event, records that say so) in order of time; withdrawn events and corrections themselves are left out."""
    corrections: dict[tuple[str, str, str, int | None], OrderEvent] = {}
    for event in history:
        if event.event == "CORRECTED":
            corrections[event.order, event.operation, event.corrects, event.corrects_time_us] = event
    found: list[tuple[int, OrderEvent, tuple[Coordinate, ...]]] = []
    for event in history:
        if event.event == "CORRECTED":
            continue
        by = corrections.get((event.order, event.operation, event.event, event.time_us))
        if by is None:
            found.append((event.time_us, event, (event.at,)))
        elif by.corrected_time_us is not None:
            found.append((by.corrected_time_us, event, (event.at, by.at)))
    return sorted(found, key=lambda x: (x[0], x[1].rank))


class _Walk:
    """Applies events in order."""

    def __init__(self, book: Book) -> None:
        self.work_center, self.status, self.products = book.work_center, dict(book.base), dict(book.products)
        self.by: dict[tuple[str, str], tuple[Coordinate, ...]] = {key: (s.at,) for key, s in book.base}

    def apply(self, time_us: int, event: OrderEvent, by: tuple[Coordinate, ...]) -> None:
        key = event.order, event.operation
        if event.product:
            self.products[event.order] = event.product
        for child in event.split_into:
            self.products.setdefault(child, self.products.get(event.order, ""))
            if (child, event.operation) not in self.status:
                self.status[child, event.operation] = Status("RELEASED", False, time_us, by[0])
                self.by[child, event.operation] = by
        if event.event in RUNNING_AFTER:
            running, before = RUNNING_AFTER[event.event], self.status.get(key)
            started_us = before.started_us if before and before.running else time_us
            self.status[key], self.by[key] = Status(event.event, running, started_us, by[0]), by

    def segment(self, time_us: int) -> Segment:
        running = sorted((s.started_us, key) for key, s in self.status.items() if s.running)
        refs = tuple(OrderRef(o, op, self.products.get(o, ""), self.work_center) for _, (o, op) in running)
        return Segment(time_us, refs, tuple(c for _, key in running for c in self.by[key]))


def view(book: Book) -> tuple[Segment, ...]:
    """Segments in order of time; the first one stands at NEG and holds up to the history's first event."""
    walk = _Walk(book)
    segments = [walk.segment(NEG)]
    events = _effective(book.history)
    for n, (time_us, event, by) in enumerate(events):
        walk.apply(time_us, event, by)
        if n + 1 == len(events) or events[n + 1][0] != time_us:
            segment = walk.segment(time_us)
            if segment.refs != segments[-1].refs:
                segments.append(segment)
    return tuple(segments)


def at(segments: Sequence[Segment], time_us: int) -> Segment:
    """The segment in force at an instant."""
    return segments[bisect_right(segments, time_us, key=lambda s: s.time_us) - 1]


def differing(
    old: Sequence[tuple[int, int, object]], new: Sequence[tuple[int, int, object]], until_us: int
) -> tuple[tuple[int, int], ...]:
    """Maximal stretches below `until_us` in which two sequences of (since, until, value), each without gaps, differ.

    >>> differing([(0, 9, "a")], [(0, 3, "a"), (3, 9, "b")], 7)
    ((3, 7),)
    """
    edges = sorted({since for since, _, _ in (*old, *new) if since < until_us})
    spans: list[tuple[int, int]] = []
    for since, until in zip(edges, [*edges[1:], until_us], strict=True):
        values = [next(v for a, b, v in of if a <= since < b) for of in (old, new)]
        if values[0] != values[1]:
            start = spans.pop()[0] if spans and spans[-1][1] == since else since
            spans.append((start, until))
    return tuple(spans)


def _differences(old: Sequence[Segment], new: Sequence[Segment], until_us: int) -> tuple[tuple[int, int], ...]:
    """Maximal stretches below `until_us` in which two views name other orders."""
    before, after = ([(s.time_us, end, s.refs) for s, end in zip(v, [*(x.time_us for x in v[1:]), POS], strict=True)] for v in (old, new))
    return differing(before, after, until_us)


def _compacted(book: Book, horizon_us: int) -> Book:
    """Events that took effect before the horizon go into the base; orders that ended there are forgotten."""
    old = {id(e) for time_us, e, _ in _effective(book.history) if time_us < horizon_us}
    effective = {id(e) for _, e, _ in _effective(book.history)}
    gone = old | {id(e) for e in book.history if id(e) not in effective and e.time_us < horizon_us}
    if not gone:
        return book
    walk = _Walk(book)
    for time_us, event, by in _effective(book.history):
        if id(event) in old:
            walk.apply(time_us, event, by)
    base = {key: s for key, s in walk.status.items() if s.event not in ("ENDED", "CANCELLED")}
    history = tuple(e for e in book.history if id(e) not in gone)
    named = {order for order, _ in base} | {e.order for e in history}
    products = {order: product for order, product in walk.products.items() if order in named}
    return Book(book.work_center, horizon_us, tuple(sorted(base.items())), tuple(sorted(products.items())), history)


def fold(book: Book, event: OrderEvent, now_us: int, history_us: int) -> Folded:
    """The book with one more event, folded at `now_us` >= its event time."""
    reach = [event.time_us]
    if event.event == "CORRECTED":
        reach += [t for t in (event.corrects_time_us, event.corrected_time_us) if t is not None]
    before, after = view(book), book
    if event.time_us >= book.horizon_us:
        history = list(book.history)
        insort(history, event, key=_key)
        after = Book(book.work_center, book.horizon_us, book.base, book.products, tuple(history))
    segments = view(after)
    changed = _differences(before, segments, now_us)
    if min(reach) < book.horizon_us:
        changed = ((min(reach), now_us),)
    first = at(segments, now_us)
    onward = (Segment(now_us, first.refs, first.evidence), *(s for s in segments if s.time_us > now_us))
    return Folded(_compacted(after, now_us - history_us), changed, onward)
