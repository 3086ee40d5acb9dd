"""Each sample with the orders in force, one output a sample: measurements, for example. No state.

>>> from streams.operators.example import example_slice
>>> op = InContext(inputs=(0,))
>>> _, outputs = op.advance(op.initial(), example_slice([(3, 1.5), (7, 2.5)], until=9))
>>> outputs["samples"]["time"].tolist(), outputs["samples"]["context"].tolist()
([3, 7], [0, 0])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.kernel import B1, I32, I64, kernel
from streams.operators.evidence import WIDTH, cite
from streams.operators.slice import Columns, Outputs, Slice, never, no_contexts, nothing_open
from streams.time.pending import Rows


@kernel
def _cite(column_of: I64, rows: Rows, evidence: I64) -> None:
    for r in range(rows.time.shape[0]):
        cite(evidence, r, column_of[rows.input[r]], rows.offset[r], rows.index[r])


@dataclass(frozen=True, slots=True, kw_only=True)
class InContext:
    """inputs: ranks of the task's inputs whose samples are handed on, in the order of the evidence columns."""

    inputs: tuple[int, ...]

    @property
    def state_version(self) -> str:
        return "in-context/1"

    def initial(self) -> None:
        return None

    def advance(self, state: None, slice: Slice) -> tuple[None, Outputs]:
        rows = slice.rows
        evidence = np.zeros((len(rows.time), WIDTH * len(self.inputs)), np.int64)
        column_of = np.full(max(self.inputs) + 1, -1)
        column_of[list(self.inputs)] = np.arange(len(self.inputs))
        _cite(column_of, rows, evidence)
        return None, {
            "samples": {
                "lane": np.repeat(slice.lanes, np.diff(slice.start)), "time": rows.time, "signal": rows.signal,
                "value": rows.value, "quality": rows.quality, "extra": rows.extra, "context": slice.context, "evidence": evidence,
            }
        }  # fmt: skip

    def due(self, state: None, lanes: I32) -> I64:
        return never(lanes)

    def open(self, state: None, lanes: I32) -> B1:
        return nothing_open(lanes)

    def contexts(self, state: None) -> I32:
        return no_contexts()

    def succeed(self, before: InContext, state: None) -> None:
        return None

    def columns(self, state: None) -> Columns:
        return {}

    def restored(self, columns: Columns) -> None:
        return None
