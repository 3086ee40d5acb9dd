"""The lanes of a task of a later stage: classes and watermarks are what the frontier records of its inputs tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from streams.codec.reader import Read
from streams.kernel import I32, I64, NEG, kernel
from streams.model.hierarchy import Hierarchy
from streams.operators.slice import Names
from streams.runners.lanebook import LaneBook, touch_all
from streams.time.frontier import Release
from streams.time.lanes import Clocks, Lanes, watermark
from streams.time.limits import ClassTable, TimeConfiguration
from streams.time.told import Hearing, Told, Version, hear, show_floors, told_clocks, with_classes


@kernel
def _behind(clocks: Clocks, lanes: Lanes, rank: int, lane: I32, time: I64, start: int, end: int) -> int:
    for k in range(start, end):
        if time[k] < watermark(clocks, lanes, rank, lane[k]):
            return k
    return -1


class ToldBook(LaneBook):
    """tables: the lane classes of the configuration with a fingerprint."""

    def __init__(
        self, topics: tuple[str, ...], time: TimeConfiguration, hierarchy: Hierarchy, names: Names, tables: Callable[[str], ClassTable]
    ) -> None:  # fmt: skip
        self._begin(topics, time, hierarchy, names, -1)
        self.clocks: Clocks = told_clocks(len(topics))
        self._tables = tables
        self.hearings = [Hearing() for _ in topics]

    def hear(self, rank: int, told: Sequence[Told], releases: Sequence[Release]) -> None:
        """Take frontier records of an input in, in their order."""
        names = [self.names.lane_path(lane) for lane in range(self.count)] if self._news(rank, told) else []
        for one in told:
            known = names if self._news(rank, [one]) else [""] * self.count
            self.clocks, changed = hear(self.clocks, self.lanes, rank, self.hearings[rank], one, known, self._tables, self.touched)
            if changed:
                for release in releases:
                    release.look_again()
                touch_all(self.touched, np.arange(self.count, dtype=np.int32))

    def _news(self, rank: int, told: Sequence[Told]) -> bool:
        now = self.hearings[rank].now
        return any(now is None or one.table != now.fingerprint for one in told)

    def _classify(self, lane: int) -> None:
        path = self.names.lane_path(lane)
        for rank, hearing in enumerate(self.hearings):
            self.lanes.lane_class[rank, lane] = hearing.index(path)
            self.lanes.carried[rank, lane] = max(int(self.lanes.carried[rank, lane]), hearing.carried(path))

    # ---- what is told on

    def _version(self) -> Version | None:
        """The class table that this task's own frontier records name: that of its first input."""
        return self.hearings[0].now

    def table(self, fingerprint: str) -> str:
        version = self._version()
        return version.fingerprint if version else ""

    def _adopt_time(self, time: TimeConfiguration, old_content: str) -> None:
        self.time = time  # limits of time are those of the first stage

    @property
    def classes(self) -> tuple[str, ...]:
        version = self._version()
        return version.classes.names if version else ()

    def floors(self) -> I64:
        """A bound for each of `classes`; nothing where no input has told anything."""
        floors: I64 = np.full(len(self.classes), NEG) if self.classes else np.zeros(0, np.int64)
        for place, name in enumerate(self.classes):
            told = []
            for hearing in self.hearings:
                if hearing.now is None:
                    told.append(NEG)
                elif hearing.now.fingerprint == self.table(""):
                    told.append(int(hearing.now.floors[hearing.now.classes.names.index(name)]))
                else:  # for a moment, while inputs are at different tables
                    told.append(int(hearing.now.floors.min()))
            floors[place] = min(told)
        return floors

    def floors_of(self, lanes: I32) -> I64:
        floors = self.floors()
        return floors[self.lanes.lane_class[0, lanes]] if len(floors) else np.full(len(lanes), NEG)

    def lowest(self) -> int:
        return min(int(hearing.now.floors.min()) if hearing.now else NEG for hearing in self.hearings)

    def behind(self, rank: int, read: Read, start: int, end: int) -> int:
        """The first of these rows that lies below what was told before it, or -1."""
        return int(_behind(self.clocks, self.lanes, rank, read.samples.lane, read.samples.time, start, end))

    # ---- snapshots

    def told_so_far(self) -> list[dict[str, Any]]:
        def plain(version: Version) -> list[Any]:
            return [version.fingerprint, version.floors.tolist()]

        return [{"now": h.now and plain(h.now), "earlier": [plain(v) for v in h.earlier]} for h in self.hearings]

    def restore_told(self, state: Sequence[dict[str, Any]]) -> None:
        """Before the lanes are grown: their classes follow from it."""

        def version(raw: list[Any]) -> Version:
            return Version(raw[0], self._tables(raw[0]), np.array(raw[1], np.int64))

        for rank, raw in enumerate(state):
            hearing = self.hearings[rank]
            hearing.earlier = [version(v) for v in raw["earlier"]]
            if raw["now"] is not None:
                hearing.now = version(raw["now"])
                self.clocks = with_classes(self.clocks, len(hearing.now.floors))
                show_floors(self.clocks, rank, hearing.now)
