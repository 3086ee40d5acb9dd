"""Fold a task over logs that are already there: epochs by number at exactly their vectors, inputs in slices as a runner chooses.

A feed is one input partition, read in order: a part of it in hand, the rest where it lies. So the loop that applies epochs is the
same for a list in memory, an export of a year and the files of a plant; only where slices come from differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from streams.codec.log import Log
from streams.errors import TaskError
from streams.kernel import POS
from streams.runners import adoption
from streams.runners.epoch import Adopted
from streams.runners.task import Environment, Task, Transaction
from streams.topology import Topology

# Which input to read next, and how many records of it: (how many are in hand of each) -> (rank, count)
Order = Callable[[Sequence[int]], tuple[int, int]]


class Feed(Protocol):
    """One input partition."""

    def left(self, end: int) -> int:
        """Records in hand below the offset `end`; takes the next part in hand where there is none. 0: there is no more of them."""

    def append_us(self) -> int:
        """Append time of the first record in hand; only asked where `left` said that there is one."""

    def give(self, task: Task, rank: int, count: int) -> None:
        """Feed the next `count` records in hand to the task."""


class LogFeed:
    """A feed of parts of a log, in offset order. from_offset: records below it are passed over.

    >>> from streams.codec.log import log_of
    >>> feed = LogFeed([log_of([(7, 1, None, b"", b""), (9, 2, None, b"", b"")])], 8)
    >>> feed.left(100), feed.left(9), feed.append_us()
    (1, 0, 2)
    """

    def __init__(self, parts: Iterable[Log], from_offset: int) -> None:
        self._parts, self._from, self._place = iter(parts), from_offset, 0
        self._log: Log | None = None

    def left(self, end: int) -> int:
        while self._log is None or self._place == len(self._log.offset):
            self._log = next(self._parts, None)
            if self._log is None:
                return 0
            self._place = int(np.searchsorted(self._log.offset, self._from))
        return max(0, int(np.searchsorted(self._log.offset, end)) - self._place)

    def append_us(self) -> int:
        assert self._log is not None
        return int(self._log.append[self._place])

    def give(self, task: Task, rank: int, count: int) -> None:
        assert self._log is not None
        self._place += count
        task.feed(rank, self._log.part(self._place - count, self._place))


def fold(task: Task, later: Sequence[Adopted], feeds: Sequence[Feed], order: Order) -> Iterator[Transaction]:
    """The transactions of a task that has begun, over all that the feeds have, one for each slice and a last one. later: the epochs
    still to be adopted; no input is read past an epoch's vector before it is."""
    ahead = list(later)
    while True:
        while ahead and list(ahead[0].epoch.vector) == task.vector:
            task.adopt(ahead.pop(0))
        ends = ahead[0].epoch.vector if ahead else [POS] * len(feeds)
        left = [feed.left(end) for feed, end in zip(feeds, ends, strict=True)]
        if not any(left):
            if ahead:  # offsets may end in a gap of control markers: the vector is what the epoch says
                task.pass_to(ahead[0].epoch.vector)
                continue
            break
        rank, count = order(left)
        step = min(count, left[rank])
        if step <= 0:
            raise TaskError("a slice must hold a record of an input that has one", rank=rank, count=count)
        feeds[rank].give(task, rank, step)
        task.advance()
        yield task.take()
    task.advance()
    yield task.take()


def new_task(build: Callable[[Any], Topology], first: Adopted, environment: Environment) -> Task:
    """A task in epoch 0, before its first record."""
    task = Task(build, first, environment)
    adoption.begin(task)
    return task
