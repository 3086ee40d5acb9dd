"""Episodes of charts and signals, each from its definition, over whole histories: nothing here knows of slices or state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from streams.model.characteristic import CharacteristicRow
from streams.model.order import OrderRef

Told = dict[str, Any]
Orders = tuple[OrderRef, ...]
Patterns = Sequence[tuple[str, int]]
LIMITS = ("centre", "sigma", "lower", "upper", "lsl", "usl")


@dataclass(frozen=True)
class Point:
    """A derived record of one lane. size: of a tumbling window, 0 a measurement, -1 another window; id: 16 bytes."""

    time: int
    signal: str
    value: float
    id: bytes
    orders: Orders = ()
    size: int = 0
    good: bool = True
    flat: bool = False


Rows = Callable[[Point], Sequence[CharacteristicRow]]  # the rows of limits that are known when a point is folded


def product_of(orders: Orders) -> str:
    products = sorted({ref.product for ref in orders})
    return products[0] if len(products) == 1 else ""


def limits_of(rows: Sequence[CharacteristicRow], tag: str, product: str, unit: str, time: int) -> CharacteristicRow | None:
    own = [r for r in rows if r.tag == tag and r.product == product] or [r for r in rows if r.tag == tag and not r.product]
    valid = [r for r in own if r.unit == unit and r.valid_from_us <= time]
    return max(valid, key=lambda r: (r.valid_from_us, r.revision), default=None)


def told(point: Point, test: str, phase: str, points: Sequence[Point], **more: Any) -> Told:
    """A record; points: what it states something about. A chart is of a product, a signal is not."""
    product = "" if test in ("STUCK", "MISSING") else product_of(point.orders)
    return {"time": point.time, "signal": point.signal, "product": product, "test": test, "phase": phase, "reason": "NONE",
            "until": None, "value": point.value, "points": [(p.id, p.time, p.value) for p in points], **more}  # fmt: skip


def episodes(points: Sequence[Point], fails: Sequence[str], test: str, last: int, clear: int) -> Iterator[tuple[int, Told]]:
    """Of points under the same limits: (place, record). fails: severity of each point that fails the test, else ''."""
    ranks = ("", "LOW", "MEDIUM", "HIGH")
    first: int | None = None
    severity, begun, since = "", 0, 0
    orders: Orders = ()
    for n, point in enumerate(points):
        shown = points[max(0, n + 1 - last) : n + 1]
        if fails[n] and first is None:
            first, severity, orders, begun, since = n, fails[n], point.orders, point.time, shown[0].time
            yield n, told(point, test, "BEGIN", shown, severity=severity, orders=orders, since=since, begun=begun)
        elif fails[n] and (ranks.index(fails[n]) > ranks.index(severity) or point.orders != orders):
            severity, orders = max(fails[n], severity, key=ranks.index), point.orders
            yield n, told(point, test, "UPDATE", shown, severity=severity, orders=orders, since=since, begun=begun)
        elif first is not None and n - clear >= first and not any(fails[n - clear + 1 : n + 1]):
            passed = points[n - clear + 1 : n + 1]
            yield n, told(point, test, "END", passed, severity=severity, orders=orders, since=since, begun=begun, reason="CLEARED",
                          until=passed[0].time)  # fmt: skip
            first = None
    if first is not None:  # not over under these limits
        record = {"test": test, "phase": "END", "reason": "LIMITS_CHANGED", "severity": severity}
        yield len(points), record | {"orders": orders, "since": since, "begun": begun}


def failing(points: Sequence[Point], limits: CharacteristicRow) -> dict[str, list[str]]:
    """Severity of each point that fails, by test."""
    found: dict[str, list[str]] = {"BEYOND_LIMITS": [], "RUN_OF_EIGHT": [], "TOLERANCE": []}
    for n, point in enumerate(points):
        x, beyond = point.value, ""
        if x > limits.upper:
            beyond = "HIGH" if x - limits.centre > 2 * (limits.upper - limits.centre) else "MEDIUM"
        if x < limits.lower:
            beyond = "HIGH" if limits.centre - x > 2 * (limits.centre - limits.lower) else "MEDIUM"
        eight = [p.value for p in points[max(0, n - 7) : n + 1]]
        run = len(eight) == 8 and (all(v > limits.centre for v in eight) or all(v < limits.centre for v in eight))
        found["BEYOND_LIMITS"].append(beyond)
        found["RUN_OF_EIGHT"].append("LOW" if run else "")
        found["TOLERANCE"].append("HIGH" if x < limits.lsl or x > limits.usl else "")
    return found


def charts(lane: Sequence[Point], asset_rows: Rows, unit: str, window: int, clear: int) -> list[Told]:
    """What the charts of a lane tell, in order."""
    by_chart: dict[tuple[str, str], list[tuple[int, Point, CharacteristicRow]]] = {}
    for place, point in enumerate(lane):
        product = product_of(point.orders)
        row = limits_of(asset_rows(point), point.signal, product, unit, point.time)
        if row is not None and point.good and math.isfinite(point.value) and point.size in (0, window):
            by_chart.setdefault((point.signal, product), []).append((place, point, row))
    found: list[tuple[tuple[int, int, int], Told]] = []
    for chart in by_chart.values():
        parts: list[list[tuple[int, Point, CharacteristicRow]]] = []
        for one in chart:
            if not parts or (parts[-1][-1][2].revision, parts[-1][-1][2].product) != (one[2].revision, one[2].product):
                parts.append([])
            parts[-1].append(one)
        for number, part in enumerate(parts):
            points, limits = [point for _, point, _ in part], part[0][2]
            by_limits = {name: getattr(limits, name) for name in LIMITS} | {"revision": limits.revision, "general": not limits.product}
            for order, (test, fails) in enumerate(failing(points, limits).items()):
                for n, record in episodes(points, fails, test, 8 if test == "RUN_OF_EIGHT" else 1, clear):
                    if n < len(points):
                        found.append(((part[n][0], 1, order), record | by_limits))
                    elif number + 1 < len(parts):
                        place, point, _ = parts[number + 1][0]
                        found.append(((place, 0, order), ended(point, record) | by_limits))
    return numbered([record for _, record in sorted(found, key=lambda x: x[0])])


def ended(point: Point, record: Told) -> Told:
    """An episode that a point ends which is not judged with it."""
    return told(point, record["test"], "END", [point]) | record | {"until": point.time}


def numbered(records: list[Told]) -> list[Told]:
    """Ordinals: among what is told of one test of one chart at one time. An END says which BEGIN it belongs to."""
    count: dict[Any, int] = {}
    open_: dict[Any, int] = {}
    for record in records:
        of = (record["signal"], record["product"], record["test"])
        record["ordinal"] = count.get((of, record["time"]), 0)
        count[of, record["time"]] = record["ordinal"] + 1
        if record["phase"] == "BEGIN":
            open_[of] = record["ordinal"]
        record["begun_ordinal"] = open_[of]
    return records


def same(a: float, b: float) -> bool:
    return abs(a - b) <= 2.0**-30 * max(abs(a), abs(b))


def asked(patterns: Patterns, tag: str) -> int:
    return next((number for pattern, number in patterns if fnmatchcase(tag, pattern)), 0)


def health(lane: Sequence[Point], window: int, stuck: Patterns, missing: Patterns, until: int) -> list[Told]:
    """What is told of the signals of a lane through `until`, in order."""
    found: list[tuple[tuple[Any, ...], Told]] = []
    for signal in sorted({point.signal for point in lane}):
        own = [(place, point) for place, point in enumerate(lane) if point.signal == signal and point.size == window]
        n, after = asked(stuck, signal), asked(missing, signal)
        good = [(place, point) for place, point in own if point.good and math.isfinite(point.value)]
        values, fails = [point for _, point in good], []
        for k in range(len(values)):
            row = values[max(0, k + 1 - n) : k + 1]
            equal = all(same(a.value, b.value) for a, b in pairwise(row))
            stands = n and len(row) == n and all(p.flat for p in row) and equal
            fails.append("MEDIUM" if stands else "")
        for k, record in episodes(values, fails, "STUCK", n, 1):
            if k < len(values):
                found.append(((values[k].time, 0, good[k][0], 1), record))
        for k, (_, point) in enumerate(own):
            silent = after and (own[k + 1][1].time if k + 1 < len(own) else math.inf) >= point.time + after
            if not silent or point.time + after > until:
                continue
            at = point.time + after - 1
            of = {"severity": "MEDIUM", "orders": point.orders, "since": point.time, "begun": at}
            found.append(((at, 1, signal), told(point, "MISSING", "BEGIN", [point]) | of | {"time": at}))
            if k + 1 < len(own):
                place, after_it = own[k + 1]
                record = told(after_it, "MISSING", "END", [after_it]) | of
                found.append(((after_it.time, 0, place, 0), record | {"reason": "CLEARED", "until": after_it.time}))
    return numbered([record for _, record in sorted(found, key=lambda x: x[0])])
