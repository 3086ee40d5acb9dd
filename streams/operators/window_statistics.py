"""Statistics of each signal in tumbling, hopping and session windows.

    count, sum, mean, min, max, first, last       of GOOD samples with start <= event time < end, in event-time order
    variance = M2 / (count - 1)                   Welford: d = x - mean; mean += d / n; M2 += d * (x - mean)
    time-weighted mean = sum(v * dt) / sum(dt)    over the time at which a value is known, known_us = sum(dt)
    duration by value                             discrete signals: sum(dt) at each value

A value is known from its GOOD sample until the next sample of the signal, but at most hold_us; after a BAD sample nothing is
known. UNCERTAIN counts as BAD when `treat_uncertain_as_bad` (the name and default of OPC UA Part 13), NaN and infinity always
do. A value is held into later windows, also across windows without samples.

A window is emitted only if it holds a sample. It never mixes orders: where the orders in force change inside a window, the
stretch before is emitted at once and a new one begins, and each stretch weighs its own time. A session ends there.

Bound: one open cell a signal and slot (a tumbling or session window has one slot, a hopping one size / hop). Timers fire in
order (end, size, signal). Every sum is a left fold from the carried accumulator, added to only at samples, at order changes
and at ends, so no cut changes a bit.

References: Akidau et al., The Dataflow Model, PVLDB 8(12), 2015; Welford, Technometrics 4(3), 1962; OPC UA Part 13.

>>> from streams.operators.example import example_slice
>>> op = WindowStatistics(windows=(WindowSpec.tumbling(10),), hold_us=60, discrete=False, inputs=(0,))
>>> samples = example_slice([(1, 2.0), (9, 4.0), (12, 7.0)], until=15)
>>> state, outputs = op.advance(op.initial(), samples)
>>> outputs["windows"]["start"].tolist(), outputs["windows"]["mean"].tolist(), op.due(state, samples.lanes).tolist()
([0], [3.0], [20])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import B1, I32, I64, NEG, POS
from streams.operators import window_columns
from streams.operators import window_kernel as k
from streams.operators.slice import Columns, Outputs, Slice
from streams.time.windows import SHAPES, WindowSpec


class OpenWindows(NamedTuple):
    """State: cells by (signal, slot), held values by signal, signals by lane, times at a value by cell."""

    cells: k.Cells
    held: k.Held
    lanes: k.LaneSignals
    times: k.Times


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStatistics:
    """inputs: ranks of the task's inputs whose samples are folded here, in the order of the evidence columns."""

    windows: tuple[WindowSpec, ...]
    hold_us: int
    discrete: bool
    inputs: tuple[int, ...]
    treat_uncertain_as_bad: bool = True

    def __post_init__(self) -> None:
        require(self.windows, "at least one window must be given")
        require(len(set(self.windows)) == len(self.windows), "the same window is given twice", windows=self.windows)
        require(self.hold_us > 0, "hold_us must be positive", hold_us=self.hold_us)

    @property
    def state_version(self) -> str:
        return "windows/1"

    @property
    def _slots(self) -> int:
        return sum(w.slots for w in self.windows)

    def _specs(self) -> I64:
        """[window, (shape, size, hop, first slot, slots)]"""
        first = np.cumsum([0, *(w.slots for w in self.windows)])
        rows = [(SHAPES.index(w.shape), w.size_us, w.hop_us, first[n], w.slots) for n, w in enumerate(self.windows)]
        return np.array(rows, np.int64)

    def _column_of(self) -> I64:
        column = np.full(max(self.inputs) + 1, -1)
        column[list(self.inputs)] = np.arange(len(self.inputs))
        return column

    def initial(self) -> OpenWindows:
        return OpenWindows(k.new_cells(0, len(self.inputs)), k.new_held(0), k.new_lane_signals(0, 0), k.new_times())

    def advance(self, state: OpenWindows, slice: Slice) -> tuple[OpenWindows, Outputs]:
        state = self._with_room(state, slice)
        opened, live = len(slice.rows.time) * self._slots, int(state.times.counts[2])
        most = int(state.cells.counts[0]) + opened  # no more can end than were open and are opened
        out = k.new_emitted(most, len(self.inputs), live + 2 * opened if self.discrete else 0)
        usable = np.array([True, not self.treat_uncertain_as_bad, False])
        k.fold(
            self._specs(), self.hold_us, self.discrete, usable, self._column_of(), state.cells, state.held, state.lanes,
            state.times, slice.lanes, slice.until, slice.start, slice.rows, slice.rows.value.view(np.float64), slice.context,
            slice.context_since, slice.changes.start, slice.changes.time, out,
        )  # fmt: skip
        return state, {"windows": self._emitted(slice, out)}

    def _with_room(self, state: OpenWindows, slice: Slice) -> OpenWindows:
        signals = max(len(slice.names.signals), len(state.held.time))
        lanes = max(len(slice.names.lanes), len(state.lanes.first))
        cells, held, by_lane, times = state
        if signals > len(held.time) or lanes > len(by_lane.first):
            cells, held = k.cells_with_room(cells, signals * self._slots), k.held_with_room(held, signals)
            by_lane = k.lane_signals_with_room(by_lane, lanes, signals)
        if self.discrete:
            times = k.times_with_room(times, 2 * len(slice.rows.time) * self._slots)
        return OpenWindows(cells, held, by_lane, times)

    def _emitted(self, slice: Slice, out: k.Emitted) -> Columns:
        size, hop = (np.array([getattr(w, name) for w in self.windows], np.int64) for name in ("size_us", "hop_us"))
        shape = np.array([SHAPES.index(w.shape) for w in self.windows], np.int8)
        order = window_columns.order_of(slice.names.signals.table, out, size)
        ints, floats = out.ints[order], out.floats[order]
        spec, n, known = ints[:, k.E_SPEC], ints[:, k.E_COUNT], ints[:, k.E_KNOWN]
        columns: Columns = {
            "lane": slice.lanes[ints[:, k.E_LANE]], "time": ints[:, k.E_TIME], "signal": ints[:, k.E_SIGNAL].astype(np.int32),
            "shape": shape[spec], "size": size[spec], "hop": hop[spec], "start": ints[:, k.E_START], "end": ints[:, k.E_END],
            "since": ints[:, k.E_SINCE], "until": ints[:, k.E_UNTIL], "context": ints[:, k.E_CONTEXT].astype(np.int32),
            "count": n, "count_bad": ints[:, k.E_BAD], "known": known, "evidence": out.evidence[order],
        }  # fmt: skip
        if self.discrete:
            spent = window_columns.spent_columns(slice.names.texts.table, out, order)
            return columns | spent | {"first": ints[:, k.E_FIRST], "last": ints[:, k.E_LAST]}
        values = np.where(n[:, None] > 0, floats, np.nan)  # nothing is known of a value without a GOOD sample
        with np.errstate(divide="ignore", invalid="ignore"):
            return columns | {
                "sum": values[:, k.F_SUM], "mean": values[:, k.F_SUM] / n, "variance": np.where(n > 1, values[:, k.F_M2] / (n - 1), np.nan),
                "min": values[:, k.F_MIN], "max": values[:, k.F_MAX], "first": values[:, k.F_FIRST], "last": values[:, k.F_LAST],
                "time_weighted_mean": floats[:, k.F_WEIGHTED] / known,
            }  # fmt: skip

    def due(self, state: OpenWindows, lanes: I32) -> I64:
        due = np.full(len(lanes), POS)
        inside = lanes < len(state.lanes.due)
        due[inside] = state.lanes.due[lanes[inside]]
        return due

    def open(self, state: OpenWindows, lanes: I32) -> B1:
        return np.not_equal(self.due(state, lanes), POS)

    def contexts(self, state: OpenWindows) -> I32:
        found: I32 = state.cells.ints[state.cells.ints[:, k.C_START] != NEG, k.C_CONTEXT].astype(np.int32)
        return found

    def succeed(self, before: WindowStatistics, state: OpenWindows) -> OpenWindows:
        """Windows that both ask for go on; one that is no longer asked for is dropped, a new one begins with the next sample."""
        if before.windows == self.windows and before.discrete == self.discrete:
            return state
        columns, old, new = before.columns(state), before._specs(), self._specs()
        place = {w: int(new[n, k.P_FIRST]) for n, w in enumerate(self.windows)}
        slot = columns["cell"] % before._slots
        spec = np.searchsorted(old[:, k.P_FIRST], slot, side="right") - 1
        first = np.array([place.get(w, -1) for w in before.windows])[spec]
        stays = (first >= 0) & (before.discrete == self.discrete)
        moved = columns["cell"] // before._slots * self._slots + first + slot - old[spec, k.P_FIRST]
        kept = {name: columns[name][stays] for name in ("ints", "floats", "evidence")} | {"cell": moved[stays]}
        of = dict(zip(columns["cell"].tolist(), np.where(stays, moved, -1).tolist(), strict=True))
        cells = np.array([of[c] for c in columns["times_cell"].tolist()], np.int64)
        times = {name: columns[name][cells >= 0] for name in ("times_value", "times_duration")} | {"times_cell": cells[cells >= 0]}
        return self.restored(columns | kept | times)

    def columns(self, state: OpenWindows) -> Columns:
        """Open cells, held values and times at a value; the lists of signals by lane are made anew."""
        which = np.flatnonzero(state.cells.ints[:, k.C_START] != NEG)
        held = np.flatnonzero(state.held.lane >= 0)
        cell, value, duration = window_columns.times_to_columns(state.times, state.cells, which)
        return {
            "cell": which, "ints": state.cells.ints[which], "floats": state.cells.floats[which],
            "evidence": state.cells.evidence[which], "signal": held, "held_lane": state.held.lane[held],
            "held_time": state.held.time[held], "held_number": state.held.number[held], "held_code": state.held.code[held],
            "times_cell": cell, "times_value": value, "times_duration": duration,
        }  # fmt: skip

    def restored(self, columns: Columns) -> OpenWindows:
        signals, lanes = (int(columns[name].max(initial=-1)) + 1 for name in ("signal", "held_lane"))
        cells, held = k.new_cells(signals * self._slots, len(self.inputs)), k.new_held(signals)
        which, cell, by_lane = columns["signal"], columns["cell"], k.new_lane_signals(lanes, signals)
        held.lane[which], held.time[which] = columns["held_lane"], columns["held_time"]
        held.number[which], held.code[which] = columns["held_number"], columns["held_code"]
        cells.ints[cell], cells.floats[cell], cells.evidence[cell] = columns["ints"], columns["floats"], columns["evidence"]
        cells.ints[cell, k.C_TIMES] = -1
        cells.counts[0] = len(cell)
        window_columns.relink(cells, held, by_lane, which, self._slots)
        times = window_columns.times_from_columns(
            cells, columns["times_cell"], columns["times_value"], columns["times_duration"]
        )
        return OpenWindows(cells, held, by_lane, times)
