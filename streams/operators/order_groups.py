"""Assets with the same work centers above them share one list of (time, context): from then on these orders are in force.

Lists lie in one arena, each with room to grow, so that an order moves only the ends of the lists below its work center and a
look-up is a search in the arena.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.kernel import I32, I64, POS, grown, inner, kernel

Signature = tuple[tuple[int, int, tuple[int, ...]], ...]  # (since, until, lanes of work centers with a book, nearest first)
_LEAST = 8  # entries


@inner
def _before(entry_time: I64, first: int, end: int, time: int) -> int:
    """The last entry before an instant; the first one where there is none."""
    while end - first > 1:
        middle = (first + end) >> 1
        if entry_time[middle] < time:
            first = middle
        else:
            end = middle
    return first


@inner
def _forced_at(entry_time: I64, first: int, end: int, since: int, until: int, forced: int) -> int:
    """The entry in force where a lane's orders are forced to change in [since, until); -1 if they are not."""
    if forced < since or forced >= until:
        return -1
    return _before(entry_time, first, end, forced + 1)


@kernel
def count_changes(group: I32, starts: I64, ends: I64, entry_time: I64, forced: I64, since: I64, until: I64, change_start: I64) -> None:
    """change_start[j] .. change_start[j + 1] - 1 will be the changes of lane j in [since, until)."""
    n = 0
    for j in range(group.shape[0]):
        change_start[j] = n
        first, end = starts[group[j]], ends[group[j]]
        e, f = _before(entry_time, first, end, since[j]), _forced_at(entry_time, first, end, since[j], until[j], forced[j])
        if f >= 0:  # then it is the lane's front, and no change can lie before it
            e = f
            n += 1
        n += max(0, _before(entry_time, first, end, until[j]) - e)
    change_start[group.shape[0]] = n


@kernel
def look_up(
    group: I32, starts: I64, ends: I64, entry_time: I64, entry_context: I32, forced: I64, since: I64, until: I64, row: I64, time: I64,
    context: I32, context_since: I64, change_start: I64, change_time: I64, change_context: I32,
) -> None:  # fmt: skip
    """The context of each row, and since when; the changes that were counted."""
    for j in range(group.shape[0]):
        n, first, end = change_start[j], starts[group[j]], ends[group[j]]
        e, f = _before(entry_time, first, end, since[j]), _forced_at(entry_time, first, end, since[j], until[j], forced[j])
        if f >= 0:
            e = f
            change_time[n], change_context[n] = forced[j], entry_context[e]
            n += 1
        for k in range(change_start[j + 1] - n):
            change_time[n + k], change_context[n + k] = entry_time[e + 1 + k], entry_context[e + 1 + k]
        for r in range(row[j], row[j + 1]):
            while e + 1 < end and entry_time[e + 1] <= time[r]:
                e += 1
            context[r], context_since[r] = entry_context[e], entry_time[e]
            if forced[j] <= time[r]:
                context_since[r] = max(context_since[r], forced[j])


@kernel
def next_entry(group: I32, starts: I64, ends: I64, entry_time: I64, since: I64, found: I64) -> None:
    """The first change at or after an instant; POS: not as far as is known."""
    for j in range(group.shape[0]):
        e = _before(entry_time, starts[group[j]], ends[group[j]], since[j]) + 1
        found[j] = entry_time[e] if e < ends[group[j]] else POS


