"""All partitions of a history through their tasks, on as many cores as there are.

Kernels and polars run outside the interpreter's lock, so threads do; a partition belongs to one thread, and nothing is shared but
what is read. Memory: of each partition that is worked on one part of each input (65,536 records), what waits in its task, and one
part of each file that it writes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from streams.runners import backfill
from streams.runners.meter import STAGES
from streams.runners.replay import Feed
from streams.runners.task import Task
from streams.shell.backfill.history import History
from streams.shell.backfill.records import Out
from streams.shell.deployment import topology_of


class Sink(Protocol):
    """Where results go; calls for one partition come from one thread, in order."""

    def write(self, topic: str, partition: int, found: Iterable[Out]) -> None: ...


@dataclass(slots=True)
class Done:
    """fates: by input, of all partitions, see runners/ledger.py; stages: seconds of CPU; records: by topic; waiting: samples that
    were accepted and are not complete where the history ends."""

    fates: dict[str, dict[str, int]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    records: dict[str, int] = field(default_factory=dict)
    waiting: int = 0

    def add(self, fates: Mapping[str, Mapping[str, int]], stages: Mapping[str, float], waiting: int) -> None:
        for name, row in fates.items():
            whole = self.fates.setdefault(name, dict.fromkeys(row, 0))
            for fate, count in row.items():
                whole[fate] += count
        for stage, seconds in stages.items():
            self.stages[stage] += seconds
        self.waiting += waiting


def run(history: History, sink: Sink, records: int = backfill.SLICE, cores: int | None = None) -> Done:
    """Fold everything. records: a slice, which changes no byte. The first failure ends all partitions and is raised."""
    done, lock, stop = Done(records=dict.fromkeys(history.outputs, 0)), threading.Lock(), threading.Event()
    threads = history.partitions if history.at_once else min(history.partitions, cores or os.cpu_count() or 1)
    with history.reading(stop), ThreadPoolExecutor(threads, "backfill") as pool:
        waiting = [pool.submit(_partition, history, sink, partition, records, done, lock, stop) for partition in range(history.partitions)]
        try:
            finished, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            for one in waiting:
                one.cancel()
        for one in finished:
            one.result()
    return done


def _partition(
    history: History, sink: Sink, partition: int, records: int, done: Done, lock: threading.Lock, stop: threading.Event
) -> None:  # fmt: skip
    epochs, counts = history.epochs(partition), dict[str, int]()
    if not epochs:
        return
    tasks: list[Task] = []

    def feeds(task: Task) -> Sequence[Feed]:
        tasks.append(task)
        return history.feeds(task)

    for _, transaction in backfill.run(topology_of, epochs, history.environment(partition), feeds, records):
        if stop.is_set():
            return
        for encoded in transaction.results:
            sink.write(encoded.topic, partition, (Out(key, value, tuple(headers)) for key, value, headers in encoded.records()))
            counts[encoded.topic] = counts.get(encoded.topic, 0) + len(encoded)
        for record in transaction.records:
            sink.write(record.topic, partition, [Out(record.key, record.value, tuple(record.headers))])
            counts[record.topic] = counts.get(record.topic, 0) + 1
    (task,) = tasks
    with lock:
        fates = {topic: task.ledger.row(rank) for rank, topic in enumerate(task.topology.inputs)}
        done.add(fates, task.meter.seconds, len(task.release.pending) + len(task.release_orders.pending))
        for topic, count in counts.items():
            done.records[topic] += count
