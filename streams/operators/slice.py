"""What an operator gets and gives.

A slice holds, for some lanes, every on-time record with since[lane] <= event time < until[lane], lane by lane, in the order
(event time, input rank, source, boot, sequence, offset, index). The slicing law, for adjacent slices A and B, bit for bit,
outputs in order per lane and state with its codes resolved:

    advance(advance(state, A), B) == advance(state, A + B)

An operator owns the state it is given: it may reuse its arrays for the successor, and the caller uses only the successor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from streams.columns.dictionary import Dictionary
from streams.kernel import B1, I32, I64, POS, U8
from streams.model.characteristic import NO_LIMITS, Characteristics
from streams.time.pending import Rows, empty_rows

GOOD, UNCERTAIN, BAD = range(3)  # qualities of a sample
NO_CONTEXT = 0  # the context of a lane without orders

Columns = dict[str, npt.NDArray[Any]]


def _contexts() -> Dictionary:
    found = Dictionary(text=False)
    found.encode(0, b"\0")
    return found


@dataclass(frozen=True, slots=True)
class Names:
    """Dictionaries of a task. A line is the scope of its lanes (asset) and signals (asset, tag, unit; linked to the lane); a
    source is (source, boot). contexts, of a later stage: orders of a derived record as their Avro array; NO_CONTEXT is the empty one."""

    lines: Dictionary = field(default_factory=Dictionary)
    lanes: Dictionary = field(default_factory=Dictionary)
    signals: Dictionary = field(default_factory=Dictionary)
    sources: Dictionary = field(default_factory=Dictionary)
    texts: Dictionary = field(default_factory=Dictionary)
    contexts: Dictionary = field(default_factory=_contexts)

    def signal(self, line: int, asset: str, tag: str, unit: str = "") -> int:
        """Code of a signal, linked to its lane."""
        code = self.signals.encode(line, asset.encode(), tag.encode(), unit.encode())
        self.signals.table.link[code] = self.lanes.encode(line, asset.encode())
        return code

    def lane_path(self, lane: int) -> str:
        """`line path/asset id` of a lane; a lane without asset is the line itself."""
        line = self.lines.decode(self.lanes.scope(lane))[0].decode()
        asset = self.lanes.decode(lane)[0].decode()
        return f"{line}/{asset}"


@dataclass(frozen=True, slots=True)
class Changes:
    """Instants at which the orders in force for a lane change: rank before every sample of the same instant."""

    start: I64  # [lane of the slice + 1] its changes are start[j] .. start[j + 1] - 1
    time: I64
    context: I32  # in force from then on


def _no_arena() -> U8:
    return np.zeros(1, np.uint8)


@dataclass(frozen=True, slots=True)
class Slice:
    names: Names
    lanes: I32
    since: I64
    until: I64
    start: I64  # [lane + 1] its rows are start[j] .. start[j + 1] - 1
    rows: Rows
    context: I32  # [row] orders in force
    context_since: I64  # [row] since when
    changes: Changes
    arena: U8 = field(default_factory=_no_arena)  # of a later stage: what rows cite, see cited.py; a row's `extra` is its place
    limits: Characteristics = NO_LIMITS  # reference data in force

    def only(self, mask: npt.NDArray[np.bool_]) -> Slice:
        """The slice with the rows of the mask alone."""
        kept = np.concatenate([[0], np.cumsum(mask)])[self.start]
        rows = Rows._make(column[mask] for column in self.rows)
        return replace(self, start=kept, rows=rows, context=self.context[mask], context_since=self.context_since[mask])


def no_changes(lanes: int) -> Changes:
    return Changes(np.zeros(lanes + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32))


def plain_slice(names: Names, lanes: I32, since: I64, until: I64, start: I64, rows: Rows) -> Slice:
    """A slice in which no order is known."""
    count = len(rows.time)
    return Slice(
        names, lanes, since, until, start, rows, np.full(count, NO_CONTEXT, np.int32), np.full(count, -(1 << 62)), no_changes(len(lanes))
    )  # fmt: skip


def empty_slice(names: Names, lanes: I32, since: I64, until: I64) -> Slice:
    return plain_slice(names, lanes, since, until, np.zeros(len(lanes) + 1, np.int64), empty_rows(0))


State = TypeVar("State")
Outputs = Mapping[str, Columns]


class Operator(Protocol[State]):
    """A pure fold over slices; configuration frozen, no I/O, no clock, no log."""

    @property
    def state_version(self) -> str:
        """Changes when the meaning of the state's columns does; a snapshot of another version is refused."""

    def initial(self) -> State:
        """A fixpoint of empty slices."""

    def advance(self, state: State, slice: Slice) -> tuple[State, Outputs]:
        """Fold a slice. Every output column set has `lane` and `time`, the output's time, in [since, until) of its lane."""

    def due(self, state: State, lanes: I32) -> I64:
        """When each lane has something to emit next if no record comes; POS: never."""

    def open(self, state: State, lanes: I32) -> B1:
        """In which lanes is something open that a change of orders would end?"""

    def succeed(self, before: Any, state: State) -> State:
        """The state of `before`, this operator under an earlier configuration, as this operator's."""

    def columns(self, state: State) -> Columns:
        """The state as plain columns, for snapshots; codes as in the slice's names."""

    def restored(self, columns: Columns) -> State:
        """What `columns` was made of."""


@runtime_checkable
class NamesContexts(Protocol):
    """An operator of a topology that joins with orders: what it does not name may be forgotten, and its code be given anew."""

    def contexts(self, state: Any) -> I32:
        """Every context that the state names, in any order, some perhaps twice."""


def no_contexts() -> I32:
    return np.zeros(0, np.int32)


def nothing_open(lanes: I32) -> B1:
    return np.zeros(len(lanes), np.bool_)


def never(lanes: I32) -> I64:
    return np.full(len(lanes), POS)
