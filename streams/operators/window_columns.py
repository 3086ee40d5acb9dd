"""Open and emitted windows as plain columns: the order of outputs, snapshots and their restoring."""

from __future__ import annotations

import numpy as np

from streams.columns.dictionary import Table, compare
from streams.kernel import I64, NEG, int64, kernel
from streams.operators.ordering import by_signal
from streams.operators.slice import Columns
from streams.operators.window_kernel import (
    C_END,
    C_START,
    C_TIMES,
    E_LANE,
    E_SIGNAL,
    E_SPEC,
    E_SPENT,
    E_SPENT_END,
    E_START,
    E_TIME,
    E_TRIGGER,
    Cells,
    Emitted,
    Held,
    LaneSignals,
    Times,
    new_times,
)  # fmt: skip


def order_of(signals: Table, emitted: Emitted, size: I64) -> I64:
    """Rows of each lane by (output time, records before timers, size, window, signal, start)."""
    ints = emitted.ints[: int(emitted.counts[0])]
    keys = (ints[:, E_SPEC], size[ints[:, E_SPEC]], ints[:, E_TRIGGER], ints[:, E_TIME], ints[:, E_LANE])
    order = np.lexsort((ints[:, E_START], *keys))
    differs = np.zeros(len(order), np.bool_)
    for key in keys:
        differs[1:] |= np.diff(key[order]) != 0
    run = np.empty(len(order), np.int64)
    run[order] = np.cumsum(differs)
    by_signal(signals, run, ints[:, E_SIGNAL], order)
    return order


@kernel
def _gather_spent(texts: Table, out: Emitted, order: I64, start: I64, value: I64, duration: I64) -> None:
    n = 0
    for k in range(order.shape[0]):
        start[k] = n
        for at in range(out.ints[order[k], E_SPENT], out.ints[order[k], E_SPENT_END]):
            place = n
            while place > start[k] and compare(texts, value[place - 1], out.spent_value[at]) > 0:
                value[place], duration[place] = value[place - 1], duration[place - 1]
                place -= 1
            value[place], duration[place] = out.spent_value[at], out.spent_duration[at]
            n += 1
    start[order.shape[0]] = n


def spent_columns(texts: Table, emitted: Emitted, order: I64) -> Columns:
    """Durations of the emitted rows in `order`, by value bytes; those of row k are spent_start[k] .. spent_start[k + 1] - 1."""
    total = int(emitted.counts[1])
    start, value, duration = np.zeros(len(order) + 1, np.int64), np.zeros(total, np.int64), np.zeros(total, np.int64)
    _gather_spent(texts, emitted, order, start, value, duration)
    return {"spent_start": start, "spent_value": value, "spent_duration": duration}


@kernel
def _list_times(times: Times, cells: Cells, which: I64, cell: I64, value: I64, duration: I64) -> int:
    n = 0
    for k in range(which.shape[0]):
        at = cells.ints[which[k], C_TIMES]
        while at >= 0:
            cell[n], value[n], duration[n] = which[k], times.value[at], times.duration[at]
            n += 1
            at = int64(times.after[at])
    return n


def times_to_columns(times: Times, cells: Cells, which: I64) -> tuple[I64, I64, I64]:
    """(cell, value, duration) of the entries of the cells `which`."""
    room = int(times.counts[2])
    cell, value, duration = (np.zeros(room, np.int64) for _ in range(3))
    n = _list_times(times, cells, which, cell, value, duration)
    assert n == room, "an entry of a closed cell was not freed"
    return cell, value, duration


def times_from_columns(cells: Cells, cell: I64, value: I64, duration: I64) -> Times:
    """The entries back in their cells' lists, whose heads must be -1."""
    times = new_times(len(cell))
    _relist(times, cells, cell, value, duration)
    return times


@kernel
def _relist(times: Times, cells: Cells, cell: I64, value: I64, duration: I64) -> None:
    for n in range(cell.shape[0]):
        times.value[n], times.duration[n], times.after[n] = value[n], duration[n], cells.ints[cell[n], C_TIMES]
        cells.ints[cell[n], C_TIMES] = n
    times.counts[0] = times.counts[2] = cell.shape[0]


@kernel
def relink(cells: Cells, held: Held, by_lane: LaneSignals, signals: I64, slots: int) -> None:
    """Make the lists of signals by lane and the lanes' next ends from the cells."""
    for n in range(signals.shape[0]):
        signal = signals[n]
        lane = held.lane[signal]
        by_lane.after[signal], by_lane.first[lane] = by_lane.first[lane], signal
        for cell in range(signal * slots, (signal + 1) * slots):
            if cells.ints[cell, C_START] != NEG:
                by_lane.due[lane] = min(by_lane.due[lane], cells.ints[cell, C_END])


