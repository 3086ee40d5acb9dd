"""What an order costs the lanes that it does not concern: nothing."""

from __future__ import annotations

from streams.kernel import I32, I64
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.runners.task import Task
from tests.runners.plant import ENVIRONMENT, INPUTS, LINE, Body, columns
from tests.runners.test_task_laws import first
from tests.twin.gate import Message, Sample
from topologies import NAMED


class Watched(Task):
    """A task that tells which lanes it asked for their timers."""

    def set_timers(self, lanes: I32) -> I64:
        self.asked = getattr(self, "asked", set[str]()) | {self.names.lane_path(int(lane)).removeprefix(f"{LINE}/") for lane in lanes}
        return super().set_timers(lanes)


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
