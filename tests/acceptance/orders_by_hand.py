"""Production orders by hand: which run at an instant, by all the events that were known by then; and what a late event changes.

From the definitions: an order runs from STARTED or RESUMED until PAUSED, ENDED or CANCELLED; a CORRECTED event gives an earlier
one another time, or none. An event that comes more than `lateness` behind the latest one holds from the watermark that it missed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.acceptance.byhand import instant

Ref = tuple[str, str, str]  # order, operation, product
Spans = list[tuple[int, int]]


class Event(NamedTuple):
    """Row `number` of a file of orders; now: from when on it is known."""

    now: int
    number: int
    time: int
    event: str
    order: str
    operation: str
    product: str
    corrects: str
    corrects_time: int | None
    corrected_time: int | None

    @property
    def late(self) -> bool:
        return self.now > self.time


def read(path: Path, lateness: int) -> list[Event]:
    """The events of a file of one work center, in the order in which they become known."""
    latest, found = 0, []
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            time, (before, after) = instant(row["time"]), (row.get(name) for name in ("corrects_time", "corrected_time"))
            now = time if time >= latest - lateness else latest - lateness
            latest = max(latest, time)
            found.append(Event(now, number, time, row["event"], row["order"], row["operation"], row["product"], row.get("corrects") or "",
                               instant(before) if before else None, instant(after) if after else None))  # fmt: skip
    return sorted(found)


def running(events: Iterable[Event], at: int) -> tuple[Ref, ...]:
    """Orders that run at an instant by these events, in the order of their start."""
    events = list(events)
    placed = []
    for event in events:
        named = (event.event, event.order, event.operation, event.time)
        about = [c for c in events if (c.corrects, c.order, c.operation, c.corrects_time) == named]
        time = max(about, key=lambda c: (c.time, c.number)).corrected_time if about else event.time
        if event.event != "CORRECTED" and time is not None and time <= at:
            placed.append((time, event.number, event))
    started: dict[Ref, int] = {}
    for time, _, event in sorted(placed):
        ref = (event.order, event.operation, event.product)
        if event.event in ("STARTED", "RESUMED"):
            started.setdefault(ref, time)
        elif event.event in ("PAUSED", "ENDED", "CANCELLED"):
            started.pop(ref, None)
    return tuple(ref for ref, _ in sorted(started.items(), key=lambda each: (each[1], each[0])))


def told(events: Sequence[Event], at: int) -> tuple[Ref, ...]:
    """What a sample of that instant is told: by the events that are known by then."""
    return running([event for event in events if event.now <= at], at)


def edges(events: Sequence[Event]) -> list[int]:
    """Instants at which anything can change."""
    times = {time for event in events for time in (event.now, event.time, event.corrects_time, event.corrected_time) if time is not None}
    return sorted(times)


def changes(events: Sequence[Event]) -> list[int]:
    """Instants at which what is told changes."""
    found, last = [], tuple[Ref, ...]()
    for at in edges(events):
        if (refs := told(events, at)) != last:
            found.append(at)
            last = refs
    return found


def requested(events: Sequence[Event]) -> Spans:
    """Where something else was told than is known in the end, event by event: what must be restated."""
    found = []
    for n, event in enumerate(events):
        times = [*(time for time in edges(events) if time < event.now), event.now]
        for since, until in zip(times, times[1:], strict=False):
            if running(events[:n], since) != running(events[: n + 1], since):
                found.append((since, until))
    return joined(found)


def joined(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same instants as few spans."""
    found: Spans = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found
