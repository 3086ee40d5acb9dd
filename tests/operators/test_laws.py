"""Every operator equals its twin, however its input is cut into slices, wherever its state is written down and read back."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given

from streams.operators import ALL, CounterIncrements, InContext, OrderJoin, StateIntervals, WindowStatistics
from streams.time.windows import WindowSpec
from tests.operators.harness import Histories, expected_evidence, run
from tests.operators.test_laws_of_later_stages import CASES as LATER
from tests.seeds import randoms
from tests.twin import operators as twin
from tests.twin.operators import Row

SPECS = (WindowSpec.tumbling(7), WindowSpec.hopping(10, hop_us=3), WindowSpec.tumbling(10), WindowSpec.session(4))
NUMERIC = WindowStatistics(windows=SPECS, hold_us=11, discrete=False, inputs=(0, 1))
DISCRETE = WindowStatistics(windows=SPECS, hold_us=11, discrete=True, inputs=(0, 1))
INTERVALS, SAMPLES = StateIntervals(inputs=(0, 1)), InContext(inputs=(0, 1))
ROLLOVERS = {"x": (100, 40), "y": (50, 10)}
COUNTERS = CounterIncrements(inputs=(0, 1), rollovers=tuple((tag, *one) for tag, one in ROLLOVERS.items()))
CASES = {"numeric": NUMERIC, "discrete": DISCRETE, "intervals": INTERVALS, "counters": COUNTERS, "samples": SAMPLES}
END = 60
READINGS_AT_THE_ENDS = (2**31 - 1, -(2**31), 1 << 60, -(1 << 60))  # a PLC's DINT, and what decoding lets through


def random_value(case: str, random: Random) -> Any:
    if random.random() < 0.07:
        return None
    if case in ("numeric", "samples"):
        return random.choice([0.1, 0.2, 0.3, 1e16, -1e16, -0.0, 1e-300]) if random.random() < 0.95 else float("inf")
    if case == "counters":
        return random.choice([random.randint(0, 99), random.randint(-50, 49), *READINGS_AT_THE_ENDS])
    return random.choice(["RUN", "STOP", "HOLD"])


def random_histories(case: str, random: Random) -> Histories:
    histories = {}
    for lane in ("a", "b", "c")[: random.randint(1, 3)]:
        times = sorted(random.randint(-15, END + 5) for _ in range(random.randint(0, 25)))
        rows = []
        for n, time in enumerate(times):
            extra: Any = (random.random() < 0.1, random.choice(["d1"] * 5 + ["d2"])) if case == "counters" else random.choice(["", "HOLD"])
            if case in ("numeric", "samples", "discrete"):
                extra = ""
            rows.append(Row(time, random.choice("xyz"), random_value(case, random), random.choice([0] * 8 + [1, 2]),
                            random.randint(0, 1), random.randint(0, 9), n, extra))  # fmt: skip
        changes = sorted({random.randint(-15, END): None for _ in range(random.randint(0, 4))})
        histories[lane] = (rows, [(t, n + 1) for n, t in enumerate(changes)])
    return histories


def expected(case: str, histories: Histories, lane: str) -> list[dict[str, Any]]:
    rows, changes = histories[lane]
    if case in ("numeric", "discrete"):
        found = twin.windows(rows, changes, SPECS, 11, case == "discrete", END)
    elif case == "intervals":
        found = twin.intervals([r for r in rows if r.time < END], changes, END)
    elif case == "counters":
        found = twin.increments([r for r in rows if r.time < END], ROLLOVERS, changes)
    else:
        found = [{"time": r.time, "signal": r.signal, "context": twin.context_at(changes, r.time)[1], "quality": r.quality,
                  "value": float("nan") if r.value is None else r.value, "evidence": [(r.input, r.offset, r.index)]}
                 for r in rows if r.time < END]  # fmt: skip
    return [out | {"evidence": expected_evidence(out["evidence"])} for out in found]


@pytest.mark.parametrize("case", CASES)
@given(random=randoms())
def test_equals_its_twin_under_any_cut(case: str, random: Random) -> None:
    histories = random_histories(case, random)
    outputs, _ = run(CASES[case], histories, END, random, cuts=random.randint(0, 12))
    for lane in histories:
        wanted, got = expected(case, histories, lane), outputs[lane]
        for n, (a, b) in enumerate(zip(wanted, got, strict=False)):
            assert same(a) == same(b), (lane, n, histories[lane])
        assert len(wanted) == len(got)


def same(out: dict[str, Any]) -> str:
    """Bits of every value: repr tells -0.0 from 0.0 and every float from its neighbour."""
    return repr(sorted(out.items()))


@pytest.mark.parametrize("case", CASES)
@given(random=randoms())
def test_slicing_law(case: str, random: Random) -> None:
    """Outputs in order per lane and the canonical state: bit for bit."""
    histories = random_histories(case, random)
    one, whole = run(CASES[case], histories, END, random, cuts=0)
    cut, pieces = run(CASES[case], histories, END, random, cuts=random.randint(1, 20))
    assert repr(one) == repr(cut)
    assert whole == pieces


@given(random=randoms())
def test_no_increment_is_negative_but_a_reported_one(random: Random) -> None:
    outputs, _ = run(COUNTERS, random_histories("counters", random), END, random, cuts=random.randint(0, 5))

    for out in (out for of in outputs.values() for out in of):
        assert out["increment"] >= 0 or out["cause"] == "REPORTED", out


def test_all_operators_are_under_the_laws() -> None:
    """OrderJoin has its own file: it takes two kinds of records; operators of later stages too: their rows cite derived records."""
    assert {type(op) for op in (*CASES.values(), *LATER.values())} | {OrderJoin} == set(ALL)
