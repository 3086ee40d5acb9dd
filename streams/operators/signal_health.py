"""Signals that tell nothing: stuck at one value, or missing.

    STUCK    n GOOD windows in a row that each hold one value only, all of them the same; n by the first pattern that fits the tag
    MISSING  no window for `after_us` behind the time of the last one; after_us by the first pattern that fits the tag

of the whole tumbling windows of one size; a piece of one, cut where orders change, counts for neither. A tag that no pattern names
is not watched: many signals rest rightly, and many are sent only when they change. A signal that was never seen is not missing.
Windows that are not GOOD are passed over by STUCK, and are no silence: a signal that sends bad values is there.

The same value: the means differ by no more than 2^-30 of the larger one, since the mean of equal values carries the rounding of
its sum (n values: below n * 2^-53). A stuck signal's episode ends with the first GOOD window that holds several values or another
one; a missing one's begins by a timer at the last window's time + after_us (a window at that very instant is too late for it; the
output's time is 1 us before) and ends with the next window. Severity: MEDIUM, nobody can see what the process does.

Bound: nine points a watched signal.

>>> from streams.operators.episodes import PHASES, TESTS
>>> from streams.operators.example import example_points
>>> op = SignalHealth(window_us=10, stuck=(("temp*", 3),), missing=(("*", 25),), version="0123456789abcdef")
>>> windows = example_points([(9, 5.0), (19, 5.0), (29, 5.0), (39, 5.1), (79, 5.2)], until=90, window_us=10)
>>> state, outputs = op.advance(op.initial(), windows)
>>> told = outputs["episodes"]
>>> [(TESTS[t], PHASES[p], time) for t, p, time in zip(told["test"], told["phase"], told["time"].tolist())]
[('STUCK', 'BEGIN', 29), ('STUCK', 'END', 39), ('MISSING', 'BEGIN', 63), ('MISSING', 'END', 79)]
>>> op.due(state, windows.lanes).tolist()
[104]
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import B1, F64, I32, I64, NEG, POS, U8, grown, int64, kernel
from streams.operators import episodes as e
from streams.operators.cited import FLAGS_AT, FLAT, SIZE_BITS
from streams.operators.episodes import POINTS_MOST, Subject, Told
from streams.operators.ordering import by_signal
from streams.operators.points import Points, new_points, points_of_columns, points_to_columns, remember, settled, slot_of, with_rings
from streams.operators.slice import GOOD, Columns, Outputs, Slice, nothing_open
from streams.time.pending import Rows

_TESTS = 2  # STUCK, MISSING
_LANE, _LAST, _AT, _CONTEXT, _EQUAL = range(5)
_N, _AFTER = range(2)
_ROOM = 3  # rows that one window can tell, timers apart
_SAME = 2.0**-30
_LOOK = NEG  # instant of a signal whose rules have to be looked up first


class Standing(NamedTuple):
    """State, by signal; episodes by signal * 2 + test. Lists of signals by lane, and what is asked of a signal, are made anew."""

    ints: I64  # [signal, (lane or -1, time of the last window, when it is missing, context, windows in a row with one value)]
    asked: I64  # [signal, (windows that make it stuck or 0, silence that makes it missing or 0)]; -1: not looked up yet
    good: Points  # the last GOOD windows
    last: Points  # the last window
    episodes: I64
    first: I32  # [lane] a watched signal of it
    after: I32  # [signal] the next one
    watched: I64  # [lane] how many
    timer: I64  # [lane] no signal of it is missing earlier; _LOOK: the next slice of the lane has to look


@kernel
def _fire(s: Standing, told: Told, version: int, product: int, position: int, lane: int, until: int) -> None:
    """Every signal of the lane that is missing at or before `until`; finds the next instant. Needs room for each of them."""
    due, signal = POS, int64(s.first[lane])
    while signal >= 0:
        at = s.ints[signal, _AT]
        if at <= until:
            s.ints[signal, _AT] = POS
            value = s.last.value[signal, slot_of(s.last, signal, 0)]
            of = Subject(position, signal, product, signal, at - 1, s.ints[signal, _CONTEXT], value)
            e.begin(s.episodes, signal * _TESTS + 1, told, s.last, of, e.MISSING, e.MEDIUM, s.ints[signal, _LAST], version, 1)
        else:
            due = min(due, at)
        signal = int64(s.after[signal])
    s.timer[lane] = due
    told.counts[2] += 1


@kernel
def _good_window(s: Standing, told: Told, version: int, of: Subject, flat: bool, extra: int) -> None:
    signal, i = of.signal, of.signal * _TESTS
    equal = 1 if flat else 0
    if flat and s.ints[signal, _EQUAL] > 0:
        before = s.good.value[signal, slot_of(s.good, signal, 0)]
        if abs(of.value - before) <= _SAME * max(abs(of.value), abs(before)):
            equal = min(POINTS_MOST, s.ints[signal, _EQUAL] + 1)
    n = s.asked[signal, _N]
    s.ints[signal, _EQUAL] = equal if n > 0 else 0  # what came while nobody asked is forgotten
    remember(s.good, signal, of.time, of.value, extra)
    if s.episodes[i, e.OPEN] and (s.episodes[i, e.STALE] or n == 0):
        e.end(s.episodes, i, told, s.good, of, e.STUCK, e.RULES_CHANGED)
    if n > 0:
        stuck = equal >= n
        since = s.good.time[signal, slot_of(s.good, signal, n - 1)] if stuck else of.time
        e.judge(s.episodes, i, told, s.good, of, e.STUCK, stuck, e.MEDIUM, since, version, n, 1)


@kernel
def _window(s: Standing, told: Told, version: int, of: Subject, good: bool, flat: bool, extra: int) -> None:
    """A window of a watched signal."""
    signal, i, after = of.signal, of.signal * _TESTS + 1, s.asked[of.signal, _AFTER]
    asked = s.asked[signal, _N] + after > 0  # else only an open episode still has to end
    s.ints[signal, _LAST], s.ints[signal, _CONTEXT] = of.time if asked else NEG, of.context
    s.ints[signal, _AT] = of.time + after if after > 0 else POS
    remember(s.last, signal, of.time, of.value, extra)
    if s.episodes[i, e.OPEN]:
        gone = s.episodes[i, e.STALE] or after == 0
        e.end(s.episodes, i, told, s.last, of, e.MISSING, e.RULES_CHANGED if gone else e.CLEARED)
    if good:
        _good_window(s, told, version, of, flat, extra)
    told.counts[2] += 1


@kernel
def _fold(
    version: int, product: int, windows: B1, lanes: I32, until: I64, start: I64, rows: Rows, numbers: F64, context: I32, arena: U8,
    s: Standing, told: Told, first: int, first_row: int,
) -> tuple[int, int]:  # fmt: skip
    """Lanes from `first` on, that one from a row on. Stops where there may be no room to tell: (lane, row)."""
    for j in range(first, lanes.shape[0]):
        lane, r = int64(lanes[j]), first_row if j == first else start[j]
        while r < start[j + 1]:
            signal, time = int64(rows.signal[r]), int64(rows.time[r])
            if not windows[r]:
                r += 1
                continue
            if told.counts[0] + s.watched[lane] + _ROOM > told.ints.shape[0]:
                return j, int64(r)
            if s.ints[signal, _LANE] < 0:
                s.ints[signal, _LANE], s.after[signal], s.first[lane] = lane, s.first[lane], signal
                s.watched[lane] += 1
            if s.timer[lane] <= time:
                _fire(s, told, version, product, j, lane, time)
            good = rows.quality[r] == GOOD and np.isfinite(numbers[r])
            flat = (arena[(rows.extra[r] >> SIZE_BITS) + FLAGS_AT] & np.uint8(FLAT)) != 0
            of = Subject(j, signal, product, signal, time, int64(context[r]), numbers[r])
            _window(s, told, version, of, good, flat, rows.extra[r])
            s.timer[lane] = min(s.timer[lane], s.ints[signal, _AT])
            r += 1
        if s.timer[lane] <= until[j]:
            if told.counts[0] + s.watched[lane] > told.ints.shape[0]:
                return j, int64(start[j + 1])
            _fire(s, told, version, product, j, lane, until[j])
    return lanes.shape[0], 0


@kernel
def _link(s: Standing) -> None:
    """Lists of signals by lane, and what is due, from the signals."""
    for signal in range(s.ints.shape[0]):
        lane = s.ints[signal, _LANE]
        if lane >= 0:
            s.after[signal], s.first[lane] = s.first[lane], signal
            s.timer[lane] = min(s.timer[lane], s.ints[signal, _AT])
            s.watched[lane] += 1


Patterns = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHealth:
    """window_us: size of the tumbling windows that count. stuck: (pattern of the tag, windows in a row, 2 to 8); missing: (pattern,
    silence in microseconds, longer than two windows); of each the first that fits, none: not watched.

    version: fingerprint of the configuration; an episode remembers under which one it began, because that is a part of its id.
    """

    window_us: int
    stuck: Patterns
    missing: Patterns
    version: str

    def __post_init__(self) -> None:
        require(self.window_us > 0, "window_us must be positive", window_us=self.window_us)
        for tag, windows in self.stuck:
            require(2 <= windows <= POINTS_MOST, "a stuck signal needs 2 to 8 windows", tag=tag, windows=windows)
        for tag, after_us in self.missing:
            require(
                after_us > 2 * self.window_us, "missing after must be longer than two windows: one cut by an order change does not count",
                tag=tag, after_us=after_us, window_us=self.window_us,
            )  # fmt: skip

    @property
    def state_version(self) -> str:
        return "signal-health/1"

    def initial(self) -> Standing:
        nothing, none = np.zeros(0, np.int32), np.zeros(0, np.int64)
        return Standing(
            np.zeros((0, 5), np.int64), np.zeros((0, 2), np.int64), new_points(POINTS_MOST), new_points(1), e.new_episodes(0), nothing,
            nothing, none, none)  # fmt: skip

    def advance(self, state: Standing, slice: Slice) -> tuple[Standing, Outputs]:
        rows, names = slice.rows, slice.names
        s = self._looked_up(_with_room(state, len(names.signals), len(names.lanes)), slice)
        windows = rows.sequence == self.window_us
        open_ = s.episodes.reshape(-1, _TESTS, e.WIDTH)[rows.signal, :, e.OPEN]
        windows &= (s.asked[rows.signal] > 0).any(axis=1) | open_.any(axis=1)
        version, product = names.texts.encode(0, self.version.encode()), names.texts.encode(0, b"")  # a signal is not of a product
        fresh = len(np.unique(rows.signal[windows]))  # signals may be watched from now on
        told, most = e.new_told(0), int(s.watched[slice.lanes].max(initial=0)) + fresh + _ROOM
        numbers, at = rows.value.view(np.float64), (0, int(slice.start[0]))
        while at[0] < len(slice.lanes):
            told = e.told_with_room(told, most + len(rows.time) // 16)
            at = _fold(
                version, product, windows, slice.lanes, slice.until, slice.start, rows, numbers, slice.context, slice.arena, s, told, *at
            )
        arenas = {e.STUCK: s.good.arena, e.MISSING: s.last.arena}
        columns = e.told_columns(told, _order(slice, told), slice.lanes, arenas, slice.arena)
        touched = np.unique(rows.signal[windows]).astype(np.int64)
        s = s._replace(good=settled(s.good, touched, slice.arena), last=settled(s.last, touched, slice.arena))
        return s, {"episodes": columns}

    def _looked_up(self, s: Standing, slice: Slice) -> Standing:
        """What the rules ask of the signals of the slice that were not looked up yet."""
        names, rows = slice.names, slice.rows
        seen = np.unique(rows.signal[rows.sequence == self.window_us])
        fresh = set(seen[s.asked[seen, _N] < 0].tolist())
        since = dict(zip(slice.lanes.tolist(), slice.since.tolist(), strict=True))
        for lane in slice.lanes[s.timer[slice.lanes] == _LOOK].tolist():
            s.timer[lane], signal = POS, int(s.first[lane])
            while signal >= 0:
                fresh.add(signal)  # it was looked up under other rules
                signal = int(s.after[signal])
        for signal in sorted(fresh):
            tag = names.signals.decode(signal)[1].decode()
            for k, patterns in ((_N, self.stuck), (_AFTER, self.missing)):
                s.asked[signal, k] = next((number for pattern, number in patterns if fnmatchcase(tag, pattern)), 0)
            lane = int(s.ints[signal, _LANE])
            if lane >= 0:
                self._renew(s, signal, since[lane])
                s.timer[lane] = min(s.timer[lane], s.ints[signal, _AT])
        return s

    @staticmethod
    def _renew(s: Standing, signal: int, since_us: int) -> None:
        """A signal under other rules: missing no earlier than the slice in which they are looked up; forgotten if not asked for."""
        after_us = int(s.asked[signal, _AFTER])
        if after_us == 0 and s.asked[signal, _N] == 0:
            s.ints[signal, _LAST], s.ints[signal, _EQUAL] = NEG, 0
        waiting = after_us > 0 and s.ints[signal, _LAST] != NEG and not s.episodes[signal * _TESTS + 1, e.OPEN]
        s.ints[signal, _AT] = max(int(s.ints[signal, _LAST]) + after_us, since_us + 1) if waiting else POS

    def due(self, state: Standing, lanes: I32) -> I64:
        due = np.full(len(lanes), POS)
        inside = lanes < len(state.timer)
        due[inside] = state.timer[lanes[inside]]
        return due

    def open(self, state: Standing, lanes: I32) -> B1:
        return nothing_open(lanes)

    def succeed(self, before: SignalHealth, state: Standing) -> Standing:
        """Under other patterns each signal is looked up again, in the next slice of its lane; under windows of another size
        everything begins anew, and what is open ends with the next window."""
        if (before.window_us, before.stuck, before.missing) == (self.window_us, self.stuck, self.missing):
            return state
        state.asked[:] = -1
        known = state.ints[:, _LANE] >= 0
        if before.window_us != self.window_us:
            state.episodes[:, e.STALE] = state.episodes[:, e.OPEN]
            state.ints[known, _LAST], state.ints[known, _EQUAL] = NEG, 0
        state.ints[known, _AT], state.timer[state.ints[known, _LANE]] = _LOOK, _LOOK
        return state

    def columns(self, state: Standing) -> Columns:
        which = np.flatnonzero(state.ints[:, _LANE] >= 0)
        episodes = state.episodes.reshape(-1, _TESTS, e.WIDTH)[which].reshape(-1, e.WIDTH)
        found: Columns = {"signal": which, "ints": state.ints[which], "asked": state.asked[which], "episodes": episodes}
        for name, points in (("good", state.good), ("last", state.last)):
            found |= {f"{name}.{k}": column for k, column in points_to_columns(points, which).items()}
        return found

    def restored(self, columns: Columns) -> Standing:
        which, ints = columns["signal"], columns["ints"]
        signals, lanes = int(which.max(initial=-1)) + 1, int(ints[:, _LANE].max(initial=-1)) + 1
        s = _with_room(self.initial(), signals, lanes)
        s.ints[which], s.asked[which] = ints, columns["asked"]
        s.episodes.reshape(-1, _TESTS, e.WIDTH)[which] = columns["episodes"].reshape(-1, _TESTS, e.WIDTH)
        part = {name: {k.removeprefix(name): c for k, c in columns.items() if k.startswith(name)} for name in ("good.", "last.")}
        s = s._replace(good=points_of_columns(part["good."], which, POINTS_MOST), last=points_of_columns(part["last."], which, 1))
        s = _with_room(s, signals, lanes)
        _link(s)
        return s


def _with_room(s: Standing, signals: int, lanes: int) -> Standing:
    before, ints, asked = len(s.ints), grown(s.ints, signals, 0), grown(s.asked, signals, -1)
    ints[before:, _LANE], ints[before:, _LAST], ints[before:, _AT] = -1, NEG, POS
    return Standing(
        ints, asked, with_rings(s.good, len(ints)), with_rings(s.last, len(ints)), e.with_episodes(s.episodes, len(ints) * _TESTS),
        grown(s.first, lanes, -1), grown(s.after, len(ints), -1), grown(s.watched, lanes, 0), grown(s.timer, lanes, POS),
    )  # fmt: skip


def _order(slice: Slice, told: Told) -> I64:
    """By lane and time; what timers tell at one time by the bytes of the signals."""
    ints = told.ints[: int(told.counts[0])]
    order = np.lexsort((np.arange(len(ints)), ints[:, e.T_TIME], ints[:, e.T_LANE]))
    place = ints[order][:, [e.T_LANE, e.T_TIME, e.T_RUN]]
    run = np.empty(len(ints), np.int64)
    run[order] = np.cumsum((np.diff(place, axis=0, prepend=place[:1]) != 0).any(axis=1))
    by_signal(slice.names.signals.table, run, ints[:, e.T_SIGNAL].copy(), order)
    return order
