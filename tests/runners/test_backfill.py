"""The backfill runner gives the bytes of a task that lived through its epochs, in slices and parts of any size."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given

from streams.codec.log import Log
from streams.errors import InvalidValue
from streams.runners import backfill
from streams.runners.replay import LogFeed
from tests.runners.plant import ENVIRONMENT, INPUTS, columns, random_log
from tests.runners.test_state_and_epochs import live
from tests.runners.test_task_laws import by_lane, random_plant
from tests.seeds import randoms
from topologies import NAMED


def parts(log: Log, random: Random) -> Iterator[Log]:
    """A log as a file gives it: a piece at a time, an empty one among them."""
    start = 0
    while start < len(log.offset):
        end = min(len(log.offset), start + random.randint(0, 4))
        yield log.part(start, end)
        start = end


@given(random=randoms())
def test_epochs_orders_and_corrections_are_those_of_live(random: Random) -> None:
    logs = {t: random_log(t, random, 14) for t in INPUTS}
    _, lived, epochs = live(logs, random, random_plant(random), snapshots=False)
    feeds = [LogFeed(parts(columns(t, logs[t]), random), 0) for t in INPUTS]
    again = [tx for _, tx in backfill.run(NAMED["context"], epochs, ENVIRONMENT, lambda _: feeds, random.randint(1, 9))]
    assert by_lane(again) == by_lane(lived)
    assert sorted(r.value for tx in again for r in tx.records) == sorted(r.value for tx in lived for r in tx.records)
    assert [e.number for tx in again for e in tx.epochs] == [epoch.epoch.number for epoch in epochs]


def test_the_input_that_was_appended_first_is_read_next() -> None:
    """So that what waits inside the task is bounded by the slices, not by how many records another input has."""
    logs = [columns(t, random_log(t, Random(n), 30)) for n, t in enumerate(INPUTS[:3])]
    feeds = [LogFeed([log], 0) for log in logs]
    order, left = backfill.oldest_first(feeds, 1), [feed.left(1000) for feed in feeds]
    first = min(range(3), key=lambda n: (int(logs[n].append[0]), n))
    assert all(left) and order(left) == (first, 1)
    with pytest.raises(InvalidValue, match="a slice must hold a record"):
        backfill.oldest_first(feeds, 0)
