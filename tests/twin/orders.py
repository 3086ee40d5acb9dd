"""Orders in force, from the definition: what is known of an instant, and what a later record changes of it."""

from __future__ import annotations

from collections.abc import Sequence

from streams.model.hierarchy import Hierarchy
from streams.model.order import RUNNING_AFTER, OrderEvent, OrderRef
from streams.operators.order_join import OrderRow


def running(events: Sequence[OrderEvent], work_center: str, time: int) -> tuple[OrderRef, ...]:
    """Orders that run at an instant by all of these events, each at its time or at the one a correction gives it."""
    placed = []
    for event in events:
        about = [c for c in events if c.event == "CORRECTED" and (c.order, c.operation, c.corrects, c.corrects_time_us)
                 == (event.order, event.operation, event.event, event.time_us)]  # fmt: skip
        if event.event != "CORRECTED":
            at = max(about, key=lambda c: (c.time_us, c.rank)).corrected_time_us if about else event.time_us
            if at is not None and at <= time:
                placed.append((at, event.rank, event))
    product: dict[str, str] = {}
    started: dict[tuple[str, str], int] = {}
    for at, _, event in sorted(placed, key=lambda x: x[:2]):
        if event.product:
            product[event.order] = event.product
        for child in event.split_into:
            product.setdefault(child, product.get(event.order, ""))
        if RUNNING_AFTER.get(event.event) is True:
            started.setdefault((event.order, event.operation), at)
        elif RUNNING_AFTER.get(event.event) is False:
            started.pop((event.order, event.operation), None)
    order = sorted((at, key) for key, at in started.items())
    return tuple(OrderRef(o, op, product.get(o, ""), work_center) for _, (o, op) in order)


def told(orders: Sequence[OrderRow], lanes: dict[str, int], plant: Hierarchy, line: str, asset: str, time: int) -> tuple[OrderRef, ...]:
    """What a sample of the asset at `time` is told: by the events folded up to then."""
    found: tuple[OrderRef, ...] = ()
    for name in plant.chain(line, asset, time):
        found += running([o.event for o in orders if o.lane == lanes.get(name) and o.now_us <= time], name, time)
    return found


def requests(orders: Sequence[OrderRow], names: dict[int, str], low: int) -> list[tuple[int, int, int]]:
    """(lane, instant folded, instant whose orders it changed) for every instant from `low` on."""
    found = []
    for n, row in enumerate(orders):
        before = [o.event for o in orders[:n] if o.lane == row.lane]
        for time in range(low, row.now_us):
            if running(before, names[row.lane], time) != running([*before, row.event], names[row.lane], time):
                found.append((row.lane, row.now_us, time))
    return found
