"""Individuals chart with frozen limits, for each characteristic, product and machine.

    point          a GOOD measured value, or the GOOD mean of a tumbling window of one size, for which a row of limits holds
    BEYOND_LIMITS  value < lower or value > upper
    RUN_OF_EIGHT   eight points in a row with value > centre, or eight with value < centre; a point on the centre breaks the row
    TOLERANCE      value < lsl or value > usl

A test whose limits are not given (NaN) never fails. No point takes part in its own limits: they are reference data
(model/characteristic.py), found at the point's event time by the product that its orders agree on; without an order, and where
orders are of several products, the rows without product count. Rows that are not GOOD are passed over, as if they were not there.
The first point under another row ends the chart's open episodes with LIMITS_CHANGED, and rows begin anew with it.

Severity: LOW for a run, MEDIUM beyond a control limit, HIGH outside the tolerance and where the value is more than twice as far
from the centre as the limit it breaks. Episodes: episodes.py; END carries the limits under which the episode stood.

Honest limits: with 3-sigma limits and independent normal points one in 370 is beyond them by chance, and a row of eight comes in
255 (both: one alarm in 153, Champ and Woodall). Points that depend on each other alarm more often: short windows of a slow signal
do. A chart whose product is not made keeps its open episode until that product is made again. A measured characteristic and a
signal of one name, asset and unit are one chart.

Bound: eight points a chart. Prefer a tolerance alone (leave lower, upper and centre empty) where only the drawing is known.

References: Shewhart, Economic Control of Quality of Manufactured Product, 1931; Western Electric, Statistical Quality Control
Handbook, 1956 (eight on one side); Champ and Woodall, Technometrics 29(4), 1987; NIST/SEMATECH e-Handbook 6.3.2.2 (individuals).

>>> from streams.model.characteristic import CharacteristicRow, Characteristics
>>> from streams.operators.example import example_points
>>> row = CharacteristicRow("acme/hamburg/pressing/line-1", "press-1", "temperature", "", "Cel", 0, 1, 50.0, 2.0, lower=44.0, upper=56.0)
>>> points = example_points([(1, 51.0), (2, 57.0), (3, 58.0), (4, 50.0), (5, 50.0)], until=9, limits=Characteristics.of([row]))
>>> op = IndividualsChart(window_us=10, clear_after=2, version="0123456789abcdef")
>>> _, outputs = op.advance(op.initial(), points)
>>> told = outputs["episodes"]
>>> from streams.operators.episodes import PHASES
>>> [(PHASES[p], t, v) for p, t, v in zip(told["phase"], told["time"].tolist(), told["value"].tolist())]
[('BEGIN', 2, 57.0), ('END', 5, 50.0)]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import B1, F64, I32, I64, grown, int64, kernel
from streams.operators import episodes as e
from streams.operators.chart_limits import GENERAL, REVISION, Charts, LimitRows, row_at
from streams.operators.episodes import LIMITS, Subject, Told
from streams.operators.order_refs import Products
from streams.operators.points import (
    Points,
    new_points,
    points_of_columns,
    points_to_columns,
    remember,
    settled,
    slot_of,
    with_rings,
)
from streams.operators.slice import GOOD, Columns, Outputs, Slice, never, nothing_open
from streams.time.pending import Rows

RUN = 8
_TESTS = 3  # BEYOND_LIMITS, RUN_OF_EIGHT, TOLERANCE, in this order at one point
_SIDE, _LENGTH, _REVISION, _GENERAL = range(4)
_CENTRE, _SIGMA, _LOWER, _UPPER, _LSL, _USL = range(len(LIMITS))
_ROOM = 2 * _TESTS  # rows that one point can tell


class Standing(NamedTuple):
    """By chart; episodes by chart * 3 + test."""

    ints: I64  # [chart, (side of the row, its length up to RUN, revision in force or NONE, whether that row is for every product)]
    limits: F64  # [chart, LIMITS] in force
    points: Points
    episodes: I64


class OpenCharts(NamedTuple):
    """State. Of charts and products only which charts there are is remembered; look-ups are made anew."""

    charts: Charts
    products: Products
    open: Standing


@kernel
def _with_limits(s: Standing, told: Told, chart: int, n: int) -> None:
    """A told row carries the limits that the chart stands under."""
    if n >= 0:
        told.ints[n, e.T_REVISION], told.ints[n, e.T_GENERAL] = s.ints[chart, _REVISION], s.ints[chart, _GENERAL]
        for k in range(s.limits.shape[1]):
            told.floats[n, 1 + k] = s.limits[chart, k]


@kernel
def _end_all(s: Standing, told: Told, of: Subject, chart: int, stale: bool, reason: int) -> None:
    """Ends the chart's open episodes; stale: only those that other rules began."""
    for t in range(_TESTS):
        i = chart * _TESTS + t
        if s.episodes[i, e.OPEN] and (s.episodes[i, e.STALE] or not stale):
            _with_limits(s, told, chart, e.end(s.episodes, i, told, s.points, of, t + 1, reason))


