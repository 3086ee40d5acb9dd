"""The orders in force for each sample: interval join of observations with the orders of the work centers above.

An asset's orders at an instant are those running at itself, at its work center and at its ancestors up to the line, nearest
first, at each in order of their start (order_book.py); the hierarchy is that of the same instant. Orders rank before samples
of the same instant. Where an asset's orders change, a change is handed on, so that windows and intervals end there. A sample
without an order is handed on with an empty list of orders: it is not lost, and a later order asks for its restatement.

Orders are folded in the lanes of their work centers and looked up by the assets below, which the engine holds back until the
orders of all their ancestors are complete. Assets with the same work centers above them share one list of what is in force
when (order_groups.py); an event changes the ends of these lists.

Bound: the books; what was told, back to the lowest frontier of any lane, or twice as much; contexts that are named by that or by
what is open, or twice as many (order_contexts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import I32, I64, NEG, POS
from streams.model.hierarchy import Hierarchy
from streams.model.order import Coordinate, OrderEvent, OrderRef
from streams.operators import order_columns
from streams.operators.order_book import Book, Segment, at
from streams.operators.order_contexts import Context, Contexts
from streams.operators.order_groups import Groups, Signature, count_changes, look_up, next_entry
from streams.operators.slice import Changes, Columns, Names, Slice


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order event that is complete: fold it at `now_us`, its event time or, for a late one, the watermark it missed."""

    lane: int
    now_us: int
    event: OrderEvent


@dataclass(frozen=True, slots=True)
class JoinSlice:
    """Order events of the work centers' lanes, in order per lane, and the observations of assets complete through them."""

    orders: Sequence[OrderRow]
    observations: Slice
    hierarchy: Hierarchy
    low_us: int  # no lane, seen or not, will ever look further back
    below: Mapping[int, Sequence[int]]  # lanes that look up to a lane, at whatever time


# Before what is still kept; equal to nothing, so that what follows keeps its start.
FORGOTTEN = Segment(NEG, (OrderRef("", "", "", ""),), ())
_LEAST = 16  # segments of a work center that are kept without a look at what may go


class Request(NamedTuple):
    """Results of a work center and everything below it, made over [since, until), are touched by a later record."""

    lane: int
    time_us: int
    since_us: int
    until_us: int
    reason: str
    at: Coordinate


@dataclass(slots=True)
class Joined:
    observations: Slice
    requests: list[Request]


