"""A book of orders with a history, from its definition: everything is made anew for each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.kernel import NEG
from streams.model.order import RUNNING_AFTER, OrderEvent, OrderRef


def effective(history: Sequence[OrderEvent]) -> list[tuple[int, OrderEvent, tuple[Any, ...]]]:
    """(time, event, records that say so) in order of time; corrections and what they withdraw are left out."""
    found: list[tuple[int, OrderEvent, tuple[Any, ...]]] = []
    for event in history:
        about = [c for c in history if c.event == "CORRECTED" and named_by(c, event)]
        by = max(about, key=lambda c: (c.time_us, c.rank), default=None)
        if event.event != "CORRECTED" and by is None:
            found.append((event.time_us, event, (event.at,)))
        elif event.event != "CORRECTED" and by is not None and by.corrected_time_us is not None:
            found.append((by.corrected_time_us, event, (event.at, by.at)))
    return sorted(found, key=lambda x: (x[0], x[1].rank))


def named_by(correction: OrderEvent, event: OrderEvent) -> bool:
    return event.event != "CORRECTED" and (correction.order, correction.operation, correction.corrects, correction.corrects_time_us) == (
        event.order, event.operation, event.event, event.time_us)  # fmt: skip


@dataclass
class BookTwin:
    work_center: str
    history_us: int
    horizon: int = NEG

    def __post_init__(self) -> None:
        self.history: list[OrderEvent] = []
        self.status: dict[Any, Any] = {}  # at the horizon: (order, operation) -> running, started, time, records
        self.products: dict[str, Any] = {}  # at the horizon: order -> product, time

    def apply(self, status: dict[Any, Any], products: dict[str, Any], time: int, event: OrderEvent, by: tuple[Any, ...]) -> None:
        key = event.order, event.operation
        if event.product and products.get(event.order, ("", NEG))[1] <= time:
            products[event.order] = event.product, time
        for child in event.split_into:
            products.setdefault(child, (products.get(event.order, ("",))[0], NEG))
            status.setdefault((child, event.operation), (False, time, time, by))
        if event.event not in RUNNING_AFTER or (key in status and status[key][2] > time):
            return
        since = status[key][1] if key in status and status[key][0] else time
        status[key] = RUNNING_AFTER[event.event], since, time, by
        if event.event in ("ENDED", "CANCELLED"):
            del status[key]

    def segment(self, time: int, status: dict[Any, Any], products: dict[str, Any]) -> tuple[Any, ...]:
        running = sorted((started, key) for key, (runs, started, _, _) in status.items() if runs)
        refs = [OrderRef(o, op, products.get(o, ("",))[0], self.work_center) for _, (o, op) in running]
        return time, tuple(refs), tuple(c for _, key in running for c in status[key][3])

    def view(self) -> list[tuple[Any, ...]]:
        status, products = dict(self.status), dict(self.products)
        segments, events = [self.segment(NEG, status, products)], effective(self.history)
        for time in sorted({time for time, _, _ in events}):
            for at, event, by in events:
                if at == time:
                    self.apply(status, products, time, event, by)
            segment = self.segment(time, status, products)
            if segment[1] != segments[-1][1]:
                segments.append(segment)
        return segments

    def fold(self, event: OrderEvent, now: int, low: int) -> tuple[set[int], list[tuple[Any, ...]]]:
        """Instants from `low` to before now whose orders changed; the view from now on."""
        before = self.view()
        self.history.append(event)
        after = self.view()
        changed = {t for t in range(low, now) if in_force(before, t)[1] != in_force(after, t)[1]}
        reach = [event.corrects_time_us, event.corrected_time_us] if event.event == "CORRECTED" else [event.time_us]
        told = [t for t in reach if t is not None]
        if told and min(told) < self.horizon:
            changed = set(range(min(told), now))
        self.forget(now - self.history_us)
        return changed, [(now, *in_force(after, now)[1:]), *(s for s in after if s[0] > now)]

    def forget(self, horizon: int) -> None:
        events, gone = effective(self.history), list[OrderEvent]()
        for time in sorted({time for time, _, _ in events}):
            own = [(event, by) for at, event, by in events if at == time]
            if time >= horizon or any(event.time_us >= horizon for event, _ in own):
                break
            for event, by in own:
                self.apply(self.status, self.products, time, event, by)
            gone += [event for event, _ in own]
        placed = [event for _, event, _ in events]
        gone += [e for e in self.history if e not in placed and e.event != "CORRECTED" and e.time_us < horizon]
        rest = [e for e in self.history if e not in gone]
        gone += [c for c in rest if c.event == "CORRECTED" and c.time_us < horizon and not any(named_by(c, e) for e in rest)]
        self.history = [e for e in self.history if e not in gone]
        named = {order for order, _ in self.status} | {o for e in self.history for o in (e.order, *e.split_into)}
        self.products = {order: product for order, product in self.products.items() if order in named}
        self.horizon = horizon if gone else self.horizon


def in_force(view: Sequence[tuple[Any, ...]], time: int) -> tuple[Any, ...]:
    return [s for s in view if s[0] <= time][-1]
