"""Without a broker: what order events cost, and whether that grows with the history. In a process of its own, prints one JSON line.

    python -m bench.orders 365

1,000 orders a day over 50 work centers, 6 events each, with a history of 30 days: created, released, started, paused, resumed,
ended. One event in a hundred comes up to a day late, one in a hundred is corrected by minutes. Below each work center stands a machine
that runs, so every change of orders ends an interval. Events come 2,000 at once, as they do when a log is read from its start,
with a claim on every input behind them; the whole context topology is folded, from records of the log to records of the results.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from bench.load import LINES, START_US, Writer
from bench.memory import ENVIRONMENT, IDS, peak_mb
from bench.workloads import configuration_text
from streams.catalogue import HIERARCHY
from streams.codec.log import log_of
from streams.configuration import parse
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.state import dump, load, packed, unpacked
from streams.runners.task import Task
from topologies import NAMED

CENTERS, ORDERS_A_DAY, HISTORY_DAYS, AT_ONCE = 50, 1_000, 30, 2_000
EVENTS = ("CREATED", "RELEASED", "STARTED", "PAUSED", "RESUMED", "ENDED")
MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
ORDERS, STATE = "mes.order.v1", "ot.state.v1"


def events(days: int, random: Random) -> Iterator[tuple[int, dict[str, Any]]]:
    """(when it is said, event) in no order: an order every 72 minutes at each work center, an event every 10 of them."""
    apart_us = DAY_US * CENTERS // ORDERS_A_DAY
    for n in range(days * ORDERS_A_DAY):
        center, start_us = n % CENTERS, START_US + n // CENTERS * apart_us + n % CENTERS * 1_000_000
        for k, kind in enumerate(EVENTS):
            about = {"work_center": f"cell-{center}", "order": f"o-{n}", "operation": "10", "product": f"p-{n % 7}"}
            time_us = start_us + 10 * k * MINUTE_US
            late_us = random.randrange(2 * MINUTE_US, DAY_US) if random.random() < 0.01 else 0
            yield time_us + late_us, {**about, "event": kind, "event_time_us": time_us}
            if random.random() < 0.01:
                said_us = time_us + late_us + random.randrange(1, 600) * MINUTE_US
                moved = {"corrects": kind, "corrects_time_us": time_us, "corrected_time_us": time_us + random.randrange(-5, 5) * MINUTE_US}
                yield said_us, {**about, **moved, "event": "CORRECTED", "event_time_us": said_us}


def new_task() -> Task:
    configuration = parse(configuration_text("context").replace('order_history = "1 d"', f'order_history = "{HISTORY_DAYS} d"'))
    line = LINES[0]
    plant = Hierarchy.of(AssetRow(line, f"machine-{n}", f"cell-{n}", START_US - DAY_US, n) for n in range(CENTERS))
    first = Epoch(0, (0,) * len(NAMED["context"](configuration).inputs), {HIERARCHY: 0}, configuration.fingerprint)
    return Task(NAMED["context"], Adopted(first, configuration, plant), ENVIRONMENT)


def feed(task: Task, name: str, records: list[tuple[int, Mapping[str, Any]]], write: Writer) -> float:
    """(append time, record) into an input. Seconds of CPU."""
    rank = task.topology.inputs.index(name)
    start, key = task.vector[rank], LINES[0].encode()
    log = log_of([(start + n, append_us, key, write(record), b"") for n, (append_us, record) in enumerate(records)])
    began = time.thread_time()
    task.feed(rank, log)
    return time.thread_time() - began


def run(days: int) -> dict[str, Any]:
    end_us = START_US + days * DAY_US  # behind it come late events only
    said = sorted((one for one in events(days, Random(1)) if one[0] < end_us), key=lambda one: one[0])
    gc.freeze()  # the load is not ours to collect
    task, sequence, spent, results = new_task(), 0, list[float](), 0
    writers = {name: Writer(name, IDS[name]) for name in task.topology.inputs}
    data = {"kind": "DATA", "source": "bench", "boot": 0}
    running = {"event_time_us": START_US, "tag": "mode", "value": "RUN"}
    feed(task, STATE, [(START_US, {**data, **running, "sequence": n, "asset": f"machine-{n}"}) for n in range(CENTERS)], writers[STATE])
    for at in range(0, len(said), AT_ONCE):
        part, now_us = said[at : at + AT_ONCE], said[min(at + AT_ONCE, len(said)) - 1][0]
        claim = {"kind": "CLAIM", "source": "bench", "boot": 0, "sequence": None, "through_us": now_us}
        records = [(said_us, {**data, "sequence": sequence + n, **event}) for n, (said_us, event) in enumerate(part)]
        sequence += len(records)
        taken_s = 0.0
        for name in task.topology.inputs:
            taken_s += feed(task, name, [*(records if name == ORDERS else []), (now_us, claim)], writers[name])
        began = time.thread_time()
        task.advance()
        transaction = task.take()
        taken_s += time.thread_time() - began
        results += transaction.count
        spent.append(taken_s / len(part))
    return told(task, spent, len(said), results)


def told(task: Task, spent: list[float], count: int, results: int) -> dict[str, Any]:
    """The first slices compile and are left out; a rate with a short history and with a full one, from a tenth of the slices each."""
    row = task.ledger.row(task.topology.inputs.index(ORDERS))
    assert row["applied"] == row["accepted"] + row["late"] > 0.99 * count, "order events were lost"
    assert task.join_state
    own = spent[3:]
    tenth = max(1, len(own) // 10)
    early, late = (1 / (sum(part) / len(part)) for part in (own[:tenth], own[-tenth:]))
    kept = task.join_state
    began = time.perf_counter()
    data = packed(dump(task))
    snapshot_s, began = time.perf_counter() - began, time.perf_counter()
    load(task.build, task.adopted, ENVIRONMENT, unpacked(data))
    return {
        "events": count, "late": row["late"], "results": results, "rate": len(own) / sum(own), "rate_early": early, "rate_late": late,
        "in_history": sum(len(book.history) for book in kept.books.values()), "contexts": len(kept.contexts),
        "snapshot_mb": len(data) / 1024**2, "snapshot_s": snapshot_s, "load_s": time.perf_counter() - began, "peak_mb": peak_mb(),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]))), flush=True)
