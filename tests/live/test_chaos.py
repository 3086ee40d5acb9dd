"""Workers are killed, frozen, joined and left while gateways write: nothing is lost, nothing doubled, and the log folded again in
memory gives the same bytes. Every derived topic can be read by Confluent's own consumer."""

from __future__ import annotations

import pytest

from tests.live.chaos import chaos
from tests.live.plant import PARTITIONS, Gateways, Plant
from tests.live.stock import read_by_a_stock_consumer

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

DERIVED = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1")
ASIDE = ("dq.late.v1", "dq.quarantine.v1", "dq.dead-letter.v1", "audit.restate-request.v1")


@pytest.mark.long
def test_chaos_leaves_the_same_bytes_as_the_memory_runner(plant: Plant) -> None:
    with Gateways(plant) as gateways:
        chaos(plant)
    plant.finish()
    found = plant.verified()
    assert found["same"] and not found["ahead"] and not sum(found["doubled"].values()), found
    assert all(found["equal"][name] > 200 for name in DERIVED), found["equal"]
    assert all(found["equal"][name] > 0 for name in ASIDE), found["equal"]
    assert gateways.written > 5_000
    read_by_a_stock_consumer(plant, {**dict.fromkeys(DERIVED, PARTITIONS), "plant.epoch.v1": PARTITIONS, "plant.snapshot.v1": PARTITIONS,
                                      **dict.fromkeys((*ASIDE, "ctl.configuration.v1"), None)})  # fmt: skip
