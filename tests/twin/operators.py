"""The operators, each from its definition, over whole histories: nothing here knows of slices or state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.kernel import NEG, POS
from streams.time.windows import WindowSpec


@dataclass(frozen=True)
class Row:
    """A sample of one lane. value None: none; quality 0 GOOD, 1 UNCERTAIN, 2 BAD. extra: device of a counter, ..."""

    time: int
    signal: str
    value: Any
    quality: int = 0
    input: int = 0
    offset: int = 0
    index: int = 0
    extra: Any = ""


Change = tuple[int, int]  # (time, context in force from then on)


def context_at(changes: Sequence[Change], time: int) -> tuple[int, int]:
    """(since, context) in force at an instant."""
    found = (NEG, 0)
    for t, context in changes:
        if t <= time:
            found = (t, context)
    return found


def good(row: Row) -> bool:
    return row.quality == 0 and row.value is not None and not (isinstance(row.value, float) and not math.isfinite(row.value))


def stretches(rows: list[Row], changes: Sequence[Change], spec: WindowSpec) -> list[tuple[int, int, int, int, list[Row]]]:
    """(start, end, since, until, samples) of every window of one signal, cut at changes."""
    found = []
    if spec.shape == "SESSION":
        sessions: list[list[Row]] = []
        for row in rows:
            last = sessions[-1][-1] if sessions else None
            if last is None or row.time >= last.time + spec.size_us or context_at(changes, row.time) != context_at(changes, last.time):
                sessions.append([])
            sessions[-1].append(row)
        for session in sessions:
            end = session[-1].time + spec.size_us
            cuts = [t for t, _ in changes if session[-1].time < t < end]
            end = min([end, *cuts])
            found.append((session[0].time, end, session[0].time, end, session))
        return found
    for start in sorted({s for row in rows for s in spec.starts(row.time)}):
        end = start + spec.size_us
        edges = [start, *(t for t, _ in changes if start < t < end), end]
        for since, until in zip(edges, edges[1:], strict=False):
            inside = [row for row in rows if since <= row.time < until]
            if inside:
                found.append((start, end, since, until, inside))
    return found


def windows(
    rows: Sequence[Row], changes: Sequence[Change], specs: Sequence[WindowSpec], hold: int, discrete: bool, until: int
) -> list[dict[str, Any]]:
    """Every window of a lane that ends at or before `until`, or is cut before it, in the order of output."""
    found = []
    for signal in sorted({row.signal for row in rows}):
        own = [row for row in rows if row.signal == signal]
        for n, spec in enumerate(specs):
            for start, end, since, stop, inside in stretches(own, changes, spec):
                cut = stop < (end if spec.shape != "SESSION" else inside[-1].time + spec.size_us)
                if not (stop < until if cut else stop <= until):
                    continue
                out = {"time": stop if cut else stop - 1, "signal": signal, "start": start, "end": end, "since": since,
                       "until": stop, "context": context_at(changes, inside[0].time)[1]}  # fmt: skip
                out |= statistics([row.value for row in inside if good(row)], len(inside), discrete)
                out |= weighted(own, since, stop, hold, discrete)
                out["evidence"] = sorted((row.input, row.offset, row.index) for row in inside)
                found.append(((out["time"], 0 if cut else 1, spec.size_us, n, signal, start), out))
    return [out for _, out in sorted(found, key=lambda x: x[0])]


def statistics(values: list[Any], samples: int, discrete: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"count": len(values), "count_bad": samples - len(values)}
    if not values:
        return out
    out |= {"first": values[0], "last": values[-1]}
    if discrete:
        return out
    total, mean, m2 = 0.0, 0.0, 0.0
    for n, value in enumerate(values, 1):
        total += value
        delta = value - mean
        mean += delta / n
        m2 += delta * (value - mean)
    out |= {"sum": total, "mean": total / len(values), "min": min(values), "max": max(values)}
    if len(values) > 1:
        out["variance"] = m2 / (len(values) - 1)
    return out


def weighted(own: list[Row], since: int, until: int, hold: int, discrete: bool) -> dict[str, Any]:
    """Each GOOD value over the time until the next sample, at most `hold`, within [since, until)."""
    total, known = 0.0, 0
    spent: dict[Any, int] = {}
    for n, row in enumerate(own):
        after = own[n + 1].time if n + 1 < len(own) else POS
        low, high = max(since, row.time), min(until, after, row.time + hold)
        if good(row) and low < high:
            known += high - low
            if discrete:
                spent[row.value] = spent.get(row.value, 0) + high - low
            else:
                total += row.value * (high - low)
    out: dict[str, Any] = {"known": known}
    if discrete:
        return out | {"durations": sorted(spent.items())}
    return out | ({"time_weighted_mean": total / known} if known else {})


def intervals(rows: Sequence[Row], changes: Sequence[Change], until: int) -> list[dict[str, Any]]:
    """Closed intervals of a lane, in the order of output."""
    found = []
    for signal in {row.signal for row in rows}:
        runs: list[list[Row]] = []
        for row in (row for row in rows if row.signal == signal):
            value = row.value if good(row) else None
            if runs and (runs[-1][0].value if good(runs[-1][0]) else None) == value:
                continue  # repeats what holds
            runs.append([row])
        for n, (first,) in enumerate(runs):
            end = runs[n + 1][0].time if n + 1 < len(runs) else until
            closed = n + 1 < len(runs)
            edges = [first.time, *(t for t, _ in changes if first.time < t < end), end]
            for start, stop in zip(edges, edges[1:], strict=False):
                if start == stop or (stop == end and not closed):
                    continue
                ends_it = stop == end and not any(t == stop for t, _ in changes)  # a change ranks before the sample
                out = {"time": stop, "signal": signal, "value": first.value if good(first) else None, "start": start, "end": stop,
                       "entered": first.time, "context": context_at(changes, start)[1], "reason": first.extra,
                       "evidence": sorted({(r.input, r.offset, r.index) for r in [first, *(runs[n + 1] if ends_it else [])]})}  # fmt: skip
                position = rows.index(runs[n + 1][0]) if ends_it else -1
                found.append(((stop, position, signal), out))
    return [out for _, out in sorted(found, key=lambda x: x[0])]


def increments(rows: Sequence[Row], rollovers: dict[str, tuple[int, int]], changes: Sequence[Change]) -> list[dict[str, Any]]:
    """extra: (reports increments, device)."""
    found: list[dict[str, Any]] = []
    last: dict[str, Row] = {}
    for row in rows:
        if not good(row):
            continue
        reports, device = row.extra
        before = last.get(row.signal)
        if reports:
            out = ("REPORTED", row.value, None)
        elif before is None:
            out = ("FIRST", 0, row.value)
        elif before.extra[1] != device:
            out = ("REPLACED", 0, row.value)
        elif row.value >= before.value:
            out = ("NORMAL", row.value - before.value, row.value)
        else:
            modulus, most = rollovers.get(row.signal, (0, 0))
            wrapped = row.value + modulus - before.value
            out = ("ROLLOVER", wrapped, row.value) if modulus and 0 <= wrapped <= most else ("RESET", max(row.value, 0), row.value)
        cited = {(row.input, row.offset, row.index)}
        if not reports:
            cited |= {(before.input, before.offset, before.index)} if before else set()
            last[row.signal] = row
        if out[1] or out[0] not in ("NORMAL", "REPORTED"):
            found.append({"time": row.time, "signal": row.signal, "cause": out[0], "increment": out[1], "total": out[2],
                          "context": context_at(changes, row.time)[1], "evidence": sorted(cited)})  # fmt: skip
    return found
