"""A task's whole state as plain columns, and a task made from them again.

Taken only when nothing is in the outbox, at a vector. What is derived (watches, hierarchy places, groups) is made anew. The
columns go to snapshots; `packed` and `unpacked` turn them into bytes and back, without pickle.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import cramjam
import numpy as np
import numpy.typing as npt

from streams.columns.dictionary import Dictionary
from streams.configuration import of_content
from streams.errors import SnapshotError
from streams.kernel import NEG
from streams.runners import adoption
from streams.runners.epoch import Adopted
from streams.runners.task import Environment, Task
from streams.runners.toldbook import ToldBook
from streams.time import contents, fingerprints, ranges
from streams.time.gate import Gate
from streams.time.pending import Rows
from streams.topology import Topology

STATE_VERSION = "task/2"
State = dict[str, npt.NDArray[Any]]
_DICTIONARIES = ("lines", "lanes", "signals", "sources", "texts", "contexts")


def version_of(topology: Topology) -> str:
    """What a snapshot must agree with: the task's own layout and that of every step."""
    return f"{STATE_VERSION} {topology.state_version}"


def _dictionary(d: Dictionary) -> State:
    count, used = len(d), int(d.table.used[1])
    t = d.table
    return {"scope": t.scope[:count], "lengths": t.lengths[: 3 * count], "link": t.link[:count], "arena": t.arena[:used]}


def _fill(d: Dictionary, state: Mapping[str, Any]) -> None:
    at, arena, lengths = 0, state["arena"].tobytes(), state["lengths"].tolist()
    for code, (scope, link) in enumerate(zip(state["scope"].tolist(), state["link"].tolist(), strict=True)):
        parts = []
        for size in lengths[3 * code : 3 * code + 3]:
            parts.append(arena[at : at + size])
            at += size
        found = d.encode(scope, *parts)
        assert found == code, "a name stands twice in a snapshot"
        d.table.link[code] = link


def _gate(gate: Gate) -> State:
    c, f = gate.contents, gate.fingerprints
    taken, pages = c.mark != NEG, int(f.counts[0])
    found = {f"ranges.{k}": v for k, v in ranges.to_columns(gate.ranges).items()}
    found |= {"contents.high": c.high[taken], "contents.low": c.low[taken], "contents.mark": c.mark[taken]}
    found |= {f"prints.{n}": getattr(f, n)[:pages] for n in ("source", "number", "present", "newest")}
    return found | {"prints.print": f.print[: pages * fingerprints.PAGE], "prints.tick": f.tick[: pages * fingerprints.PAGE]}


def _fill_gate(gate: Gate, part: Callable[[str], State], sources: int) -> None:
    gate.ranges = ranges.from_columns(part("ranges."), sources)
    gate.contents = contents.of_columns(**part("contents."))
    gate.fingerprints = fingerprints.of_columns(**part("prints."))


def dump(task: Task) -> State:
    """The state as columns. The task goes on unchanged; arrays may be views of its own: copy or pack them before it does."""
    assert not task.outbox.count, "a snapshot is taken at a commit"
    book, found = task.book, State()
    for name in _DICTIONARIES:
        found |= {f"names.{name}.{k}": v for k, v in _dictionary(getattr(task.names, name)).items()}
    found |= {"clocks.append": book.clocks.append, "clocks.claim": book.clocks.claim}
    found |= {"lanes.latest": book.lanes.latest[:, : book.count], "lanes.carried": book.lanes.carried[:, : book.count]}
    for rank, gate in enumerate(task.gates):
        gate.forget(book.clocks)
        found |= {f"gate{rank}.{k}": v for k, v in _gate(gate).items()}
    for name, release in (("release", task.release), ("orders", task.release_orders)):
        rows, start = release.pending.all_rows(book.count)
        found |= {f"{name}.{k}": v for k, v in rows._asdict().items()} | {f"{name}.start": start}
        found[f"{name}.front"] = release.schedule.front[: book.count]
    for rank, blobs in enumerate(task.blobs):
        if blobs is not None and blobs not in task.blobs[:rank]:  # a later stage has one arena for all inputs
            found |= {f"blobs{rank}.arena": blobs.arena[: blobs.used], f"blobs{rank}.live": np.array([blobs.live])}
    if task.topology.join:
        found |= {f"join.{k}": v for k, v in task.topology.join.operator.columns(task.join_state).items()}  # type: ignore[arg-type]
    for step, state in zip(task.topology.steps, task.states, strict=True):
        found |= {f"step.{step.id}.{k}": v for k, v in step.operator.columns(state).items()}
    found["ledger"] = task.ledger.counts
    for topic, live in task.live.items():
        found |= {f"live.{topic}.lanes": live.all_lanes(), f"live.{topic}.reported": live.reported}
    rest = {
        "vector": task.vector, "future_highest": task.future_highest,
        "earlier": [[append.tolist(), content] for append, content in book.earlier_contents()],
        "told": book.told_so_far() if isinstance(book, ToldBook) else [],
    }  # fmt: skip
    found["rest"] = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    return found


