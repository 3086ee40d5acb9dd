"""The orders in force for each sample: interval join of observations with the orders of the work centers above.

An asset's orders at an instant are those running at itself, at its work center and at its ancestors up to the line, nearest
first, at each in order of their start (order_book.py); the hierarchy is that of the same instant. Orders rank before samples
of the same instant. Where an asset's orders change, a change is handed on, so that windows and intervals end there. A sample
without an order is handed on with an empty list of orders: it is not lost, and a later order asks for its restatement.

Orders are folded in the lanes of their work centers and looked up by the assets below, which the engine holds back until the
orders of all their ancestors are complete. Assets with the same work centers above them share one timeline.

Bound: the events of `history_us` of each work center; timelines back to the lowest frontier of any lane.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import I32, I64, NEG, POS, kernel
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.model.order import Coordinate, OrderEvent, OrderRef
from streams.operators.order_book import Base, Book, Segment, at
from streams.operators.order_status import Status
from streams.operators.slice import Changes, Columns, Names, Slice

Signature = tuple[tuple[int, int, tuple[int, ...]], ...]  # (since, until, lanes of work centers with a book, nearest first)


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


# Before what is still kept; equal to nothing, so that what follows keeps its start.
FORGOTTEN = Segment(NEG, (OrderRef("", "", "", ""),), ())


class Request(NamedTuple):
    """Results of a work center and everything below it, made over [since, until), are touched by a later record."""

    lane: int
    time_us: int
    since_us: int
    until_us: int
    reason: str
    at: Coordinate


class Context(NamedTuple):
    refs: tuple[OrderRef, ...]
    evidence: tuple[Coordinate, ...]


@dataclass(slots=True)
class Joined:
    observations: Slice
    requests: list[Request]
    changed: bool  # timelines were made anew: ask `next_change` for every lane that has something open


@dataclass(slots=True)
class Orders:
    """State. Lines, lanes and contexts are codes; contexts[0] is "no order"."""

    books: dict[int, Book] = field(default_factory=dict)
    timelines: dict[int, list[Segment]] = field(default_factory=dict)
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    contexts: list[Context] = field(default_factory=lambda: [Context((), ())])
    context_code: dict[Context, int] = field(default_factory=lambda: {Context((), ()): 0})
    forced: dict[int, int] = field(default_factory=dict)  # lane -> instant at which a new hierarchy changed its orders
    low_us: int = NEG
    group_of: I32 = field(default_factory=lambda: np.full(0, -1, np.int32))  # derived: [lane]
    signatures: list[Signature] = field(default_factory=list)  # derived: [group]
    groups: dict[Signature, int] = field(default_factory=dict)  # derived
    entries: list[list[tuple[int, int]]] = field(default_factory=list)  # derived: [group] (time, context)
    table: tuple[I64, I64, I32] | None = None  # derived: entries as columns: start, time, context


@kernel
def _look_up(
    group: I32, start: I64, entry_time: I64, entry_context: I32, forced: I64, since: I64, until: I64, row: I64, time: I64,
    context: I32, context_since: I64, change_start: I64, change_time: I64, change_context: I32,
) -> None:  # fmt: skip
    n = 0
    for j in range(group.shape[0]):
        change_start[j] = n
        first, end = start[group[j]], start[group[j] + 1]
        e = first
        while e + 1 < end and entry_time[e + 1] < since[j]:
            e += 1
        if since[j] <= forced[j] < until[j]:  # then it is the lane's front, and no change can lie before it
            while e + 1 < end and entry_time[e + 1] <= forced[j]:
                e += 1
            change_time[n], change_context[n] = forced[j], entry_context[e]
            n += 1
        at_entry = e
        for k in range(e + 1, end):
            if entry_time[k] >= until[j]:
                break
            change_time[n], change_context[n] = entry_time[k], entry_context[k]
            n += 1
        for r in range(row[j], row[j + 1]):
            while at_entry + 1 < end and entry_time[at_entry + 1] <= time[r]:
                at_entry += 1
            context[r] = entry_context[at_entry]
            context_since[r] = entry_time[at_entry]
            if forced[j] <= time[r]:
                context_since[r] = max(context_since[r], forced[j])
    change_start[group.shape[0]] = n


@kernel
def _next(group: I32, start: I64, entry_time: I64, since: I64, found: I64) -> None:
    for j in range(group.shape[0]):
        for e in range(start[group[j]] + 1, start[group[j] + 1]):
            if entry_time[e] >= since[j]:
                found[j] = entry_time[e]
                break


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderJoin:
    """history_us: how far back late and corrected order events are understood exactly; further back everything is restated."""

    history_us: int

    def __post_init__(self) -> None:
        require(self.history_us > 0, "history_us must be positive", history_us=self.history_us)

    @property
    def state_version(self) -> str:
        return "order-join/2"

    def initial(self) -> Orders:
        return Orders()

    def advance(self, state: Orders, slice: JoinSlice) -> tuple[Orders, Joined]:
        names = slice.observations.names
        if slice.hierarchy is not state.hierarchy:
            self._adopt(state, slice.hierarchy, names)
        requests = [request for row in slice.orders for request in self._fold(state, row, names)]
        if slice.orders:
            state.entries = [self._entries(state, signature) for signature in state.signatures]
        joined = self._join(state, slice.observations)
        state.low_us = slice.low_us
        if any(len(timeline) > 32 for timeline in state.timelines.values()):
            self._prune(state)
        return state, Joined(joined, requests, bool(slice.orders))

    def _fold(self, state: Orders, row: OrderRow, names: Names) -> list[Request]:
        if row.lane not in state.books:
            state.books[row.lane] = Book(names.lanes.decode(row.lane)[0].decode())
            state.timelines[row.lane] = [Segment(NEG, (), ())]
            state.group_of[:], state.signatures, state.groups, state.entries = -1, [], {}, []  # who stands below it, anew
        folded = state.books[row.lane].fold(row.event, row.now_us, self.history_us)
        timeline = state.timelines[row.lane]
        while timeline[-1].time_us >= row.now_us:
            timeline.pop()
        for segment in folded.segments:
            if segment.refs != timeline[-1].refs:
                timeline.append(segment)
        state.table = None
        late = row.event.time_us < row.now_us and row.event.event != "CORRECTED"
        reason = "LATE_ORDER" if late else "CORRECTED_ORDER"
        return [Request(row.lane, row.now_us, since, until, reason, row.event.at) for since, until in folded.changed]

    def _entries(self, state: Orders, signature: Signature) -> list[tuple[int, int]]:
        entries: list[tuple[int, int]] = []
        for since, until, lanes in signature:
            times = {since} | {s.time_us for lane in lanes for s in state.timelines[lane] if since < s.time_us < until}
            for time_us in sorted(times):
                parts = [at(state.timelines[lane], time_us) for lane in lanes]
                context = Context(tuple(r for p in parts for r in p.refs), tuple(c for p in parts for c in p.evidence))
                code = state.context_code.setdefault(context, len(state.contexts))
                if code == len(state.contexts):
                    state.contexts.append(context)
                if not entries or state.contexts[entries[-1][1]].refs != context.refs:
                    entries.append((time_us, code))
        return entries

    def _signature(self, state: Orders, lane: int, names: Names) -> Signature:
        scope, asset = names.lanes.scope(lane), names.lanes.decode(lane)[0].decode()
        line = names.lines.decode(scope)[0].decode()
        spans: list[tuple[int, int, tuple[int, ...]]] = []
        for since, until, chain in state.hierarchy.spans(line, asset):
            above = tuple(a for a in (names.lanes.encode(scope, name.encode()) for name in chain) if a in state.books)
            start = spans.pop()[0] if spans and spans[-1][2] == above else since
            spans.append((start, until, above))
        return tuple(spans)

    def _group(self, state: Orders, lane: int, names: Names) -> int:
        signature = self._signature(state, lane, names)
        group = state.groups.setdefault(signature, len(state.signatures))
        if group == len(state.signatures):
            state.signatures.append(signature)
            state.entries.append(self._entries(state, signature))
            state.table = None
        return group

    def _assign(self, state: Orders, lanes: I32, names: Names) -> None:
        if len(names.lanes) > len(state.group_of):
            wider = np.full(max(len(names.lanes), 2 * len(state.group_of)), -1, np.int32)
            wider[: len(state.group_of)] = state.group_of
            state.group_of = wider
        for lane in lanes[state.group_of[lanes] < 0]:
            state.group_of[lane] = self._group(state, int(lane), names)

    def _table(self, state: Orders) -> tuple[I64, I64, I32]:
        if state.table is None:
            start = np.cumsum([0, *(len(e) for e in state.entries)])
            flat = [entry for entries in state.entries for entry in entries]
            time, context = np.array([t for t, _ in flat], np.int64), np.array([c for _, c in flat], np.int32)
            state.table = start, time, context
        return state.table

    def _join(self, state: Orders, slice: Slice) -> Slice:
        self._assign(state, slice.lanes, slice.names)
        start, time, context = self._table(state)
        group = state.group_of[slice.lanes]
        forced = np.full(len(slice.lanes), POS)
        if state.forced:
            forced[:] = [state.forced.get(int(lane), POS) for lane in slice.lanes]
        most = int((start[group + 1] - start[group]).sum()) + len(group)
        rows = len(slice.rows.time)
        found, found_since = np.empty(rows, np.int32), np.empty(rows, np.int64)
        change = Changes(np.empty(len(group) + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int32))
        _look_up(
            group, start, time, context, forced, slice.since, slice.until, slice.start, slice.rows.time, found, found_since,
            change.start, change.time, change.context,
        )  # fmt: skip
        count = int(change.start[-1])
        changes = Changes(change.start, change.time[:count], change.context[:count])
        return Slice(slice.names, slice.lanes, slice.since, slice.until, slice.start, slice.rows, found, found_since, changes)

    def next_change(self, state: Orders, lanes: I32, since: I64, names: Names) -> I64:
        """When each lane's orders change next, at or after `since`; POS: not as far as is known."""
        self._assign(state, lanes, names)
        start, time, _ = self._table(state)
        found = np.full(len(lanes), POS)
        _next(state.group_of[lanes], start, time, since, found)
        if state.forced:
            forced = np.array([state.forced.get(int(lane), POS) for lane in lanes])
            found = np.where(forced >= since, np.minimum(found, forced), found)
        return found

    def _adopt(self, state: Orders, hierarchy: Hierarchy, names: Names) -> None:
        """A new hierarchy: lanes are grouped anew. `force` says for which lanes that changes the orders at their front."""
        state.hierarchy, state.signatures, state.groups, state.entries, state.table = hierarchy, [], {}, [], None
        state.group_of[:] = -1

    def force(self, state: Orders, hierarchy: Hierarchy, lanes: I32, front: I64, names: Names) -> None:
        """Adopt a hierarchy when every lane is released exactly to its front: lanes whose orders differ change there."""
        before = self._contexts_at(state, lanes, front, names)
        self._adopt(state, hierarchy, names)
        after = self._contexts_at(state, lanes, front, names)
        for lane, time_us, old, new in zip(lanes.tolist(), front.tolist(), before, after, strict=True):
            if state.contexts[old].refs != state.contexts[new].refs and time_us != NEG:
                state.forced[lane] = time_us

    def _contexts_at(self, state: Orders, lanes: I32, time_us: I64, names: Names) -> list[int]:
        self._assign(state, lanes, names)
        start, time, context = self._table(state)
        found = []
        for group, t in zip(state.group_of[lanes], time_us, strict=True):
            k = np.searchsorted(time[start[group] : start[group + 1]], t, side="right") - 1
            found.append(int(context[start[group] + max(0, k)]))
        return found

    def _prune(self, state: Orders) -> None:
        """Forget what no lane can look up any more. Changes no output."""
        for lane, timeline in state.timelines.items():
            keep = max((n for n, s in enumerate(timeline) if s.time_us <= state.low_us), default=0)
            if keep > 1:
                state.timelines[lane] = [FORGOTTEN, *timeline[keep:]]
        state.entries = [self._entries(state, signature) for signature in state.signatures]
        state.table = None
        for lane, time_us in list(state.forced.items()):
            group = state.group_of[lane] if lane < len(state.group_of) else -1
            if group >= 0 and any(time_us < t <= state.low_us for t, _ in state.entries[group]):
                del state.forced[lane]

    def columns(self, state: Orders) -> Columns:
        """One JSON text; groups and tables are made anew."""
        self._prune(state)
        content = {
            "books": [[lane, b.work_center, b.horizon_us, _plain(b.base), _plain(b.history)] for lane, b in state.books.items()],
            "timelines": [[lane, _plain(timeline)] for lane, timeline in state.timelines.items()],
            "hierarchy": [_plain(row) for rows in state.hierarchy.rows.values() for row in rows],
            "contexts": _plain(state.contexts), "forced": sorted(state.forced.items()), "low_us": state.low_us,
        }  # fmt: skip
        return {"json": np.frombuffer(json.dumps(content).encode(), np.uint8)}

    def restored(self, columns: Columns) -> Orders:
        content = json.loads(columns["json"].tobytes())
        contexts = [Context(tuple(OrderRef(*r) for r in refs), tuple(Coordinate(*c) for c in by)) for refs, by in content["contexts"]]
        return Orders(
            books={lane: _book(*book) for lane, *book in content["books"]},
            timelines={lane: [_segment(*s) for s in timeline] for lane, timeline in content["timelines"]},
            hierarchy=Hierarchy.of(AssetRow(*row) for row in content["hierarchy"]),
            contexts=contexts, context_code={context: code for code, context in enumerate(contexts)},
            forced=dict(map(tuple, content["forced"])), low_us=content["low_us"],
        )  # fmt: skip


