"""Episodes: a test that fails begins one, it changes, it ends. Few are told, however many points fail.

    BEGIN    at the first failing point
    UPDATE   at a failing point that raises the severity, or that has other orders than the last that was told
    END      at the last of `clear_after` passing points in a row; at the first point under other limits or rules

An episode keeps the highest severity it had. It is known by its BEGIN: the time, the configuration's version, and the ordinal
among what was told of the same test at the same time, from which the encoder makes the same id again at the END.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from streams.kernel import F64, I32, I64, NEG, U8, grown, int64, kernel
from streams.operators.points import Points, copy_pieces, slot_of
from streams.operators.slice import Columns

TESTS: Final = ("UNKNOWN", "BEYOND_LIMITS", "RUN_OF_EIGHT", "TOLERANCE", "STUCK", "MISSING")
PHASES: Final = ("UNKNOWN", "BEGIN", "UPDATE", "END")
SEVERITIES: Final = ("UNKNOWN", "LOW", "MEDIUM", "HIGH")
REASONS: Final = ("NONE", "CLEARED", "LIMITS_CHANGED", "RULES_CHANGED")
LIMITS: Final = ("centre", "sigma", "lower", "upper", "lsl", "usl")
_UNKNOWN, BEYOND_LIMITS, RUN_OF_EIGHT, TOLERANCE, STUCK, MISSING = range(6)
_NO_PHASE, BEGIN, UPDATE, END = range(4)
_NO_SEVERITY, LOW, MEDIUM, HIGH = range(4)
NO_REASON, CLEARED, LIMITS_CHANGED, RULES_CHANGED = range(4)
NONE: Final = NEG  # an instant or a revision that there is not

# of an episode; OPEN 1; STALE 1: the rules have changed since
(OPEN, SINCE, SEVERITY, CONTEXT, PASSED, UNTIL, BEGUN, BEGUN_ORDINAL, BEGUN_VERSION, TOLD, ORDINAL, STALE) = range(12)
WIDTH: Final = 12
# of a told row
(T_LANE, T_TIME, T_SIGNAL, T_PRODUCT, T_CONTEXT, T_TEST, T_PHASE, T_SEVERITY, T_REASON, T_SINCE, T_UNTIL, T_ORDINAL, T_BEGUN,
 T_BEGUN_ORDINAL, T_BEGUN_VERSION, T_REVISION, T_GENERAL, T_POINTS, T_POINTS_END, T_RUN) = range(20)  # fmt: skip
POINTS_MOST: Final = 8  # points a row tells of
_COLUMNS: Final = {
    "time": T_TIME, "since": T_SINCE, "until": T_UNTIL, "ordinal": T_ORDINAL, "begun": T_BEGUN, "begun_ordinal": T_BEGUN_ORDINAL,
    "limits_revision": T_REVISION,
}  # fmt: skip
_CODES: Final = {"signal": T_SIGNAL, "product": T_PRODUCT, "context": T_CONTEXT, "begun_version": T_BEGUN_VERSION}
_SMALL: Final = {"test": T_TEST, "phase": T_PHASE, "severity": T_SEVERITY, "reason": T_REASON, "limits_general": T_GENERAL}


class Subject(NamedTuple):
    """Whose point is judged, and which. position: of its lane in the slice; signal, product: codes; ring: of its points."""

    position: int
    signal: int
    product: int
    ring: int
    time: int
    context: int
    value: float


class Told(NamedTuple):
    """What is told in a slice."""

    ints: I64  # [row, T_...]
    floats: F64  # [row, value and LIMITS]
    point_time: I64
    point_value: F64
    point_at: I64  # as in Points
    point_size: I64
    counts: I64  # [rows, points, run: counts what happens at one place of a lane's history]


def new_episodes(count: int) -> I64:
    found = np.zeros((count, WIDTH), np.int64)
    found[:, TOLD] = NONE
    return found


def with_episodes(episodes: I64, count: int) -> I64:
    before, found = len(episodes), grown(episodes, count, 0)
    found[before:, TOLD] = NONE
    return found


def new_told(rows: int) -> Told:
    points = rows * POINTS_MOST
    return Told(
        np.empty((rows, 20), np.int64), np.empty((rows, 1 + len(LIMITS))), np.empty(points, np.int64), np.empty(points),
        np.empty(points, np.int64), np.empty(points, np.int64), np.zeros(3, np.int64),
    )  # fmt: skip


def told_with_room(told: Told, rows: int) -> Told:
    """Room for that many more rows, whatever they tell of."""
    count = int(told.counts[0]) + rows
    *arrays, counts = told
    return Told(*(grown(array, count * (1 if array.ndim == 2 else POINTS_MOST)) for array in arrays), counts)  # type: ignore[call-arg]


@kernel
def tell(episodes: I64, e: int, told: Told, points: Points, of: Subject, test: int, phase: int, reason: int, last: int) -> int:
    """Tell of an episode, with the last points of the ring; needs room for a row. Returns the row."""
    n = told.counts[0]
    told.counts[0] += 1
    same = episodes[e, TOLD] == of.time
    episodes[e, ORDINAL] = episodes[e, ORDINAL] + 1 if same else 0
    episodes[e, TOLD] = of.time
    if phase == BEGIN:
        episodes[e, BEGUN], episodes[e, BEGUN_ORDINAL] = of.time, episodes[e, ORDINAL]
    told.ints[n, T_LANE], told.ints[n, T_TIME], told.ints[n, T_SIGNAL] = of.position, of.time, of.signal
    told.ints[n, T_PRODUCT], told.ints[n, T_CONTEXT] = of.product, episodes[e, CONTEXT]
    told.ints[n, T_TEST], told.ints[n, T_PHASE] = test, phase
    told.ints[n, T_SEVERITY], told.ints[n, T_REASON], told.ints[n, T_SINCE] = episodes[e, SEVERITY], reason, episodes[e, SINCE]
    told.ints[n, T_UNTIL] = episodes[e, UNTIL] if phase == END else NONE
    told.ints[n, T_ORDINAL], told.ints[n, T_BEGUN] = episodes[e, ORDINAL], episodes[e, BEGUN]
    told.ints[n, T_BEGUN_ORDINAL], told.ints[n, T_BEGUN_VERSION] = episodes[e, BEGUN_ORDINAL], episodes[e, BEGUN_VERSION]
    told.ints[n, T_REVISION], told.ints[n, T_GENERAL], told.ints[n, T_RUN] = NONE, 0, told.counts[2]
    told.floats[n, 0] = of.value
    for k in range(1, told.floats.shape[1]):
        told.floats[n, k] = np.nan
    told.ints[n, T_POINTS] = told.counts[1]
    for back in range(min(last, points.filled[of.ring]) - 1, -1, -1):
        slot, p = slot_of(points, of.ring, back), told.counts[1]
        told.point_time[p], told.point_value[p] = points.time[of.ring, slot], points.value[of.ring, slot]
        told.point_at[p], told.point_size[p] = points.at[of.ring, slot], points.size[of.ring, slot]
        told.counts[1] += 1
    told.ints[n, T_POINTS_END] = told.counts[1]
    if phase == END:
        for k in (OPEN, SINCE, SEVERITY, CONTEXT, PASSED, UNTIL, BEGUN, BEGUN_ORDINAL, BEGUN_VERSION, STALE):
            episodes[e, k] = 0
    return int64(n)


@kernel
def begin(
    episodes: I64, e: int, told: Told, points: Points, of: Subject, test: int, severity: int, since: int, version: int, last: int
) -> int:
    """Begin an episode and tell of it. Returns the row."""
    episodes[e, OPEN], episodes[e, SINCE], episodes[e, SEVERITY], episodes[e, CONTEXT] = 1, since, severity, of.context
    episodes[e, PASSED], episodes[e, STALE], episodes[e, BEGUN_VERSION] = 0, 0, version
    return tell(episodes, e, told, points, of, test, BEGIN, NO_REASON, last)


@kernel
def end(episodes: I64, e: int, told: Told, points: Points, of: Subject, test: int, reason: int) -> int:
    """End an open episode with this point. Returns the row."""
    episodes[e, UNTIL] = of.time
    return tell(episodes, e, told, points, of, test, END, reason, 1)


@kernel
def judge(
    episodes: I64, e: int, told: Told, points: Points, of: Subject, test: int, fails: bool, severity: int, since: int, version: int,
    last: int, clear_after: int,
) -> int:  # fmt: skip
    """The test's verdict on a point; last: how many points make it fail. Returns the row that was told, or -1."""
    if fails:
        episodes[e, PASSED] = 0
        if not episodes[e, OPEN]:
            return begin(episodes, e, told, points, of, test, severity, since, version, last)
        if severity > episodes[e, SEVERITY] or of.context != episodes[e, CONTEXT]:
            episodes[e, SEVERITY], episodes[e, CONTEXT] = max(severity, episodes[e, SEVERITY]), of.context
            return tell(episodes, e, told, points, of, test, UPDATE, NO_REASON, last)
    elif episodes[e, OPEN]:
        episodes[e, PASSED] += 1
        if episodes[e, PASSED] == 1:
            episodes[e, UNTIL] = of.time
        if episodes[e, PASSED] >= clear_after:
            return tell(episodes, e, told, points, of, test, END, CLEARED, clear_after)
    return -1


