"""Closed stretches of time in which a discrete signal kept its value, cut where the orders in force change.

    an interval begins with the sample that brings another value, and ends with the next one that does;
    a sample that repeats the value prolongs it; after a sample that is not GOOD the value is unknown (null), also an interval

So the intervals of a signal touch each other, and the time at each value adds up to the time between its first and its last
change. However long a state lasts, it is one state; one that has not ended is not emitted. Where an order change cuts it,
each piece carries its orders and `entered`, when the state itself began. Evidence: the samples that began and ended it.

Bound: one open interval a signal.

>>> from streams.operators.example import example_slice
>>> op = StateIntervals(inputs=(0,))
>>> states = example_slice([(1, "ACTIVE"), (4, "ACTIVE"), (9, "READY"), (9, "ACTIVE")], until=15)
>>> state, outputs = op.advance(op.initial(), states)
>>> intervals = outputs["intervals"]
>>> [states.names.texts.decode(v)[0] for v in intervals["value"]], intervals["start"].tolist(), intervals["end"].tolist()
([b'ACTIVE'], [1], [9])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from streams.kernel import B1, I32, I64, NEG, grown, inner, int64, kernel
from streams.operators.evidence import WIDTH, cite
from streams.operators.ordering import by_signal
from streams.operators.slice import Columns, Outputs, Slice, never
from streams.time.pending import Rows

UNKNOWN = -1  # value of an interval in which no GOOD value is known
_VALUE, _START, _ENTERED, _CONTEXT, _REASON, _OFFSET, _INDEX, _COLUMN = range(8)
_E_LANE, _E_TIME, _E_SIGNAL, _E_RUN, _E_VALUE, _E_START, _E_ENTERED, _E_CONTEXT, _E_REASON = range(9)


class OpenIntervals(NamedTuple):
    open: I64  # [signal, ...]; start NEG: no sample yet
    lane: I32  # [signal]; -1: never seen
    after: I32  # [signal] next signal of the lane
    first: I32  # [lane]
    signals: I64  # [lane] how many


class _Emitted(NamedTuple):
    ints: I64
    evidence: I64
    counts: I64  # [rows, runs]


@inner
def _emit(state: OpenIntervals, out: _Emitted, position: int, signal: int, time: int, run: int) -> int:
    """The piece from the interval's start to `time`; nothing where that is empty. Returns its row, or -1."""
    if state.open[signal, _START] >= time:
        return -1
    n = out.counts[0]
    out.counts[0] += 1
    out.ints[n, _E_LANE], out.ints[n, _E_TIME], out.ints[n, _E_SIGNAL], out.ints[n, _E_RUN] = position, time, signal, run
    out.ints[n, _E_VALUE], out.ints[n, _E_START] = state.open[signal, _VALUE], state.open[signal, _START]
    out.ints[n, _E_ENTERED], out.ints[n, _E_CONTEXT] = state.open[signal, _ENTERED], state.open[signal, _CONTEXT]
    out.ints[n, _E_REASON] = state.open[signal, _REASON]
    for c in range(out.evidence.shape[1]):
        out.evidence[n, c] = 0
    cite(out.evidence, n, state.open[signal, _COLUMN], state.open[signal, _OFFSET], state.open[signal, _INDEX])
    return int64(n)


@kernel
def _fold(
    usable: B1, column_of: I64, state: OpenIntervals, lanes: I32, start: I64, rows: Rows, context: I32, change_start: I64,
    change_time: I64, change_context: I32, out: _Emitted,
) -> None:  # fmt: skip
    for j in range(lanes.shape[0]):
        lane, c, r = lanes[j], change_start[j], start[j]
        while c < change_start[j + 1] or r < start[j + 1]:
            out.counts[1] += 1
            if c < change_start[j + 1] and (r == start[j + 1] or change_time[c] <= rows.time[r]):
                signal = state.first[lane]
                while signal >= 0:
                    _emit(state, out, j, signal, change_time[c], out.counts[1])
                    state.open[signal, _START] = max(state.open[signal, _START], change_time[c])
                    state.open[signal, _CONTEXT] = change_context[c]
                    signal = state.after[signal]
                c += 1
                continue
            signal, time, value = rows.signal[r], rows.time[r], rows.value[r]
            if not usable[rows.quality[r]] or value < 0:
                value = UNKNOWN
            if state.lane[signal] < 0:
                state.lane[signal], state.after[signal] = lane, state.first[lane]
                state.first[lane] = signal
                state.signals[lane] += 1
            if state.open[signal, _START] == NEG or state.open[signal, _VALUE] != value:
                column = column_of[rows.input[r]]
                if state.open[signal, _START] != NEG:
                    n = _emit(state, out, j, signal, time, out.counts[1])
                    if n >= 0:
                        cite(out.evidence, n, column, rows.offset[r], rows.index[r])
                state.open[signal, _VALUE], state.open[signal, _START], state.open[signal, _ENTERED] = value, time, time
                state.open[signal, _CONTEXT], state.open[signal, _REASON] = context[r], rows.extra[r]
                state.open[signal, _OFFSET], state.open[signal, _INDEX] = rows.offset[r], rows.index[r]
                state.open[signal, _COLUMN] = column
            r += 1


