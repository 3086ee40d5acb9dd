"""The join with orders equals its twin under any cut; late and corrected orders name exactly what they change."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given

from streams.errors import InvalidValue
from streams.kernel import NEG
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.model.order import EVENTS, Coordinate, OrderEvent, OrderRef
from streams.operators.order_join import JoinSlice, OrderJoin, OrderRow, Request
from streams.operators.slice import Names, Slice, plain_slice
from streams.time.pending import empty_rows
from tests.seeds import randoms
from tests.twin import orders as twin

LINE, END, HISTORY = "acme/hamburg/pressing/line-1", 40, 1000
ASSETS, CENTERS = ("m1", "m2", "m3"), ("m1", "c1", "c2", "")
op = OrderJoin(history_us=HISTORY)

Refs = tuple[OrderRef, ...]


def random_plant(random: Random) -> Hierarchy:
    rows = [AssetRow(LINE, "m1", "c1", NEG, 0), AssetRow(LINE, "m2", "c1", NEG, 0), AssetRow(LINE, "c2", "c1", 5, 0)]
    rows += [AssetRow(LINE, random.choice(ASSETS), random.choice(CENTERS), random.randint(0, END), n) for n in range(random.randint(0, 3))]
    return Hierarchy.of(rows)


def random_event(random: Random, time: int, n: int, past: list[OrderEvent]) -> OrderEvent:
    kind, rank, at = random.choice(EVENTS[1:]), (b"mes", 0, n, n, 0), Coordinate(0, n, 0)
    order, operation = random.choice("AB"), random.choice(["", "10"])
    product, split = random.choice(["", "", "P1", "P2"]), (("C",) if kind == "SPLIT" else ())
    if kind == "CORRECTED" and past:
        about = random.choice(past)
        to = random.choice([None, about.time_us - 4, about.time_us + 3, time + 5])
        return OrderEvent(time_us=time, rank=rank, at=at, event=kind, order=about.order, operation=about.operation,
                          corrects=about.event, corrects_time_us=about.time_us, corrected_time_us=to)  # fmt: skip
    return OrderEvent(time_us=time, rank=rank, at=at, event=kind, order=order, operation=operation, product=product, split_into=split)


def random_orders(random: Random, names: Names, line: int) -> list[OrderRow]:
    rows: list[OrderRow] = []
    past: list[OrderEvent] = []
    for n in range(random.randint(0, 12)):
        now = random.randint(0, END)
        late = random.choice([0, 0, 0, 3, 9])
        event = random_event(random, now - late, n, past)
        past.append(event)
        rows.append(OrderRow(names.lanes.encode(line, random.choice(CENTERS).encode()), now, event))
    return sorted(rows, key=lambda r: (r.now_us, r.event.time_us, r.event.rank))


def observations(names: Names, line: int, times: dict[str, list[int]], since: dict[str, int], until: dict[str, int]) -> Slice:
    lanes = [a for a in times if since[a] < until[a]]
    inside = [[t for t in times[a] if since[a] <= t < until[a]] for a in lanes]
    rows = empty_rows(sum(map(len, inside)))
    rows.time[:] = [t for ts in inside for t in ts]
    codes = np.array([names.lanes.encode(line, a.encode()) for a in lanes], np.int32)
    start, (low, high) = np.cumsum([0, *map(len, inside)]), (np.array([of[a] for a in lanes], np.int64) for of in (since, until))
    return plain_slice(names, codes, low, high, start, rows)


@given(random=randoms())
def test_equals_its_twin_under_any_cut(random: Random) -> None:
    names = Names()
    line = names.lines.encode(0, LINE.encode())
    plant, orders = random_plant(random), random_orders(random, names, line)
    times = {a: sorted(random.randint(-3, END) for _ in range(8)) for a in ASSETS}
    state, front, book = op.initial(), dict.fromkeys(ASSETS, NEG), NEG
    told: dict[str, list[tuple[int, Refs]]] = {a: [] for a in ASSETS}
    requests: list[Request] = []
    context: dict[str, Refs] = dict.fromkeys(ASSETS, ())
    for step in range(random.randint(1, 8), -1, -1):
        book_until = max(book, random.randint(-5, END + 1)) if step else END + 1
        until = {a: max(front[a], min(book_until, random.randint(-5, END + 1)) if step else END + 1) for a in ASSETS}
        part = [o for o in orders if book <= o.now_us < book_until]
        low = min(until.values())
        seen = observations(names, line, times, front, until)
        state, joined = op.advance(state, JoinSlice(part, seen, plant, low, below(names, line, plant)))
        requests += joined.requests
        found = joined.observations
        for j, lane in enumerate(found.lanes):
            asset = names.lanes.decode(int(lane))[0].decode()
            own = slice(*found.changes.start[j : j + 2])
            events = [(int(t), 0, int(c)) for t, c in zip(found.changes.time[own], found.changes.context[own], strict=True)]
            events += [(int(found.rows.time[r]), 1, r) for r in range(found.start[j], found.start[j + 1])]
            for time, kind, what in sorted(events):
                if kind == 0:
                    context[asset] = state.contexts[what].refs
                    assert context[asset] == twin.told(orders, codes(names, line), plant, LINE, asset, time)
                else:
                    refs = state.contexts[found.context[what]].refs
                    since = int(found.context_since[what])
                    assert told_since(orders, names, line, plant, asset, since, time)
                    assert refs == context[asset] or front[asset] == NEG, "a change was not handed on"
                    told[asset].append((time, refs))
        front, book = until, book_until
        if random.random() < 0.4:
            state = op.restored(op.columns(state))
    lanes = codes(names, line)
    for asset in ASSETS:
        assert told[asset] == [(t, twin.told(orders, lanes, plant, LINE, asset, t)) for t in times[asset]]
    by_code = {code: name for name, code in lanes.items()}
    wanted = twin.requests(orders, by_code, -20)
    assert sorted((r.lane, r.time_us, t) for r in requests for t in range(r.since_us, r.until_us)) == sorted(wanted)


def below(names: Names, line: int, plant: Hierarchy) -> dict[int, list[int]]:
    """Assets by the lane of each work center that stands above them at any time."""
    found: dict[int, list[int]] = {}
    for asset in (*ASSETS, *CENTERS):
        for name in {name for _, _, chain in plant.spans(LINE, asset) for name in chain}:
            found.setdefault(names.lanes.encode(line, name.encode()), []).append(names.lanes.encode(line, asset.encode()))
    return found


def codes(names: Names, line: int) -> dict[str, int]:
    return {name: names.lanes.encode(line, name.encode()) for name in CENTERS}


def told_since(orders: list[OrderRow], names: Names, line: int, plant: Hierarchy, asset: str, since: int, time: int) -> bool:
    """The orders in force at `time` have been in force since `since`."""
    lanes = codes(names, line)
    one = twin.told(orders, lanes, plant, LINE, asset, time)
    return all(one == twin.told(orders, lanes, plant, LINE, asset, t) for t in range(max(since, -10), time))


@given(random=randoms())
def test_slicing_law(random: Random) -> None:
    """The state does not remember how it was cut."""
    names = Names()
    line = names.lines.encode(0, LINE.encode())
    plant, orders = random_plant(random), random_orders(random, names, line)
    for name in (*ASSETS, *CENTERS):
        names.lanes.encode(line, name.encode())
    times = {a: sorted(random.randint(-3, END) for _ in range(5)) for a in ASSETS}
    states = []
    for cuts in (0, 6):
        state, front, book = op.initial(), dict.fromkeys(ASSETS, NEG), NEG
        for step in range(cuts, -1, -1):
            until = {a: max(front[a], random.randint(-5, END) if step else END) for a in ASSETS}
            book_until = max([book, *until.values()])
            part = [o for o in orders if book <= o.now_us < book_until]
            seen = observations(names, line, times, front, until)
            state, _ = op.advance(state, JoinSlice(part, seen, plant, min(until.values()), below(names, line, plant)))
            front, book = until, book_until
        books = {lane: (book.base, book.history, book.horizon_us, book.view) for lane, book in state.books.items()}
        states.append((books, dict(state.timelines), state.low_us))
    assert states[0] == states[1]


def event(kind: str, time: int, order: str = "A", n: int = 0, **more: object) -> OrderEvent:
    return OrderEvent(time_us=time, rank=(b"mes", 0, n, n, 0), at=Coordinate(0, n, 0), event=kind, order=order, **more)  # type: ignore[arg-type]


def test_a_correction_beyond_the_history_restates_everything_since() -> None:
    """What can no longer be known exactly is asked for as a whole, never guessed."""
    names = Names()
    lane, short = names.lanes.encode(names.lines.encode(0, LINE.encode()), b"c1"), OrderJoin(history_us=10)
    events = [event("STARTED", 5), event("ENDED", 50, n=1), event("CREATED", 90, "B", n=2)]
    rows = [OrderRow(lane, e.time_us, e) for e in events]
    correction = event("CORRECTED", 95, n=3, corrects="STARTED", corrects_time_us=5, corrected_time_us=7)
    nothing = observations(names, 0, {}, {}, {})
    state, _ = short.advance(short.initial(), JoinSlice(rows, nothing, Hierarchy(), NEG, {}))
    assert state.books[lane].history == (rows[2].event,)
    _, joined = short.advance(state, JoinSlice([OrderRow(lane, 95, correction)], nothing, Hierarchy(), NEG, {}))
    assert [(r.since_us, r.until_us, r.reason) for r in joined.requests] == [(5, 95, "CORRECTED_ORDER")]


def test_an_order_that_runs_longer_than_the_history_keeps_running() -> None:
    names = Names()
    line = names.lines.encode(0, LINE.encode())
    lane, short = names.lanes.encode(line, b"m1"), OrderJoin(history_us=10)
    rows = [OrderRow(lane, 5, event("STARTED", 5, product="P")), OrderRow(lane, 90, event("CREATED", 90, "B", n=2))]
    times = {"m1": [100]}
    seen = observations(names, line, times, {"m1": NEG}, {"m1": 200})
    state, joined = short.advance(short.initial(), JoinSlice(rows, seen, Hierarchy(), 150, {}))
    assert [(r.order, r.product) for r in state.contexts[joined.observations.context[0]].refs] == [("A", "P")]


def test_history_must_be_positive() -> None:
    with pytest.raises(InvalidValue, match="history_us"):
        OrderJoin(history_us=0)
