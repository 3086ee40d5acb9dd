"""Which orders run at a work center, from its order events; and what a late or corrected event changes of the past.

A book keeps the events of the last `history_us` and what stood before, its base. Its *view* says for every instant which orders
run, by all events known: each at its event time, or at the time a correction gives it. Folding an event at time `now` (its
event time; for a late one the watermark it missed, so that the past that was already told stays as it was told):

    from now on      the view with the event holds, also for the future that corrections promise
    before now       nothing changes, but the stretches in which the views before and after the event differ are named:
                     results made there are asked to be restated

An event or correction that reaches further back than the history names everything from there to now. Such an event is used
all the same: it takes its place before the history, where the base says of each order only what happened to it last; what is
older than that leaves the order as it is. Two things are not known any more. An order that ended before the history is
forgotten, so a start that is older still, and comes now, lets it run until it is ended again. And a correction of an event
that has left the history changes nothing from now on.

Cost: events are kept in the order in which they take effect, and what each changed can be taken back. So an event costs what
takes effect after it at its work center: for one on time nothing, however long the history is.

Bound: the events of `history_us`, and the orders that have not ended. Events leave from the oldest on, those of one instant
together; one that a correction moved back in time waits, and what follows it, until its own time is as old.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.kernel import NEG, POS
from streams.model.order import Coordinate, OrderEvent, OrderRef
from streams.operators.order_status import Key, Placed, Standing, Status

Target = tuple[str, str, str, int | None]  # what a correction names: order, operation, event, time


class Segment(NamedTuple):
    """From `time_us` on these orders run, by these records."""

    time_us: int
    refs: tuple[OrderRef, ...]
    evidence: tuple[Coordinate, ...]


class Folded(NamedTuple):
    changed: tuple[tuple[int, int], ...]  # [since, until) before now in which the view changed
    segments: tuple[Segment, ...]  # the view from now on; the first one stands at now


class Base(NamedTuple):
    """What stood before the history: orders that had not ended, and products with the time that told them."""

    status: tuple[tuple[Key, Status], ...] = ()
    products: tuple[tuple[str, tuple[str, int]], ...] = ()


def at(segments: Sequence[Segment], time_us: int) -> Segment:
    """The segment in force at an instant."""
    return segments[bisect_right(segments, time_us, key=lambda s: s.time_us) - 1]


def differing(
    old: Sequence[tuple[int, int, object]], new: Sequence[tuple[int, int, object]], until_us: int
) -> tuple[tuple[int, int], ...]:
    """Maximal stretches below `until_us` in which two sequences of (since, until, value) differ; both begin and end together
    and have no gaps.

    >>> differing([(0, 9, "a")], [(0, 3, "a"), (3, 9, "b")], 7)
    ((3, 7),)
    """
    spans: list[tuple[int, int]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        since, until = max(old[i][0], new[j][0]), min(old[i][1], new[j][1])
        if since >= until_us:
            break
        if old[i][2] != new[j][2]:
            start = spans.pop()[0] if spans and spans[-1][1] == since else since
            spans.append((start, min(until, until_us)))
        i, j = i + (old[i][1] == until), j + (new[j][1] == until)
    return tuple(spans)


def _spans(segments: Sequence[Segment], since_us: int) -> list[tuple[int, int, object]]:
    """(since, until, orders) from an instant on, of the segments from the one in force then."""
    edges = [since_us, *(s.time_us for s in segments[1:]), POS]
    return [(edges[n], edges[n + 1], s.refs) for n, s in enumerate(segments)]


def _key(event: OrderEvent) -> tuple[int, tuple[bytes, int, int, int, int]]:
    return event.time_us, event.rank


def _place(placed: Placed) -> tuple[int, tuple[bytes, int, int, int, int]]:
    return placed.time_us, placed.event.rank


def _target(event: OrderEvent) -> Target:
    """What a correction is about; what a correction of the event would be about."""
    if event.event == "CORRECTED":
        return event.order, event.operation, event.corrects, event.corrects_time_us
    return event.order, event.operation, event.event, event.time_us


def _placed(event: OrderEvent, correction: OrderEvent | None) -> Placed | None:
    """Where an event takes effect; None: it is withdrawn."""
    if correction is None:
        return Placed(event.time_us, event, (event.at,))
    if correction.corrected_time_us is None:
        return None
    return Placed(correction.corrected_time_us, event, (event.at, correction.at))


class Book:
    """The events of one work center and their view. horizon_us: what is older may have left the history."""

    def __init__(self, work_center: str, horizon_us: int = NEG, base: Base | None = None, history: Iterable[OrderEvent] = ()) -> None:
        self.work_center, self.horizon_us = work_center, horizon_us
        self._before, self._now = (Standing(*(base or ())) for _ in range(2))  # before the history, behind it
        self._order: list[Placed] = []  # from _first on: events in the order in which they take effect
        self._first = 0
        self._segments = [Segment(NEG, self._now.refs(work_center), self._now.evidence())]  # from _oldest on: the view
        self._oldest = 0
        self._events: dict[Target, OrderEvent] = {}
        self._others: dict[Target, list[OrderEvent]] = {}  # further events that a correction would name by the same
        self._corrections: dict[Target, list[OrderEvent]] = {}  # by (time, rank): the last one holds
        self._aside: list[OrderEvent] = []  # corrections and withdrawn events, by (time, rank), until their time is old
        self._named: dict[str, int] = {}  # how often an order is named before and in the history; so long its product is known
        for key in self._before.status:
            self._name(key[0], 1)
        for event in sorted(history, key=_key):
            self._take_in(event)

    @property
    def base(self) -> Base:
        return Base(tuple(sorted(self._before.status.items())), tuple(sorted(self._before.products.items())))

    @property
    def history(self) -> tuple[OrderEvent, ...]:
        """The events, corrections among them, by (time, rank)."""
        further = (event for of in (self._others, self._corrections) for events in of.values() for event in events)
        return tuple(sorted([*self._events.values(), *further], key=_key))

    @property
    def view(self) -> tuple[Segment, ...]:
        """Segments in order of time; the first one stands at NEG and holds up to the history's first change."""
        return tuple(self._segments[self._oldest :])

    def fold(self, event: OrderEvent, now_us: int, history_us: int) -> Folded:
        """Take in one more event, at `now_us` >= its event time."""
        since_us, before = self._take_in(event)
        changed = differing(_spans(before, since_us), _spans(self._from(since_us), since_us), now_us) if since_us < now_us else ()
        reach_us = event.time_us
        if event.event == "CORRECTED":
            reach_us = min((t for t in (event.corrects_time_us, event.corrected_time_us) if t is not None), default=POS)
        if reach_us < self.horizon_us:
            changed = ((reach_us, now_us),)
        first, *later = self._from(now_us)
        self._compact(now_us - history_us)
        return Folded(changed, (Segment(now_us, first.refs, first.evidence), *later))

    def _from(self, time_us: int) -> list[Segment]:
        """The view from the segment in force at an instant on."""
        n = len(self._segments) - 1
        while self._segments[n].time_us > time_us:
            n -= 1
        return self._segments[n:]

    # ---- events come

    def _take_in(self, event: OrderEvent) -> tuple[int, list[Segment]]:
        """Since when the view may differ now, and what it was from there on."""
        target = _target(event)
        for order in (event.order, *event.split_into):
            self._name(order, 1)
        corrections = self._corrections.get(target, [])
        if event.event != "CORRECTED":
            if self._events.setdefault(target, event) is not event:
                self._others.setdefault(target, []).append(event)
            return self._move([(event, None, self._at_hand(event, corrections[-1] if corrections else None))])
        insort(self._aside, event, key=_key)
        old = corrections[-1] if corrections else None
        insort(self._corrections.setdefault(target, []), event, key=_key)
        if self._corrections[target][-1] is not event:
            return POS, []
        return self._move([(e, _placed(e, old), self._at_hand(e, event)) for e in self._about(target)])

    def _about(self, target: Target) -> list[OrderEvent]:
        """Events of the history that a correction of this target is about."""
        return [self._events[target], *self._others.get(target, ())] if target in self._events else []

    def _at_hand(self, event: OrderEvent, correction: OrderEvent | None) -> Placed | None:
        placed = _placed(event, correction)
        if placed is None:
            insort(self._aside, event, key=_key)
        return placed

    def _move(self, moves: Sequence[tuple[OrderEvent, Placed | None, Placed | None]]) -> tuple[int, list[Segment]]:
        """Take events from where they stood, and place them where they take effect now."""
        since_us = POS
        for _, old, new in moves:
            since_us = min(since_us, old.time_us if old else POS, new.time_us if new else POS)
        if since_us == POS:
            return POS, []
        before = self._from(since_us)
        moved = {id(event) for event, old, _ in moves if old}
        rest = self._taken_back(since_us)
        if moved:
            rest = [placed for placed in rest if id(placed.event) not in moved]
        for _, _, placed in moves:
            if placed:
                insort(rest, placed, key=_place)
        seen = self._now.changes  # so far the view ends with what stands now
        for n, placed in enumerate(rest):
            self._now.apply(placed)
            if self._now.changes != seen and (n + 1 == len(rest) or rest[n + 1].time_us != placed.time_us):
                seen = self._now.changes
                refs = self._now.refs(self.work_center)
                if refs != self._segments[-1].refs:
                    self._segments.append(Segment(placed.time_us, refs, self._now.evidence()))
        self._order += rest
        return since_us, before

    def _taken_back(self, time_us: int) -> list[Placed]:
        """The events that take effect from an instant on, undone and taken out; the view ends before it."""
        n = len(self._order)
        while n > self._first and self._order[n - 1].time_us >= time_us:
            n -= 1
            self._now.undo(self._order[n])
        while self._segments[-1].time_us >= time_us:
            self._segments.pop()
        rest = self._order[n:]
        del self._order[n:]
        return rest

    def _name(self, order: str, more: int) -> None:
        count = self._named.get(order, 0) + more
        if count:
            self._named[order] = count
            return
        del self._named[order]
        self._before.products.pop(order, None)
        self._now.products.pop(order, None)

    # ---- events leave

    def _compact(self, horizon_us: int) -> None:
        """What is older than the horizon leaves the history; where it took effect, it goes into what stood before."""
        begun = self._first
        while (end := self._end_of_instant(horizon_us)) > self._first:
            for placed in self._order[self._first : end]:
                self._before.apply(placed)
                for order, more in self._before.known_anew(placed):
                    self._name(order, more)
                self._leave(placed.event, horizon_us)
            self._first = end
        gone = self._first > begun
        if gone:
            last_us = self._order[self._first - 1].time_us
            while self._oldest + 1 < len(self._segments) and self._segments[self._oldest + 1].time_us <= last_us:
                self._oldest += 1
            self._segments[self._oldest] = Segment(NEG, self._before.refs(self.work_center), self._before.evidence())
            self._tidy()
        if self._aside and self._aside[0].time_us < horizon_us:
            gone |= self._pass_aside(horizon_us)
        if gone:
            self.horizon_us = horizon_us

    def _end_of_instant(self, horizon_us: int) -> int:
        """Behind the events of the oldest instant, if they may leave; else where they begin."""
        n, first = self._first, self._first
        while n < len(self._order) and self._order[n].time_us == self._order[first].time_us:
            if self._order[n].time_us >= horizon_us or self._order[n].event.time_us >= horizon_us:
                return first
            n += 1
        return n

    def _pass_aside(self, horizon_us: int) -> bool:
        """Withdrawn events that are old leave, and corrections of what has left. Did any?"""
        count = bisect_left(self._aside, horizon_us, key=lambda e: e.time_us)
        old, self._aside = self._aside[:count], self._aside[count:]
        gone = False
        for event in old:
            corrections = self._corrections.get(_target(event), [])
            withdrawn = bool(corrections) and corrections[-1].corrected_time_us is None
            if event.event != "CORRECTED" and withdrawn and any(e is event for e in self._about(_target(event))):
                gone |= self._leave(event, horizon_us)
        for target in {_target(event) for event in old if event.event == "CORRECTED"}:
            if target not in self._events:
                gone |= self._drop_corrections(target, horizon_us)
        return gone

    def _leave(self, event: OrderEvent, horizon_us: int) -> bool:
        target = _target(event)
        if target in self._others:
            self._events[target], *others = [e for e in self._about(target) if e is not event]
            self._others[target] = others
            if not others:
                del self._others[target]
        else:
            del self._events[target]
            if target in self._corrections:
                self._drop_corrections(target, horizon_us)
        for order in (event.order, *event.split_into):
            self._name(order, -1)
        return True

    def _drop_corrections(self, target: Target, horizon_us: int) -> bool:
        """Corrections that are old, of an event that is not in the history."""
        known = self._corrections.pop(target, [])
        kept = [e for e in known if e.time_us >= horizon_us]
        if kept:
            self._corrections[target] = kept
        for event in known[: len(known) - len(kept)]:
            self._name(event.order, -1)
        return len(kept) < len(known)

    def _tidy(self) -> None:
        """Free what is passed, when it is half of what is held: so that it costs nothing an event."""
        if 2 * self._first > len(self._order):
            del self._order[: self._first]
            self._first = 0
        if 2 * self._oldest > len(self._segments):
            del self._segments[: self._oldest]
            self._oldest = 0
