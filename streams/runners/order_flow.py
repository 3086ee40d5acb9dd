"""Orders on their way into the join: from pending rows to events, from changed views to restate requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.kernel import I32, I64, NEG
from streams.model.order import EVENTS, Coordinate, OrderEvent
from streams.operators.order_join import OrderRow, Request
from streams.operators.slice import NamesContexts
from streams.runners.lanebook import LaneBook
from streams.runners.records import Record, Restatement, restate_request
from streams.time.pending import Rows

if TYPE_CHECKING:
    from streams.runners.task import Task


def below(book: LaneBook, centers: I32) -> I32:
    """Lanes that look up to these."""
    found = [lane for center in centers.tolist() for lane in book.below.get(center, ())]
    return np.unique(np.array(found, np.int32))


def order_rows(task: Task, lanes: I32, start: I64, rows: Rows) -> list[OrderRow]:
    """Events of the released rows, in order per lane."""
    blobs = task.blobs[task.orders]
    assert blobs is not None
    found, said, arena = list[OrderRow](), task.details["order"].read(blobs, rows.extra), memoryview(blobs.arena)  # type: ignore[arg-type]

    def texts(at: list[int], size: list[int]) -> list[str]:
        return [str(arena[a : a + n], "utf-8") if n > 0 else "" for a, n in zip(at, size, strict=True)]

    order, operation, product = (texts(at.tolist(), size.tolist()) for at, size in zip(said.at, said.size, strict=True))
    kind, corrects, corrects_us, corrected_us, time_us = said.ints.tolist()
    first, count = said.start[0].tolist(), said.items[0].tolist()
    sources = {code: _source(task, code) for code in np.unique(rows.source).tolist()}
    source, sequence, offset, index = (column.tolist() for column in (rows.source, rows.sequence, rows.offset, rows.index))
    lane, now_us = np.repeat(lanes, np.diff(start)).tolist(), rows.time.tolist()
    for r in range(len(now_us)):
        children = slice(first[r], first[r] + count[r])
        split = tuple(texts(said.item_at[children].tolist(), said.item_size[children].tolist())) if count[r] else ()
        event = OrderEvent(
            time_us=time_us[r], rank=(*sources[source[r]], sequence[r], offset[r], index[r]),
            at=Coordinate(task.orders, offset[r], index[r]), event=EVENTS[kind[r]], order=order[r], operation=operation[r],
            product=product[r], split_into=split, corrects=EVENTS[corrects[r]],
            corrects_time_us=None if corrects_us[r] == NEG else corrects_us[r],
            corrected_time_us=None if corrected_us[r] == NEG else corrected_us[r],
        )  # fmt: skip
        found.append(OrderRow(lane[r], now_us[r], event))
    blobs.released(rows.extra)
    return found


def _source(task: Task, code: int) -> tuple[bytes, int]:
    """Name and boot of a source."""
    source, boot, _ = task.names.sources.decode(code)
    return source, int(boot.translate(_BOOT), 16) - (1 << 63)


_BOOT = bytes.maketrans(b"abcdefghijklmnop", b"0123456789abcdef")  # the name of a boot, see codec/rows.py


def tidy_orders(task: Task) -> None:
    """After a release: how far nobody looks back any more; now and then, forget contexts that nothing names."""
    join, state = task.topology.join, task.join_state
    if not join or not state:
        return
    join.operator.passed(state, task.book.lowest())
    if not state.contexts.crowded:
        return
    named: list[I32] = []
    for step, of in zip(task.topology.steps, task.states, strict=True):
        assert isinstance(step.operator, NamesContexts), "a step of a topology with orders says which contexts it names"
        named.append(step.operator.contexts(of))
    join.operator.forget(state, named)


def requested(task: Task, requests: list[Request]) -> list[Record]:
    found = []
    for r in requests:
        line = task.names.lines.decode(task.names.lanes.scope(r.lane))[0]
        asked = Restatement(
            line=line, lane=task.names.lanes.decode(r.lane)[0].decode(), descendants=True, since_us=r.since_us, until_us=r.until_us,
            reason=r.reason, time_us=r.time_us, at=(task.origins[r.at.input], r.at.offset, r.at.index),
        )  # fmt: skip
        found.append(restate_request(task.writer, task.topology.name, task.adopted.configuration.fingerprint, asked))
    return found