@kernel
def _take_over(s: Standing, chart: int, rows: LimitRows, row: int) -> None:
    s.ints[chart, _SIDE], s.ints[chart, _LENGTH] = 0, 0
    s.ints[chart, _REVISION], s.ints[chart, _GENERAL] = rows.ints[row, REVISION], rows.ints[row, GENERAL]
    for k in range(s.limits.shape[1]):
        s.limits[chart, k] = rows.floats[row, k]


@kernel
def _lengthen(s: Standing, chart: int, value: float) -> None:
    """The row of points on one side of the centre."""
    centre = s.limits[chart, _CENTRE]
    side = 1 if value > centre else -1 if value < centre else 0
    if side != 0 and side == s.ints[chart, _SIDE]:
        s.ints[chart, _LENGTH] = min(RUN, s.ints[chart, _LENGTH] + 1)
    else:
        s.ints[chart, _SIDE], s.ints[chart, _LENGTH] = side, abs(side)


@kernel
def _judge(s: Standing, told: Told, of: Subject, chart: int, version: int, clear_after: int) -> None:
    """The three tests of a point that is in its ring already."""
    x, i, t = of.value, chart * _TESTS, of.time
    centre, lower, upper = s.limits[chart, _CENTRE], s.limits[chart, _LOWER], s.limits[chart, _UPPER]
    beyond = x < lower or x > upper
    far = (x > upper and x - centre > 2.0 * (upper - centre)) or (x < lower and centre - x > 2.0 * (centre - lower))
    severity = e.HIGH if far else e.MEDIUM
    n = e.judge(s.episodes, i, told, s.points, of, e.BEYOND_LIMITS, beyond, severity, t, version, 1, clear_after)
    _with_limits(s, told, chart, n)
    run = s.ints[chart, _LENGTH] >= RUN
    since = s.points.time[chart, slot_of(s.points, chart, RUN - 1)] if run else t
    n = e.judge(s.episodes, i + 1, told, s.points, of, e.RUN_OF_EIGHT, run, e.LOW, since, version, RUN, clear_after)
    _with_limits(s, told, chart, n)
    outside = x < s.limits[chart, _LSL] or x > s.limits[chart, _USL]
    n = e.judge(s.episodes, i + 2, told, s.points, of, e.TOLERANCE, outside, e.HIGH, t, version, 1, clear_after)
    _with_limits(s, told, chart, n)