@dataclass(slots=True)
class Orders:
    """State. Lines, lanes and contexts are codes."""

    books: dict[int, Book] = field(default_factory=dict)
    timelines: dict[int, list[Segment]] = field(default_factory=dict)  # what was told, and what is to be
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    contexts: Contexts = field(default_factory=Contexts)
    forced: dict[int, int] = field(default_factory=dict)  # lane -> instant at which a new hierarchy changed its orders
    low_us: int = NEG
    groups: Groups = field(default_factory=Groups)  # derived
    pruned: dict[int, int] = field(default_factory=dict)  # derived: segments of a timeline when it was last pruned


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderJoin:
    """history_us: how far back late and corrected order events are understood exactly; further back everything is restated."""

    history_us: int

    def __post_init__(self) -> None:
        require(self.history_us > 0, "history_us must be positive", history_us=self.history_us)

    @property
    def state_version(self) -> str:
        return "order-join/3"

    def initial(self) -> Orders:
        return Orders()

    def advance(self, state: Orders, slice: JoinSlice) -> tuple[Orders, Joined]:
        names = slice.observations.names
        if slice.hierarchy is not state.hierarchy:
            self._adopt(state, slice.hierarchy)
        requests = list[Request]()
        changed: dict[int, int] = {}  # work center -> since when its timeline may be another
        for row in slice.orders:
            requests += self._fold(state, row, names, slice.below)
            changed[row.lane] = min(row.now_us, changed.get(row.lane, POS))
        self._tell(state, changed)
        joined = self._join(state, slice.observations)
        self.passed(state, slice.low_us)
        return state, Joined(joined, requests)

    def _fold(self, state: Orders, row: OrderRow, names: Names, below: Mapping[int, Sequence[int]]) -> list[Request]:
        if row.lane not in state.books:
            state.books[row.lane] = Book(names.lanes.decode(row.lane)[0].decode())
            state.timelines[row.lane] = [Segment(NEG, (), ())]
            for lane in below.get(row.lane, ()):
                state.groups.leave(lane)
        folded = state.books[row.lane].fold(row.event, row.now_us, self.history_us)
        timeline = state.timelines[row.lane]
        while timeline[-1].time_us >= row.now_us:
            timeline.pop()
        for segment in folded.segments:
            if segment.refs != timeline[-1].refs:
                timeline.append(segment)
        if len(timeline) > 2 * state.pruned.get(row.lane, _LEAST):
            self._prune_timeline(state, row.lane)
        late = row.event.time_us < row.now_us and row.event.event != "CORRECTED"
        reason = "LATE_ORDER" if late else "CORRECTED_ORDER"
        return [Request(row.lane, row.now_us, since, until, reason, row.event.at) for since, until in folded.changed]

    def _tell(self, state: Orders, changed: Mapping[int, int]) -> None:
        """Timelines are others from an instant on: so are the lists of the groups below."""
        since: dict[int, int] = {}
        for center, time_us in changed.items():
            for group in state.groups.below.get(center, ()):
                since[group] = min(time_us, since.get(group, POS))
        for group, time_us in since.items():
            self._extend(state, group, time_us)

    def _extend(self, state: Orders, group: int, from_us: int) -> None:
        """Make a group's list anew from an instant on. The context of an entry is that of its start."""
        last = state.groups.last_before(group, from_us)
        refs = None if last < 0 else state.contexts[last].refs
        entries: list[tuple[int, int]] = []
        for since, until, lanes in state.groups.signatures[group]:
            if until <= from_us:
                continue
            begin = max(since, from_us)
            times = {begin}
            for lane in lanes:
                for segment in reversed(state.timelines[lane]):
                    if segment.time_us <= begin:
                        break
                    if segment.time_us < until:
                        times.add(segment.time_us)
            for time_us in sorted(times):
                parts = [at(state.timelines[lane], time_us) for lane in lanes]
                context = Context(tuple(r for p in parts for r in p.refs), tuple(c for p in parts for c in p.evidence))
                if context.refs != refs:
                    entries.append((time_us, state.contexts.code(context)))
                    refs = context.refs
        state.groups.append(group, entries, state.low_us)

    def _signature(self, state: Orders, lane: int, names: Names) -> Signature:
        scope, asset = names.lanes.scope(lane), names.lanes.decode(lane)[0].decode()
        line = names.lines.decode(scope)[0].decode()
        spans: list[tuple[int, int, tuple[int, ...]]] = []
        for since, until, chain in state.hierarchy.spans(line, asset):
            above = tuple(a for a in (names.lanes.encode(scope, name.encode()) for name in chain) if a in state.books)
            start = spans.pop()[0] if spans and spans[-1][2] == above else since
            spans.append((start, until, above))
        return tuple(spans)

    def _groups_of(self, state: Orders, lanes: I32, names: Names) -> I32:
        groups = state.groups
        groups.with_lanes(len(names.lanes))
        for lane in lanes[groups.group_of[lanes] < 0].tolist():
            if groups.put(lane, self._signature(state, lane, names)):
                self._extend(state, int(groups.group_of[lane]), NEG)
        found: I32 = groups.group_of[lanes]
        return found

    def _forced(self, state: Orders, lanes: I32) -> I64:
        if not state.forced:
            return np.full(len(lanes), POS)
        return np.array([state.forced.get(lane, POS) for lane in lanes.tolist()], np.int64)

    def _join(self, state: Orders, slice: Slice) -> Slice:
        group, of = self._groups_of(state, slice.lanes, slice.names), state.groups
        forced, starts = self._forced(state, slice.lanes), np.empty(len(group) + 1, np.int64)
        count_changes(group, of.starts, of.ends, of.time, forced, slice.since, slice.until, starts)
        changes = Changes(starts, np.empty(int(starts[-1]), np.int64), np.empty(int(starts[-1]), np.int32))
        rows = len(slice.rows.time)
        found, found_since = np.empty(rows, np.int32), np.empty(rows, np.int64)
        look_up(
            group, of.starts, of.ends, of.time, of.context, forced, slice.since, slice.until, slice.start, slice.rows.time, found,
            found_since, changes.start, changes.time, changes.context,
        )  # fmt: skip
        return Slice(slice.names, slice.lanes, slice.since, slice.until, slice.start, slice.rows, found, found_since, changes)

    def next_change(self, state: Orders, lanes: I32, since: I64, names: Names) -> I64:
        """When each lane's orders change next, at or after `since`; POS: not as far as is known."""
        group, of = self._groups_of(state, lanes, names), state.groups
        found, forced = np.empty(len(lanes), np.int64), self._forced(state, lanes)
        next_entry(group, of.starts, of.ends, of.time, since, found)
        return np.where(forced >= since, np.minimum(found, forced), found)

    def _adopt(self, state: Orders, hierarchy: Hierarchy) -> None:
        """A new hierarchy: lanes are grouped anew. `force` says for which lanes that changes the orders at their front."""
        state.hierarchy, state.groups = hierarchy, Groups()

    def force(self, state: Orders, hierarchy: Hierarchy, lanes: I32, front: I64, names: Names) -> None:
        """Adopt a hierarchy when every lane is released exactly to its front: lanes whose orders differ change there."""
        before = self._refs_at(state, lanes, front, names)
        self._adopt(state, hierarchy)
        after = self._refs_at(state, lanes, front, names)
        for lane, time_us, old, new in zip(lanes.tolist(), front.tolist(), before, after, strict=True):
            if old != new and time_us != NEG:
                state.forced[lane] = time_us

    def _refs_at(self, state: Orders, lanes: I32, time_us: I64, names: Names) -> list[tuple[OrderRef, ...]]:
        group, of = self._groups_of(state, lanes, names), state.groups
        found = []
        for g, t in zip(group.tolist(), time_us.tolist(), strict=True):
            k = np.searchsorted(of.time[of.starts[g] : of.ends[g]], t, side="right") - 1
            found.append(state.contexts[int(of.context[of.starts[g] + max(0, k)])].refs)
        return found

    # ---- what may be forgotten

    def passed(self, state: Orders, low_us: int) -> None:
        """Every lane was handed on as far as it is complete, and none will look further back than `low_us`."""
        state.low_us = max(state.low_us, low_us)

    def forget(self, state: Orders, named: Iterable[I32]) -> None:
        """named: the contexts of everything that is open. Others that are not in force any more are forgotten. Changes no output."""
        self._prune(state)
        state.contexts.keep([state.groups.named(), *named])

    def _prune(self, state: Orders) -> None:
        """Forget what no lane can look up any more. Changes no output."""
        for lane in state.timelines:
            self._prune_timeline(state, lane)
        state.groups.trim_all(state.low_us)
        for lane, time_us in list(state.forced.items()):
            group = int(state.groups.group_of[lane]) if lane < len(state.groups.group_of) else -1
            if group >= 0 and any(time_us < t <= state.low_us for t, _ in state.groups.entries(group)):
                del state.forced[lane]

    def _prune_timeline(self, state: Orders, lane: int) -> None:
        timeline = state.timelines[lane]
        keep = next((n for n in range(len(timeline) - 1, 0, -1) if timeline[n].time_us <= state.low_us), 0)
        if keep > 1:
            state.timelines[lane] = [FORGOTTEN, *timeline[keep:]]
        state.pruned[lane] = max(_LEAST, len(state.timelines[lane]))

    def columns(self, state: Orders) -> Columns:
        """One JSON text; groups are made anew."""
        self._prune(state)
        return order_columns.columns(state.books, state.timelines, state.hierarchy, state.contexts, state.forced, state.low_us)

    def restored(self, columns: Columns) -> Orders:
        return Orders(*order_columns.restored(columns))
