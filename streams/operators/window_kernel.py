"""The loop of WindowStatistics and the columns it works on. See window_statistics.py for what it computes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import B1, F64, I32, I64, NEG, POS, grown, inner, int64, kernel
from streams.operators.evidence import WIDTH, cite
from streams.time.pending import Rows
from streams.time.windows import SESSION

C_START, C_END, C_SINCE, C_CONTEXT, C_UPTO, C_COUNT, C_BAD, C_KNOWN, C_FIRST, C_LAST, C_TIMES = range(11)
F_SUM, F_MEAN, F_M2, F_MIN, F_MAX, F_FIRST, F_LAST, F_WEIGHTED = range(8)
(E_LANE, E_TIME, E_TRIGGER, E_SIGNAL, E_SPEC, E_START, E_END, E_SINCE, E_UNTIL, E_CONTEXT, E_COUNT, E_BAD, E_KNOWN, E_FIRST,
 E_LAST, E_SPENT, E_SPENT_END) = range(17)  # fmt: skip
BY_RECORD, BY_TIMER = range(2)  # what ended a stretch; at one output time records come first
P_SHAPE, P_SIZE, P_HOP, P_FIRST, P_SLOTS = range(5)


class Cells(NamedTuple):
    ints: I64  # [signal * slots + slot, C_...]; C_START NEG: closed
    floats: F64  # [.., F_...]
    evidence: I64  # [.., 6 * input]
    counts: I64  # [open cells]


class Held(NamedTuple):
    """Of each signal: its lane (-1: never seen) and the last GOOD value with its time; time NEG: nothing is known."""

    lane: I32
    time: I64
    number: F64
    code: I64


class LaneSignals(NamedTuple):
    first: I32  # [lane] a signal of it
    after: I32  # [signal] the next one
    due: I64  # [lane] no open cell of it ends earlier


class Times(NamedTuple):
    """Time at each value of the open cells of discrete signals: lists through `after`."""

    value: I64
    duration: I64
    after: I32
    counts: I64  # [rows ever used, first free row or -1, live rows]


class Emitted(NamedTuple):
    ints: I64  # [row, E_...]
    floats: F64
    evidence: I64
    spent_value: I64  # durations of discrete signals, rows E_SPENT .. E_SPENT_END - 1 of an emitted row
    spent_duration: I64
    counts: I64  # [emitted rows, spent rows]


def new_cells(count: int, inputs: int) -> Cells:
    ints = np.zeros((count, 11), np.int64)
    ints[:, C_START] = NEG
    return Cells(ints, np.zeros((count, 8)), np.zeros((count, WIDTH * inputs), np.int64), np.zeros(1, np.int64))


def cells_with_room(cells: Cells, count: int) -> Cells:
    before = len(cells.ints)
    ints = grown(cells.ints, count)
    ints[before:, C_START] = NEG
    return Cells(ints, grown(cells.floats, count), grown(cells.evidence, count), cells.counts)


def new_held(signals: int) -> Held:
    return Held(np.full(signals, -1, np.int32), np.full(signals, NEG), np.zeros(signals), np.zeros(signals, np.int64))


def held_with_room(held: Held, signals: int) -> Held:
    return Held(grown(held.lane, signals, -1), grown(held.time, signals, NEG), grown(held.number, signals, 0), grown(held.code, signals, 0))


def new_lane_signals(lanes: int, signals: int) -> LaneSignals:
    return LaneSignals(np.full(lanes, -1, np.int32), np.full(signals, -1, np.int32), np.full(lanes, POS))


def lane_signals_with_room(by_lane: LaneSignals, lanes: int, signals: int) -> LaneSignals:
    return LaneSignals(grown(by_lane.first, lanes, -1), grown(by_lane.after, signals, -1), grown(by_lane.due, lanes, POS))


def new_times(rows: int = 0) -> Times:
    return Times(np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.full(rows, -1, np.int32), np.array([0, -1, 0]))


def times_with_room(times: Times, more: int) -> Times:
    need = max(int(times.counts[0]), int(times.counts[2]) + more)
    return Times(grown(times.value, need), grown(times.duration, need), grown(times.after, need, -1), times.counts)


def new_emitted(rows: int, inputs: int, spent: int) -> Emitted:
    return Emitted(
        np.empty((rows, 17), np.int64), np.empty((rows, 8)), np.empty((rows, WIDTH * inputs), np.int64), np.empty(spent, np.int64),
        np.empty(spent, np.int64), np.zeros(2, np.int64),
    )  # fmt: skip


@kernel
def _entry(times: Times, cells: Cells, cell: int, value: int) -> int:
    """The cell's entry of a value; a new one where there is none. Needs room for one."""
    at = cells.ints[cell, C_TIMES]
    while at >= 0:
        if times.value[at] == value:
            return int64(at)
        at = int64(times.after[at])
    at = times.counts[1]
    if at >= 0:
        times.counts[1] = times.after[at]
    else:
        at = times.counts[0]
        times.counts[0] += 1
    times.counts[2] += 1
    times.value[at], times.duration[at], times.after[at] = value, 0, cells.ints[cell, C_TIMES]
    cells.ints[cell, C_TIMES] = at
    return int64(at)


