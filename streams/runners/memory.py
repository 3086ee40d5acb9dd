"""The memory runner: tasks over logs that are already there. Tests, exports, a laptop without a broker.

It is the live runner without the broker: the same task, fed in any order and in slices of any size, epochs applied by number at
exactly their vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streams.codec.log import Log
from streams.errors import TaskError
from streams.kernel import POS
from streams.runners import adoption
from streams.runners.epoch import Adopted
from streams.runners.task import Environment, Task, Transaction
from streams.topology import Topology

# Which input to read next, and how many records of it: (how many are left of each) -> (rank, count)
Order = Callable[[Sequence[int]], tuple[int, int]]


def in_turn(count: int) -> Order:
    """Inputs one after another, `count` records at a time."""
    rank = -1

    def choose(left: Sequence[int]) -> tuple[int, int]:
        nonlocal rank
        rank = next(r % len(left) for r in range(rank + 1, rank + 1 + len(left)) if left[r % len(left)])
        return rank, count

    return choose


def run(
    build: Callable[[Any], Topology], epochs: Sequence[Adopted], environment: Environment, logs: Mapping[str, Log], order: Order
) -> Iterator[tuple[Task, Transaction]]:
    """The transactions of one task over its whole logs, one for each slice. epochs: from number 0 on; logs by catalogue topic."""
    task = Task(build, epochs[0], environment)
    adoption.begin(task)
    topics, ahead = task.topology.inputs, list(epochs[1:])
    place = [int(np.searchsorted(logs[t].offset, v)) for t, v in zip(topics, task.vector, strict=True)]
    while True:
        while ahead and list(ahead[0].epoch.vector) == task.vector:
            task.adopt(ahead.pop(0))
        ends = ahead[0].epoch.vector if ahead else [POS] * len(topics)
        bounds = [int(np.searchsorted(logs[t].offset, end)) for t, end in zip(topics, ends, strict=True)]
        left = [bound - at for bound, at in zip(bounds, place, strict=True)]
        if not any(left):
            if ahead:  # offsets may end in a gap of control markers: the vector is what the epoch says
                task.pass_to(ahead[0].epoch.vector)
                continue
            break
        rank, count = order(left)
        step = min(count, left[rank])
        if step <= 0:
            raise TaskError("a slice must hold a record of an input that has one", rank=rank, count=count)
        task.feed(rank, logs[topics[rank]].part(place[rank], place[rank] + step))
        place[rank] += step
        task.advance()
        yield task, task.take()
    task.advance()
    yield task, task.take()
