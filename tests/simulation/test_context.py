"""The factory through the context topology in memory: fates as many as the simulator made, and the orders that truth says."""

from __future__ import annotations

import functools
from typing import Any, Final

import pytest

from streams.kernel import POS
from streams.simulation import faults as f
from streams.simulation.factory import EVERY, Simulation
from streams.simulation.orders import PROMPT_US
from streams.simulation.truth import OrderRun
from tests.acceptance import plantday
from tests.acceptance.plantday import Outcome
from tests.simulation import material

SEEDS: Final = (1, 2)


@functools.cache
def folded(seed: int) -> tuple[Simulation, list[material.Sample], list[Outcome]]:
    simulation, records = material.long_run(seed)
    configuration = material.configuration()
    logs = plantday.logs(material.messages(records), configuration.catalogue())
    plant = material.hierarchy(simulation.plant)
    outcomes = [plantday.run(configuration, inputs, partition, plant=plant) for partition, inputs in enumerate(logs)]
    return simulation, list(material.samples(records)), outcomes


def rows(outcomes: list[Outcome], topic: str) -> list[dict[str, Any]]:
    return [row for outcome in outcomes for row in plantday.rows([*outcome.results, *outcome.aside], topic)]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_sample_has_the_fate_that_the_simulator_gave_it(seed: int) -> None:
    """None is late but bookings that people make late, none from the future but by a clock that jumped, and nothing is left over."""
    simulation, _, outcomes = folded(seed)
    sums = simulation.sums
    assert sums.late_orders > 0 and sum(sums.again.values()) > 0 and sum(sums.ahead.values()) > 0
    for topic in EVERY:
        found = {fate: sum(outcome.ledger[topic][fate] for outcome in outcomes) for fate in outcomes[0].ledger[topic]}
        late = sums.late_orders if topic == "mes.order.v1" else 0
        accepted = sums.samples[topic] - sums.ahead[topic] - late
        assert found == {
            "messages": found["messages"], "dead": 0, "accepted": accepted, "duplicate": sums.again[topic], "conflict": 0,
            "future": sums.ahead[topic], "late": late, "applied": accepted + late,
        }  # fmt: skip
    assert [outcome.pending for outcome in outcomes] == [0, 0]
    assert {at for outcome in outcomes for at in outcome.frontiers.values()} == {simulation.until_us}


def _expected_requests(found: list[material.Sample]) -> set[tuple[str, str, int, int | None]]:
    """By hand from what the bridge sent: (work center, reason, since, until); until None: when it came."""
    expected: set[tuple[str, str, int, int | None]] = set()
    for one in found:
        if one.topic != "mes.order.v1":
            continue
        if one.whole["event"] == "CORRECTED":
            expected.add((one.asset, "CORRECTED_ORDER", one.whole["corrected_time_us"], one.whole["corrects_time_us"]))
        elif one.append_us - one.time_us >= PROMPT_US[1]:
            expected.add((one.asset, "LATE_ORDER", one.time_us, None))
    return expected


@pytest.mark.parametrize("seed", SEEDS)
def test_late_and_corrected_bookings_ask_for_what_they_change(seed: int) -> None:
    _, found, outcomes = folded(seed)
    asked = rows(outcomes, "audit.restate-request.v1")
    expected = _expected_requests(found)
    assert {reason for _, reason, _, _ in expected} == {"LATE_ORDER", "CORRECTED_ORDER"}
    told = set[tuple[str, str, int, int | None]]()
    for row in asked:
        until_us = row["until_us"] if row["reason"] == "CORRECTED_ORDER" else None
        told.add((row["lanes"][0], row["reason"], row["since_us"], until_us))
    assert told == expected and len(asked) == len(expected)


def _ran(runs: list[OrderRun], line: str, center: str, since_us: int, until_us: int) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Orders that really ran somewhere in a stretch, and from when to when of it."""
    return {
        (one.order, one.operation, one.product): (max(since_us, one.since_us), min(until_us, one.until_us or POS)) for one in runs
        if (one.line, one.work_center) == (line, center) and one.since_us < until_us and since_us < (one.until_us or POS)
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_carry_the_order_that_ran_or_none_where_it_was_not_known(seed: int) -> None:
    """Never another one: a stretch without its order is one that a late or corrected booking asks to be restated."""
    simulation, _, outcomes = folded(seed)
    cell_of = {machine.id: cell.id for _, cell, machine in simulation.plant.machines}
    asked = [(row["lanes"][0], row["since_us"], row["until_us"]) for row in rows(outcomes, "audit.restate-request.v1")]
    with_order = without = unknown = 0
    for row in rows(outcomes, "ctx.window.v1"):
        center = cell_of.get(row["asset"], row["asset"])
        ran = _ran(simulation.runs, row["line"], center, row["since_us"], row["until_us"])
        told = {(one["order"], one["operation"], one["product"]) for one in row["orders"]}
        assert {one["work_center"] for one in row["orders"]} <= {center}
        if told:
            assert told == set(ran)
            with_order += 1
        elif not ran:
            without += 1
        else:
            for since_us, until_us in ran.values():
                assert any(lane == center and since <= since_us and until_us <= until for lane, since, until in asked), row
            unknown += 1
    assert with_order > 10_000 and without > 100 and unknown > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_measurements_are_of_the_order_that_made_the_part(seed: int) -> None:
    _, _, outcomes = folded(seed)
    told = [(row["serial"], row["product"], row["orders"]) for row in rows(outcomes, "ctx.measurement.v1")]
    assert len(told) > 500
    for serial, product, orders in told:
        assert len(orders) <= 1
        for order in orders:
            assert (order["order"], order["product"]) == (serial.rsplit("-", 1)[0], product)


@pytest.mark.parametrize("seed", SEEDS)
def test_resets_and_clocks_are_seen_where_the_truth_says(seed: int) -> None:
    simulation, _, outcomes = folded(seed)
    totals = [row for row in rows(outcomes, "ctx.count.v1") if row["tag"] == "total"]
    resets = {(row["asset"], row["event_time_us"]) for row in totals if row["cause"] == "RESET"}
    assert resets == {(truth.asset, truth.since_us) for truth in simulation.truth if truth.kind == f.RESET} != set()
    jumps = {truth.asset: int(truth.parameters["ahead_us"]) for truth in simulation.truth if truth.kind == f.CLOCK}
    quarantined = rows(outcomes, "dq.quarantine.v1")
    assert {asset for row in quarantined for asset in row["assets"]} == set(jumps)
    assert {row["reason"] for row in quarantined} == {"FUTURE"}
