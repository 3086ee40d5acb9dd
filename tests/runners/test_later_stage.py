"""A task over derived topics: every result below what frontier records tell, in order, whatever the cuts of either stage."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from streams.codec.log import Log, log_of, pack_headers
from streams.configuration import Configuration, parse
from streams.errors import TaskError
from streams.kernel import B1, I32, I64, NEG
from streams.model.hierarchy import Hierarchy
from streams.operators.cited import EVIDENCE_AT, ID_AT, SIZE_BITS, SIZE_MASK
from streams.operators.slice import Columns, Slice, never, nothing_open
from streams.runners import memory, state
from streams.runners.epoch import Adopted, Epoch
from streams.runners.frontier_records import LANES_BYTES, frontier_records
from streams.runners.task import Task
from streams.topology import Flow, Topology
from tests.runners.plant import ENVIRONMENT, INPUTS, columns, configuration, random_log
from tests.runners.test_task_laws import decoded, random_order, random_plant
from tests.seeds import randoms
from topologies import NAMED

DERIVED = ("ctx.window.v1", "ctx.measurement.v1")
FIRST = configuration()
LATER = parse('application = "later"\ntopology = "collect"\n[rules]\n')
Record = tuple[int, int, bytes | None, bytes | None, bytes]


def other_classes() -> Configuration:
    """As the first one, but m2 is slow, too: another class table."""
    content = FIRST.content.replace('["*s-1","slow"]', '["*s-1","slow"],["*m2","slow"]')
    from streams.configuration import of_content

    return of_content("test", content)


TABLES = {c.fingerprint: c.time.classes for c in (FIRST, other_classes())}


@dataclass(frozen=True)
class Collect:
    """Writes down every row that it gets."""

    inputs: tuple[int, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list, compare=False)
    state_version = "collect/1"

    def initial(self) -> None:
        return None

    def advance(self, state: None, slice: Slice) -> tuple[None, dict[str, Columns]]:
        lane_of = np.repeat(slice.lanes, np.diff(slice.start))
        for r in range(len(slice.rows.time)):
            at, size = int(slice.rows.extra[r]) >> SIZE_BITS, int(slice.rows.extra[r]) & SIZE_MASK
            piece = slice.arena[at : at + size].tobytes()
            self.rows.append((
                slice.names.lane_path(int(lane_of[r])), int(slice.rows.time[r]), int(slice.rows.input[r]),
                slice.names.signals.decode(int(slice.rows.signal[r])), int(slice.rows.sequence[r]),
                repr(slice.rows.value[r : r + 1].view(np.float64)[0].item()), piece[ID_AT:EVIDENCE_AT].hex(),
                slice.names.contexts.decode(int(slice.context[r]))[0], piece[EVIDENCE_AT:],
            ))  # fmt: skip
        return None, {"nothing": {"time": np.zeros(0, np.int64), "lane": np.zeros(0, np.int32)}}

    def due(self, state: None, lanes: I32) -> I64:
        return never(lanes)

    def open(self, state: None, lanes: I32) -> B1:
        return nothing_open(lanes)

    def succeed(self, before: Any, state: None) -> None:
        return None

    def columns(self, state: None) -> Columns:
        return {}

    def restored(self, columns: Columns) -> None:
        return None


def collecting(into: list[tuple[Any, ...]]) -> Any:
    def build(_: Configuration) -> Topology:
        flow = Flow("collect", reference=())
        sources = [flow.source(topic) for topic in DERIVED]
        step = flow.apply("all", sources, lambda inputs: Collect(inputs, into))
        flow.sink(step, "nothing", "ctx.count.v1", binding="increments")
        return flow.topology()

    return build


def published(random: Random) -> dict[str, list[Record]]:
    """What a first stage writes to the two topics, its frontier records included; it may adopt another class table half-way."""
    logs = {t: columns(t, random_log(t, random, 14)) for t in INPUTS}
    plant: Hierarchy = random_plant(random)
    epochs = [Adopted(Epoch(0, (0,) * len(INPUTS), {}, FIRST.fingerprint), FIRST, plant)]
    if random.random() < 0.5:
        second = other_classes()
        half = tuple(int(len(logs[t].offset) // 2) for t in INPUTS)
        epochs.append(Adopted(Epoch(1, half, {}, second.fingerprint), second, plant))
    found: dict[str, list[Record]] = defaultdict(list)

    def write(topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        if topic in DERIVED:
            found[topic].append((2 * len(found[topic]), 1_700_000_000_000_000, key, value, pack_headers(headers)))

    task, last = None, None
    for task, last in memory.run(NAMED["context"], epochs, ENVIRONMENT, logs, random_order(random)):  # noqa: B007
        for encoded in last.results:
            for key, value, headers in encoded.records():
                write(encoded.topic, key, value, headers)
        for topic in DERIVED:
            if random.random() < 0.6:
                for record in frontier_records(task, topic, random.choice([1, 60, LANES_BYTES])):  # in several, however it is cut
                    write(topic, record.key, record.value, record.headers)
    assert task is not None
    for topic in DERIVED:
        for record in frontier_records(task, topic):
            write(topic, record.key, record.value, record.headers)
    return {topic: found[topic] for topic in DERIVED}


def told(records: list[Record], topic: str, lane: str) -> int:
    """Slow twin of `time/told.py`: the largest thing that any record says of the lane."""
    highest = NEG
    for _, _, _, value, _ in records:
        one = decoded(topic, value or b"")
        if one["kind"] == "FRONTIER":
            says = one["frontier"]
            floors = dict(zip(says["classes"], says["floors_us"], strict=True))
            named = dict(zip(says["lanes"], says["frontiers_us"], strict=True))
            highest = max(highest, floors[TABLES[says["class_table"]].of(lane)], named.get(lane, NEG))
    return highest


def whole(one: dict[str, Any]) -> bool:
    return bool(one["shape"] == "TUMBLING" and one["until_us"] - one["since_us"] == one["size_us"])


def expected(logs: dict[str, list[Record]]) -> dict[str, list[tuple[Any, ...]]]:
    """Of each lane: (time, rank, signal, sequence, value, id) of the results that are complete."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for rank, topic in enumerate(DERIVED):
        for offset, _, key, value, headers in logs[topic]:
            one = decoded(topic, value or b"")
            if one["kind"] == "DATA":
                lane = f"{(key or b'').decode()}/{one['asset']}"
                time = int(headers.split(b"andon-time-us")[1][1:])
                size = 0 if rank else one["size_us"] if whole(one) else -1
                number = one["value"] if rank else one["mean"]
                signal = tuple(one[n].encode() for n in ("asset", "characteristic" if rank else "tag", "unit"))
                found[lane].append((time, rank, size, offset, signal, repr(float("nan") if number is None else number), one["id"]))
    complete = {lane: min(told(logs[t], t, lane) for t in DERIVED) for lane in found}
    return {
        lane: [(t, rank, signal, size, value, name) for t, rank, size, _, signal, value, name in sorted(rows) if t < complete[lane]]
        for lane, rows in found.items()
    }  # fmt: skip


