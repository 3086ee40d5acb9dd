"""What an order costs the lanes that it does not concern, and what is kept of orders that ended long ago: nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from pytest import MonkeyPatch

from streams.kernel import I32, I64
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.operators import order_contexts
from streams.runners.epoch import Adopted
from streams.runners.state import dump
from streams.runners.task import Task
from tests.runners.plant import ENVIRONMENT, INPUTS, LINE, Body, columns, configuration, random_log
from tests.runners.test_task_laws import all_of, by_lane, first, random_order, random_plant
from tests.seeds import randoms
from tests.twin.gate import Message, Sample
from topologies import NAMED


class Watched(Task):
    """A task that tells which lanes it asked for their timers."""

    def set_timers(self, lanes: I32) -> I64:
        self.asked = getattr(self, "asked", set[str]()) | {self.names.lane_path(int(lane)).removeprefix(f"{LINE}/") for lane in lanes}
        return super().set_timers(lanes)


def brief() -> Adopted:
    """A configuration with a short history of orders."""
    short = configuration(order_history="100")
    one = first(Hierarchy.of([]))
    return Adopted(replace(one.epoch, fingerprint=short.fingerprint), short, one.hierarchy)


def order(lane: str, time: int, event: str, name: str = "A") -> Sample:
    more = (("event", event), ("order", name), ("operation", ""), ("product", "P"), ("split_into", ()))
    return Sample(lane, time, Body(more=more))


def state(lane: str, time: int) -> Sample:
    return Sample(lane, time, Body("mode", "RUN", more=(("reason", ""),)))


def fed(task: Task, samples: dict[str, list[Sample]], through: int, sent: dict[str, int]) -> None:
    """Samples of the inputs, then a claim of each; everything that is due is released."""
    for rank, topic in enumerate(INPUTS):
        log: list[Message] = []
        for sample in samples.get(topic, []):
            log.append(Message("data", through, "gw", 0, sent.get(topic, 0), (sample,)))
            sent[topic] = sent.get(topic, 0) + 1
        log.append(Message("claim", through, through=through))
        start = task.vector[rank]
        read = columns(topic, log)
        read.offset[:] += start
        task.feed(rank, read)
    task.advance()


def test_only_the_lanes_below_a_work_center_are_looked_at_for_its_orders() -> None:
    """Every lane has an open interval; c1 has two assets below it, one of them from time 65 on only."""
    plant = Hierarchy.of([AssetRow(LINE, "m1", "c1", -1000, 0), AssetRow(LINE, "m2", "c1", 65, 0)])
    task, sent = Watched(NAMED["context"], first(plant), ENVIRONMENT), dict[str, int]()
    assets = ("m1", "m2", *(f"m{n}" for n in range(3, 30)))
    fed(task, {"ot.state.v1": [state(asset, 28) for asset in assets]}, 30, sent)
    fed(task, {}, 50, sent)  # the windows of all end
    task.asked = set()
    fed(task, {"mes.order.v1": [order("c1", 60, "STARTED")]}, 61, sent)
    assert task.asked == {"m1", "m2"}
    fed(task, {"mes.order.v1": [order("", 70, "STARTED")]}, 71, sent)
    assert task.asked == set(assets)


def long_logs(random: Random) -> dict[str, list[Message]]:
    """All about as long, so that no input holds time."""
    return {t: next(log for log in iter(lambda t=t: random_log(t, random, 80), None) if len(log) > 60) for t in INPUTS}  # type: ignore[misc]


@settings(max_examples=40)
@given(random=randoms())
def test_a_context_that_is_given_anew_changes_nothing(random: Random) -> None:
    """The same logs, cut in the same way, with contexts forgotten at every occasion and never: the same records."""
    plant, logs = random_plant(random), long_logs(random)
    found, number = [], random.randrange(1 << 30)
    for least in (0, 1 << 30):
        with MonkeyPatch.context() as patch:
            patch.setattr(order_contexts, "LEAST", least)
            found.append(all_of(logs, plant, random_order(Random(number)))[1])
    assert by_lane(found[0]) == by_lane(found[1])


def test_the_cases_give_codes_anew() -> None:
    """The law above is about codes that were forgotten and given to another context."""
    forgotten = given_anew = 0
    for seed in range(25):
        random = Random(seed)
        plant, logs = random_plant(random), long_logs(random)
        with MonkeyPatch.context() as patch:
            patch.setattr(order_contexts, "LEAST", 0)
            task, _ = all_of(logs, plant, random_order(random))
        assert task.join_state
        codes = [code for code, _ in task.join_state.contexts.items()]
        forgotten += task.join_state.contexts.given > len(codes)
        given_anew += task.join_state.contexts.given > max(codes) + 1
    assert forgotten > 2
    assert given_anew > 2


@pytest.mark.long
def test_what_is_kept_does_not_grow_with_the_orders_that_ever_were() -> None:
    """Orders for days at a machine that reports, and at one that nobody reports from; the history holds a few of them."""
    task, sent, sizes = Task(NAMED["context"], brief(), ENVIRONMENT), dict[str, int](), list[tuple[int, ...]]()
    for n in range(1600):
        time = 100 + 10 * n
        orders = [order(lane, time + k, event, f"{lane}-{n}") for lane in ("m1", "c9") for k, event in ((0, "STARTED"), (6, "ENDED"))]
        fed(task, {"mes.order.v1": sorted(orders, key=lambda s: s.time), "ot.state.v1": [state("m1", time + 8)]}, time + 9, sent)
        task.take()
        assert task.join_state
        if n % 400 == 399:
            kept = task.join_state
            entries = sum(len(kept.groups.entries(group)) for group in kept.groups.signatures)
            timelines = [len(timeline) for timeline in kept.timelines.values()]
            sizes.append((len(kept.contexts), entries, max(timelines), len(kept.groups.time), len(dump(task)["join.json"])))
    assert all(size <= most for size, most in zip(sizes[-1], (256, 40, 40, 2000, 60_000), strict=True)), sizes
    assert sizes[-1][4] < 1.2 * sizes[0][4]
