"""Without a broker: what idle lanes cost, and what samples cost that wait. Each in a process of its own, which prints one JSON line.

    python -m bench.memory lanes
    python -m bench.memory pending 10000000

lanes: the context topology with 2,000 and with 200,000 known lanes, of which 100 are sent to. Every lane, idle or not, has an open
state interval and an open window of a year. A slice is what the live worker does: a second of 100 samples and of the other inputs'
claims is folded, what is complete released, a frontier record made, the standing taken; every other slice brings an order too, of one
of 10 work centers, below each of which 10 of the 100 stand. pending: samples of B2, of which none can become complete; the state is taken,
packed, unpacked and made a task again, as a snapshot and a recovery do it.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import LINES, START_US, Load, Writer, packed
from bench.workloads import configuration_text
from streams.catalogue import HIERARCHY, TOPICS, Catalogue, schema_of
from streams.codec.log import Log, log_of
from streams.configuration import Configuration, parse
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.frontier_records import frontier_records
from streams.runners.live.standing import standing_of
from streams.runners.state import dump, load, unpacked
from streams.runners.state import packed as snapshot_of
from streams.runners.task import Environment, Task
from topologies import NAMED

FEW, MANY, ACTIVE, CELLS, SLICES = 2_000, 200_000, 100, 10, 200
SECOND_US = 1_000_000
IDS = {topic.name: number for number, topic in enumerate(TOPICS, 1)}
SCHEMAS = {number: schema_of(topic.schema) for number, topic in enumerate(TOPICS, 1)}
ENVIRONMENT = Environment("bench", 0, Catalogue(), SCHEMAS.get, IDS.__getitem__)
ORDERS, SAMPLE, STATE, TELEMETRY = "mes.order.v1", "ot.sample.v1", "ot.state.v1", "ot.telemetry.v1"


def rss_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def new_task(configuration: Configuration, plant: Hierarchy | None = None) -> Task:
    topology = NAMED[configuration.topology](configuration)
    first = Epoch(0, (0,) * len(topology.inputs), {HIERARCHY: 0}, configuration.fingerprint)
    return Task(NAMED[configuration.topology], Adopted(first, configuration, plant or Hierarchy()), ENVIRONMENT)


class Plant:
    """A task of the context topology and the writers of its inputs."""

    def __init__(self) -> None:
        text = configuration_text("context").replace('windows = [{ tumbling = "10 s" }]', 'windows = [{ tumbling = "10 s" }, LONG]', 1)
        cells = (AssetRow(LINES[0], f"machine-{n}", f"cell-{n % CELLS}", START_US - SECOND_US, n) for n in range(ACTIVE))
        self.task = new_task(parse(text.replace("LONG", '{ tumbling = "365 d" }')), Hierarchy.of(cells))
        self.inputs = self.task.topology.inputs
        self.writers = {name: Writer(name, IDS[name]) for name in self.inputs}
        self.sequence = dict.fromkeys(self.inputs, -1)
        self.now_us = START_US

    def _log(self, name: str, records: list[Mapping[str, Any]]) -> Log:
        rank, write = self.inputs.index(name), self.writers[name]
        start = self.task.vector[rank]
        return log_of([(start + n, self.now_us, LINES[0].encode(), write(record), b"") for n, record in enumerate(records)])

    def _data(self, name: str, **fields: Any) -> dict[str, Any]:
        self.sequence[name] += 1
        return {"kind": "DATA", "source": "bench", "boot": 0, "sequence": self.sequence[name], "event_time_us": self.now_us, **fields}

    def logs(self, lanes: range, *, order: bool = False, states: bool = False) -> dict[str, Log]:
        """The next second: a sample of each lane, and a state if asked for, a claim of every other input."""
        self.now_us += SECOND_US
        claim = {"kind": "CLAIM", "source": "bench", "boot": 0, "sequence": None, "through_us": self.now_us}
        found = {name: self._log(name, [claim]) for name in self.inputs if name not in (SAMPLE, ORDERS, STATE)}
        orders, running = [claim], [claim]
        if order:
            number = self.sequence[ORDERS] + 1
            about = {"work_center": f"cell-{number // 2 % CELLS}", "order": f"o-{number // 2}"}
            orders.insert(0, self._data(ORDERS, event=("STARTED", "ENDED")[number % 2], **about))
        if states:
            running = [*(self._data(STATE, asset=f"machine-{n}", tag="mode", value="RUN") for n in lanes), claim]
        samples = [self._data(SAMPLE, asset=f"machine-{n}", tag="x", unit="Cel", value=float(n), quality="GOOD") for n in lanes]
        told = {ORDERS: orders, STATE: running, SAMPLE: [*samples, claim]}
        return found | {name: self._log(name, records) for name, records in told.items()}

    def slice(self, logs: Mapping[str, Log]) -> None:
        """What a worker does with what it has fetched, except for Kafka."""
        for rank, name in enumerate(self.inputs):
            if name in logs:
                self.task.feed(rank, logs[name])
        self.task.advance()
        for transaction in [self.task.take()]:
            for encoded in transaction.results:
                for _ in encoded.records():
                    pass
        for topic in self.task.topology.outputs:
            frontier_records(self.task, topic)
        standing_of(self.task)

    def meet(self, lanes: range) -> None:
        """Know these lanes, then leave all but the active ones idle for longer than their silence and their windows."""
        for start in range(lanes.start, lanes.stop, 10_000):
            self.slice(self.logs(range(start, min(lanes.stop, start + 10_000)), states=True))
        for _ in range(150):
            self.slice(self.logs(range(ACTIVE)))


def slice_times(plant: Plant, *, order: bool) -> float:
    """Milliseconds of CPU of a slice, median."""
    found = []
    for n in range(SLICES):
        logs = plant.logs(range(ACTIVE), order=order and n % 2 == 0)
        began = time.thread_time()
        plant.slice(logs)
        if not order or n % 2 == 0:
            found.append(time.thread_time() - began)
    return 1e3 * float(np.median(found))


def lanes() -> dict[str, Any]:
    warm = Plant()
    warm.meet(range(ACTIVE))
    slice_times(warm, order=True)
    small, large = Plant(), Plant()
    small.meet(range(FEW))
    gc.collect()
    before_mb = rss_mb()
    began = time.perf_counter()
    large.meet(range(MANY))
    met_s = time.perf_counter() - began
    gc.collect()
    bytes_a_lane = (rss_mb() - before_mb) * 1024**2 / MANY
    told: dict[str, Any] = {"lanes": MANY, "bytes_a_lane": bytes_a_lane, "meet_us": 1e6 * met_s / MANY}
    for order in (False, True):
        ratios, times = [], []
        for _ in range(3):
            few, many = slice_times(small, order=order), slice_times(large, order=order)
            ratios.append(many / few)
            times.append((few, many))
        name = "with_orders" if order else "samples"
        ms_few, ms_many = (float(np.median([t[k] for t in times])) for k in (0, 1))
        told[name] = {"ms_few": ms_few, "ms_many": ms_many, "ratios": sorted(ratios)}
    every, task = np.arange(large.task.book.count, dtype=np.int32), large.task
    opened = {step.id: int(step.operator.open(state, every).sum()) for step, state in zip(task.topology.steps, task.states, strict=True)}
    assert opened["windows"] == opened["state-intervals"] == MANY, "lanes without an open window and interval"
    large.task.take()
    data = snapshot_of(dump(large.task))
    again, told["recovery_s"] = _timed(lambda: load(large.task.build, large.task.adopted, ENVIRONMENT, unpacked(data)))
    assert again.book.count == large.task.book.count
    return told


def _fed(configuration: Configuration, events: int) -> tuple[Task, float]:
    task = new_task(configuration)
    rank, taken_s = task.topology.inputs.index(TELEMETRY), 0.0
    for part in _parts(packed(Load(events), Writer(TELEMETRY, IDS[TELEMETRY]))):
        log = log_of([(task.vector[rank] + n, m.append_us, m.key, m.value, b"") for n, m in enumerate(part)])
        began = time.perf_counter()
        task.feed(rank, log)
        task.advance()
        taken_s += time.perf_counter() - began
    assert not task.take().results and len(task.release.pending) > 0.99 * events, "the samples do not wait"
    return task, taken_s


def _parts(messages: Iterator[Any], size: int = 400) -> Iterator[list[Any]]:
    part = []
    for message in messages:
        part.append(message)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = call()
    return found, time.perf_counter() - began


def pending(events: int) -> dict[str, Any]:
    configuration = parse(configuration_text("pending"))
    _fed(configuration, 100_000)
    gc.collect()
    before_mb = rss_mb()
    task, fed_s = _fed(configuration, events)
    gc.collect()
    held_mb, count = rss_mb() - before_mb, len(task.release.pending)
    state, dumped_s = _timed(lambda: dump(task))
    raw_mb = sum(column.nbytes for column in state.values()) / 1024**2
    data, packed_s = _timed(lambda: snapshot_of(state))
    taken_mb = peak_mb()
    again, unpacked_s = _timed(lambda: unpacked(data))
    other, loaded_s = _timed(lambda: load(task.build, task.adopted, ENVIRONMENT, again))
    assert len(other.release.pending) == count
    same = dump(other)
    assert same.keys() == state.keys() and all(np.array_equal(same[k], state[k]) for k in state), "a task is not what it was"
    return {
        "pending": count, "held_mb": held_mb, "bytes_a_sample": held_mb * 1024**2 / count, "fed_s": fed_s, "state_mb": raw_mb,
        "snapshot_mb": len(data) / 1024**2, "dump_s": dumped_s, "pack_s": packed_s, "unpack_s": unpacked_s, "load_s": loaded_s,
        "recovery_s": unpacked_s + loaded_s, "peak_mb": taken_mb,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(lanes() if sys.argv[1] == "lanes" else pending(int(sys.argv[2]))), flush=True)
