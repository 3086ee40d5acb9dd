"""Compiles the kernels ahead: folds a few records of every input as a task does, so that each kernel is called once.

A kernel is compiled when it is first called with arguments of its types, about a minute for all of them, and its machine code is
kept (streams/kernel.py). What is there already is only loaded, which takes a second.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import event
from numba.core.dispatcher import Dispatcher

from streams.catalogue import TOPICS, Catalogue, schema_of
from streams.codec.blobs import Blobs
from streams.codec.crc import crc32c
from streams.codec.log import LOG_APPEND_TIME, Log, batches, pack_headers, parse, varint
from streams.codec.murmur import partition_of
from streams.codec.out_record import OutRecord
from streams.configuration import Configuration
from streams.configuration import parse as configured
from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.operators.points import compacted, new_points
from streams.runners import state
from streams.runners.epoch import Adopted, Epoch
from streams.runners.memory import in_turn, run
from streams.runners.stages import Derived
from streams.runners.task import Environment, Task
from streams.shell.deployment import topology_of
from streams.shell.ingest.encoding import Message, encoded
from streams.shell.ingest.packing import cut
from streams.shell.local.artifacts import locked

LINE = "enterprise/site/area/line"
MINUTE_US = 60_000_000
STEPS = 150  # of a minute each: longer than every horizon below, and more names than a new dictionary has room for
_IDS = {topic.name: number for number, topic in enumerate(TOPICS, start=1)}
_TOPIC = {number: name for name, number in _IDS.items()}
_INPUTS = ("mes.order.v1", "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1")
_CONFIGURATION = """
application = "kernels"
topology = "context"
[lane_classes]
default = "live"
{inputs}
[rules]
windows = [{{ tumbling = "{size}" }}]
state_windows = [{{ hopping = "{size}", hop = "1 min" }}]
hold = "10 min"
order_history = "1 h"
treat_uncertain_as_bad = true
rollovers = [["parts", 100, 40]]
"""
_LATER = """
application = "later"
topology = "quality"
[rules]
window = "2 min"
clear_after = 3
stuck = [["*", 2]]
missing = [["*", "10 min"]]
"""
_LIMITS = """[inputs."{0}"]
lateness = {{ live = "1 s" }}
silence = {{ live = "2 min" }}
future = "1 s"
horizon = "5 min"
conflict = "4 min"
"""

Compiled = Callable[[str], None]  # told the name of each kernel


def compile_missing(compiled: Compiled = lambda kernel: None) -> None:
    """Compile what is not compiled yet. Any number of processes may: one works, the others wait and find everything."""
    if uncompiled():
        with locked(folder()):
            compile_all(compiled)


def compile_all(compiled: Compiled = lambda kernel: None) -> None:
    """Call every kernel; what was compiled before is loaded, and `compiled` told of the rest."""
    listener = _Listener(compiled)
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]  # numba
    try:
        _fold()
    finally:
        event.unregister("numba:compile", listener)  # type: ignore[no-untyped-call]  # numba


def folder() -> Path:
    """Where the machine code of these sources is kept."""
    return Path(numba.config.CACHE_DIR)  # type: ignore[attr-defined]  # numba makes its settings while it is imported


def kernels() -> dict[str, Dispatcher]:
    """Every kernel of the imported modules by its name; parts that are copied into kernels are none."""
    modules = [module for name, module in sys.modules.items() if name.startswith("streams.")]
    found = [(m.__name__, name, value) for m in modules for name, value in vars(m).items() if isinstance(value, Dispatcher)]
    return {f"{m}.{name}": k for m, name, k in found if k.__module__ == m and k.targetoptions.get("inline") != "always"}


def uncompiled() -> list[str]:
    """Kernels of which no machine code is kept."""
    return sorted(name for name, kernel in kernels().items() if not _kept(name.rpartition(".")[2], kernel))


def _kept(name: str, kernel: Dispatcher) -> bool:
    return any(Path(kernel.stats.cache_path or "").glob(f"*.{name}-*.nbi"))


class _Listener(event.Listener):
    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def on_start(self, event: Any) -> None:
        """It is told when it is done."""

    def on_end(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        self._compiled(f"{function.__module__}.{function.__qualname__}")


def _fold() -> None:
    """Two epochs of a task of the `context` topology, a snapshot between any two slices; and what only ingest, or only chance, calls."""
    partition_of(LINE.encode(), 8)
    Blobs().compact(np.zeros(0, np.int64))
    compacted(new_points(8))
    one = np.zeros(1, np.int64)
    cut(np.ones(1, np.bool_), one, one, one, one, 1, 1)
    logs = {topic: _log(topic) for topic in _INPUTS}
    environment = Environment("kernels", 0, Catalogue(), lambda number: schema_of(_TOPIC[number]), _IDS.__getitem__)
    first, second = _configuration("2 min"), _configuration("3 min")
    half = tuple(int(len(log.offset) // 2) for log in logs.values())
    parents = Hierarchy.of([AssetRow(LINE, "asset-1", "asset-0", 0, 0)])
    epochs = [
        Adopted(Epoch(0, (0,) * len(logs), {}, first.fingerprint), first, Hierarchy()),
        Adopted(Epoch(1, half, {}, second.fingerprint), second, parents),
    ]
    later = _later(environment)
    derived = Derived(later.topology.inputs)
    for task, transaction in run(topology_of, epochs, environment, logs, in_turn(20)):
        again = state.load(topology_of, task.adopted, environment, state.unpacked(state.packed(state.dump(task))))
        for topic, log in derived.logs(again, transaction).items():
            later.feed(later.topology.inputs.index(topic), log)
        later.advance()
        later.take()
        later = state.load(topology_of, later.adopted, later.environment, state.unpacked(state.packed(state.dump(later))))


def _later(environment: Environment) -> Task:
    """A task of the stage behind `context`."""
    chosen = configured(_LATER)
    tables = {one.fingerprint: one.time.classes for one in (_configuration("2 min"), _configuration("3 min"))}
    named = (("temperature", "Cel"), ("bore", "mm"))
    rows = [CharacteristicRow(LINE, "asset-1", tag, "", unit, 0, 1, 1.0, 1.0, 0.9, 1.1, 0.5, 1.5) for tag, unit in named]
    epoch = Epoch(0, (0, 0), {}, chosen.fingerprint)
    return Task(topology_of, Adopted(epoch, chosen, Hierarchy(), (), Characteristics.of(rows)),
                replace(environment, class_table=tables.__getitem__))  # fmt: skip


def _configuration(size: str) -> Configuration:
    return configured(_CONFIGURATION.format(inputs="".join(_LIMITS.format(topic) for topic in _INPUTS), size=size))


def _log(topic: str) -> Log:
    """A topic's log, as a worker has it from a broker."""
    records = [OutRecord(topic, 0, LINE.encode(), value, MINUTE_US * n, "DATA") for n, value in enumerate(_values(topic))]
    fetched = _fetch(list(encoded(records, _IDS)))
    return parse(fetched, batches(fetched), 0, in_header=True)


