"""Counter readings to increments.

    reading v after reading u of one device:   v >= u   NORMAL     v - u
                                               v <  u   ROLLOVER   v + modulus - u   where the counter has a modulus and this is
                                                                                     at most rollover_most
                                                        RESET      max(v, 0)         it began at zero again, as far as is seen
    first reading FIRST, first reading of another device REPLACED: a baseline, no increment.
    a source that reports increments itself: REPORTED, as they are.

A reading that is not GOOD is passed over: the next one counts from the last GOOD one. An unchanged reading is no output. So
the increments between two readings of one device add up to their difference, whatever was lost in between.

No increment is negative but a REPORTED one, whose sign is the source's word. A counter that passes the end of its integer type
wraps to a negative reading (a PLC's DINT: 2147483647, -2147483648); with the modulus 2^32 configured that is a ROLLOVER, without
it a RESET of which nothing is known, 0, and the next readings count from the negative one.

Bound: the last reading of each counter.

>>> from streams.operators.example import example_slice
>>> op = CounterIncrements(inputs=(0,), rollovers=(("temp*", 100, 20),))
>>> readings = example_slice([(1, 90), (2, 95), (3, 95), (4, 4), (5, 50), (6, 3)], until=9)
>>> _, outputs = op.advance(op.initial(), readings)
>>> [(CAUSES[c], n) for c, n in zip(outputs["increments"]["cause"], outputs["increments"]["increment"].tolist())]
[('FIRST', 0), ('NORMAL', 5), ('ROLLOVER', 9), ('NORMAL', 46), ('RESET', 3)]
>>> wrapped = example_slice([(1, 2147483640), (2, 2147483647), (3, -2147483648), (4, -2147483600)], until=9)
>>> _, outputs = op.advance(op.initial(), wrapped)
>>> [(CAUSES[c], n) for c, n in zip(outputs["increments"]["cause"], outputs["increments"]["increment"].tolist())]
[('FIRST', 0), ('NORMAL', 7), ('RESET', 0), ('NORMAL', 48)]
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from streams.errors import require
from streams.kernel import B1, I32, I64, NEG, grown, kernel
from streams.operators.evidence import WIDTH, cite
from streams.operators.slice import Columns, Outputs, Slice, never, no_contexts, nothing_open
from streams.time.pending import Rows

CAUSES = ("UNKNOWN", "FIRST", "NORMAL", "ROLLOVER", "RESET", "REPLACED", "REPORTED")
_UNKNOWN, _FIRST, _NORMAL, _ROLLOVER, _RESET, _REPLACED, _REPORTED = range(7)
REPORTS_INCREMENTS = 1 << 32  # bit of a row's `extra`; below it: code of the counting device
_TOTAL, _DEVICE, _MODULUS, _MOST, _OFFSET, _INDEX, _COLUMN = range(7)
_E_LANE, _E_TIME, _E_SIGNAL, _E_CAUSE, _E_INCREMENT, _E_TOTAL, _E_CONTEXT = range(7)
NO_TOTAL = NEG  # `total` of a counter that reports increments
MODULUS_MOST = 1 << 62  # readings are within 2^60 of zero (codec/rows.py), so no difference leaves 64 bits


class Readings(NamedTuple):
    last: I64  # [signal, ...]; total NEG: no reading yet; modulus -1: not looked up yet


class _Emitted(NamedTuple):
    ints: I64
    evidence: I64
    counts: I64  # [rows]


@kernel
def _fold(usable: B1, column_of: I64, last: I64, lanes: I32, start: I64, rows: Rows, context: I32, out: _Emitted) -> None:
    for j in range(lanes.shape[0]):
        for r in range(start[j], start[j + 1]):
            signal, value, column = rows.signal[r], rows.value[r], column_of[rows.input[r]]
            if not usable[rows.quality[r]] or value == NEG:
                continue
            before, device = last[signal, _TOTAL], rows.extra[r] & (REPORTS_INCREMENTS - 1)
            n = out.counts[0]
            for c in range(out.evidence.shape[1]):
                out.evidence[n, c] = 0
            cause, increment, total = _NORMAL, value - before, value
            if rows.extra[r] & REPORTS_INCREMENTS:
                cause, increment, total = _REPORTED, value, NO_TOTAL
            elif before == NEG:
                cause, increment = _FIRST, 0
            elif device != last[signal, _DEVICE]:
                cause, increment = _REPLACED, 0
            elif value < before:
                wrapped = value + last[signal, _MODULUS] - before
                rolled = 0 <= wrapped <= last[signal, _MOST] and last[signal, _MODULUS] > 0
                cause, increment = (_ROLLOVER, wrapped) if rolled else (_RESET, max(value, 0))
            if cause != _REPORTED:
                if before != NEG:
                    cite(out.evidence, n, last[signal, _COLUMN], last[signal, _OFFSET], last[signal, _INDEX])
                last[signal, _TOTAL], last[signal, _DEVICE], last[signal, _COLUMN] = value, device, column
                last[signal, _OFFSET], last[signal, _INDEX] = rows.offset[r], rows.index[r]
            if increment == 0 and (cause == _NORMAL or cause == _REPORTED):
                continue
            cite(out.evidence, n, column, rows.offset[r], rows.index[r])
            out.counts[0] += 1
            out.ints[n, _E_LANE], out.ints[n, _E_TIME], out.ints[n, _E_SIGNAL], out.ints[n, _E_CAUSE] = j, rows.time[r], signal, cause
            out.ints[n, _E_INCREMENT], out.ints[n, _E_TOTAL], out.ints[n, _E_CONTEXT] = increment, total, context[r]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterIncrements:
    """rollovers: (pattern of the tag, modulus, largest increment that is believed to be a rollover), the first that fits.

    inputs: ranks of the task's inputs whose samples are folded here, in the order of the evidence columns.
    """

    inputs: tuple[int, ...]
    rollovers: tuple[tuple[str, int, int], ...] = ()
    treat_uncertain_as_bad: bool = True

    def __post_init__(self) -> None:
        for pattern, modulus, most in self.rollovers:
            require(0 < most < modulus, "a rollover needs 0 < rollover_most < modulus", tag=pattern, modulus=modulus, rollover_most=most)
            require(modulus <= MODULUS_MOST, "a rollover's modulus is at most 2^62", tag=pattern, modulus=modulus)

    @property
    def state_version(self) -> str:
        return "counter-increments/1"

    def initial(self) -> Readings:
        return Readings(np.zeros((0, 7), np.int64))

    def _with_room(self, state: Readings, slice: Slice) -> Readings:
        before, last = len(state.last), grown(state.last, len(slice.names.signals))
        last[before:, _TOTAL], last[before:, _MODULUS] = NEG, -1
        fresh = np.unique(slice.rows.signal)
        for signal in fresh[last[fresh, _MODULUS] < 0]:
            tag = slice.names.signals.decode(int(signal))[1].decode()
            found = next(((m, most) for pattern, m, most in self.rollovers if fnmatchcase(tag, pattern)), (0, 0))
            last[signal, _MODULUS], last[signal, _MOST] = found
        return Readings(last)

    def advance(self, state: Readings, slice: Slice) -> tuple[Readings, Outputs]:
        state, most = self._with_room(state, slice), len(slice.rows.time)
        out = _Emitted(np.empty((most, 7), np.int64), np.empty((most, WIDTH * len(self.inputs)), np.int64), np.zeros(1, np.int64))
        column_of = np.full(max(self.inputs) + 1, -1)
        column_of[list(self.inputs)] = np.arange(len(self.inputs))
        usable = np.array([True, not self.treat_uncertain_as_bad, False])
        _fold(usable, column_of, state.last, slice.lanes, slice.start, slice.rows, slice.context, out)
        count = int(out.counts[0])
        ints = out.ints[:count]
        return state, {
            "increments": {
                "lane": slice.lanes[ints[:, _E_LANE]], "time": ints[:, _E_TIME], "signal": ints[:, _E_SIGNAL].astype(np.int32),
                "cause": ints[:, _E_CAUSE], "increment": ints[:, _E_INCREMENT], "total": ints[:, _E_TOTAL],
                "context": ints[:, _E_CONTEXT].astype(np.int32), "evidence": out.evidence[:count],
            }
        }  # fmt: skip

    def due(self, state: Readings, lanes: I32) -> I64:
        return never(lanes)

    def open(self, state: Readings, lanes: I32) -> B1:
        return nothing_open(lanes)

    def contexts(self, state: Readings) -> I32:
        return no_contexts()

    def succeed(self, before: CounterIncrements, state: Readings) -> Readings:
        return self.restored(before.columns(state))

    def columns(self, state: Readings) -> Columns:
        which = np.flatnonzero(state.last[:, _TOTAL] != NEG)
        return {"signal": which, "last": state.last[which]}

    def restored(self, columns: Columns) -> Readings:
        which = columns["signal"]
        last = np.zeros((int(which.max(initial=-1)) + 1, 7), np.int64)
        last[:, _TOTAL], last[:, _MODULUS] = NEG, -1
        last[which] = columns["last"]
        last[which, _MODULUS] = -1  # looked up again: the configuration may be another one
        return Readings(last)
