"""From an operator's output to the columns that its binding names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.codec.blobs import measurement_columns
from streams.kernel import I64, U8
from streams.operators.slice import GOOD, Columns
from streams.topology import Step

if TYPE_CHECKING:
    from streams.runners.task import Task


def ordinals(columns: Columns) -> I64:
    """Counts outputs of one signal and time, which always come in one slice: part of their id."""
    count = len(columns["time"])
    order = np.lexsort((np.arange(count), columns["time"], columns["signal"]))
    same = np.zeros(count, np.bool_)
    same[1:] = (np.diff(columns["time"][order]) == 0) & (np.diff(columns["signal"][order]) == 0)
    first = np.maximum.accumulate(np.where(same, 0, np.arange(count)))
    found = np.empty(count, np.int64)
    found[order] = np.arange(count) - first
    return found


def bound_columns(task: Task, step: Step, binding: str, columns: Columns) -> tuple[Columns, U8 | None]:
    """The output's columns with what the binding wants beside them, and the arena its spans lie in."""
    if binding == "increments":
        return {**columns, "ordinal": ordinals(columns)}, None
    if binding != "measurements":
        return columns, None
    blobs = task.blobs[step.sources[0].rank]
    assert blobs is not None
    value = np.where(columns["quality"] == GOOD, columns["value"].view(np.float64), np.nan)
    said = measurement_columns(blobs, columns["extra"], task.details["measurement"])
    found = {**columns, **said, "ordinal": ordinals(columns), "value": value}
    blobs.released(columns["extra"])
    return found, blobs.arena


def tidy_blobs(task: Task) -> None:
    """Move waiting messages together where most of an arena is dead."""
    for rank, blobs in enumerate(task.blobs):
        if blobs is None or not blobs.wasteful:
            continue
        pending = (task.release_orders if rank == task.orders else task.release).pending
        rows = np.concatenate([pending.rows_of(n) for n, other in enumerate(task.blobs) if other is blobs])
        extra = pending.rows.extra[rows]
        blobs.compact(extra)
        pending.rows.extra[rows] = extra
