"""A registry that lags, and garbage that looks framed: what was dead live is dead when the log is folded again, and nothing stops."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from streams.catalogue import text_of
from streams.errors import PlatformError
from streams.runners.live.setup import Setup
from streams.runners.live.strangers import Strangers
from streams.shell.registry import Registry
from streams.shell.settings import RegistrySettings
from tests.live.byhand import Hand, Hands, by_hand, partition_of
from tests.live.plant import LINES, Plant

pytestmark = pytest.mark.timeout(300)

NAME, GARBAGE = "ot.sample.v1", 0x61626364


def another_id(plant: Plant) -> int:
    """Another version of the contract, as a gateway's own team registers it."""
    schema = json.loads(text_of(NAME)) | {"doc": f"of {plant.prefix}"}
    with Registry(RegistrySettings(url=plant.registry_url)) as registry:
        return registry.register(f"{plant.prefix}gateway-value", json.dumps(schema))


class Replica:
    """What a worker sees of the registry while its replica has not heard of an id."""

    def __init__(self, setup: Setup, unheard: int) -> None:
        self._setup, self.unheard, self.lags, self.asked = setup, unheard, True, 0

    def schema(self, schema_id: int) -> Mapping[str, Any] | None:
        self.asked += schema_id == self.unheard
        return None if self.lags and schema_id == self.unheard else self._setup.writer(schema_id)


def send(plant: Plant, numbers: range, schema_id: int) -> None:
    for number in numbers:
        record = {"kind": "DATA", "source": "g", "boot": 0, "sequence": number, "asset": "m1", "tag": "x", "value": 1.0, "quality": "GOOD"}
        value = plant.framed(NAME, record | {"event_time_us": int(1e6 * time.time())})
        plant.write(NAME, LINES[0], b"\0" + schema_id.to_bytes(4, "big") + value[5:])
    plant.producer.flush()


def fates(hand: Hand) -> dict[str, int]:
    return {fate: count for fate, count in hand.owner.task.ledger.row(hand.setup.topology.inputs.index(NAME)).items() if count}


def test_what_was_dead_stays_dead_what_comes_later_is_read_and_a_new_owner_agrees(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    schema_id = another_id(plant)
    with by_hand(plant, monkeypatch) as honest:
        replica = Replica(honest.setup, schema_id)
        hands = Hands(replace(honest.setup, writer=replica.schema))
        hand = hands.take(partition=partition_of(plant, LINES[0]))
        passed_s = [0.0]
        hand.owner.strangers = Strangers(replica.schema, 0.5, 3600.0, lambda: time.monotonic() + passed_s[0])
        send(plant, range(2), schema_id)
        hand.work()
        assert replica.asked >= 2, "it was waited for"
        send(plant, range(2, 4), schema_id)
        send(plant, range(4, 5), GARBAGE)
        asked = replica.asked
        hand.work()
        assert replica.asked == asked, "not again and again"
        assert fates(hand)["dead"] == 5 and hand.owner.task.adopted.epoch.number == 0
        assert sorted(hand.owner.strangers.condemned) == sorted([schema_id, GARBAGE])
        replica.lags, passed_s[0] = False, 4000.0
        send(plant, range(5, 8), schema_id)
        hand.work()
        assert fates(hand)["dead"] == 5 and hand.owner.task.adopted.epoch.number == 1
        assert schema_id in (hand.owner.task.adopted.epoch.schemas or ())
        other = honest.take(partition=hand.partition)  # its registry has known the id from the first record on
        assert fates(other) == fates(hand) and other.owner.counts.refolded >= 8
        assert other.owner.task.adopted.epoch == hand.owner.task.adopted.epoch
        replica.lags = True
        with pytest.raises(PlatformError, match=rf"schemas that an epoch names: .*epoch=1, schema_ids=\[{schema_id}\]"):
            hands.take(partition=hand.partition)
    time.sleep(1.2)
    plant.everywhere({"kind": "CLAIM", "source": "", "through_us": int(1e6 * time.time())})
    plant.producer.flush()
    plant.finish()
    found = plant.verified()
    assert found["same"] and found["equal"]["dq.dead-letter.v1"] == 5 and found["equal"]["ctx.window.v1"] > 0, found
    letters = [json.loads(line)["value"] for line in plant.call("tail", "dq.dead-letter.v1", "--until-end").stdout.splitlines()]
    assert {letter["reason"] for letter in letters} == {"unknown-schema"}
