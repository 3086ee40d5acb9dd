"""Every fault is where the truth says, as large as it says, and nowhere else; found here by hand in what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import sqrt
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import InvalidValue
from streams.simulation import faults as f
from streams.simulation.faults import Faults, planned
from streams.simulation.plant import Plant
from streams.simulation.reference import Nominal, nominals
from streams.simulation.truth import Truth
from tests.simulation import material
from tests.simulation.material import FAULTS, START_US, S, Series

SEEDS = (1, 2)
Found = dict[tuple[str, str, str], Series]


def centre(name: str, asset: str, product: str) -> Nominal:
    return next(n for n in nominals(Plant.named("S")) if (n.name, n.asset, n.product) == (name, asset, product))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**40), st.sampled_from(["S", "M"]), st.integers(0, 1800))
def test_a_long_run_has_every_kind_apart_and_none_in_the_drain(seed: int, name: str, more_s: int) -> None:
    plant = Plant.named(name)
    until_us = START_US + FAULTS.run_us_least + more_s * S
    found = planned(plant, FAULTS, seed, START_US, until_us)
    assert {one.kind for one in found} == set(f.KINDS)
    assert len({one.id for one in found}) == len(found)
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for one in found:
        waits_us = f.PATIENCE_US if one.kind in f.ORDER_NEEDED or one.kind == f.RESET else 0
        assert one.at_us >= START_US + f.WARM_UP_US
        assert one.at_us + waits_us + one.duration_us <= until_us - FAULTS.drain_us
        for machine in one.cell.machines if one.kind == f.OUTAGE else (one.machine,):
            for since, until in spans.setdefault((one.line.path, machine.id), []):
                assert one.at_us >= until + f.RECOVERY_US or since >= one.at_us + waits_us + one.duration_us + f.RECOVERY_US
            spans[one.line.path, machine.id].append((one.at_us, one.at_us + waits_us + one.duration_us))


def test_a_short_run_has_none_and_a_kind_that_is_not_there_is_refused() -> None:
    assert planned(Plant.named("S"), FAULTS, 1, START_US, START_US + 100 * S) == ()
    with pytest.raises(InvalidValue, match="no such kinds of faults"):
        Faults(every_us=S, drain_us=0, kinds=("flood",))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_truth_is_to_be_seen_in_what_was_sent(seed: int) -> None:
    simulation, records = material.long_run(seed)
    found = list(material.samples(records))
    by_name, ahead = material.series(found), material.series(found, future=True)
    looks: dict[str, Callable[[Truth, Found], None]] = {
        f.WEAR: _wears, f.OFFSET: _shifts, f.STEP: _shifts, f.STUCK: _sticks, f.RECIPE: _cooks, f.RESET: _resets, f.CLOCK: _jumps,
    }  # fmt: skip
    for truth in simulation.truth:
        if truth.kind == f.OUTAGE:
            _is_silent(truth, found)
        else:
            looks[truth.kind](truth, ahead if truth.kind == f.CLOCK else by_name)
        if truth.kind in f.ORDER_NEEDED:
            assert truth.order and truth.operation and truth.product
    assert {truth.kind for truth in simulation.truth} == set(f.KINDS)


def _z(truth: Truth, by_name: Found, since_us: int, until_us: int) -> list[float]:
    about = centre(truth.names[0], truth.asset, truth.product)
    values = by_name[truth.line, truth.asset, truth.names[0]].within(since_us, until_us)
    return [(value - about.centre) / about.sigma for value in values]


def _shifts(truth: Truth, by_name: Found) -> None:
    """Compared while the product stays: ten seconds before, the first ten of the fault."""
    before, during = (_z(truth, by_name, at, at + 10 * S) for at in (truth.since_us - 10 * S, truth.since_us))
    assert abs(fmean(during) - float(truth.parameters["shift_sigmas"])) < 5 / sqrt(10)
    assert abs(fmean(before)) < 5 / sqrt(10)


def _sticks(truth: Truth, by_name: Found) -> None:
    values = by_name[truth.line, truth.asset, truth.names[0]]
    during = values.within(truth.since_us, truth.until_us)
    assert len(during) == (truth.until_us - truth.since_us) // S
    assert set(during) == {values.within(truth.since_us - S, truth.since_us)[0]}
    assert values.within(truth.until_us, truth.until_us + S)[0] != during[0]


def _cooks(truth: Truth, by_name: Found) -> None:
    for name in truth.names:
        wrong = centre(name, truth.asset, str(truth.parameters["wrong_product"]))
        values = by_name[truth.line, truth.asset, name].within(truth.since_us, truth.since_us + 10 * S)
        assert values and abs(fmean((v - wrong.centre) / wrong.sigma for v in values)) < 5 / sqrt(len(values))
        assert wrong.centre != centre(name, truth.asset, truth.product).centre


def _wears(truth: Truth, by_name: Found) -> None:
    """Off its centre by the product that each part is, as a straight line through the time of the fault."""
    series = by_name[truth.line, truth.asset, truth.names[0]]
    slope = float(truth.parameters["shift_at_end_sigmas"]) / (truth.until_us - truth.since_us)
    centres = {n.centre: n for n in nominals(Plant.named("S")) if (n.asset, n.name) == (truth.asset, truth.names[0])}
    rest = []
    for at, value in zip(series.times_us, series.values, strict=True):
        nearest = centres[min(centres, key=lambda c: abs(c - value))]  # products are thousands of sigmas apart
        worn = slope * (at - truth.since_us) if truth.since_us <= at < truth.until_us else 0.0
        if truth.since_us - 120 * S < at < truth.until_us + 60 * S:
            rest.append((value - nearest.centre) / nearest.sigma - worn)
    assert len(series.within(truth.since_us, truth.until_us)) >= 8
    assert max(map(abs, rest)) < 5 and abs(fmean(rest)) < 5 / sqrt(len(rest))


def _resets(truth: Truth, by_name: Found) -> None:
    total = by_name[truth.line, truth.asset, "total"]
    at = total.times_us.index(truth.since_us)
    assert total.values[at - 1] >= 5 and total.values[at] == 0


def _jumps(truth: Truth, by_name: Found) -> None:
    ahead_us = int(truth.parameters["ahead_us"])
    readings = by_name[truth.line, truth.asset, "power"]
    mine = [at for at in readings.times_us if truth.since_us + ahead_us <= at < truth.until_us + ahead_us]
    assert len(mine) == (truth.until_us - truth.since_us) // S


def _is_silent(truth: Truth, found: list[material.Sample]) -> None:
    mine = [s.append_us for s in found if s.source.startswith(f"{truth.line}/{truth.asset}/") and s.topic == "ot.telemetry.v1"]
    assert not [at for at in mine if truth.since_us + 100_000 <= at < truth.until_us]
    burst = [at for at in mine if truth.until_us <= at < truth.until_us + S]
    assert len(burst) > 20, "what was kept comes in a burst"


@pytest.mark.parametrize("seed", SEEDS)
def test_apart_from_the_truth_readings_are_independent_and_normal_around_their_centres(seed: int) -> None:
    """While an order runs, whatever its product, from its first second on: a product change is no step beside the known one."""
    simulation, records = material.run(seed, 900, None), list[Any]()
    records += simulation
    by_name = material.series(material.samples(records))
    cell_of = {machine.id: cell.id for _, cell, machine in simulation.plant.machines}
    first, everything, lagged, repeated = list[float](), list[float](), list[float](), 0
    for one in nominals(simulation.plant):
        if one.period_us is None or not one.critical:
            continue
        for ran in simulation.runs:
            if ran.work_center != cell_of[one.asset] or ran.product != one.product:
                continue
            values = by_name[one.line, one.asset, one.name].within(ran.since_us, ran.until_us or simulation.until_us)
            z = [(value - one.centre) / one.sigma for value in values]
            first += z[:3]
            everything += z
            lagged += [a * b for a, b in zip(z, z[1:], strict=False)]
            repeated += sum(a == b for a, b in zip(z, z[1:], strict=False))
    n = len(everything)
    assert n > 20_000 and len(first) > 500
    assert abs(fmean(everything)) < 4.5 / sqrt(n)
    assert abs(np.var(everything) - 1) < 4.5 * sqrt(2 / n)
    assert abs(fmean(lagged)) < 4.5 / sqrt(len(lagged))
    assert abs(fmean(first)) < 4.5 / sqrt(len(first))
    assert repeated == 0
    beyond = sum(abs(z) > 3 for z in everything) / n
    assert beyond == pytest.approx(0.0027, abs=4.5 * sqrt(0.0027 / n))


def test_a_fault_begins_where_an_order_is_known() -> None:
    """At its cell, as the log has it by then: so a chart has limits for what it sees."""
    kinds: Counter[str] = Counter()
    for seed in range(6):
        simulation = material.run(seed, 900)
        for _ in simulation:
            pass
        for truth in simulation.truth:
            kinds[truth.kind] += 1
            if truth.kind in f.ORDER_NEEDED:
                cell = next(cell for _, cell, machine in simulation.plant.machines if machine.id == truth.asset)
                runs = [r for r in simulation.runs if r.work_center == cell.id]
                ran = [(r.order, r.product) for r in runs if r.since_us <= truth.since_us < (r.until_us or truth.until_us)]
                assert ran == [(truth.order, truth.product)]
    assert set(kinds) == set(f.KINDS)