def environment() -> Any:
    return replace(ENVIRONMENT, application="later", class_table=TABLES.__getitem__)


def first_epoch() -> Adopted:
    return Adopted(Epoch(0, (0, 0), {}, LATER.fingerprint), LATER, Hierarchy())


def collected(logs: dict[str, list[Record]], order: Any) -> tuple[list[tuple[Any, ...]], Task]:
    rows: list[tuple[Any, ...]] = []
    task = None
    columns_of: dict[str, Log] = {topic: log_of(records) for topic, records in logs.items()}
    for task, _ in memory.run(collecting(rows), [first_epoch()], environment(), columns_of, order):  # noqa: B007
        pass
    assert task is not None
    return rows, task


def by_lane(rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for lane, time, rank, signal, size, value, name, _, _ in rows:
        found[lane].append((time, rank, signal, size, value, name))
    return found


@given(random=randoms())
def test_every_complete_result_is_folded_once_and_in_order(random: Random) -> None:
    logs = published(random)
    rows, _ = collected(logs, random_order(random))
    assert by_lane(rows) == {lane: found for lane, found in expected(logs).items() if found}


@given(random=randoms())
def test_a_snapshot_anywhere_changes_nothing(random: Random) -> None:
    logs = published(random)
    whole, _ = collected(logs, random_order(random))
    rows: list[tuple[Any, ...]] = []
    task = Task(collecting(rows), first_epoch(), environment())
    place, every = [0, 0], {topic: log_of(records) for topic, records in logs.items()}
    while any(place[r] < len(every[t].offset) for r, t in enumerate(DERIVED)):
        rank = random.choice([r for r, t in enumerate(DERIVED) if place[r] < len(every[t].offset)])
        step = random.randint(1, 4)
        task.feed(rank, every[DERIVED[rank]].part(place[rank], place[rank] + step))
        place[rank] += step
        task.advance()
        task.take()
        if random.random() < 0.4:
            kept = state.unpacked(state.packed(state.dump(task)))
            task = state.load(collecting(rows), first_epoch(), environment(), kept)
    assert by_lane(rows) == by_lane(whole)


@given(random=randoms())
def test_an_epoch_of_other_rules_loses_nothing(random: Random) -> None:
    """At any vector: what was complete is folded under the old rules, the rest under the new ones."""
    logs = published(random)
    whole, _ = collected(logs, random_order(random))
    other = parse('application = "later"\ntopology = "collect"\n[rules]\nchanged = 1\n')
    columns_of = {topic: log_of(records) for topic, records in logs.items()}
    vector = tuple(int(random.choice([0, *columns_of[t].offset.tolist()])) for t in DERIVED)
    epochs = [first_epoch(), Adopted(Epoch(1, vector, {}, other.fingerprint), other, Hierarchy())]
    rows: list[tuple[Any, ...]] = []
    for _ in memory.run(collecting(rows), epochs, environment(), columns_of, random_order(random)):
        pass
    assert by_lane(rows) == by_lane(whole)


def test_there_are_results_to_compare() -> None:
    """Else the laws above would say nothing."""
    folded = sum(len(collected(published(Random(seed)), memory.in_turn(3))[0]) for seed in range(40))
    assert folded > 60


def busy() -> tuple[dict[str, list[Record]], list[tuple[Any, ...]]]:
    """A plant in which something is folded that ran under an order."""
    for seed in range(200):
        logs = published(Random(seed))
        rows, _ = collected(logs, memory.in_turn(5))
        if any(len(orders) > 1 for *_, orders, _ in rows):
            return logs, rows
    raise AssertionError("no seed gives one")


def test_orders_and_evidence_are_handed_on_byte_by_byte() -> None:
    logs, rows = busy()
    of = {decoded(t, v or b"")["id"]: (v or b"") for t, records in logs.items() for _, _, _, v, _ in records}
    assert rows and all(orders in of[name] and evidence in of[name] for *_, name, orders, evidence in rows)
    assert any(len(orders) > 1 for *_, orders, _ in rows)


def test_a_result_below_what_was_told_ends_the_task() -> None:
    logs, _ = busy()
    first = next(r for r in logs["ctx.window.v1"] if decoded("ctx.window.v1", r[3] or b"")["kind"] == "DATA")
    again = (logs["ctx.window.v1"][-1][0] + 2, *first[1:])
    with pytest.raises(TaskError, match="below the frontier that was told before it"):
        collected({**logs, "ctx.window.v1": [*logs["ctx.window.v1"], again]}, memory.in_turn(5))


def test_a_topology_reads_raw_topics_or_derived_ones() -> None:
    flow = Flow("mixed")
    sources = [flow.source("ot.sample.v1"), flow.source("ctx.window.v1")]
    flow.sink(flow.apply("all", sources, Collect), "nothing", "ctx.count.v1", binding="increments")
    adopted = Adopted(Epoch(0, (0, 0), {}, FIRST.fingerprint), FIRST, Hierarchy())
    with pytest.raises(Exception, match="raw topics or derived ones, not both"):
        Task(lambda _: flow.topology(), adopted, environment())
