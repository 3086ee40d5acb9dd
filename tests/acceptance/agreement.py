"""Results of a task against the same by hand, row by row. Numbers are equal to the last bit where their definition has one order
of operations (counts, extremes, first, last, times), and within a few units in the last place where it is a sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.acceptance import byhand
from tests.acceptance.byhand import Line
from tests.acceptance.plantday import Outcome, rows

EXACT = ("start_us", "end_us", "since_us", "until_us", "size_us", "count", "count_bad", "known_us", "min", "max", "first", "last",
         "first_value", "last_value", "unit", "durations")  # fmt: skip
SUMS = ("sum", "mean", "time_weighted_mean")
SIZES = (10_000_000, 60_000_000)
HOLD = 3_600_000_000

Cuts = Mapping[str, Sequence[int]]  # of each asset: when its orders change


def windows_by_hand(lines: Iterable[Line], until: int, cuts: Cuts) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Every window of every signal of the numeric and discrete kinds, by (asset, tag, size, start, since)."""
    found, kept = {}, list(lines)
    for kind, sizes in (("sample", SIZES), ("state", SIZES[1:])):
        for (asset, tag), of in byhand.signals(kept, kind).items():
            for size in sizes:
                for out in byhand.windows(of, size, HOLD, until, cuts.get(asset, ())):
                    found[asset, tag, size, out["start_us"], out["since_us"]] = out | {"unit": of[0].unit}
    return found


def check_windows(outcome: Outcome, expected: Mapping[tuple[Any, ...], dict[str, Any]]) -> int:
    """Every window of the outcome is one of these, and there is no other; how many."""
    found = {}
    for row in rows(outcome.results, "ctx.window.v1"):
        key = (row["asset"], row["tag"], row["size_us"], row["start_us"], row["since_us"])
        assert key not in found
        found[key] = row
    assert found.keys() == expected.keys()
    for key, out in expected.items():
        row = found[key] | {"durations": {each["value"]: each["duration_us"] for each in found[key]["durations"]}}
        wanted = out | listed(out.get("durations") or {})
        assert {name: row[name] for name in (*EXACT, "durations_more", "durations_more_us")} == {
            name: wanted.get(name) for name in (*EXACT, "durations_more", "durations_more_us")
        }, key
        for name in SUMS:
            assert near(row[name], out.get(name), row), (key, name, row[name], out.get(name))
        assert near_variance(row, out.get("variance")), (key, row["variance"], out.get("variance"))
    return len(found)


def listed(durations: Mapping[str, int]) -> dict[str, Any]:
    """The longest 64 of them, of equally long ones the first by their bytes; how many the others are, and their time."""
    ordered = sorted(durations.items(), key=lambda item: (-item[1], item[0].encode()))
    rest = [us for _, us in ordered[64:]]
    return {"durations": dict(ordered[:64]), "durations_more": len(rest), "durations_more_us": sum(rest)}


def near(actual: float | None, wanted: float | None, row: dict[str, Any]) -> bool:
    if actual is None or wanted is None:
        return actual is wanted
    size: float = max(abs(row["min"]), abs(row["max"])) if row["count"] else abs(wanted)
    count: int = row["count"]
    return abs(actual - wanted) <= 1e-13 * max(size * max(1, count), abs(wanted))


def near_variance(row: dict[str, Any], wanted: float | None) -> bool:
    actual: float | None = row["variance"]
    if actual is None or wanted is None:
        return actual is wanted
    size: float = max(abs(row["min"]), abs(row["max"]))
    return abs(actual - wanted) <= 1e-12 * max(size * size, wanted)


def intervals_by_hand(lines: Iterable[Line], until: int, cuts: Cuts) -> dict[tuple[str, str], list[byhand.Interval]]:
    found = {signal: byhand.intervals(of, until, cuts.get(signal[0], ())) for signal, of in byhand.signals(lines, "state").items()}
    return {signal: of for signal, of in found.items() if of}


def check_intervals(outcome: Outcome, expected: Mapping[tuple[str, str], Sequence[byhand.Interval]]) -> int:
    """The intervals of every signal, in order of time, are these; how many."""
    found: dict[tuple[str, str], list[byhand.Interval]] = {}
    for row in rows(outcome.results, "ctx.state-interval.v1"):
        assert row["duration_us"] == row["end_us"] - row["start_us"]
        one = byhand.Interval(row["value"], row["start_us"], row["end_us"], row["entered_us"], row["reason"])
        found.setdefault((row["asset"], row["tag"]), []).append(one)
    assert found == dict(expected)
    return sum(map(len, found.values()))