def _plain(value: Any) -> Any:
    """Values as nested lists."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if is_dataclass(value):
        return [_plain(getattr(value, f.name)) for f in fields(value)]
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _segment(time_us: int, refs: list[Any], evidence: list[Any]) -> Segment:
    return Segment(time_us, tuple(OrderRef(*r) for r in refs), tuple(Coordinate(*c) for c in evidence))


def _event(time_us: int, rank: list[Any], where: list[int], *rest: Any) -> OrderEvent:
    names = [f.name for f in fields(OrderEvent)][3:]
    values = dict(zip(names, rest, strict=True))
    values["split_into"] = tuple(values["split_into"])
    source = (rank[0].encode("latin-1"), *rank[1:])
    return OrderEvent(time_us=time_us, rank=source, at=Coordinate(*where), **values)


def _status(running: bool, started_us: int, time_us: int, by: list[list[int]]) -> Status:
    return Status(running, started_us, time_us, tuple(Coordinate(*c) for c in by))


def _book(work_center: str, horizon_us: int, base: list[Any], history: list[Any]) -> Book:
    status, products = base
    before = Base(
        tuple(((order, operation), _status(*s)) for (order, operation), s in status),
        tuple((order, (product, time_us)) for order, (product, time_us) in products),
    )
    return Book(work_center, horizon_us, before, [_event(*e) for e in history])
