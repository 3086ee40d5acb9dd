"""The memory runner: tasks over logs that are already there. Tests, exports, a laptop without a broker.

It is the live runner without the broker: the same task, fed in any order and in slices of any size, epochs applied by number at
exactly their vectors (replay.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from streams.codec.log import Log
from streams.runners.epoch import Adopted
from streams.runners.replay import LogFeed, Order, fold, new_task
from streams.runners.task import Environment, Task, Transaction
from streams.topology import Topology

__all__ = ["Order", "in_turn", "run"]


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
    task = new_task(build, epochs[0], environment)
    feeds = [LogFeed([logs[t]], v) for t, v in zip(task.topology.inputs, task.vector, strict=True)]
    for transaction in fold(task, epochs[1:], feeds, order):
        yield task, transaction
