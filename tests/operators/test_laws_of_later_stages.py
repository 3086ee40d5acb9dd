"""Charts and signal health equal their twins, however their input is cut into slices, wherever their state is written down and
read back, and whatever limits an epoch brings."""

from __future__ import annotations

from math import nan
from random import Random
from typing import Any

import pytest
from hypothesis import given

from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.model.order import OrderRef
from streams.operators import IndividualsChart, SignalHealth
from tests.operators.later import LINE, UNIT, Histories, run
from tests.seeds import randoms
from tests.twin import deviations as twin
from tests.twin.deviations import Point

END, WINDOW = 80, 10
STUCK, MISSING = (("x", 3), ("y*", 8)), (("y1", 21), ("[xz]", 25))
CHART = IndividualsChart(window_us=WINDOW, clear_after=2, version="v1")
HEALTH = SignalHealth(window_us=WINDOW, stuck=STUCK, missing=MISSING, version="v1")
CASES: dict[str, Any] = {"chart": CHART, "health": HEALTH}
ORDERS = [(), (OrderRef("A", "10", "P", "c1"),), (OrderRef("B", "", "P", ""),), (OrderRef("C", "", "Q", ""),),
          (OrderRef("A", "10", "P", "c1"), OrderRef("D", "", "Q", "")),
          (OrderRef("E", "", "P", "c1"), OrderRef("B", "", "P", ""))]  # fmt: skip


def random_histories(case: str, random: Random) -> Histories:
    histories = {}
    for number, lane in enumerate(("a", "b", "c")[: random.randint(1, 3)]):
        times = sorted(random.randint(-15, END + 5) for _ in range(random.randint(0, 60)))
        calm, steady = random.random(), random.random() < 0.4  # one signal that makes one product, long on one side
        points, orders = [], random.choice(ORDERS)
        for n, time in enumerate(times):
            if random.random() < 0.1:
                orders = random.choice(ORDERS[1:3] if steady else ORDERS)
            if case == "chart" and steady and random.random() < 0.9:
                value = 2.0 if n // 16 % 2 else 1.0
            elif case == "chart":
                value = random.choice([1.0, 2.0, 3.0, 0.0]) if random.random() < calm else random.choice([5.0, 9.0, -9.0, -3.0, nan, 1e300])
            else:
                value = random.choice([1.0, 1.0 + 2.0**-40]) if random.random() < 0.8 else random.choice([1.5, nan, 0.0, -0.0])
            points.append(Point(
                time, "x" if steady else random.choice(["x", "y1"] if case == "chart" else ["x", "y1", "y2", "z"]), value,
                bytes([random.randint(0, 255), random.randint(0, 255), number, n]) + bytes(12), orders,
                random.choice([0, WINDOW, WINDOW, WINDOW, 7, -1]), random.random() < 0.9, random.random() < 0.85,
            ))  # fmt: skip
        histories[lane] = points
    return histories


def random_limits(random: Random, lanes: Any, revisions: int) -> list[CharacteristicRow]:
    """Rows of some signals, products and dates; some without a limit on a side, some in another unit."""
    rows = []
    for asset in lanes:
        for tag in ("x", "y1"):
            for product in ("", "P", "Q"):
                for revision in range(1, random.choice([0, 1, 1, 2]) + revisions):
                    low, high = random.choice([(0.5, 2.5), (1.0, 3.0), (-4.0, 4.0), (nan, 2.5), (-4.0, nan), (nan, nan)])
                    rows.append(CharacteristicRow(
                        LINE, asset, tag, product, random.choice([UNIT] * 6 + ["N"]), random.choice([-99, -99, 0, 30]), revision,
                        random.choice([1.5, 0.0, nan]), 1.0, low, high, random.choice([-5.0, -3.0, nan]), random.choice([8.0, 5.0, nan]),
                    ))  # fmt: skip
    return rows


def random_epochs(random: Random, histories: Histories) -> tuple[list[list[CharacteristicRow]], list[dict[str, int]]]:
    """Limits of each epoch, each with all rows before, and how far each lane is when the next one is adopted."""
    rows = random_limits(random, histories, 1)
    limits, epochs, front = [rows], [], dict.fromkeys(histories, -30)
    for _ in range(random.choice([0, 0, 1, 2])):
        more = random_limits(random, histories, 1)
        known = {(r.asset, r.tag, r.product, r.revision) for r in rows}
        rows = rows + [r for r in more if (r.asset, r.tag, r.product, r.revision) not in known]
        front = {lane: random.randint(front[lane], END) for lane in histories}
        limits.append(rows)
        epochs.append(front)
    return limits, epochs


def expected(case: str, histories: Histories, lane: str, limits: list[list[CharacteristicRow]], epochs: list[dict[str, int]]) -> list[Any]:
    points = [point for point in histories[lane] if point.time < END]
    if case == "health":
        return twin.health(points, WINDOW, STUCK, MISSING, END)

    def known(point: Point) -> list[CharacteristicRow]:
        number = sum(front[lane] <= point.time for front in epochs)
        return [row for row in limits[number] if row.asset == lane]

    return twin.charts(points, known, UNIT, WINDOW, 2)


def comparable(out: dict[str, Any]) -> str:
    return repr(sorted(out.items()))


@pytest.mark.parametrize("case", CASES)
@given(random=randoms())
def test_equals_its_twin_under_any_cut(case: str, random: Random) -> None:
    histories = random_histories(case, random)
    limits, epochs = random_epochs(random, histories)
    frozen, ops = [Characteristics.of(rows) for rows in limits], [CASES[case]] * len(limits)
    outputs, _ = run(ops, histories, END, random, random.randint(0, 8), frozen, epochs)
    for lane in histories:
        wanted, got = expected(case, histories, lane, limits, epochs), outputs[lane]
        for n, (a, b) in enumerate(zip(wanted, got, strict=False)):
            assert comparable(a) == comparable(b), (lane, n, histories[lane])
        assert len(wanted) == len(got), (lane, wanted[len(got) :], got[len(wanted) :])


@pytest.mark.parametrize("case", CASES)
@given(random=randoms())
def test_slicing_law(case: str, random: Random) -> None:
    """Outputs in order per lane and the canonical state: bit for bit."""
    histories = random_histories(case, random)
    limits, epochs = random_epochs(random, histories)
    frozen, ops = [Characteristics.of(rows) for rows in limits], [CASES[case]] * len(limits)
    one, whole = run(ops, histories, END, random, 0, frozen, epochs)
    cut, pieces = run(ops, histories, END, random, random.randint(1, 15), frozen, epochs)
    assert repr(one) == repr(cut)
    assert whole == pieces
