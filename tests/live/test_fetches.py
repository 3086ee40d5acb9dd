"""Fetches as the worker takes them: gaps and damage end it, aborted records are left out; and which input is folded next."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from aiokafka.structs import TopicPartition
from hypothesis import given

from streams.errors import DataError, GapError
from streams.runners.live.inbox import next_inputs
from streams.runners.live.private import Fetch, _Partition, _Records
from tests.codec.test_log import batch
from tests.seeds import randoms

PLACE = TopicPartition("ot.sample.v1", 3)


def records(count: int, base: int) -> bytes:
    return batch([(b"k", b"v%d" % n, []) for n in range(count)], 0, base)


def fetched(data: bytes, offset: int, aborted: Any = None) -> Fetch:
    """As aiokafka makes it."""
    partition = _Partition(PLACE, _Records(data), aborted, offset, None, None, True, 1)
    (found,) = list(partition)
    assert partition.next_fetch_offset == found.end
    return found


def test_batches_that_follow_one_another_are_one_fetch() -> None:
    found = fetched(records(3, 10) + records(2, 13), 11)
    assert (found.start, found.end, len(found.kept)) == (11, 15, 2)


def test_a_gap_between_batches_of_a_fetch_ends_it() -> None:
    with pytest.raises(GapError, match="leave a gap: topic='ot.sample.v1', partition=3, expected=13, found=14"):
        fetched(records(3, 10) + records(2, 14), 10)


def test_a_gap_in_front_of_a_fetch_is_left_to_the_inbox_which_knows_the_position() -> None:
    assert fetched(records(3, 10), 8).start == 10


@pytest.mark.parametrize("at", [61, 70, 25])
def test_a_flipped_bit_ends_it_and_is_never_folded(at: int) -> None:
    data = bytearray(records(3, 10) + records(2, 13))
    data[at] ^= 1
    with pytest.raises(DataError, match="its checksum differs: base_offset=10"):
        fetched(bytes(data), 10)


def test_a_batch_that_was_cut_is_fetched_again() -> None:
    whole = records(3, 10)
    found = fetched(whole + records(2, 13)[:-1], 10)
    assert (found.end, len(found.kept)) == (13, 1)


def slow_next(append: list[int], waiting: list[bool], more: list[bool], full: bool) -> list[int]:
    """From the definition: under pressure one input, and none that could make another wait for nothing."""
    order = sorted(range(len(append)), key=lambda rank: (append[rank], rank))
    if not full:
        return [rank for rank in order if waiting[rank]]
    giving = [rank for rank in order if waiting[rank] or more[rank]]
    return [rank for rank in giving[:1] if waiting[rank]]


@given(random=randoms())
def test_the_next_inputs_equal_their_definition(random: Random) -> None:
    n = random.randint(1, 6)
    append, full = [random.randint(0, 4) for _ in range(n)], random.random() < 0.7
    waiting, more = ([random.random() < 0.5 for _ in range(n)] for _ in range(2))
    assert next_inputs(append, waiting, more, full) == slow_next(append, waiting, more, full)


@given(random=randoms())
def test_under_pressure_everything_on_the_broker_is_folded_in_the_end_and_the_oldest_first(random: Random) -> None:
    """Inputs with append times of their own on the broker; fetches come when they like; the task is always full."""
    n = random.randint(1, 5)
    broker = [sorted(random.randint(0, 50) for _ in range(random.randint(0, 8))) for _ in range(n)]
    inbox: list[list[int]] = [[] for _ in range(n)]
    append, folded = [-1] * n, list[tuple[int, int]]()
    for _ in range(1_000):
        coming = [rank for rank in range(n) if broker[rank]]
        if coming and random.random() < 0.7:
            rank = random.choice(coming)
            inbox[rank].append(broker[rank].pop(0))
        chosen = next_inputs(append, [bool(one) for one in inbox], [bool(one) for one in broker], full=True)
        assert len(chosen) <= 1
        for rank in chosen:
            assert all(append[rank] <= append[other] for other in range(n) if inbox[other] or broker[other]), "the furthest behind"
            folded += [(rank, one) for one in inbox[rank]]
            append[rank], inbox[rank] = max(append[rank], *inbox[rank]), []
    assert not any(broker) and not any(inbox), "none waits for ever"
