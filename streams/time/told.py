"""Time of a later stage: what frontier records say of a derived input, instead of a gate.

A task writes its outputs and then, in the same transaction, a frontier record: nothing with an earlier output time will follow
for the lanes that it names, and for every other lane nothing before the floor of the lane's class. So nothing can be late here,
no output is a duplicate, and for each derived input i

    W[i, lane] = max(frontiers told of the lane, floors told of its class, floors that earlier class tables told)

Classes are those of the writer: a record names its class table by the fingerprint of a configuration. Where the table changes,
what the old one said is kept for every lane, seen or not: a watermark is the maximum over versions.

The registers of gates serve: M is the frontier told (L = 0), and A and D are such that A - D is the floor of each class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streams.errors import DataError
from streams.kernel import I32, I64, NEG, kernel
from streams.time.gate import Touched, touch
from streams.time.lanes import Clocks, Lanes, carry
from streams.time.limits import ClassTable


class Told(NamedTuple):
    """One frontier record. floors: of each class, in the order of `classes`."""

    lanes: I32
    frontiers: I64
    table: str
    classes: tuple[str, ...]
    floors: tuple[int, ...]


@dataclass(slots=True)
class Version:
    """What was told under one class table."""

    fingerprint: str
    classes: ClassTable
    floors: I64  # [class], in the order of classes.names

    def floor(self, lane: str) -> int:
        return int(self.floors[self.classes.names.index(self.classes.of(lane))])


@dataclass(slots=True)
class Hearing:
    """What one derived input has told. now: None before the first record."""

    now: Version | None = None
    earlier: list[Version] = field(default_factory=list)

    def index(self, lane: str) -> int:
        """Class of a lane under the table in force."""
        return self.now.classes.names.index(self.now.classes.of(lane)) if self.now else 0

    def carried(self, lane: str) -> int:
        """What earlier tables told of a lane that nobody had seen."""
        return max((version.floor(lane) for version in self.earlier), default=NEG)


@kernel
def _frontiers(lanes: Lanes, i: int, touched: Touched, which: I32, frontiers: I64) -> None:
    for k in range(which.shape[0]):
        lanes.latest[i, which[k]] = max(lanes.latest[i, which[k]], frontiers[k])
        touch(touched, which[k])


def told_clocks(inputs: int, classes: int = 1) -> Clocks:
    """Registers of inputs that have told nothing."""
    none, zero = np.zeros((inputs, classes), np.int64), np.zeros(inputs, np.int64)
    return Clocks(np.full(inputs, NEG), np.full(inputs, NEG), none, none.copy(), zero, zero.copy(), zero.copy())


def with_classes(clocks: Clocks, classes: int) -> Clocks:
    """The same registers with room for so many classes."""
    lacking = classes - clocks.silence.shape[1]
    if lacking <= 0:
        return clocks
    return clocks._replace(lateness=np.pad(clocks.lateness, ((0, 0), (0, lacking))), silence=np.pad(clocks.silence, ((0, 0), (0, lacking))))


def show_floors(clocks: Clocks, i: int, version: Version) -> None:
    """Set A and D of an input so that A - D of each class is its floor. NEG stays NEG; A is what the input is read by: lowest first."""
    highest = int(version.floors.max(initial=NEG))
    clocks.append[i] = highest
    clocks.silence[i, :] = 0
    clocks.silence[i, : len(version.floors)] = highest - version.floors


def hear(
    clocks: Clocks, lanes: Lanes, i: int, hearing: Hearing, told: Told, names: Sequence[str], table: Callable[[str], ClassTable],
    touched: Touched,
) -> tuple[Clocks, bool]:  # fmt: skip
    """Take one record in. names: of all lanes known; table: the class table of a fingerprint. Returns the registers, and whether the
    class table changed: then every lane has to be looked at."""
    changed = hearing.now is None or hearing.now.fingerprint != told.table
    if changed:
        classes = table(told.table)
        if hearing.now is not None:
            carry(clocks, lanes, i, len(names))
            hearing.earlier.append(hearing.now)
        hearing.now = Version(told.table, classes, np.full(len(classes.names), NEG))
        clocks = with_classes(clocks, len(classes.names))
        lanes.lane_class[i, : len(names)] = [hearing.index(name) for name in names]
    now = hearing.now
    assert now is not None
    if set(told.classes) != set(now.classes.names):
        raise DataError("a frontier record names other classes than its class table", classes=told.classes, table=told.table)
    for name, floor in zip(told.classes, told.floors, strict=True):
        place = now.classes.names.index(name)
        now.floors[place] = max(now.floors[place], floor)
    show_floors(clocks, i, now)
    _frontiers(lanes, i, touched, told.lanes, told.frontiers)
    return clocks, changed