@inner
def _integrate(cells: Cells, times: Times, held: Held, discrete: bool, hold: int, cell: int, signal: int, until: int) -> None:
    """Weigh the held value over the part of [upto, until) in which it is known; only ever called at samples and ends."""
    if held.time[signal] != NEG:
        low, high = max(cells.ints[cell, C_UPTO], held.time[signal]), min(until, held.time[signal] + hold)
        if high > low:
            cells.ints[cell, C_KNOWN] += high - low
            if discrete:
                times.duration[_entry(times, cells, cell, held.code[signal])] += high - low
            else:
                cells.floats[cell, F_WEIGHTED] += held.number[signal] * np.float64(high - low)
    cells.ints[cell, C_UPTO] = until


@inner
def _open(cells: Cells, cell: int, start: int, end: int, since: int, context: int) -> None:
    for c in range(cells.ints.shape[1]):
        cells.ints[cell, c] = 0
    for c in range(cells.floats.shape[1]):
        cells.floats[cell, c] = 0.0
    for c in range(cells.evidence.shape[1]):
        cells.evidence[cell, c] = 0
    cells.ints[cell, C_START], cells.ints[cell, C_END], cells.ints[cell, C_SINCE] = start, end, since
    cells.ints[cell, C_CONTEXT], cells.ints[cell, C_UPTO], cells.ints[cell, C_TIMES] = context, since, -1
    cells.ints[cell, C_FIRST], cells.ints[cell, C_LAST] = -1, -1
    cells.counts[0] += 1


@kernel
def _emit(
    cells: Cells, times: Times, held: Held, discrete: bool, hold: int, out: Emitted, cell: int, signal: int, spec: int,
    position: int, until: int, trigger: int, session: bool,
) -> None:  # fmt: skip
    """End the stretch of a cell at `until` and close the cell."""
    _integrate(cells, times, held, discrete, hold, cell, signal, until)
    n = out.counts[0]
    out.counts[0] += 1
    out.ints[n, E_LANE], out.ints[n, E_SIGNAL], out.ints[n, E_SPEC], out.ints[n, E_TRIGGER] = position, signal, spec, trigger
    out.ints[n, E_TIME] = until - 1 if trigger == BY_TIMER else until
    out.ints[n, E_START], out.ints[n, E_SINCE] = cells.ints[cell, C_START], cells.ints[cell, C_SINCE]
    out.ints[n, E_END] = until if session else cells.ints[cell, C_END]
    out.ints[n, E_UNTIL], out.ints[n, E_CONTEXT] = until, cells.ints[cell, C_CONTEXT]
    out.ints[n, E_COUNT], out.ints[n, E_BAD] = cells.ints[cell, C_COUNT], cells.ints[cell, C_BAD]
    out.ints[n, E_KNOWN] = cells.ints[cell, C_KNOWN]
    out.ints[n, E_FIRST], out.ints[n, E_LAST] = cells.ints[cell, C_FIRST], cells.ints[cell, C_LAST]
    for c in range(cells.floats.shape[1]):
        out.floats[n, c] = cells.floats[cell, c]
    for c in range(cells.evidence.shape[1]):
        out.evidence[n, c] = cells.evidence[cell, c]
    out.ints[n, E_SPENT] = out.counts[1]
    at = cells.ints[cell, C_TIMES]
    while at >= 0:
        if times.duration[at] > 0:
            out.spent_value[out.counts[1]], out.spent_duration[out.counts[1]] = times.value[at], times.duration[at]
            out.counts[1] += 1
        after = int64(times.after[at])
        times.after[at] = times.counts[1]
        times.counts[1] = at
        times.counts[2] -= 1
        at = after
    out.ints[n, E_SPENT_END] = out.counts[1]
    cells.ints[cell, C_START] = NEG
    cells.counts[0] -= 1


