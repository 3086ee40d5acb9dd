"""NIST's day and the parts with orders on a real Kafka, through workers that are killed, frozen, joined and left: the bytes of memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import sleep

import pytest

from tests.acceptance import plantday
from tests.acceptance.conftest import Ran
from tests.live.chaos import chaos
from tests.live.plant import Plant, Replayed
from tests.live.stock import read_by_a_stock_consumer

pytestmark = pytest.mark.timeout(300)

READ = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1", "context.epoch.v1", "ctl.configuration.v1")


def test_the_day_through_dying_workers_is_the_day_in_memory(
    day: Ran, kafka: str, registry_url: str, topic_prefix: str, tmp_path: Path
) -> None:  # fmt: skip
    text = plantday.example("context.toml").read_text("utf-8")
    plant = Plant(kafka, registry_url, topic_prefix, tmp_path, text=text)
    try:
        with Replayed(plant, day.messages, seconds=40):
            chaos(plant)
        plant.finish()
        found = plant.verified()
        read_by_a_stock_consumer(plant, dict.fromkeys(READ))
    finally:
        plant.close()
    assert found["same"] and not found["ahead"], found
    expected = Counter(out.topic for outcome in day.outcomes for out in (*outcome.results, *outcome.aside))
    assert {name: count for name, count in found["equal"].items() if count} == dict(expected)
    assert expected["ctx.window.v1"] > 40_000 and expected["ctx.state-interval.v1"] > 6_000


def test_parts_with_their_orders_through_a_killed_worker_are_those_in_memory(
    nist: Path, kafka: str, registry_url: str, topic_prefix: str, tmp_path: Path
) -> None:  # fmt: skip
    plant = Plant(kafka, registry_url, topic_prefix, tmp_path, text=plantday.example("context.toml").read_text("utf-8"))
    files = [*sorted((nist / "cover").glob("Cover-Hurco04-*of20.txt")), plantday.example("nist-cover-orders.csv")]
    mapping = plantday.example("nist-cover.mapping.toml")
    try:
        assert plant.call("ingest", *map(str, files), "--mapping", str(mapping), "--through", "2017-02-10T20:00:00Z").exit_code == 0
        first = plant.start()
        first.wait("assigned")
        sleep(0.3)
        first.kill()
        plant.finish()
        found = plant.verified()
    finally:
        plant.close()
    assert found["same"] and not found["ahead"], found
    assert found["equal"]["ctx.window.v1"] > 5_000
