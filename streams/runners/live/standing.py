"""Where a task stands: what people and metrics want to know of it, taken between two slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.kernel import I32, I64, NEG
from streams.runners.task import Task


@dataclass(frozen=True, slots=True)
class InputStanding:
    """topic: its catalogue name.

    through_us: no waiting lane is complete further on this input. delay_us: how far that lies behind the newest append time of
    all inputs. None: nothing is known yet. fates: the ledger's row."""

    topic: str
    append_us: int | None
    claim_us: int | None
    through_us: int | None
    delay_us: int | None
    fates: dict[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """held_by: the input that keeps the furthest lane back; held_lane: that lane, empty: all lanes that nobody has seen."""

    vector: tuple[int, ...]
    epoch: int
    fingerprint: str
    lanes: int
    pending: int
    frontier_us: int | None
    held_by: str
    held_lane: str
    inputs: tuple[InputStanding, ...]


def _known(value: int) -> int | None:
    return None if value <= NEG // 2 else value


def _watermarks(task: Task, lanes: I32) -> I64:
    """W[input, lane] for some lanes; for the orders input, what the lane's chain of work centers is complete through."""
    clocks, book = task.book.clocks, task.book
    if not len(lanes):
        floors: I64 = np.maximum(clocks.claim[:, None], clocks.append[:, None] - clocks.silence)
        return floors
    classes = book.lanes.lane_class[:, lanes].astype(np.int64)
    silence, lateness = (np.take_along_axis(of, classes, axis=1) for of in (clocks.silence, clocks.lateness))
    found: I64 = np.maximum(clocks.claim[:, None], clocks.append[:, None] - silence)
    found = np.maximum(found, np.maximum(book.lanes.carried[:, lanes], book.lanes.latest[:, lanes] - lateness))
    if task.orders >= 0:
        own = np.delete(found, task.orders, axis=0).min(axis=0)
        whole = task.frontiers(lanes)
        found[task.orders] = np.where(whole < own, whole, np.maximum(found[task.orders], own))
    return found


def _waiting_lanes(task: Task) -> I32:
    """Lanes that have samples waiting, and those that are ahead of what holds for every lane, or may be."""
    waiting = np.flatnonzero(task.release.pending.links.head[: task.book.count] >= 0)
    return np.unique(np.concatenate([waiting, *(live.all_lanes() for live in task.live.values())])).astype(np.int32)


def standing_of(task: Task) -> Standing:
    lanes, clocks = _waiting_lanes(task), task.book.clocks
    marks = _watermarks(task, lanes)
    through, newest = marks.min(axis=1), int(clocks.append.max())
    rank, column = (int(n) for n in np.unravel_index(int(marks.argmin()), marks.shape))
    inputs = []
    for n, origin in enumerate(task.origins):
        at = _known(int(through[n]))
        inputs.append(InputStanding(
            origin.name, _known(int(clocks.append[n])), _known(int(clocks.claim[n])), at,
            None if at is None or _known(newest) is None else newest - at, task.ledger.row(n),
        ))  # fmt: skip
    return Standing(
        tuple(task.vector), task.adopted.epoch.number, task.adopted.configuration.fingerprint, task.book.count,
        len(task.release.pending) + len(task.release_orders.pending), _known(int(through.min())), task.origins[rank].name,
        task.names.lane_path(int(lanes[column])) if len(lanes) else "", tuple(inputs),
    )  # fmt: skip
