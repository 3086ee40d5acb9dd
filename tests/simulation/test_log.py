"""The log of the factory: a function of plant, seed and span; readable by stock clients; complete in time."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import islice
from random import Random
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalogue import TOPICS, schema_of
from streams.codec.log import log_of
from streams.codec.murmur import partition_of
from streams.codec.out_record import OutRecord
from streams.codec.reader import Reader
from streams.errors import InvalidValue
from streams.operators.slice import Names
from streams.simulation.factory import EVERY, simulate
from streams.simulation.plant import Plant
from tests.seeds import randoms
from tests.simulation import material
from tests.simulation.material import START_US, S, run


def digest(records: Any) -> str:
    hashed = hashlib.sha256()
    for m in material.messages(records):
        hashed.update(b"%s %d %d " % (m.topic.encode(), m.partition, m.append_us) + m.key + m.value)
    return hashed.hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert digest(run(5, 700)) == digest(run(5, 700)) != digest(run(6, 700))


SCRIPT = "from tests.simulation.test_log import digest, run; print(digest(run(5, 90)), [t.json() for t in run(5, 700).truth])"


def test_the_hash_seed_of_the_interpreter_changes_nothing() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "77")
    ]
    assert told[0] == told[1] == f"{digest(run(5, 90))} []\n"


@settings(max_examples=10, deadline=None)
@given(randoms())
def test_how_far_it_is_read_at_a_time_changes_nothing(random: Random) -> None:
    whole, slow = run(8, 100), run(8, 100)
    read: list[OutRecord] = []
    while part := list(islice(slow, random.randint(1, 3000))):
        read += part
        assert slow.truth == [] and slow.runs is not None  # looking at it changes nothing either
    assert read == list(whole)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**40), st.integers(30, 400))
def test_append_time_never_goes_back_and_the_key_decides_the_partition(seed: int, seconds: int) -> None:
    simulation = run(seed, seconds)
    last: dict[tuple[str, int], int] = defaultdict(int)
    ended: Counter[tuple[str, int]] = Counter()
    for record in simulation:
        place = record.topic, record.partition
        assert record.append_us >= last[place]
        last[place] = record.append_us
        value: Any = record.value
        if record.kind in ("DATA", "HEARTBEAT"):
            assert record.partition == partition_of(record.key, 2)
            assert not ended[place], "nothing comes after the last claim"
        ended[place] += record.kind == "CLAIM" and value["through_us"] == simulation.until_us and record.topic != "mes.order.v1"
    assert +ended == {(topic, p): 1 for topic in EVERY if topic != "mes.order.v1" for p in range(2)}


def test_no_partition_is_silent_for_longer_than_two_seconds() -> None:
    last = dict.fromkeys(((topic, p) for topic in EVERY for p in range(2)), START_US)
    for record in run(3, 700):
        place = record.topic, record.partition
        assert record.append_us - last[place] <= 2 * S
        last[place] = record.append_us


def test_every_message_is_read_by_our_codec_and_by_fastavro() -> None:
    """Fields left out have the default of the contract: nobody sees that they were."""
    records = list(run(4, 150))
    sent = material.messages(records)
    schemas = {number: schema_of(topic.schema) for number, topic in enumerate(TOPICS, 1)}
    parsed = {name: fastavro.parse_schema(dict(schema_of(name)), named_schemas={}) for name in EVERY}
    by_topic: dict[str, list[Any]] = {name: [] for name in EVERY}
    for record, message in zip(records, sent, strict=True):
        raw = io.BytesIO(message.value[5:])
        read: Any = fastavro.schemaless_reader(raw, parsed[message.topic], None)
        value: Any = record.value
        assert not raw.read()
        assert (read["kind"], read["source"], read["sequence"]) == (record.kind, value["source"], value["sequence"])
        by_topic[message.topic].append((len(by_topic[message.topic]), message.append_us, message.key, message.value, b""))
    for name, rows in by_topic.items():
        kind = next(topic.kind for topic in TOPICS if topic.name == name)
        assert kind is not None
        found = Reader(kind, schemas.get).read(log_of(rows), Names())
        assert not found.reason.any()
        assert len(found.samples.lane) == sum(record.entries for record in records if record.topic == name)


def test_packed_messages_hold_between_100_and_500_samples_and_old_controllers_send_one() -> None:
    for plant, seconds in (("S", 30), ("M", 8)):
        records = [record for record in run(2, seconds, None, plant) if record.kind == "DATA"]
        sizes = [record.entries for record in records if record.topic == "ot.telemetry.v1"]
        assert sizes and min(sizes) >= 100 and max(sizes) <= 500
        old = {s.asset for s in material.samples(records) if s.topic == "ot.sample.v1"}
        assert old == {machine.id for _, _, machine in Plant.named(plant).machines if machine.single} != set()


def test_a_run_that_is_ended_early_ends_as_if_it_had_been_so_long() -> None:
    simulation, read = run(9, 700), list[OutRecord]()
    for record in simulation:
        read.append(record)
        if simulation.now_us == START_US + 80 * S:
            simulation.finish()
    assert simulation.now_us == START_US + 80 * S
    assert read == list(run(9, 80, None))  # no fault has begun by then
    assert Counter(r.kind for r in read[-12:]) == {"CLAIM": 12}


def test_the_plants_are_as_large_as_they_say() -> None:
    small, medium = Plant.named("S"), Plant.named("M")
    assert [(len(p.lines), len(p.machines), p.tags) for p in (small, medium)] == [(1, 10, 500), (4, 50, 10_000)]
    for plant, seconds in ((small, 60), (medium, 10)):
        simulation = run(1, seconds, None, plant.name)
        for _ in simulation:
            pass
        sent = simulation.sums.samples["ot.telemetry.v1"] + simulation.sums.samples["ot.sample.v1"]
        assert sent == pytest.approx(plant.samples_per_second * seconds)
    assert {partition_of(line.path.encode(), 4) for line in medium.lines} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("wrong", "fact"),
    [({"start_us": 1}, "whole second"), ({"until_us": START_US}, "before it ends"), ({"seed": -1}, "seed must not be negative")],
)
def test_a_run_that_cannot_be_is_refused(wrong: dict[str, int], fact: str) -> None:
    given = {"seed": 1, "start_us": START_US, "until_us": START_US + S} | wrong
    with pytest.raises(InvalidValue, match=fact):
        simulate(Plant.named("S"), faults=None, seed=given["seed"], start_us=given["start_us"], until_us=given["until_us"])


def test_numbers_are_dense_in_each_source_and_boot() -> None:
    """A run that begins later has later boots, so its numbers are others."""
    numbers: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for record in run(11, 900, None):
        value: Any = record.value
        if record.kind == "DATA":
            numbers[record.topic, value["source"], value["boot"]] += range(value["sequence"], value["sequence"] + record.entries)
    assert len({boot for _, _, boot in numbers}) > 1, "no gateway has restarted"
    for found in numbers.values():
        assert sorted(set(found)) == list(range(len(set(found))))
    assert min(boot for _, _, boot in numbers) == START_US // S


