"""NIST's files by hand: plain Python over their lines, written from the definitions and without a line of the product.

Of ours it reads only what says which tag is what: the mapping's patterns. Everything is done for one signal at a time, over its
whole history, the slow and obvious way; sums of real numbers are `math.fsum`, so they are not folded in the product's order.
"""

from __future__ import annotations

import calendar
import functools
import hashlib
import math
import time as clock
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

Kind = str  # sample, state, count, ignore
Block = Mapping[str, Any]  # of a mapping file


class Line(NamedTuple):
    """A line of a file, number from 0. value: float, text or whole number by its kind; None where it says that it has none."""

    source: str
    number: int
    asset: str
    time: int
    tag: str
    kind: Kind
    value: Any
    unit: str
    reason: str


@functools.cache
def _second(text: str) -> int:
    return calendar.timegm(clock.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def instant(text: str) -> int:
    """Microseconds since 1970 of a UTC time with any number of decimals.

    >>> instant("1970-01-01T00:00:01.25Z"), instant("1970-01-01T00:00:01.2500000Z")
    (1250000, 1250000)
    """
    second, _, decimals = text.removesuffix("Z").partition(".")
    assert set(decimals[6:]) <= {"0"}, text
    return 1_000_000 * _second(second) + int(decimals[:6].ljust(6, "0"))


def block_of(mapping: Path, layout: str) -> Block:
    """The first block of a mapping file with this layout."""
    found: Block = next(each for each in tomllib.loads(mapping.read_text("utf-8"))["files"] if each["layout"] == layout)
    return found


def _rule(block: Block) -> Callable[[str], Block]:
    @functools.cache
    def rule(tag: str) -> Block:
        for each in block["tags"]:
            patterns = [each["match"]] if isinstance(each["match"], str) else each["match"]
            if any(fnmatchcase(tag, pattern) for pattern in patterns):
                return dict(each)
        raise AssertionError(f"no rule for {tag}")

    return rule


def source_of(path: Path) -> str:
    return "file:" + hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def lines_of(path: Path, block: Block, asset: str) -> list[Line]:
    """Every line of a file."""
    source, rule, names = source_of(path), _rule(block), block["columns"]
    bad = {word.lower() for word in block.get("quality", {}).get("bad", ())}
    found = []
    for number, text in enumerate(path.read_text("ascii").splitlines()):
        cells = dict(zip(names, text.split("|"), strict=False))
        of = rule(cells["tag"])
        value: Any = cells["value"]
        if value.lower() in bad or (value == "" and of.get("empty") != "keep"):
            value = None
        elif of["kind"] in ("sample", "count"):
            value = float(value) if of["kind"] == "sample" else int(value)
        reason = " ".join(" ".join(cells.get(column, "") for column in of.get("reason", ())).split())
        found.append(Line(source, number, asset, instant(cells["time"]), cells["tag"], of["kind"], value, of.get("unit", ""), reason))
    return found


def late(lines: Iterable[Line], lateness: int) -> list[Line]:
    """Lines more than `lateness` behind the latest accepted one of their kind; of one machine, in the order of its file."""
    latest: dict[tuple[str, Kind], int] = {}
    found = []
    for line in lines:
        if line.kind == "ignore":
            continue
        lane = (line.asset, line.kind)
        if line.time < latest.get(lane, line.time) - lateness:
            found.append(line)
        else:
            latest[lane] = max(latest.get(lane, line.time), line.time)
    return found


def signals(lines: Iterable[Line], kind: Kind) -> dict[tuple[str, str], list[Line]]:
    """Lines of each (asset, tag), by event time; ties by file and line, as sources sort by bytes."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if line.kind == kind:
            found.setdefault((line.asset, line.tag), []).append(line)
    return {signal: sorted(of, key=lambda line: (line.time, line.source.encode(), line.number)) for signal, of in found.items()}


# ---- windows


def windows(of: Sequence[Line], size: int, hold: int, until: int, cuts: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Tumbling windows of one signal that are complete before `until`, cut where the orders in force change."""
    inside: dict[int, list[int]] = {}
    for n, line in enumerate(of):
        inside.setdefault(line.time // size * size, []).append(n)
    found = []
    for start, members in inside.items():
        end = start + size
        edges = [start, *(cut for cut in cuts if start < cut < end), end]
        for since, stop in zip(edges, edges[1:], strict=False):
            own = [n for n in members if since <= of[n].time < stop]
            if own and (stop <= until if stop == end else stop < until):
                found.append({"start_us": start, "end_us": end, "since_us": since, "until_us": stop, "size_us": size,
                              **_counted([of[n].value for n in own]), **_held(of, own[0], since, stop, hold)})  # fmt: skip
    return found


def _counted(values: Sequence[Any]) -> dict[str, Any]:
    good = [value for value in values if value is not None]
    out: dict[str, Any] = {"count": len(good), "count_bad": len(values) - len(good)}
    if not good:
        return out
    if isinstance(good[0], str):
        return out | {"first_value": good[0], "last_value": good[-1]}
    total = math.fsum(good)
    out |= {"sum": total, "mean": total / len(good), "min": min(good), "max": max(good), "first": good[0], "last": good[-1]}
    if len(good) > 1:
        out["variance"] = math.fsum((value - total / len(good)) ** 2 for value in good) / (len(good) - 1)
    return out


def _held(of: Sequence[Line], first: int, since: int, stop: int, hold: int) -> dict[str, Any]:
    """Each value over the time until the next line of the signal, at most `hold`; the one before the stretch is still held."""
    spent: list[tuple[Any, int]] = []
    n = max(0, first - 1)
    while n < len(of) and of[n].time < stop:
        after = of[n + 1].time if n + 1 < len(of) else stop
        low, high = max(since, of[n].time), min(stop, after, of[n].time + hold)
        if of[n].value is not None and low < high:
            spent.append((of[n].value, high - low))
        n += 1
    known = sum(duration for _, duration in spent)
    if spent and isinstance(spent[0][0], str):
        return {"known_us": known, "durations": {value: sum(d for v, d in spent if v == value) for value, _ in spent}}
    mean = math.fsum(value * duration for value, duration in spent) / known if known else None
    return {"known_us": known, "time_weighted_mean": mean, "durations": {}}


# ---- states


class Interval(NamedTuple):
    """A stretch of time at a value (None: unknown) under one set of orders; entered: when the state itself began."""

    value: str | None
    start: int
    end: int
    entered: int
    reason: str


def intervals(of: Sequence[Line], until: int, cuts: Sequence[int] = ()) -> list[Interval]:
    """Closed intervals of one signal, from the first line of a value to the first of another; what is still open is none."""
    runs: list[Line] = []
    for line in of:
        if line.time < until and (not runs or runs[-1].value != line.value):
            runs.append(line)
    found = []
    for n, run in enumerate(runs):
        end = runs[n + 1].time if n + 1 < len(runs) else None
        edges = [run.time, *(cut for cut in cuts if run.time < cut < (until if end is None else end)), *([] if end is None else [end])]
        pieces = [(since, stop) for since, stop in zip(edges, edges[1:], strict=False) if since < stop]
        found += [Interval(run.value, since, stop, run.time, run.reason) for since, stop in pieces]
    return found


# ---- counters


def increments(of: Sequence[Line], until: int) -> list[tuple[int, str, int, int]]:
    """(time, cause, increment, total) of a counter that never rolls over: its first reading, and every change."""
    found, last = [], None
    for line in of:
        if line.value is None or line.time >= until:
            continue
        if last is None:
            found.append((line.time, "FIRST", 0, line.value))
        elif line.value > last:
            found.append((line.time, "NORMAL", line.value - last, line.value))
        elif line.value < last:
            found.append((line.time, "RESET", line.value, line.value))
        last = line.value
    return found
