"""Two stages without a broker between them: what a task writes as the logs that the next stage reads.

    for task, transaction in memory.run(...):
        for topic, log in derived.logs(task, transaction).items():
            later.feed(later.topology.inputs.index(topic), log)

Offsets count the records of each topic. On Kafka they are others, control markers and frontier records lie between; no result
depends on them, because a later stage cites records by their ids and by the raw samples that they cite themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.codec.log import Log, log_of, pack_headers
from streams.codec.outputs import Encoded
from streams.runners.frontier_records import frontier_records
from streams.runners.records import Record
from streams.runners.task import Task, Transaction
from streams.time.instants import representable


class Derived:
    """topics: derived topics, by catalogue name, that somebody reads."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._next = dict.fromkeys(topics, 0)

    def logs(self, task: Task, transaction: Transaction) -> dict[str, Log]:
        """What a transaction adds to each topic that the task writes: its results, then how far they are complete. A topic is left
        out where there is nothing new."""
        found = {}
        append_us = representable(int(task.book.clocks.append.max()))
        for topic in task.topology.outputs:
            if topic not in self._next:
                continue
            rows = [row for encoded in transaction.results if encoded.topic == topic for row in _of(encoded)]
            if task.book.classes:
                rows += [_row(record) for record in frontier_records(task, topic)]
            if rows:
                first = self._next[topic]
                found[topic] = log_of([(first + n, append_us, *row) for n, row in enumerate(rows)])
                self._next[topic] = first + len(rows)
        return found


def _of(encoded: Encoded) -> Iterable[tuple[bytes, bytes, bytes]]:
    return ((key, value, pack_headers(headers)) for key, value, headers in encoded.records())


def _row(record: Record) -> tuple[bytes, bytes, bytes]:
    assert record.key is not None, "a frontier record has a key"
    return record.key, record.value, pack_headers(record.headers)
