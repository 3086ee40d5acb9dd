"""Adopting an epoch: release everything under the old rules at exactly this vector, then change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import TaskError
from streams.kernel import NEG
from streams.model.hierarchy import Hierarchy
from streams.operators.order_book import differing
from streams.runners.epoch import Adopted
from streams.runners.frontier_records import LiveLanes
from streams.runners.lanebook import touch_all
from streams.runners.records import Record, Restatement, reference_letters, restate_request

if TYPE_CHECKING:
    from streams.runners.task import Task


def adopt(task: Task, adopted: Adopted) -> None:
    """Outputs of the old rules and restate requests go into the transaction, with the epoch."""
    epoch, book = adopted.epoch, task.book
    if epoch.number != task.adopted.epoch.number + 1 or epoch.vector != tuple(task.vector):
        raise TaskError("an epoch is adopted in turn and at its vector", number=epoch.number, at=task.vector, wanted=epoch.vector)
    topology = task.build(adopted.configuration)
    if topology.inputs != task.topology.inputs or (topology.join is None) != (task.topology.join is None):
        raise TaskError("another configuration cannot change a topology's inputs", now=task.topology.inputs, wanted=topology.inputs,
                        hint="run it as another application")  # fmt: skip
    time = adopted.configuration.time
    time.check(task.future_highest)
    task.future_highest = {t: max(b, time.inputs[t].future_us) for t, b in task.future_highest.items()}
    release_all(task)
    if adopted.hierarchy is not book.hierarchy:
        task.outbox.records += _requests(task, adopted.hierarchy)
    same = adopted.configuration.content == task.adopted.configuration.content
    if not same:
        for gate, topic in zip(task.gates, task.topology.inputs, strict=True):
            if topic in time.inputs:  # a later stage judges nothing
                gate.adopt(book.clocks, time.inputs[topic].conflict_us)
        _succeed(task, topology)
    join, every = task.topology.join, np.arange(book.count, dtype=np.int32)
    if join and task.join_state and adopted.hierarchy is not book.hierarchy:
        join.operator.force(task.join_state, adopted.hierarchy, every, task.release.schedule.front[: book.count], task.names)
    book.adopt(book.time if same else time, adopted.hierarchy, (task.release, task.release_orders), task.adopted.configuration.content)
    task.adopted = adopted
    task.read_only(epoch.schemas)
    task.renew_encoders()
    begin(task)
    look_at_everything(task)


def begin(task: Task) -> None:
    """The epoch in force begins with the transaction that is open: its record, and what could not be read of its rows."""
    task.outbox.epochs.append(task.adopted.epoch)
    if task.environment.partition == 0:
        task.outbox.records += reference_letters(task.writer, task.adopted.refused)


def release_all(task: Task) -> None:
    """Every lane, due or not, exactly to its frontier."""
    task.advance()
    every = np.arange(task.book.count, dtype=np.int32)
    until = task.frontiers(every)
    behind = until > task.release.schedule.front[every]
    task.release_lanes(every[behind], until[behind])


def look_at_everything(task: Task) -> None:
    """No lane's reason to wait holds any more: all are candidates of the next advance."""
    every = np.arange(task.book.count, dtype=np.int32)
    task.release.look_again()
    task.release_orders.look_again()
    task.set_timers(every)
    touch_all(task.book.touched, every)
    touch_all(task.book.touched_orders, every)


def _succeed(task: Task, topology: Any) -> None:
    """States of steps that stay are handed on; a new step begins with the next sample."""
    old = {step.id: (step.operator, state) for step, state in zip(task.topology.steps, task.states, strict=True)}
    states = []
    for step in topology.steps:
        before = old.get(step.id)
        if before is None or before[0].state_version != step.operator.state_version:
            states.append(step.operator.initial())
        else:
            states.append(step.operator.succeed(*before))
    task.topology, task.states = topology, states
    task.live = {topic: task.live.get(topic) or LiveLanes() for topic in topology.outputs}


def _requests(task: Task, hierarchy: Hierarchy) -> list[Record]:
    """The released stretches of each lane in which it stood elsewhere than is known now."""
    book, found = task.book, []
    own = [i for i in range(len(task.origins)) if i != task.orders]
    seen = (book.lanes.latest[own][:, : book.count] != NEG).any(axis=0)
    front = task.release.schedule.front[: book.count]
    for lane in np.flatnonzero(seen & (front != NEG)).tolist():
        line, asset = task.names.lines.decode(task.names.lanes.scope(lane))[0], task.names.lanes.decode(lane)[0].decode()
        old, new = (h.spans(line.decode(), asset) for h in (book.hierarchy, hierarchy))
        if old == new:
            continue
        for since, until in differing(old, new, int(front[lane])):
            asked = Restatement(
                line=line, lane=asset, descendants=False, since_us=since, until_us=until, reason="REFERENCE",
                time_us=int(front[lane]), at=None,
            )  # fmt: skip
            found.append(restate_request(task.writer, task.topology.name, task.adopted.configuration.fingerprint, asked))
    return found