def told_columns(told: Told, order: I64, lanes: I32, arenas: Mapping[int, U8], source: U8) -> Columns:
    """What was told, in an order, as the output `episodes`; arenas: of the points of each test, source: of the slice.

    Points of row k: point_time, point_value, point_at, point_size [points[k] : points[k + 1]]; at: place of a piece in
    point_bytes, the record's id (16 bytes) and its evidence. NONE: no until, no revision; NaN: no such limit.
    """
    ints, floats = told.ints[order], told.floats[order]
    size = ints[:, T_POINTS_END] - ints[:, T_POINTS]
    start = np.concatenate([[0], np.cumsum(size)])
    which = np.repeat(ints[:, T_POINTS] - start[:-1], size) + np.arange(start[-1])
    sizes = told.point_size[which]
    to, pieces = np.cumsum(sizes) - sizes, np.empty(int(sizes.sum()), np.uint8)
    test = np.repeat(ints[:, T_TEST], size)
    for one in np.unique(test):
        of = np.flatnonzero(test == one)
        copy_pieces(arenas[int(one)], source, told.point_at[which[of]], sizes[of], pieces, to[of])
    found: Columns = {"lane": lanes[ints[:, T_LANE]]}
    found |= {name: ints[:, k] for name, k in _COLUMNS.items()}
    found |= {name: ints[:, k].astype(np.int32) for name, k in _CODES.items()}
    found |= {name: ints[:, k].astype(np.int8) for name, k in _SMALL.items()}
    found |= {name: floats[:, k] for k, name in enumerate(("value", *LIMITS))}
    return found | {
        "points": start, "point_time": told.point_time[which], "point_value": told.point_value[which],
        "point_at": to, "point_size": sizes, "point_bytes": pieces,
    }  # fmt: skip
