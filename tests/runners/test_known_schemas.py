"""Which schema ids are read is part of an epoch: whatever a registry knew when, the log folded again gives the same bytes."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given

from streams.codec.log import Log, log_of
from streams.errors import PlatformError
from streams.model.hierarchy import Hierarchy
from streams.runners.epoch import Adopted, Epoch, Row
from streams.runners.live.strangers import Strangers
from streams.runners.memory import run
from streams.runners.reference import ReferenceData
from streams.runners.task import Environment, Task
from tests.runners.plant import ENVIRONMENT, IDS, INPUTS, LINE, SCHEMAS, configuration, framed, random_log
from tests.runners.test_reference import row
from tests.runners.test_state_and_epochs import values
from tests.runners.test_task_laws import random_order, random_plant
from tests.seeds import randoms
from topologies import NAMED

ONE = configuration()
OWN = tuple(IDS[name] for name in INPUTS)
OTHER, GARBAGE = 1_000, 5_000  # another id of the same contract; one that no registry ever gives


def environment(schemas: dict[int, Any]) -> Environment:
    return Environment("test", 0, ENVIRONMENT.catalogue, schemas.get, ENVIRONMENT.schema_id)


def epoch(number: int, vector: tuple[int, ...], schemas: tuple[int, ...] | None, plant: Hierarchy) -> Adopted:
    return Adopted(Epoch(number, vector, {}, ONE.fingerprint, schemas), ONE, plant)


def log_with_ids(topic: str, random: Random) -> Log:
    """A random log whose writers have ids of their own."""
    found = []
    for n, m in enumerate(random_log(topic, random, 12)):
        value = framed(topic, m) or b""
        schema_id = IDS[topic] + random.choice((0, 0, OTHER, GARBAGE))
        found.append((n, m.append, LINE.encode(), b"\0" + schema_id.to_bytes(4, "big") + value[5:] if value[:1] == b"\0" else value, b""))
    return log_of(found)


def learns(random: Random, registry: dict[int, Any]) -> None:
    """A replica that hears of an id some time after it was given."""
    if random.random() < 0.3:
        name = random.choice(INPUTS)
        registry[IDS[name] + OTHER] = SCHEMAS[IDS[name]]


def live(logs: dict[str, Log], random: Random, plant: Hierarchy) -> tuple[Task, list[Any], list[Adopted]]:
    """As an owner does it: an epoch in front of the first record that is read by a schema."""
    registry: dict[int, Any] = dict(SCHEMAS)
    now = [0.0]
    strangers = Strangers(registry.get, 0.0, random.choice([0.5, 3.0]), lambda: now[0])
    epochs = [epoch(0, (0,) * len(INPUTS), OWN, plant)]
    task, found, place = Task(NAMED["context"], epochs[0], environment(registry)), [], [0] * len(INPUTS)
    while left := [rank for rank, name in enumerate(INPUTS) if place[rank] < len(logs[name].offset)]:
        rank, now[0] = random.choice(left), now[0] + 1.0
        learns(random, registry)
        part = logs[INPUTS[rank]].part(place[rank], min(place[rank] + random.randint(1, 4), len(logs[INPUTS[rank]].offset)))
        strange = task.strange(rank, part)
        if strange and (known := strangers.known(strange)):
            epochs.append(epoch(len(epochs), tuple(task.vector), (*(epochs[-1].epoch.schemas or ()), *known), plant))
            task.adopt(epochs[-1])
        task.feed(rank, part)
        place[rank] += len(part.offset)
        if random.random() < 0.5:
            task.advance()
            found.append(task.take())
    task.advance()
    return task, [*found, task.take()], epochs


EVERY = dict(SCHEMAS) | {IDS[name] + OTHER: SCHEMAS[IDS[name]] for name in INPUTS}


@given(random=randoms())
def test_a_registry_that_lags_changes_nothing_when_the_log_is_folded_again(random: Random) -> None:
    plant, logs = random_plant(random), {name: log_with_ids(name, random) for name in INPUTS}
    task, found, epochs = live(logs, random, plant)
    replay = list(run(NAMED["context"], epochs, environment(EVERY), logs, random_order(random)))
    again = replay[-1][0]
    assert values(found) == values([tx for _, tx in replay])
    assert again.ledger.counts.tolist() == task.ledger.counts.tolist()


def test_it_did_change_where_epochs_do_not_say_what_is_read() -> None:
    """The stranger's proof: two dead and one accepted live, three accepted when folded again."""
    sent = next(m for seed in range(100) for m in random_log("ot.sample.v1", Random(seed)) if m.kind == "data")
    value = b"\0" + (IDS["ot.sample.v1"] + OTHER).to_bytes(4, "big") + (framed("ot.sample.v1", sent) or b"")[5:]
    logs = {name: log_of([]) for name in INPUTS} | {"ot.sample.v1": log_of([(n, 10, LINE.encode(), value, b"") for n in range(3)])}

    def dead(schemas: tuple[int, ...] | None, known_from: int) -> int:
        registry: dict[int, Any] = dict(SCHEMAS)
        task = Task(NAMED["context"], epoch(0, (0,) * 6, schemas, Hierarchy()), environment(registry))
        for n in range(3):
            if n == known_from:
                registry |= EVERY
            task.feed(2, logs["ot.sample.v1"].part(n, n + 1))
        return int(task.ledger.row(2)["dead"])

    assert (dead(None, 2), dead(None, 0)) == (2, 0)
    assert (dead(OWN, 2), dead(OWN, 0)) == (3, 3)


