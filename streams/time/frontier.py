"""Frontiers: how far each lane is complete over all inputs of the task, and which lanes have something to do.

    F[lane] = min over its own inputs of W[i, lane], and over the work centers above it, each in the event time in which it
              is above it, of W[orders, work center]

Everything strictly below F is released, timers at or below F fire. Only lanes that were touched, or whose reason to wait has
passed, are looked at: a lane that waits names one input that holds it (there is one, else it would be due) and is put aside
until the floor of that input, max(P, A - D) of the class, reaches the time that the lane waits for. So idle lanes cost
nothing a slice, and nothing due is ever left behind: the law that a transaction holds everything below its frontiers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import B1, I16, I32, I64, NEG, POS, grown, inner, kernel
from streams.time.lanes import Clocks, Lanes, watermark
from streams.time.pending import Pending, Rows


class Above(NamedTuple):
    """Lanes whose orders a lane waits for: itself and its ancestors, each with the event time [since, until) in which."""

    start: I64  # [lane + 1]
    lane: I32
    since: I64
    until: I64


class Schedule(NamedTuple):
    """Of each lane: what was released, what it waits for."""

    front: I64  # below it everything was handed to the operators
    timer: I64  # when an operator has something to emit next without a record; POS: never
    slot: I16  # input * classes + class whose floor is watched; -1: none
    key: I64  # the floor that wakes it


class Heaps(NamedTuple):
    """One heap of (key, lane) a slot; entries that a lane no longer means are ignored when they surface."""

    key: I64  # [slot, capacity]
    lane: I32
    size: I64  # [slot]


@inner
def frontier(clocks: Clocks, lanes: Lanes, own: B1, orders: int, above: Above, lane: int) -> int:
    f = POS
    for i in range(own.shape[0]):
        if own[i]:
            f = min(f, watermark(clocks, lanes, i, lane))
    if orders >= 0:
        for k in range(above.start[lane], above.start[lane + 1]):
            w = watermark(clocks, lanes, orders, above.lane[k])
            if w < above.until[k]:
                f = min(f, max(w, above.since[k]))
    return f


@inner
def _blocker(clocks: Clocks, lanes: Lanes, own: B1, orders: int, above: Above, lane: int, due: int) -> tuple[int, int]:
    """A (slot, key) whose floor must be reached before the lane can be complete through `due`."""
    classes = clocks.silence.shape[1]
    for i in range(own.shape[0]):
        if own[i] and watermark(clocks, lanes, i, lane) < due:
            return i * classes + lanes.lane_class[i, lane], due
    for k in range(above.start[lane], above.start[lane + 1]):
        w = watermark(clocks, lanes, orders, above.lane[k])
        if w < above.until[k] and max(w, above.since[k]) < due:
            return orders * classes + lanes.lane_class[orders, above.lane[k]], min(due, above.until[k])
    return -1, NEG


@kernel
def _push(heaps: Heaps, slot: int, key: int, lane: int) -> None:
    at = heaps.size[slot]
    heaps.size[slot] += 1
    while at > 0:
        parent = (at - 1) >> 1
        if heaps.key[slot, parent] <= key:
            break
        heaps.key[slot, at], heaps.lane[slot, at] = heaps.key[slot, parent], heaps.lane[slot, parent]
        at = parent
    heaps.key[slot, at], heaps.lane[slot, at] = key, lane


@kernel
def _pop(heaps: Heaps, slot: int) -> None:
    heaps.size[slot] -= 1
    size = heaps.size[slot]
    key, lane, at = heaps.key[slot, size], heaps.lane[slot, size], 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heaps.key[slot, child + 1] < heaps.key[slot, child]:
            child += 1
        if heaps.key[slot, child] >= key:
            break
        heaps.key[slot, at], heaps.lane[slot, at] = heaps.key[slot, child], heaps.lane[slot, child]
        at = child
    heaps.key[slot, at], heaps.lane[slot, at] = key, lane


@kernel
def _woken(clocks: Clocks, heaps: Heaps, schedule: Schedule, found: I32) -> int:
    """Lanes whose watched floor has been reached; at most as many as `found` has places."""
    n, classes = 0, clocks.silence.shape[1]
    for slot in range(heaps.size.shape[0]):
        i, c = slot // classes, slot % classes
        floor = max(clocks.claim[i], clocks.append[i] - clocks.silence[i, c])
        while heaps.size[slot] > 0 and heaps.key[slot, 0] <= floor and n < found.shape[0]:
            key, lane = heaps.key[slot, 0], heaps.lane[slot, 0]
            _pop(heaps, slot)
            if schedule.slot[lane] == slot and schedule.key[lane] == key:
                schedule.slot[lane] = -1
                found[n] = lane
                n += 1
    return n


@kernel
def _examine(
    clocks: Clocks, lanes: Lanes, own: B1, orders: int, above: Above, schedule: Schedule, heaps: Heaps, head: I32, time: I64,
    candidates: I32, ready: I32, until: I64,
) -> int:  # fmt: skip
    """Which candidates have something to do, and how far each may go; the others are put to wait."""
    n = 0
    for j in range(candidates.shape[0]):
        lane = candidates[j]
        due = schedule.timer[lane]
        if head[lane] >= 0:
            due = min(due, time[head[lane]] + 1)
        if due == POS:
            continue
        f = frontier(clocks, lanes, own, orders, above, lane)
        if f >= due:
            ready[n], until[n] = lane, f
            n += 1
            continue
        slot, key = _blocker(clocks, lanes, own, orders, above, lane, due)
        if schedule.slot[lane] == slot and schedule.key[lane] <= key:
            continue  # wakes early enough
        schedule.slot[lane], schedule.key[lane] = slot, key
        _push(heaps, slot, key, lane)
    return n


@kernel
def _frontiers(clocks: Clocks, lanes: Lanes, own: B1, orders: int, above: Above, which: I32, out: I64) -> None:
    for j in range(which.shape[0]):
        out[j] = frontier(clocks, lanes, own, orders, above, which[j])


NOTHING_ABOVE = Above(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Release:
    """Holds the accepted samples of some inputs and hands them on, lane by lane, when they are complete.

    own: which inputs' own watermarks a lane waits for. orders: the input whose lanes above it a lane waits for, or -1.
    """

    def __init__(self, own: tuple[bool, ...], orders: int = -1) -> None:
        self.pending, self.own, self.orders, self.above = Pending(), np.array(own), orders, NOTHING_ABOVE
        self.schedule = Schedule(*self._columns(16))
        self.heaps = self._no_heaps(1)

    @staticmethod
    def _columns(lanes: int) -> tuple[I64, I64, I16, I64]:
        return np.full(lanes, NEG), np.full(lanes, POS), np.full(lanes, -1, np.int16), np.full(lanes, NEG)

    def _no_heaps(self, slots: int, capacity: int = 64) -> Heaps:
        return Heaps(np.empty((slots, capacity), np.int64), np.empty((slots, capacity), np.int32), np.zeros(slots, np.int64))

    def with_lanes(self, count: int) -> None:
        """Columns for lane codes below `count`; a new lane has nothing above it until `above` is set."""
        self.pending.with_lanes(count)
        if count > len(self.schedule.front):
            s = self.schedule
            self.schedule = Schedule(
                grown(s.front, count, NEG), grown(s.timer, count, POS), grown(s.slot, count, -1), grown(s.key, count, NEG)
            )
        if count >= len(self.above.start):
            start = np.full(len(self.schedule.front) + 1, self.above.start[-1])
            start[: len(self.above.start)] = self.above.start
            self.above = self.above._replace(start=start)

    def _room_in_heaps(self, slots: int, more: int) -> None:
        size = int(self.heaps.size.max(initial=0)) + more
        if slots != len(self.heaps.size) or size > self.heaps.key.shape[1]:
            old, self.heaps = self.heaps, self._no_heaps(slots, max(64, 2 * size))
            if slots == len(old.size):
                for slot, n in enumerate(old.size):
                    self.heaps.key[slot, :n], self.heaps.lane[slot, :n] = old.key[slot, :n], old.lane[slot, :n]
                self.heaps.size[:] = old.size

    def due(self, clocks: Clocks, lanes: Lanes, candidates: I32) -> tuple[I32, I64]:
        """Lanes among the candidates and the woken that have something to do, and the frontier of each."""
        slots = clocks.silence.size
        self._room_in_heaps(slots, 0)
        woken = np.empty(int(self.heaps.size.sum()), np.int32)
        woken = woken[: _woken(clocks, self.heaps, self.schedule, woken)]
        both = np.unique(np.concatenate([candidates, woken])) if len(woken) else candidates
        return self._examine(clocks, lanes, both)

    def _examine(self, clocks: Clocks, lanes: Lanes, candidates: I32) -> tuple[I32, I64]:
        self._room_in_heaps(clocks.silence.size, len(candidates))
        ready, until = np.empty(len(candidates), np.int32), np.empty(len(candidates), np.int64)
        n = _examine(
            clocks, lanes, self.own, self.orders, self.above, self.schedule, self.heaps, self.pending.links.head,
            self.pending.rows.time, candidates, ready, until,
        )  # fmt: skip
        return ready[:n], until[:n]

    def take(self, ready: I32, until: I64) -> tuple[I64, Rows, I64]:
        """Since when each ready lane's slice reaches, its samples in order, where each lane's rows start; moves the fronts."""
        since = self.schedule.front[ready]
        rows, start = self.pending.release(ready, until)
        self.schedule.front[ready] = until
        return since, rows, start

    def settle(self, clocks: Clocks, lanes: Lanes, ready: I32, timer: I64) -> None:
        """After the operators: when each lane has to fire next; puts the lanes to wait."""
        self.schedule.timer[ready] = timer
        still, _ = self._examine(clocks, lanes, ready)
        assert not len(still), "an operator left a timer behind the frontier"

    def frontiers(self, clocks: Clocks, lanes: Lanes, which: I32) -> I64:
        out = np.empty(len(which), np.int64)
        _frontiers(clocks, lanes, self.own, self.orders, self.above, which, out)
        return out

    def look_again(self) -> None:
        """Limits or hierarchy changed: every watch is void; the caller passes every lane as a candidate next."""
        self.schedule.slot[:] = -1
        self.heaps = self._no_heaps(1)
