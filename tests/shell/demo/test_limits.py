"""Limits of the demo's plant: a row for every chart, and readings of a process in control lie inside."""

from __future__ import annotations

import numpy as np

from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.shell.demo.limits import SIGMAS_OF_A_MEAN, SIGMAS_OF_A_PART, limit_key, limit_rows
from streams.simulation.plant import Plant
from streams.simulation.reference import nominals

WINDOW_US = 10_000_000


def test_there_is_a_row_for_every_critical_signal_and_characteristic() -> None:
    for name in ("S", "M"):
        plant = Plant.named(name)
        rows, wanted = limit_rows(plant, WINDOW_US, 5), [one for one in nominals(plant) if one.critical]
        assert [(r["line"], r["asset"], r["tag"], r["product"], r["unit"]) for r in rows] == [
            (one.line, one.asset, one.name, one.product, one.unit) for one in wanted
        ]
        assert len({limit_key(r) for r in rows}) == len(rows) and {r["valid_from_us"] for r in rows} == {5}
        numbers = ([np.nan if r[field] is None else r[field] for field in CharacteristicRow._fields] for r in rows)
        found = Characteristics.of(map(CharacteristicRow._make, numbers))
        assert all(found.at(one.line, one.asset, one.name, one.product, 5) for one in wanted)


def test_means_and_parts_in_control_are_inside_and_shifted_ones_are_not() -> None:
    random = np.random.default_rng(1)
    for one, row in zip((n for n in nominals(Plant.named("S")) if n.critical), limit_rows(Plant.named("S"), WINDOW_US, 0), strict=True):
        readings = 1 if one.period_us is None else WINDOW_US // one.period_us
        points = random.normal(one.centre, one.sigma, (500, readings)).mean(axis=1)
        sigmas = SIGMAS_OF_A_PART if one.period_us is None else SIGMAS_OF_A_MEAN
        assert np.isclose((row["upper"] - row["lower"]) / 2, sigmas * one.sigma / readings**0.5)
        assert ((points < row["lower"]) | (points > row["upper"])).mean() < 0.01
        shifted = points + 3 * sigmas * one.sigma / readings**0.5
        assert (shifted > row["upper"]).all()