@kernel
def _change(
    specs: I64, cells: Cells, times: Times, held: Held, by_lane: LaneSignals, discrete: bool, hold: int, out: Emitted, slots: int,
    lane: int, position: int, time: int,
) -> None:  # fmt: skip
    """The orders in force change: end what ended before, cut what is open."""
    signal = by_lane.first[lane]
    while signal >= 0:
        for spec in range(specs.shape[0]):
            for cell in range(signal * slots + specs[spec, P_FIRST], signal * slots + specs[spec, P_FIRST] + specs[spec, P_SLOTS]):
                if cells.ints[cell, C_START] == NEG:
                    continue
                ended = cells.ints[cell, C_END] <= time
                until = cells.ints[cell, C_END] if ended else time
                session = specs[spec, P_SHAPE] == SESSION
                trigger = BY_TIMER if ended else BY_RECORD
                _emit(cells, times, held, discrete, hold, out, cell, signal, spec, position, until, trigger, session)
        signal = by_lane.after[signal]


@kernel
def _fire(
    specs: I64, cells: Cells, times: Times, held: Held, by_lane: LaneSignals, discrete: bool, hold: int, out: Emitted, slots: int,
    lane: int, position: int, until: int,
) -> None:  # fmt: skip
    """End every window of the lane with end <= until; find the next end."""
    due, signal = POS, by_lane.first[lane]
    while signal >= 0:
        for spec in range(specs.shape[0]):
            for cell in range(signal * slots + specs[spec, P_FIRST], signal * slots + specs[spec, P_FIRST] + specs[spec, P_SLOTS]):
                if cells.ints[cell, C_START] == NEG:
                    continue
                end = cells.ints[cell, C_END]
                if end <= until:
                    session = specs[spec, P_SHAPE] == SESSION
                    _emit(cells, times, held, discrete, hold, out, cell, signal, spec, position, end, BY_TIMER, session)
                else:
                    due = min(due, end)
        signal = by_lane.after[signal]
    by_lane.due[lane] = due


@inner
def _count(cells: Cells, times: Times, discrete: bool, cell: int, good: bool, number: float, code: int) -> None:
    """Add a sample's value to a cell."""
    if not good:
        cells.ints[cell, C_BAD] += 1
        return
    cells.ints[cell, C_COUNT] += 1
    n = cells.ints[cell, C_COUNT]
    if discrete:
        if n == 1:
            cells.ints[cell, C_FIRST] = code
        cells.ints[cell, C_LAST] = code
        _entry(times, cells, cell, code)  # here, so that ends and order changes need no room
        return
    if n == 1:
        cells.floats[cell, F_MIN], cells.floats[cell, F_MAX], cells.floats[cell, F_FIRST] = number, number, number
    if number < cells.floats[cell, F_MIN]:  # noqa: PLR1730 - of two zeros min and max may take either
        cells.floats[cell, F_MIN] = number
    if number > cells.floats[cell, F_MAX]:  # noqa: PLR1730
        cells.floats[cell, F_MAX] = number
    cells.floats[cell, F_LAST] = number
    cells.floats[cell, F_SUM] += number
    delta = number - cells.floats[cell, F_MEAN]
    cells.floats[cell, F_MEAN] += delta / np.float64(n)
    cells.floats[cell, F_M2] += delta * (number - cells.floats[cell, F_MEAN])


