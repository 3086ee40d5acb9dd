"""Fetches of one task's inputs, in offset order without a gap, that wait to be folded.

Faust's seek after a rebalance is not trusted: what lies below the position is cut off, and a gap ends the task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from streams.codec.log import Log, parse
from streams.errors import GapError
from streams.runners.live.private import Fetch

PART_BYTES: Final = 2 << 20  # of values that are folded at once: small enough for a processor's cache, large enough to be a batch


class Waiting(NamedTuple):
    fetch: Fetch
    start: int  # physical offsets from here on; batches may begin before

    def logs(self, in_header: bool) -> list[Log]:
        """The committed records of the fetch, in parts of about PART_BYTES of values."""
        return parts_of(parse(self.fetch.data, self.fetch.kept, self.start, in_header), PART_BYTES)


def parts_of(log: Log, size: int) -> list[Log]:
    """A log cut where its values reach multiples of `size` bytes. Compressed fetches may be a hundred times as large as they look.

    >>> from streams.codec.log import log_of
    >>> [part.offset.tolist() for part in parts_of(log_of([(n, 0, b"", b"8 bytes.", b"") for n in range(5)]), 16)]
    [[0], [1, 2], [3, 4]]
    """
    group = np.cumsum(log.value_size.clip(min=0), dtype=np.int64) // size
    cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(log.offset)]
    return [log.part(start, end) for start, end in pairwise(cuts) if start < end]


class Inbox:
    """position: next physical offset of each input; control markers and aborted records count."""

    def __init__(self, topics: Sequence[str], partition: int, vector: Sequence[int]) -> None:
        self.topics, self.partition = tuple(topics), partition
        self.position = list(vector)
        self.bytes = [0] * len(topics)
        self._waiting: list[deque[Waiting]] = [deque() for _ in topics]

    def put(self, fetch: Fetch) -> int:
        """Take a fetch in; the rank of its input."""
        rank = self.topics.index(fetch.topic)
        expected = self.position[rank]
        if fetch.end <= expected:
            return rank
        if fetch.start > expected:
            raise GapError(
                "records are missing from the log", topic=fetch.topic, partition=self.partition, expected=expected, found=fetch.start,
                hint="has retention removed what was never read?",
            )  # fmt: skip
        self._waiting[rank].append(Waiting(fetch, expected))
        self.position[rank] = fetch.end
        self.bytes[rank] += len(fetch.data)
        return rank

    def has(self, rank: int) -> bool:
        return bool(self._waiting[rank])

    def take(self, ranks: Sequence[int]) -> list[tuple[int, Waiting]]:
        """Everything that waits of these inputs, in this order."""
        found = []
        for rank in ranks:
            found += [(rank, waiting) for waiting in self._waiting[rank]]
            self._waiting[rank].clear()
            self.bytes[rank] = 0
        return found

    def __len__(self) -> int:
        return sum(map(len, self._waiting))


def next_inputs(append: Sequence[int], waiting: Sequence[bool], more: Sequence[bool], full: bool) -> list[int]:
    """Ranks to fold next, those furthest behind in append time first.

    When the task holds much that is not complete (`full`), only the furthest behind one that has anything to give: it is the one
    that can complete what waits. One that has `more` on the broker but nothing here is waited for. Never an input that is at its
    end: others would stand still for nothing.

    >>> next_inputs([5, 3, 9], [True, True, True], [False] * 3, full=False)
    [1, 0, 2]
    >>> next_inputs([5, 3, 9], [True, True, True], [False] * 3, full=True)
    [1]
    >>> next_inputs([5, 3, 9], [True, False, True], [False, True, False], full=True)
    []
    >>> next_inputs([5, 3, 9], [True, False, True], [False, False, False], full=True)
    [0]
    """
    order = sorted(range(len(append)), key=lambda rank: append[rank])
    if not full:
        return [rank for rank in order if waiting[rank]]
    for rank in order:
        if waiting[rank]:
            return [rank]
        if more[rank]:
            return []
    return []
