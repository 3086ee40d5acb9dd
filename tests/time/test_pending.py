"""Waiting samples come out in one order, whatever the order and the pieces in which they came in, in near-linear time."""

from __future__ import annotations

import time
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given

from streams.columns.dictionary import Dictionary
from streams.kernel import I64, POS
from streams.time import pending
from streams.time.gate import ACCEPTED, DATA, LATE, Messages
from streams.time.pending import Content, Pending
from tests.seeds import randoms

SOURCES = Dictionary()
for _name in ("gw", "g", "gateway-b"):
    SOURCES.encode(0, _name.encode())


class Waits(NamedTuple):
    """A sample, in the order of its lane."""

    time: int
    input: int
    source: bytes
    sequence: int
    offset: int
    index: int  # type: ignore[assignment]  # it hides tuple.index, which nobody misses


def admit(
    held: Pending, rank: int, offset: int, source: int, first: int, lanes: list[int], times: list[int] | I64, verdict: int = ACCEPTED
) -> None:
    count = len(times)
    messages = Messages(
        kind=np.array([DATA], np.int8), append=np.zeros(1, np.int64), source=np.array([source], np.int32), first=np.array([first]),
        through=np.zeros(1, np.int64), row=np.array([0, count]), beat=np.zeros(2, np.int64), beats=np.zeros(0, np.int32),
    )  # fmt: skip
    content = Content(np.zeros(count, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int8))
    held.admit(
        SOURCES.table, rank, messages, np.array([offset]), np.array(lanes, np.int32), np.array(times), content,
        np.full(count, verdict, np.int8),
    )  # fmt: skip


def released(held: Pending, lanes: list[int], until: list[int]) -> list[list[Waits]]:
    rows, start = held.release(np.array(lanes, np.int32), np.array(until))
    names = [SOURCES.decode(int(code))[0] for code in rows.source]
    numbers = np.stack([rows.sequence, rows.offset, rows.index], axis=1).tolist()
    found = [Waits(*one, *more) for *one, more in zip(rows.time.tolist(), rows.input.tolist(), names, numbers, strict=True)]
    return [found[a:b] for a, b in pairwise(start.tolist())]


@pytest.mark.parametrize("credit", [0, 3, pending.CREDIT])
@given(random=randoms())
def test_comes_out_sorted_whatever_comes_in_when(credit: int, random: Random) -> None:
    """Against a list that is sorted at every release. credit: with few steps most rows wait at the side, with many none."""
    held, twin, lanes = Pending(), dict[int, list[Waits]]({n: [] for n in range(3)}), 3
    held.with_lanes(lanes)
    for offset in range(random.randint(1, 40)):
        held.links.counts[3] = min(held.links.counts[3], credit)
        count, rank, source = random.randint(1, 12), random.randint(0, 2), random.randrange(3)
        where, times = [random.randrange(lanes) for _ in range(count)], [random.randint(0, 30) for _ in range(count)]
        accepted = random.random() < 0.9
        admit(held, rank, offset, source, 100 * offset, where, times, ACCEPTED if accepted else LATE)
        for index, (lane, at) in enumerate(zip(where, times, strict=True) if accepted else ()):
            twin[lane].append(Waits(at, rank, SOURCES.decode(source)[0], 100 * offset + index, offset, index))
        for lane, own in twin.items():  # the first row of each lane is seen without a release
            head = int(held.links.head[lane])
            assert (int(held.rows.time[head]) if head >= 0 else None) == min((one.time for one in own), default=None)
        what = random.random()
        if what < 0.3:
            which = random.sample(range(lanes), random.randint(1, lanes))
            until = [random.randint(0, 35) for _ in which]
            expected = [sorted(one for one in twin[lane] if one.time < end) for lane, end in zip(which, until, strict=True)]
            assert released(held, which, until) == expected
            for lane, end in zip(which, until, strict=True):
                twin[lane] = [one for one in twin[lane] if one.time >= end]
        elif what < 0.4:  # a snapshot: sorted too, and it changes nothing
            rows, start = held.all_rows(lanes)
            found = [rows.time[a:b].tolist() for a, b in pairwise(start.tolist())]
            assert found == [[one.time for one in sorted(twin[n])] for n in range(lanes)]
            if what < 0.35:
                held = Pending()
                held.restore(rows, start)
        assert len(held) == sum(map(len, twin.values()))
    assert released(held, [0, 1, 2], [POS] * lanes) == [sorted(twin[n]) for n in range(lanes)]
    assert len(held) == 0


def arrivals(name: str, count: int) -> I64:
    order = np.arange(count)
    return {
        "in order": order, "backwards": order[::-1], "two buffers behind a live one": np.append(10 * count, order // 2 + order % 2 * count),
        "nine buffers line by line": order // 9 + order % 9 * count, "shuffled": np.random.default_rng(1).permutation(count),
        "a buffer behind a live lane": np.where(order % 2, order, order - 10 * count),
    }[name]  # fmt: skip


def seconds(name: str, count: int) -> float:
    held = Pending()
    held.with_lanes(1)
    begun = time.process_time()
    for n, times in enumerate(np.array_split(arrivals(name, count), 20)):  # as messages
        admit(held, 0, n, 0, 1000 * n, [0] * len(times), times)
    [found] = [held.release(np.zeros(1, np.int32), np.array([POS]))[0].time]
    assert (np.diff(found) >= 0).all()
    assert len(found) >= count
    return time.process_time() - begun


@pytest.mark.parametrize(
    "name",
    ["in order", "backwards", "two buffers behind a live one", "nine buffers line by line", "shuffled", "a buffer behind a live lane"],
)  # fmt: skip
def test_time_is_near_linear_in_whatever_order_samples_come(name: str) -> None:
    """Sixteen times the samples may take 64 times the time; where places are walked to, it is 256 times."""
    seconds(name, 100)  # compiled
    small = min(seconds(name, 10_000) for _ in range(3))
    assert seconds(name, 160_000) < 64 * max(small, 0.001)