@kernel
def _link(state: OpenIntervals) -> None:
    for signal in range(state.lane.shape[0]):
        lane = state.lane[signal]
        if lane >= 0:
            state.after[signal], state.first[lane] = state.first[lane], signal
            state.signals[lane] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StateIntervals:
    """inputs: ranks of the task's inputs whose samples are folded here, in the order of the evidence columns."""

    inputs: tuple[int, ...]
    treat_uncertain_as_bad: bool = True

    @property
    def state_version(self) -> str:
        return "state-intervals/1"

    def initial(self) -> OpenIntervals:
        return self._with_room(None, 0, 0)

    def _with_room(self, state: OpenIntervals | None, signals: int, lanes: int) -> OpenIntervals:
        if state is None:
            nothing = np.zeros(0, np.int32)
            state = OpenIntervals(np.zeros((0, 8), np.int64), nothing, nothing, nothing, np.zeros(0, np.int64))
        before, opened = len(state.lane), grown(state.open, signals)
        opened[before:, _START] = NEG
        return OpenIntervals(
            opened, grown(state.lane, signals, -1), grown(state.after, signals, -1), grown(state.first, lanes, -1),
            grown(state.signals, lanes, 0),
        )  # fmt: skip

    def advance(self, state: OpenIntervals, slice: Slice) -> tuple[OpenIntervals, Outputs]:
        state = self._with_room(state, len(slice.names.signals), len(slice.names.lanes))
        changes = slice.changes  # each can cut every signal of its lane, those first seen in this slice included
        cuts = np.diff(changes.start) * (state.signals[slice.lanes] + np.diff(slice.start))
        most = len(slice.rows.time) + int(cuts.sum())
        out = _Emitted(np.empty((most, 9), np.int64), np.empty((most, WIDTH * len(self.inputs)), np.int64), np.zeros(2, np.int64))
        column_of = np.full(max(self.inputs) + 1, -1)
        column_of[list(self.inputs)] = np.arange(len(self.inputs))
        usable = np.array([True, not self.treat_uncertain_as_bad, False])
        _fold(
            usable, column_of, state, slice.lanes, slice.start, slice.rows, slice.context, changes.start, changes.time,
            changes.context, out,
        )  # fmt: skip
        ints = out.ints[: int(out.counts[0])]
        order = np.arange(len(ints))
        by_signal(slice.names.signals.table, ints[:, _E_RUN], ints[:, _E_SIGNAL], order)
        ints = ints[order]
        return state, {
            "intervals": {
                "lane": slice.lanes[ints[:, _E_LANE]], "time": ints[:, _E_TIME], "signal": ints[:, _E_SIGNAL].astype(np.int32),
                "value": ints[:, _E_VALUE], "start": ints[:, _E_START], "end": ints[:, _E_TIME], "entered": ints[:, _E_ENTERED],
                "context": ints[:, _E_CONTEXT].astype(np.int32), "reason": ints[:, _E_REASON], "evidence": out.evidence[order],
            }
        }  # fmt: skip

    def due(self, state: OpenIntervals, lanes: I32) -> I64:
        return never(lanes)

    def open(self, state: OpenIntervals, lanes: I32) -> B1:
        found = np.zeros(len(lanes), np.bool_)
        inside = lanes < len(state.signals)
        found[inside] = state.signals[lanes[inside]] > 0
        return found

    def contexts(self, state: OpenIntervals) -> I32:
        found: I32 = state.open[state.lane >= 0, _CONTEXT].astype(np.int32)
        return found

    def succeed(self, before: StateIntervals, state: OpenIntervals) -> OpenIntervals:
        return state

    def columns(self, state: OpenIntervals) -> Columns:
        which = np.flatnonzero(state.lane >= 0)
        return {"signal": which, "lane": state.lane[which], "open": state.open[which]}

    def restored(self, columns: Columns) -> OpenIntervals:
        which = columns["signal"]
        signals, lanes = int(which.max(initial=-1)) + 1, int(columns["lane"].max(initial=-1)) + 1
        state = self._with_room(None, signals, lanes)
        state.lane[which], state.open[which] = columns["lane"], columns["open"]
        _link(state)
        return state