def test_an_id_that_an_epoch_names_and_the_registry_has_lost_ends_the_task() -> None:
    task = Task(NAMED["context"], epoch(0, (0,) * 6, (*OWN, 777), Hierarchy()), ENVIRONMENT)
    with pytest.raises(PlatformError, match="an epoch names: topic='ot.sample.v1', offset=7, schema_id=777"):
        task.feed(2, log_of([(7, 10, LINE.encode(), b"\0" + (777).to_bytes(4, "big") + b"rest", b"")]))


def test_a_reference_row_is_read_by_the_schemas_of_the_epoch_and_not_by_when_it_was_looked_at() -> None:
    def renamed(offset: int, asset: str) -> Row:
        one = row(offset, asset)
        return one._replace(value=b"\0" + (OTHER).to_bytes(4, "big") + (one.value or b"")[5:])

    rows, contract = [row(0, "m1"), renamed(1, "m2"), row(2, "m3")], IDS["ref.asset.v1"]
    lags, knows = ReferenceData("test", SCHEMAS.get), ReferenceData("test", (SCHEMAS | {OTHER: SCHEMAS[contract]}).get)
    for data in (lags, knows):
        data.add("ref.asset.v1", rows)
        assert data.schema_ids == {contract, OTHER}
    epochs = [Epoch(0, (0,) * 6, {"ref.asset.v1": 3}, ONE.fingerprint, (contract,)),
              Epoch(1, (0,) * 6, {"ref.asset.v1": 3}, ONE.fingerprint, (contract, OTHER))]  # fmt: skip

    def chains(adopted: Adopted) -> list[Any]:
        return [adopted.hierarchy.chain(LINE, asset, 5) for asset in ("m1", "m2", "m3")]

    first, second = knows.chain(epochs, ONE)
    assert chains(first) == [("m1", "c1", ""), ("m2", ""), ("m3", "c1", "")] and first.refused == ((rows[1], "unknown-schema"),)
    assert chains(second) == [("m1", "c1", ""), ("m2", "c1", ""), ("m3", "c1", "")] and second.refused == ()
    slow = lags.adopted(epochs[0], ONE)
    assert (chains(slow), slow.refused) == (chains(first), first.refused)
    with pytest.raises(PlatformError, match="an epoch names: topic='ref.asset.v1', offset=1, schema_id=1000"):
        lags.adopted(epochs[1], ONE, epochs[0])
    assert knows.adopted(epochs[0], ONE).hierarchy is first.hierarchy, "the same rows are the same object"
