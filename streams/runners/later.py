"""What differs in a task of a later stage: its inputs are derived topics, their time is told, their rows cite raw samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streams.catalogue import Catalogue
from streams.codec.derived import Cited
from streams.codec.reader import Read
from streams.errors import TaskError, require
from streams.operators.cited import contexts
from streams.operators.slice import Slice
from streams.runners import records
from streams.runners.lanebook import touch_all
from streams.runners.toldbook import ToldBook
from streams.time.gate import BLANK
from streams.time.limits import ClassTable
from streams.topology import Topology

if TYPE_CHECKING:
    from streams.runners.task import Task


def no_tables(fingerprint: str) -> ClassTable:
    """Of an environment for first stages only."""
    raise TaskError("this task was not told how to find the lane classes of a configuration", fingerprint=fingerprint)


def later_stage(topology: Topology, catalogue: Catalogue) -> bool:
    """Are the inputs derived topics? All or none: raw records are gated once, by a first stage."""
    derived = [catalogue.of(topic).derived is not None for topic in topology.inputs]
    require(all(derived) or not any(derived), "a topology reads raw topics or derived ones, not both", inputs=topology.inputs)
    return all(derived)


def hear(task: Task, rank: int, read: Read, cited: Cited) -> None:
    """Take derived records in: results wait until they are complete, frontier records say how far that is.

    TaskError: a result lies below what was told before it. Only the task that owns the topic writes there, and it never does that.
    """
    book, samples = task.book, read.samples
    assert isinstance(book, ToldBook)
    task.ledger.fed(rank, read.reason, np.zeros(len(samples.lane), np.int8))
    if read.reason.any():
        task.outbox.records += records.dead_letters(task.writer, task.origins[rank], read)
    start, releases = 0, (task.release, task.release_orders)
    ends = [*read.messages.row[np.flatnonzero(read.messages.kind == BLANK)].tolist(), len(samples.lane)]
    for end, told in zip(ends, [*read.told, None], strict=True):
        wrong = book.behind(rank, read, start, end)
        if wrong >= 0:
            message = int(np.searchsorted(read.messages.row, wrong, "right")) - 1
            raise TaskError(
                "a derived record lies below the frontier that was told before it: something else writes to the topic",
                topic=task.origins[rank].topic, partition=task.origins[rank].partition, offset=int(read.log.offset[message]),
                lane=task.names.lane_path(int(samples.lane[wrong])), time_us=int(samples.time[wrong]),
            )  # fmt: skip
        if told is not None:
            book.hear(rank, [told], releases)
        start = end
    accepted = np.zeros(len(samples.lane), np.int8)
    assert task.cited is not None
    task.cited.keep_cited(read.log.buffer, cited, np.ones(len(accepted), np.int8), read.content.extra)
    pending, names = task.release.pending, task.names
    pending.admit(names.sources.table, rank, read.messages, read.log.offset, samples.lane, samples.time, read.content, accepted)
    touch_all(book.touched, samples.lane)


def as_cited(task: Task, piece: Slice) -> Slice:
    """The slice with what its rows cite, the orders of each, and the limits in force. The arena is the caller's to read until the
    steps are done."""
    assert task.cited is not None
    arena = task.cited.arena
    task.cited.released(piece.rows.extra)
    return replace(piece, context=contexts(arena, piece.rows.extra), arena=arena, limits=task.adopted.limits)