@kernel
def _fold(
    clear_after: int, version: int, which: I64, charts: I32, position: I64, product: I32, rows: Rows, numbers: F64, context: I32,
    limits: LimitRows, s: Standing, told: Told, first: int,
) -> int:  # fmt: skip
    """Points from `first` on. Stops before one for which there may be no room to tell: its number, or how many there are."""
    for n in range(first, which.shape[0]):
        if told.counts[0] + _ROOM > told.ints.shape[0]:
            return int64(n)
        r, chart = which[n], int64(charts[n])
        row = row_at(limits, chart, rows.time[r])
        if row < 0:
            continue
        of = Subject(
            int64(position[n]), int64(rows.signal[r]), int64(product[chart]), chart, int64(rows.time[r]), int64(context[r]), numbers[r]
        )
        remember(s.points, chart, of.time, of.value, rows.extra[r])
        _end_all(s, told, of, chart, True, e.RULES_CHANGED)
        if s.ints[chart, _REVISION] != limits.ints[row, REVISION] or s.ints[chart, _GENERAL] != limits.ints[row, GENERAL]:
            _end_all(s, told, of, chart, False, e.LIMITS_CHANGED)
            _take_over(s, chart, limits, row)
        _lengthen(s, chart, of.value)
        _judge(s, told, of, chart, version, clear_after)
        told.counts[2] += 1
    return int64(which.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class IndividualsChart:
    """window_us: size of the tumbling windows that are points. clear_after: passing points in a row that end an episode, 1 to 8.

    version: fingerprint of the configuration; an episode remembers under which one it began, because that is a part of its id.
    """

    window_us: int
    clear_after: int
    version: str

    def __post_init__(self) -> None:
        require(self.window_us > 0, "window_us must be positive", window_us=self.window_us)
        require(1 <= self.clear_after <= RUN, "clear_after must be 1 to 8: so many points are remembered", clear_after=self.clear_after)

    @property
    def state_version(self) -> str:
        return "individuals-chart/1"

    def initial(self) -> OpenCharts:
        nothing = Standing(np.zeros((0, 4), np.int64), np.zeros((0, len(LIMITS))), new_points(RUN), e.new_episodes(0))
        return OpenCharts(Charts(), Products(), nothing)

    def advance(self, state: OpenCharts, slice: Slice) -> tuple[OpenCharts, Outputs]:
        charts, products, open_ = state
        rows, names = slice.rows, slice.names
        numbers = rows.value.view(np.float64)
        usable = (rows.quality == GOOD) & np.isfinite(numbers) & ((rows.sequence == 0) | (rows.sequence == self.window_us))
        which = np.flatnonzero(usable)
        chart = charts.of(names, slice.limits, rows.signal[which], products.of(names, slice.context[which]))
        which, chart = which[chart >= 0], chart[chart >= 0]
        open_ = _with_room(open_, charts.count)
        position = np.searchsorted(slice.start, which, side="right") - 1
        version = names.texts.encode(0, self.version.encode())
        told, done = e.new_told(_ROOM), 0
        while done < len(which):
            told = e.told_with_room(told, _ROOM + len(which) // 16)
            done = _fold(
                self.clear_after, version, which, chart, position, charts.product, rows, numbers, slice.context, charts.rows, open_,
                told, done,
            )  # fmt: skip
        arenas = dict.fromkeys((e.BEYOND_LIMITS, e.RUN_OF_EIGHT, e.TOLERANCE), open_.points.arena)
        columns = e.told_columns(told, np.arange(int(told.counts[0])), slice.lanes, arenas, slice.arena)
        points = settled(open_.points, np.unique(chart).astype(np.int64), slice.arena)
        return OpenCharts(charts, products, open_._replace(points=points)), {"episodes": columns}

    def due(self, state: OpenCharts, lanes: I32) -> I64:
        return never(lanes)

    def open(self, state: OpenCharts, lanes: I32) -> B1:
        return nothing_open(lanes)

    def succeed(self, before: IndividualsChart, state: OpenCharts) -> OpenCharts:
        """Charts go on; with windows of another size their rows begin anew and the next point ends what is open."""
        if before.window_us != self.window_us:
            state.open.episodes[:, e.STALE] = state.open.episodes[:, e.OPEN]
            state.open.ints[:, [_SIDE, _LENGTH]] = 0
        return state

    def columns(self, state: OpenCharts) -> Columns:
        """Charts that have a point."""
        which = np.flatnonzero(state.open.points.filled)
        found: Columns = {"signal": state.charts.signal[which], "product": state.charts.product[which], "ints": state.open.ints[which]}
        episodes = state.open.episodes.reshape(-1, _TESTS, e.WIDTH)[: len(state.open.ints)][which].reshape(-1, e.WIDTH)
        return found | {"limits": state.open.limits[which], "episodes": episodes} | points_to_columns(state.open.points, which)

    def restored(self, columns: Columns) -> OpenCharts:
        charts = Charts(columns["signal"].copy(), columns["product"].copy())
        points = points_of_columns(columns, np.arange(charts.count), RUN)
        open_ = Standing(columns["ints"].copy(), columns["limits"].copy(), points, columns["episodes"].copy())
        return OpenCharts(charts, Products(), open_)


def _with_room(open_: Standing, charts: int) -> Standing:
    before, ints = len(open_.ints), grown(open_.ints, charts, 0)
    ints[before:, _REVISION] = e.NONE
    episodes = e.with_episodes(open_.episodes, len(ints) * _TESTS)
    return Standing(ints, grown(open_.limits, charts, np.nan), with_rings(open_.points, charts), episodes)