class Groups:
    """group_of: of each lane; -1: not asked for yet. starts, ends: of each group's list in `time` and `context`."""

    def __init__(self) -> None:
        self.group_of: I32 = np.full(0, -1, np.int32)
        self.starts, self.ends, self._room = (np.zeros(0, np.int64) for _ in range(3))
        self.time, self.context, self._used = np.zeros(64, np.int64), np.zeros(64, np.int32), 0
        self.signatures: dict[int, Signature] = {}  # of each group that has a lane
        self.below: dict[int, set[int]] = {}  # groups that look up to a lane
        self._of: dict[Signature, int] = {}
        self._lanes: dict[int, int] = {}  # how many a group has
        self._free: list[int] = []
        self._trimmed: dict[int, int] = {}  # entries of a group when it was last trimmed

    def with_lanes(self, count: int) -> None:
        self.group_of = grown(self.group_of, count, -1)

    def entries(self, group: int) -> list[tuple[int, int]]:
        """(time, context) of a group, in order."""
        own = slice(int(self.starts[group]), int(self.ends[group]))
        return list(zip(self.time[own].tolist(), self.context[own].tolist(), strict=True))

    def put(self, lane: int, signature: Signature) -> bool:
        """A lane gets its group. True: it is a new one, without entries."""
        group = self._of.get(signature, -1)
        new = group < 0
        if new:
            group = self._free.pop() if self._free else len(self.signatures)
            self._of[signature], self.signatures[group], self._lanes[group] = group, signature, 0
            for center in {lane for _, _, lanes in signature for lane in lanes}:
                self.below.setdefault(center, set()).add(group)
            self.starts, self.ends, self._room = (grown(a, group + 1, 0) for a in (self.starts, self.ends, self._room))
            self.starts[group] = self.ends[group] = self._room[group] = 0
        self.group_of[lane] = group
        self._lanes[group] += 1
        return new

    def leave(self, lane: int) -> None:
        """A lane's signature is to be asked for again; a group without lanes goes."""
        group = int(self.group_of[lane]) if lane < len(self.group_of) else -1
        if group < 0:
            return
        self.group_of[lane] = -1
        self._lanes[group] -= 1
        if not self._lanes[group]:
            signature = self.signatures.pop(group)
            del self._of[signature], self._lanes[group]
            self._trimmed.pop(group, None)
            for center in {lane for _, _, lanes in signature for lane in lanes}:
                self.below[center].discard(group)
            self.starts[group] = self.ends[group] = self._room[group] = 0
            self._free.append(group)

    def last_before(self, group: int, time_us: int) -> int:
        """Forget the group's entries from an instant on; the context that is in force before it, -1 where there is none."""
        first, end = int(self.starts[group]), int(self.ends[group])
        while end > first and self.time[end - 1] >= time_us:
            end -= 1
        self.ends[group] = end
        return int(self.context[end - 1]) if end > first else -1

    def append(self, group: int, entries: Sequence[tuple[int, int]], low_us: int) -> None:
        """Entries behind all others of the group. low_us: nobody will look further back."""
        for time_us, context in entries:
            if self.ends[group] == self.starts[group] + self._room[group]:
                self._enlarge(group)
            at = self.ends[group]
            self.time[at], self.context[at] = time_us, context
            self.ends[group] = at + 1
        if self.ends[group] - self.starts[group] > 2 * self._trimmed.get(group, _LEAST):
            self.trim(group, low_us)

    def trim(self, group: int, low_us: int) -> None:
        """Forget what lies before the last entry before an instant."""
        first, end = int(self.starts[group]), int(self.ends[group])
        kept = first + max(0, int(np.searchsorted(self.time[first:end], low_us)) - 1)
        self._room[group] -= kept - first
        self.starts[group] = kept
        self._trimmed[group] = max(_LEAST, end - kept)

    def trim_all(self, low_us: int) -> None:
        for group in self.signatures:
            self.trim(group, low_us)

    def named(self) -> I32:
        """Contexts of all entries."""
        parts = [self.context[self.starts[group] : self.ends[group]] for group in self.signatures]
        return np.unique(np.concatenate([np.zeros(0, np.int32), *parts]))

    def _enlarge(self, group: int) -> None:
        """Move a group's entries to the end of the arena, with twice the room; when most of the arena is left behind, move all."""
        if self._used > 64 + 4 * int(self._room.sum()):
            time, context = self.time, self.context
            rooms = int(self._room.sum())
            self.time, self.context, self._used = np.zeros(2 * rooms + 64, np.int64), np.zeros(2 * rooms + 64, np.int32), 0
            for other in self.signatures:
                self._move(other, time, context, int(self._room[other]))
        room = max(_LEAST, 2 * int(self._room[group]))
        self.time, self.context = grown(self.time, self._used + room), grown(self.context, self._used + room)
        self._move(group, self.time, self.context, room)

    def _move(self, group: int, time: I64, context: I32, room: int) -> None:
        first, count, at = int(self.starts[group]), int(self.ends[group] - self.starts[group]), self._used
        self.time[at : at + count], self.context[at : at + count] = time[first : first + count], context[first : first + count]
        self.starts[group], self.ends[group], self._room[group] = at, at + count, room
        self._used += room
