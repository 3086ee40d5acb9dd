"""What a task tells the next stage: how far it is complete.

A frontier record names the lanes whose frontier moved since the last one of its topic and the floor of each lane class, which
holds for all others. Only lanes that are ahead of their class's floor have to be named: they are the live lanes, and idle ones
leave the set.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from streams.codec.outputs import TIME_HEADER
from streams.kernel import I32, I64, NEG, grown
from streams.runners.records import Record
from streams.time.instants import representable

if TYPE_CHECKING:
    from streams.runners.task import Task

LANES_BYTES = 524_288  # of names and frontiers in one record; half of what its topic takes
KIND_HEADER = "andon-kind"  # `frontier` on frontier records, so that readers can skip them unread


class LiveLanes:
    """Lanes that may be ahead of their class's floor, and what one derived topic was last told of each."""

    def __init__(self) -> None:
        self.lanes: I32 = np.zeros(0, np.int32)
        self.reported: I64 = np.zeros(0, np.int64)
        self._new: list[I32] = []

    def add(self, lanes: I32) -> None:
        if len(lanes):
            self._new.append(lanes)
        if len(self._new) > 64:
            self.all_lanes()

    def all_lanes(self) -> I32:
        """Every live lane, those added since the last record included."""
        if self._new:
            self.lanes, self._new = np.unique(np.concatenate([self.lanes, *self._new])), []
        return self.lanes

    def restore(self, lanes: I32, reported: I64) -> None:
        self.lanes, self.reported = lanes.copy(), reported.copy()

    def moved(self, task: Task) -> tuple[I32, I64]:
        """Live lanes whose frontier moved since the last call, and the frontiers."""
        self.all_lanes()
        self.reported = grown(self.reported, task.book.count, NEG)
        frontier = task.frontiers(self.lanes)
        ahead = frontier > task.book.floors_of(self.lanes)
        changed = frontier != self.reported[self.lanes]
        self.reported[self.lanes] = frontier
        moved, at = self.lanes[changed], frontier[changed]
        self.lanes = self.lanes[ahead]
        return moved, at


def frontier_records(task: Task, topic: str, most: int = LANES_BYTES) -> list[Record]:
    """The records for one derived topic: they go behind the outputs that they cover, in the same transaction. Lanes whose names
    are longer than `most` bytes together are told by several, each with the floors, which hold below what was told of a lane."""
    lanes, at = task.live[topic].moved(task)
    names, sizes = [task.names.lane_path(int(lane)) for lane in lanes], [0]
    for name in names:
        sizes.append(sizes[-1] + len(name.encode()) + 16)
    found, first = list[Record](), 0
    while not found or first < len(names):
        end = max(first + 1, bisect_right(sizes, sizes[first] + most) - 1)
        found.append(_record(task, topic, names[first:end], at[first:end]))
        first = end
    return found


def _record(task: Task, topic: str, lanes: list[str], at: I64) -> Record:
    frontier = {
        "epoch": task.adopted.epoch.number, "lanes": lanes, "frontiers_us": [representable(int(t)) for t in at],
        "class_table": task.book.table(task.adopted.configuration.fingerprint),
        "classes": list(task.book.classes), "floors_us": [representable(int(t)) for t in task.book.floors()],
    }  # fmt: skip
    value = task.writer.value(topic, task.environment.catalogue.of(topic).schema, {"kind": "FRONTIER", "frontier": frontier})
    return Record(topic, b"frontier", value, [(KIND_HEADER, b"frontier"), (TIME_HEADER, b"%d" % representable(task.book.lowest()))])