def _values(topic: str) -> Iterator[Mapping[str, Any]]:
    """Numbered and unnumbered records of ever new assets, a heartbeat, and a claim that completes them."""
    for n in range(STEPS):
        head = {"kind": "DATA", "source": "gateway", "sequence": None if n % 8 == 0 else n, "event_time_us": MINUTE_US * n}
        yield head | _body(topic, n, f"asset-{n}" if n % 2 else "asset-1")
    yield {"kind": "HEARTBEAT", "source": "gateway", "through_us": MINUTE_US * STEPS, "lanes": ["asset-0"]}
    yield {"kind": "CLAIM", "source": "gateway", "through_us": MINUTE_US * STEPS}


def _body(topic: str, n: int, asset: str) -> dict[str, Any]:
    if topic == "mes.order.v1":
        return {"work_center": "asset-1", "event": ("STARTED", "ENDED")[n % 2], "order": f"order-{n // 2}"}
    if topic == "ot.telemetry.v1":
        signals = {"assets": [asset], "tags": ["temperature"], "units": ["Cel"], "signals": [0, 0]}
        return signals | {"base_time_us": MINUTE_US * n, "times_us": [0, 1], "values": [0.5, 1.5], "qualities": []}
    if topic == "ot.measurement.v1":
        return {"asset": asset, "characteristic": "bore", "unit": "mm", "value": 9.98, "serial": f"part-{n}", "result": "PASS"}
    value = {"ot.sample.v1": n / 8, "ot.state.v1": ("RUN", "STOP")[n % 4 // 2], "ot.count.v1": n * 7 % 100}[topic]
    return {"asset": asset, "tag": "parts", "value": value}


def _fetch(messages: Sequence[Message]) -> bytes:
    """One record batch as a broker that stamps append times would answer with it."""
    records = b"".join(_record(n, message) for n, message in enumerate(messages))
    append_ms, stamped = messages[-1].append_us // 1000, LOG_APPEND_TIME << 3
    body = struct.pack(">hiqqqhii", stamped, len(messages) - 1, 0, append_ms, -1, -1, -1, len(messages)) + records
    return struct.pack(">qiibI", 0, len(body) + 9, 0, 2, crc32c(body)) + body


def _record(delta: int, message: Message) -> bytes:
    headers = pack_headers(list(message.headers))
    parts = (b"\0", varint(0), varint(delta), varint(len(message.key)), message.key, varint(len(message.value)), message.value, headers)
    return varint(sum(map(len, parts))) + b"".join(parts)


if __name__ == "__main__":
    from rich.console import Console

    from streams.shell.commands.progress import compiling

    with compiling(Console(stderr=True)) as told:
        compile_missing(told)
