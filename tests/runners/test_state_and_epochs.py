"""A snapshot anywhere changes nothing; replay applies epochs by number at their vectors and gives the same bytes."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from streams.errors import AndonError, SnapshotError
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.memory import run
from streams.runners.state import dump, load, packed, unpacked
from streams.runners.task import Task, Transaction
from tests.runners.plant import ENVIRONMENT, INPUTS, LINE, columns, configuration, random_log
from tests.runners.test_task_laws import by_lane, decoded, first, random_order, random_plant
from tests.seeds import randoms
from tests.twin import orders
from topologies import NAMED

CONFIGURATIONS = [
    configuration(),
    configuration((4, 6, 10, 20, 2, 210, 140), (5, 8, 14, 18, 2, 210, 140)),
    configuration((2, 3, 4, 5, 1, 30, 20), (2, 3, 4, 5, 0, 30, 20)),
    configuration(windows="[{ tumbling = 7 }, { session = 3 }]"),
]


def live(logs: Any, random: Random, plant: Hierarchy, snapshots: bool) -> tuple[Task, list[Transaction], list[Adopted]]:
    """A run that adopts epochs when it likes, and is written down and read back when it likes."""
    adopted, place = [first(plant)], [0] * len(INPUTS)
    task, found = Task(NAMED["context"], adopted[0], ENVIRONMENT), []
    data = [columns(t, logs[t]) for t in INPUTS]
    while any(p < len(d.offset) for p, d in zip(place, data, strict=True)):
        rank = random.choice([r for r in range(len(INPUTS)) if place[r] < len(data[r].offset)])
        step = random.randint(1, 4)
        task.feed(rank, data[rank].part(place[rank], min(place[rank] + step, len(data[rank].offset))))
        place[rank] = min(place[rank] + step, len(data[rank].offset))
        if random.random() < 0.3:
            task.advance()
        if random.random() < 0.15:
            adopted.append(another(random, adopted[-1], task.vector))
            task.adopt(adopted[-1])
        if random.random() < 0.5:
            task.advance()
            found.append(task.take())
            if snapshots and random.random() < 0.5:
                task = load(NAMED["context"], adopted[-1], ENVIRONMENT, unpacked(packed(dump(task))))
    task.advance()
    found.append(task.take())
    return task, found, adopted


def another(random: Random, before: Adopted, vector: list[int]) -> Adopted:
    one, hierarchy = before.configuration, before.hierarchy
    if random.random() < 0.6:
        one = random.choice(CONFIGURATIONS)
    if random.random() < 0.6:
        asset, parent = random.choice(["m1", "m2", "c1"]), random.choice(["c1", "c2", ""])
        earlier = [row for rows in hierarchy.rows.values() for row in rows]
        hierarchy = Hierarchy.of([*earlier, AssetRow(LINE, asset, parent, random.randint(-5, 60), before.epoch.number + 1)])
    return Adopted(Epoch(before.epoch.number + 1, tuple(vector), {}, one.fingerprint), one, hierarchy)


def values(transactions: list[Transaction]) -> tuple[Any, Any]:
    return by_lane(transactions), sorted(r.value for tx in transactions for r in tx.records)


@given(random=randoms())
def test_a_snapshot_anywhere_changes_nothing_and_replay_follows_epochs(random: Random) -> None:
    plant, logs = random_plant(random), {t: random_log(t, random, 12) for t in INPUTS}
    task, found, adopted = live(logs, random, plant, snapshots=True)
    replay = list(run(NAMED["context"], adopted, ENVIRONMENT, {t: columns(t, log) for t, log in logs.items()}, random_order(random)))
    assert values(found) == values([tx for _, tx in replay])
    again = replay[-1][0]
    assert task.vector == again.vector
    assert [e.number for tx in found for e in tx.epochs] == list(range(1, len(adopted)))
    assert canonical(task) == canonical(again)


def canonical(task: Task) -> Any:
    """What the next record will be judged and folded by, with names resolved."""
    lanes = [task.names.lane_path(n) for n in range(task.book.count)]
    order = np.argsort(lanes)
    marks = [task.book.clocks.append.tolist(), task.book.clocks.claim.tolist()]
    frontiers = sorted(zip(lanes, task.frontiers(range(task.book.count)).tolist(), strict=True))
    latest = task.book.lanes.latest[:, : task.book.count][:, order].tolist()
    return marks, frontiers, latest, len(task.release.pending), len(task.release_orders.pending)


@given(random=randoms())
def test_restate_requests_cover_everything_that_later_knowledge_changes(random: Random) -> None:
    """Outside the requested lanes and times, a sample was told the orders that all adopted knowledge tells it now."""
    plant, logs = random_plant(random), {t: random_log(t, random, 16) for t in INPUTS}
    task, found, adopted = live(logs, random, plant, snapshots=False)
    last, join = adopted[-1].hierarchy, task.join_state
    assert join is not None
    asked = [decoded(r.topic, r.value) for tx in found for r in tx.records if r.topic == "audit.restate-request.v1"]
    known = {task.names.lanes.decode(lane)[0].decode(): list(book.history) for lane, book in join.books.items()}
    for encoded in (e for tx in found for e in tx.results if e.topic == "ctx.measurement.v1"):
        for _, value, _ in encoded.records():
            record = decoded(encoded.topic, value)
            asset, time = record["asset"], record["event_time_us"]
            above = {name for a in adopted for name in a.hierarchy.chain(LINE, asset, time)}
            about = [r for r in asked if (r["lanes"][0] in above if r["descendants"] else r["lanes"][0] == asset)]
            covered = any(r["since_us"] <= time < r["until_us"] for r in about)
            now = [ref for name in last.chain(LINE, asset, time) for ref in orders.running(known.get(name, []), name, time)]
            told = [(o["order"], o["operation"], o["product"], o["work_center"]) for o in record["orders"]]
            assert covered or told == [(r.order, r.operation, r.product, r.work_center) for r in now]


def test_the_cases_adopt_epochs_and_restate() -> None:
    reasons: dict[str, int] = {}
    for seed in range(400):
        random = Random(seed)
        plant, logs = random_plant(random), {t: random_log(t, random, 12) for t in INPUTS}
        _, found, adopted = live(logs, random, plant, snapshots=False)
        reasons["epochs"] = reasons.get("epochs", 0) + len(adopted) - 1
        for record in (r for tx in found for r in tx.records if r.topic.startswith("audit.")):
            for reason in (b"REFERENCE", b"LATE_ORDER", b"CORRECTED_ORDER", b"LATE_SAMPLE"):
                if reason in record.value:
                    reasons[reason.decode()] = reasons.get(reason.decode(), 0) + 1
    assert set(reasons) == {"epochs", "REFERENCE", "LATE_ORDER", "CORRECTED_ORDER", "LATE_SAMPLE"}
    assert all(n > 2 for n in reasons.values()), reasons


def test_an_epoch_in_the_wrong_place_is_refused() -> None:
    task = Task(NAMED["context"], first(Hierarchy()), ENVIRONMENT)
    with pytest.raises(AndonError, match="in turn and at its vector"):
        task.adopt(Adopted(Epoch(2, tuple(task.vector), {}, ""), CONFIGURATIONS[0], Hierarchy()))
    with pytest.raises(AndonError, match="in turn and at its vector"):
        task.adopt(Adopted(Epoch(1, (1,) * len(INPUTS), {}, ""), CONFIGURATIONS[0], Hierarchy()))


def test_rubbish_is_no_snapshot() -> None:
    with pytest.raises(SnapshotError):
        unpacked(b"rubbish")
    state = packed({"rest": np.arange(3)})
    assert unpacked(state)["rest"].tolist() == [0, 1, 2]
