"""One partition, two owners, by hand: what the first one adopted and committed holds for the second, and the first is fenced."""

from __future__ import annotations

import time

import pytest

from streams.errors import FencedError
from tests.live.byhand import by_hand, partition_of
from tests.live.plant import LINES, Plant

pytestmark = pytest.mark.timeout(300)

LINE = LINES[0]


def sample(plant: Plant, number: int, time_us: int) -> None:
    record = {"kind": "DATA", "source": "g", "boot": 0, "sequence": number, "asset": "m1", "tag": "x", "value": 1.0, "quality": "GOOD"}
    plant.write("ot.sample.v1", LINE, record | {"event_time_us": time_us})


def asset(plant: Plant, name: str) -> None:
    record = {"line": LINE, "asset": name, "parent": "c1", "level": "WORK_UNIT", "revision": 1, "valid_from_us": 0}
    plant.write("ref.asset.v1", LINE, record)
    plant.producer.flush()


def test_rows_that_the_first_adopted_hold_for_a_second_that_had_not_looked_at_them(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with by_hand(plant, monkeypatch) as hands:
        slow = hands.reference()  # a worker that looks again in a second
        first = hands.take()
        asset(plant, "m1")
        first.owner.reference.refresh()
        assert first.cycle() and first.owner.task.adopted.epoch.number == 1
        second = hands.take(slow)
        found = [hand.owner.task.adopted for hand in (first, second)]
        assert found[0].epoch == found[1].epoch
        assert [a.hierarchy.chain(LINE, "m1", 5) for a in found] == [("m1", "c1", "")] * 2
        second.cycle()
        assert second.owner.task.adopted.epoch.number == 1, "there is no news"
        asset(plant, "m2")
        second.owner.reference.refresh()
        assert second.cycle() and second.owner.task.adopted.hierarchy.chain(LINE, "m2", 5) == ("m2", "c1", "")


def test_an_owner_that_commits_after_the_next_one_began_is_fenced_and_nothing_is_doubled(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with by_hand(plant, monkeypatch) as hands:
        partition = partition_of(plant, LINE)
        first = hands.take(partition=partition)
        for number in range(50):
            sample(plant, number, int(1e6 * time.time()))
        plant.producer.flush()
        time.sleep(1.2)  # until every window of 1 s around the samples has ended
        plant.everywhere({"kind": "CLAIM", "source": "", "through_us": int(1e6 * time.time())})
        plant.producer.flush()
        first.fetch()  # in hand, not yet folded
        second = hands.take(partition=partition)
        assert second.work() and second.owner.counts.records_out > 0
        with pytest.raises(FencedError, match="another owner has taken this task over"):
            first.cycle()
        assert second.owner.still_current() and not first.owner.still_current()
        assert not second.work(), "what the first one tried has left nothing behind"
    plant.finish()
    found = plant.verified()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 0 and not sum(found["doubled"].values()), found
