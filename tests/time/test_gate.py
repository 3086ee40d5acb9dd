"""The compiled gate gives the verdicts and watermarks of the twin, however the log is cut, through any epochs."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given

from tests.seeds import randoms
from tests.time.columnar import ColumnarGate
from tests.twin.cases import BASE, CONFIGURATIONS, LANES, TOPIC, random_log
from tests.twin.gate import Gate, Message, Sample


def run_twin(log: list[Message], changes: dict[int, list[int]]) -> tuple[list[list[str]], Gate]:
    twin, verdicts = Gate(TOPIC, BASE), []
    for n, message in enumerate(log):
        for c in changes.get(n, []):
            twin.adopt(CONFIGURATIONS[c])
        verdicts.append(twin.push(message))
    return verdicts, twin


def run_columnar(log: list[Message], changes: dict[int, list[int]], cuts: set[int]) -> tuple[list[list[str]], ColumnarGate]:
    gate, verdicts, start = ColumnarGate(TOPIC, BASE), [], 0
    for n in sorted({*changes, *cuts, len(log)}):
        if n > len(log):
            continue
        verdicts += gate.push(log[start:n])
        start = n
        if n < len(log):
            for c in changes.get(n, []):
                gate.adopt(CONFIGURATIONS[c])
    return verdicts, gate


@given(randoms())
def test_equals_the_twin_through_cuts_and_epochs(random: Random) -> None:
    log = random_log(random, 30)
    changes: dict[int, list[int]] = {}
    for _ in range(random.randint(0, 3)):
        changes.setdefault(random.randint(0, 30), []).append(random.randrange(len(CONFIGURATIONS)))
    cuts = {random.randint(0, 30) for _ in range(random.randint(0, 6))}
    (expected, twin), (actual, gate) = run_twin(log, changes), run_columnar(log, changes, cuts)
    assert expected == actual
    for lane in (*LANES, "unseen", "s-unseen"):
        assert twin.watermark(lane) == gate.watermark(lane)


@pytest.mark.parametrize("size", [1, 10, 1000, 100_000])
def test_slices_of_any_size_give_the_same_verdicts(size: int) -> None:
    """A long log with many sources, re-sent stretches and gaps; arrays grow many times."""
    random = Random(5)
    log: list[Message] = []
    while len(log) < 20_000:
        shift = log[-1].append if log else 0
        log += [
            Message(m.kind, m.append + shift, f"{m.source}{random.randint(0, 40)}", m.boot, m.first,
                    tuple(Sample(s.lane, s.time + shift, s.value) for s in m.samples), m.through + shift, m.lanes)
            for m in random_log(random, 60)
        ]  # fmt: skip
    expected, twin = run_twin(log, {})
    actual, gate = run_columnar(log, {}, set(range(0, len(log), size)))
    assert expected == actual
    assert {v for vs in actual for v in vs} == {"accepted", "duplicate", "conflict", "future", "late"}
    assert all(twin.watermark(lane) == gate.watermark(lane) for lane in LANES)
