"""Snapshots on a real Kafka: the newest whole one is found wherever it lies; a damaged one is passed over, and told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.errors import GapError, SnapshotError
from streams.kafka.reader import KafkaReader
from streams.runners.live import snapshots
from streams.runners.live.setup import Setup
from streams.runners.records import RecordWriter
from streams.runners.state import version_of
from tests.live.byhand import Hand, Hands, by_hand
from tests.live.plant import INPUTS, Plant

pytestmark = pytest.mark.timeout(300)

PARTITION = 1
WHOLE, CHECKSUM, LOST_FIRST, LOST_LAST, LOST_ALL, NO_STATE = "whole", "checksum", "first lost", "last lost", "all lost", "no state"
DAMAGE = (CHECKSUM, LOST_FIRST, LOST_LAST, LOST_ALL, NO_STATE)


@pytest.fixture
def hands(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    with by_hand(plant, monkeypatch) as made:
        yield made


@dataclass
class Shelf:
    """Writes snapshots, whole ones and others, and remembers them in order: (generation, vector, damage)."""

    plant: Plant
    setup: Setup
    partition: int = PARTITION
    written: list[tuple[int, int, str]] = field(default_factory=list)
    states: dict[int, bytes] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)

    def put(self, generation: int, at: int, damage: str = WHOLE, size: int = 3_000, **changed: Any) -> None:
        self.states[generation] = Random(generation).randbytes(size)
        manifest = {"topics": [t.name for t in self.setup.inputs], "offsets": [at] * len(INPUTS), "epoch": 0, "fingerprint": "f",
                    "state_version": "v"} | changed  # fmt: skip
        writer = RecordWriter(self.setup.application, self.setup.schema_id)
        state = {"bytes": np.frombuffer(self.states[generation], np.uint8)}
        made = list(snapshots.records(self.setup, self.partition, generation, state, manifest, writer))
        pieces, last = made[:-1], made[-1]
        kept = {LOST_FIRST: pieces[1:], LOST_LAST: pieces[:-1], LOST_ALL: []}.get(damage, pieces)
        if damage == CHECKSUM:
            kept[0] = (kept[0][0], kept[0][1][:-40] + bytes([kept[0][1][-40] ^ 1]) + kept[0][1][-39:])
        for key, value in (*kept, last):
            self.plant.producer.produce(self.setup.snapshots.name, value, key, partition=self.partition)
        assert self.plant.producer.flush(20) == 0
        self.written.append((generation, at, damage))
        self.keys += [key for key, _ in made]

    def newest(self, committed: int) -> tuple[int | None, int, list[tuple[int, str]]]:
        """Generation found, next one, what was passed over."""
        told: list[tuple[int, str]] = []
        with KafkaReader(self.plant.client) as reader:
            taken, following = snapshots.newest(
                reader, self.setup, self.partition, lambda at, epoch: at[0] <= committed and epoch == 0, lambda *one: told.append(one)
            )
        if taken is not None:
            assert taken.state["bytes"].tobytes() == self.states[taken.generation], "its pieces in their order"
        return None if taken is None else taken.generation, following, told

    def twin(self, committed: int) -> tuple[int | None, int, list[int]]:
        """The same, from what was written."""
        following, passed = max((g + 1 for g, _, _ in self.written), default=0), list[int]()
        for generation, at, damage in reversed(self.written):
            if at <= committed and damage == WHOLE:
                return generation, following, passed
            if at <= committed:
                passed.append(generation)
        return None, following, passed


@pytest.fixture
def shelf(plant: Plant, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(snapshots, "PIECE_BYTES", 100)
    return Shelf(plant, hands.setup)


def test_the_newest_of_many_pieces_is_found_across_steps_and_three_generations_have_keys(shelf: Shelf) -> None:
    assert shelf.newest(100) == (None, 0, [])
    for generation in range(5):
        shelf.put(generation, generation)
        assert shelf.newest(100) == (generation, generation + 1, []), "thirty pieces: more than a first look"
    assert shelf.newest(3) == (3, 5, []), "one that is ahead of what is committed is no damage"
    slots = {key.rsplit(b"/", 1)[0] for key in shelf.keys}
    assert slots == {b"1/0", b"1/1", b"1/2"}
    assert len(set(shelf.keys)) < len(shelf.keys), "compaction leaves the last three"


@pytest.mark.parametrize(("damage", "said"), [
    (CHECKSUM, "its checksum differs"), (LOST_FIRST, "1 of 31 pieces are missing"), (LOST_LAST, "1 of 31 pieces are missing"),
    (LOST_ALL, "31 of 31 pieces are missing"),
])  # fmt: skip
def test_a_damaged_one_does_not_hide_those_before_it(shelf: Shelf, damage: str, said: str) -> None:
    shelf.put(0, 0, LOST_FIRST)
    shelf.put(1, 1)
    shelf.put(2, 2, damage)
    shelf.put(3, 3, damage)
    assert shelf.newest(100) == (1, 4, [(3, said), (2, said)])
    assert shelf.newest(0) == (None, 4, [(0, "1 of 31 pieces are missing")]), "nothing lies in front of the first one"


def test_any_history_of_snapshots_equals_its_twin(shelf: Shelf) -> None:
    random = Random(7)
    for generation in range(25):
        damage = random.choice((WHOLE, *DAMAGE[:-1]))
        shelf.put(generation, generation, damage, size=random.choice((10, 500, 1_500, 9_000)))
        for committed in {generation, random.randint(-1, generation)}:
            found, following, told = shelf.newest(committed)
            assert (found, following, [g for g, _ in told]) == shelf.twin(committed), shelf.written


def test_bytes_that_are_no_state_are_passed_over_and_other_inputs_are_refused(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    shelf.put(0, 0)
    with monkeypatch.context() as changed:
        changed.setattr(snapshots, "packed", lambda state: state["bytes"].tobytes())
        shelf.put(1, 1, NO_STATE)
    found, _, ((generation, said),) = shelf.newest(100)
    assert (found, generation) == (0, 1) and "cannot be read" in said
    shelf.put(2, 2, topics=["something.else"])
    with pytest.raises(SnapshotError, match="a snapshot of other inputs"):
        shelf.newest(100)


def worked(plant: Plant, hands: Hands, partition: int, snapshot: bool) -> Hand:
    """An owner that has folded five blanks an input, taken a snapshot or not, and folded five more."""
    hand = hands.take(partition=partition)
    for last in (False, True):
        for _ in range(5):
            plant.everywhere({"kind": "BLANK", "source": ""})
        plant.producer.flush()
        hand.work()
        if snapshot and not last:
            hand.owner.snapshot()
    return hand


def damaged(plant: Plant, hand: Hand, generation: int) -> None:
    version, where = version_of(hand.owner.task.topology), list(hand.owner.committed)
    Shelf(plant, hand.setup, hand.partition).put(generation, 0, CHECKSUM, state_version=version, offsets=where)


def test_recovery_goes_on_from_an_older_one(plant: Plant, hands: Hands) -> None:
    hand = worked(plant, hands, 0, snapshot=True)
    damaged(plant, hand, 1)
    found = hands.take(partition=0).owner
    assert found.counts.snapshots_damaged == 1 and found.counts.refolded == 5 * len(INPUTS)
    assert (found.committed, tuple(found.task.vector)) == (hand.owner.committed, hand.owner.committed)
    assert found.task.ledger.counts.tolist() == hand.owner.task.ledger.counts.tolist()


def test_recovery_goes_on_from_the_log_and_stops_only_where_that_has_gone_too(plant: Plant, hands: Hands) -> None:
    hand = worked(plant, hands, 1, snapshot=False)
    damaged(plant, hand, 0)
    taken = hands.take(partition=1)
    assert ("snapshot-damaged", {"generation": 0, "reason": "its checksum differs"}) in taken.told
    assert taken.owner.counts.refolded == 10 * len(INPUTS) and tuple(taken.owner.task.vector) == hand.owner.committed
    assert taken.owner.task.ledger.counts.tolist() == hand.owner.task.ledger.counts.tolist()
    admin = AdminClient(plant.client)
    for future in admin.delete_records([TopicPartition(f"{plant.prefix}ot.state.v1", 1, 2)]).values():
        future.result(20)
    with pytest.raises(GapError, match=r"no longer reaches back.*begins_with=0, log_start=2, .*damaged_snapshots=\[0\]"):
        hands.take(partition=1)