def load(build: Callable[[Any], Topology], adopted: Adopted, environment: Environment, state: State) -> Task:
    """A task as `dump` left it. adopted: the epoch that was in force then."""
    task = Task(build, adopted, environment)

    def part(prefix: str) -> State:
        return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

    rest = json.loads(state["rest"].tobytes())
    for name in _DICTIONARIES:
        _fill(getattr(task.names, name), part(f"names.{name}."))
    book = task.book
    book.earlier = [(np.array(append, np.int64), of_content("", content).time, content) for append, content in rest["earlier"]]
    if isinstance(book, ToldBook):
        book.restore_told(rest["told"])
    book.grow((task.release, task.release_orders))
    book.clocks.append[:], book.clocks.claim[:] = state["clocks.append"], state["clocks.claim"]
    for name in ("latest", "carried"):
        getattr(book.lanes, name)[:, : book.count] = state[f"lanes.{name}"]
    for rank, gate in enumerate(task.gates):
        _fill_gate(gate, lambda prefix, rank=rank: part(f"gate{rank}.{prefix}"), len(task.names.sources))  # type: ignore[misc]
    for name, release in (("release", task.release), ("orders", task.release_orders)):
        own = part(f"{name}.")
        release.pending.restore(Rows(*(own[k].copy() for k in Rows._fields)), own["start"])
        release.with_lanes(book.count)
        release.schedule.front[: book.count] = own["front"]
    for rank, blobs in enumerate(task.blobs):
        if blobs is not None and blobs not in task.blobs[:rank]:
            blobs.arena, blobs.live = state[f"blobs{rank}.arena"].copy(), int(state[f"blobs{rank}.live"][0])
            blobs.used = len(blobs.arena)
    if task.topology.join:
        task.join_state = task.topology.join.operator.restored(part("join."))
    task.states = [step.operator.restored(part(f"step.{step.id}.")) for step in task.topology.steps]
    task.ledger.counts[:] = state["ledger"]
    for topic, live in task.live.items():
        if f"live.{topic}.lanes" in state:
            live.restore(state[f"live.{topic}.lanes"], state[f"live.{topic}.reported"])
    task.vector, task.future_highest = rest["vector"], rest["future_highest"]
    adoption.look_at_everything(task)
    return task


_MAGIC = b"ANDON\x01"


def packed(state: State) -> bytes:
    """Columns as bytes: a table of contents, then the arrays, compressed with zstd."""
    contents_, parts = [], []
    for name, array in state.items():
        raw = np.ascontiguousarray(array)
        contents_.append([name, raw.dtype.str, list(raw.shape)])
        parts.append(raw.tobytes())
    head = json.dumps(contents_).encode()
    return bytes(cramjam.zstd.compress(_MAGIC + struct.pack("<q", len(head)) + head + b"".join(parts), level=1))


def unpacked(data: bytes) -> State:
    """What `packed` was given; SnapshotError where the bytes are something else."""
    try:
        raw = bytes(cramjam.zstd.decompress(data))
        if raw[:6] != _MAGIC:
            raise SnapshotError("the bytes are no snapshot of this program")
        (size,) = struct.unpack_from("<q", raw, 6)
        at, found = 14 + size, State()
        for name, dtype, shape in json.loads(raw[14:at]):
            array = np.frombuffer(raw, np.dtype(dtype), int(np.prod(shape)), at).reshape(shape)
            found[name], at = array, at + array.nbytes
    except (cramjam.DecompressionError, ValueError, struct.error) as error:
        raise SnapshotError("a snapshot cannot be read", reason=str(error)) from error
    return found
