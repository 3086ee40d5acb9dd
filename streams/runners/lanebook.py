"""The lanes of a task: new ones are classified, get their place under the hierarchy and in every column of the time layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.kernel import I32, I64, kernel
from streams.model.hierarchy import Hierarchy
from streams.operators.slice import Names
from streams.time.frontier import Above, Release
from streams.time.gate import Touched, new_touched, touch, touched_with_lanes
from streams.time.lanes import Clocks, Lanes, carry, configured, new_clocks, new_lanes, with_lanes
from streams.time.limits import TimeConfiguration


@kernel
def touch_all(touched: Touched, lanes: I32) -> None:
    for k in range(lanes.shape[0]):
        touch(touched, lanes[k])


class LaneBook:
    """Clocks and lanes of a task's inputs, under the configuration in force. orders: rank of the orders input or -1."""

    def __init__(self, topics: tuple[str, ...], time: TimeConfiguration, hierarchy: Hierarchy, names: Names, orders: int) -> None:
        self._begin(topics, time, hierarchy, names, orders)
        self.clocks: Clocks = configured(new_clocks(len(topics)), topics, time)

    def _begin(self, topics: tuple[str, ...], time: TimeConfiguration, hierarchy: Hierarchy, names: Names, orders: int) -> None:
        self.topics, self.time, self.hierarchy, self.names, self.orders = topics, time, hierarchy, names, orders
        self.lanes: Lanes = new_lanes(len(topics))
        self.touched, self.touched_orders = new_touched(), new_touched()
        self.count = 0
        self.earlier: list[tuple[I64, TimeConfiguration, str]] = []  # append times at which earlier configurations ended
        self.below: dict[int, list[int]] = {}  # lanes that look up to a lane
        self._above: tuple[list[int], list[int], list[int]] = ([], [], [])  # lane, since, until
        self._start = [0]

    def grow(self, releases: Sequence[Release]) -> None:
        """Take in every lane that the names have met since the last call."""
        if self.count == len(self.names.lanes) and len(releases[0].schedule.front) >= self.count:
            return
        first = self.count
        while self.count < len(self.names.lanes):  # ancestors are lanes too, and may be new
            for lane in range(self.count, len(self.names.lanes)):
                self._place(lane)
                self.count = lane + 1
        self.lanes = with_lanes(self.lanes, self.count)
        self.touched = touched_with_lanes(self.touched, self.count)
        self.touched_orders = touched_with_lanes(self.touched_orders, self.count)
        for lane in range(first, self.count):
            self._classify(lane)
            for append, time, _ in self.earlier:
                silence = [time.inputs[t].silence_us[time.classes.of(self.names.lane_path(lane))] for t in self.topics]
                self.lanes.carried[:, lane] = np.maximum(self.lanes.carried[:, lane], append - np.array(silence))
        above = self.above()
        for release in releases:
            release.with_lanes(self.count)
            release.above = above if release.orders >= 0 else release.above

    def _classify(self, lane: int) -> None:
        self.lanes.lane_class[:, lane] = self.time.classes.names.index(self.time.classes.of(self.names.lane_path(lane)))

    def _place(self, lane: int) -> None:
        """Lanes whose orders this one waits for, by the hierarchy in force."""
        if self.orders >= 0:
            scope, asset = self.names.lanes.scope(lane), self.names.lanes.decode(lane)[0].decode()
            line = self.names.lines.decode(scope)[0].decode()
            for since, until, chain in self.hierarchy.spans(line, asset):
                for name in chain:
                    up = self.names.lanes.encode(scope, name.encode())
                    for column, value in zip(self._above, (up, since, until), strict=True):
                        column.append(value)
                    self.below.setdefault(up, []).append(lane)
        self._start.append(len(self._above[0]))

    def above(self) -> Above:
        lane, since, until = self._above
        start = np.full(max(len(self._start), self.lanes.lane_class.shape[1] + 1), len(lane), np.int64)
        start[: len(self._start)] = self._start
        return Above(start, np.array(lane, np.int32), np.array(since, np.int64), np.array(until, np.int64))

    def earlier_contents(self) -> list[tuple[I64, str]]:
        """(append times, configuration content) of each earlier configuration."""
        return [(append, content) for append, _, content in self.earlier]

    def adopt(self, time: TimeConfiguration, hierarchy: Hierarchy, releases: Sequence[Release], old_content: str) -> None:
        """At an epoch: what the old configuration said is carried, lanes are classified and placed anew."""
        if time is not self.time:
            self._adopt_time(time, old_content)
        if hierarchy is not self.hierarchy:
            self.hierarchy, self.below, self._above, self._start = hierarchy, {}, ([], [], []), [0]
            known, self.count = self.count, 0
            for lane in range(known):
                self._place(lane)
            self.count = known
            self.grow(releases)
            above = self.above()
            for release in releases:
                release.above = above if release.orders >= 0 else release.above
        for release in releases:
            release.look_again()

    def _adopt_time(self, time: TimeConfiguration, old_content: str) -> None:
        for i in range(len(self.topics)):
            carry(self.clocks, self.lanes, i, self.count)
        self.earlier.append((self.clocks.append.copy(), self.time, old_content))
        self.clocks, self.time = configured(self.clocks, self.topics, time), time
        for lane in range(self.count):
            self._classify(lane)

    @property
    def classes(self) -> tuple[str, ...]:
        """Lane classes that frontier records name, with a floor each."""
        return self.time.classes.names

    def table(self, fingerprint: str) -> str:
        """The configuration whose classes these are. fingerprint: of the one in force."""
        return fingerprint

    def lowest(self) -> int:
        """No lane, seen or not, has a smaller frontier."""
        return int(self.floors().min())

    def floors(self) -> I64:
        """Frontier of a lane of each class that no input has seen, under the configuration in force."""
        floor = np.maximum(self.clocks.claim[:, None], self.clocks.append[:, None] - self.clocks.silence)
        lowest: I64 = floor.min(axis=0)
        return lowest

    def floors_of(self, lanes: I32) -> I64:
        """The floor of each of these lanes' classes."""
        found: I64 = self.floors()[self.lanes.lane_class[0, lanes]]
        return found