@inner
def _sample(
    specs: I64, cells: Cells, times: Times, held: Held, by_lane: LaneSignals, discrete: bool, hold: int, out: Emitted, slots: int,
    lane: int, position: int, signal: int, time: int, good: bool, number: float, code: int, context: int, context_since: int,
    column: int, offset: int, index: int,
) -> None:  # fmt: skip
    if held.lane[signal] < 0:
        held.lane[signal] = lane
        by_lane.after[signal] = by_lane.first[lane]
        by_lane.first[lane] = signal
    for spec in range(specs.shape[0]):
        size, hop, session = specs[spec, P_SIZE], specs[spec, P_HOP], specs[spec, P_SHAPE] == SESSION
        for cell in range(signal * slots + specs[spec, P_FIRST], signal * slots + specs[spec, P_FIRST] + specs[spec, P_SLOTS]):
            if cells.ints[cell, C_START] != NEG and cells.ints[cell, C_END] <= time:  # while the value held until now is known
                _emit(cells, times, held, discrete, hold, out, cell, signal, spec, position, cells.ints[cell, C_END], BY_TIMER, session)
        start = time if session else time // hop * hop
        while start > time - size:
            slot = 0 if session else (start // hop) % specs[spec, P_SLOTS]
            cell, end = signal * slots + specs[spec, P_FIRST] + slot, start + size
            if cells.ints[cell, C_START] == NEG:
                _open(cells, cell, start, end, max(start, context_since), context)
            cells.ints[cell, C_END] = end  # a session is prolonged; of the others it is the same
            by_lane.due[lane] = min(by_lane.due[lane], end)
            _integrate(cells, times, held, discrete, hold, cell, signal, time)
            _count(cells, times, discrete, cell, good, number, code)
            cite(cells.evidence, cell, column, offset, index)
            if session:
                break
            start -= hop
    held.time[signal] = time if good else NEG
    held.number[signal], held.code[signal] = number, code


@kernel
def fold(
    specs: I64, hold: int, discrete: bool, usable: B1, column_of: I64, cells: Cells, held: Held, by_lane: LaneSignals, times: Times,
    lanes: I32, until: I64, start: I64, rows: Rows, numbers: F64, context: I32, context_since: I64, change_start: I64,
    change_time: I64, out: Emitted,
) -> None:  # fmt: skip
    slots = 0
    for spec in range(specs.shape[0]):
        slots += specs[spec, P_SLOTS]
    for j in range(lanes.shape[0]):
        lane, c, r = lanes[j], change_start[j], start[j]
        while c < change_start[j + 1] or r < start[j + 1]:
            if c < change_start[j + 1] and (r == start[j + 1] or change_time[c] <= rows.time[r]):
                _change(specs, cells, times, held, by_lane, discrete, hold, out, slots, lane, j, change_time[c])
                c += 1
                continue
            good = usable[rows.quality[r]] and (rows.value[r] >= 0 if discrete else np.isfinite(numbers[r]))
            _sample(
                specs, cells, times, held, by_lane, discrete, hold, out, slots, lane, j, rows.signal[r], rows.time[r], good,
                numbers[r], rows.value[r], context[r], context_since[r], column_of[rows.input[r]], rows.offset[r], rows.index[r],
            )  # fmt: skip
            r += 1
        if by_lane.due[lane] <= until[j]:
            _fire(specs, cells, times, held, by_lane, discrete, hold, out, slots, lane, j, until[j])
