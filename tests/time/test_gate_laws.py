"""Laws of the gate, on the compiled gate; and each broken variant of the twin is told from it by some log."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given

from streams.errors import TaskError
from streams.kernel import NEG
from streams.time.limits import InputLimits
from tests.seeds import randoms as seeded
from tests.time.columnar import ColumnarGate
from tests.twin.cases import BASE, CONFIGURATIONS, LANES, TOPIC, configuration, limits, random_log
from tests.twin.gate import Gate, Message, Sample

randoms = seeded()
MUTANTS = [
    "raw_append_time", "claim_unclamped", "heartbeat_unbounded", "boot_ignored", "watermark_inside_message",
    "future_moves_lane", "late_at_watermark", "no_floor", "epoch_lowers_watermark", "horizon_resurrects",
]  # fmt: skip


def verdicts(log: list[Message]) -> list[list[str]]:
    return ColumnarGate(TOPIC, BASE).push(log)


@given(randoms)
def test_blanks_of_known_append_time_change_no_verdict(random: Random) -> None:
    """A blank can be lost, doubled or absent from an archive."""
    log = random_log(random, 20, backwards=False)
    with_blanks, real = [], []
    for m in log:
        if random.random() < 0.4:
            with_blanks.append(Message("blank", m.append))
        real.append(len(with_blanks))
        with_blanks.append(m)
    all_of_them = verdicts(with_blanks)
    assert [all_of_them[n] for n in real] == verdicts(log)


@given(randoms)
def test_verdicts_need_no_history_older_than_the_horizon(random: Random) -> None:
    log = random_log(random, 40)
    start = random.randint(0, 30)
    if start >= len(log):
        return
    full, part = verdicts(log), verdicts(log[start:])
    soon = max(m.append for m in log[: start + 1]) + max(14, 12 + 1)
    append = NEG
    for n in range(start, len(log)):
        append = max(append, log[n].append)
        if append > soon and not any(m.kind == "claim" for m in log[:start]):
            assert full[n] == part[n - start]


@given(randoms)
def test_numbers_that_only_grow_need_no_memory_of_ids(random: Random) -> None:
    """The same verdicts and watermarks, in slices of any size, as of a gate that remembers; gaps and several sources included."""
    log, following = list[Message](), dict[tuple[str, int], int]()
    for m in random_log(random, 40):
        key = (m.source, m.boot)
        if m.kind == "data" and m.first is not None and m.first >= following.get(key, 0):
            following[key] = m.first + len(m.samples)
            log.append(m)
    one, other, cut = ColumnarGate(TOPIC, BASE), ColumnarGate(TOPIC, BASE), random.randint(0, len(log))
    assert one.push(log) == other.push(log[:cut], True) + other.push(log[cut:], True)
    assert [one.watermark(lane) for lane in LANES] == [other.watermark(lane) for lane in LANES]


@pytest.mark.parametrize("again", [Message("data", 12, "g", 0, 1, (Sample("a", 11, 0),)), Message("blank", 12), Message("data", 12, "g")])
def test_a_broken_promise_of_growing_numbers_is_refused(again: Message) -> None:
    """A number that comes again, a message without samples of its own, a sample without a number: never a wrong verdict."""
    gate = ColumnarGate(TOPIC, BASE)
    gate.push([Message("data", 10, "g", 0, 0, (Sample("a", 9, 0), Sample("a", 10, 0)))], True)
    with pytest.raises(TaskError, match="promised to grow"):
        gate.push([again], True)


@given(randoms)
def test_no_sample_counts_twice(random: Random) -> None:
    log, seen = random_log(random, 40), set()
    for m, given_ in zip(log, verdicts(log), strict=True):
        for k, verdict in enumerate(given_):
            one = (m.source, m.boot, m.first + k) if m.first is not None else (m.source, m.boot, m.samples[k])
            if verdict == "accepted":
                assert one not in seen
                seen.add(one)


@given(randoms)
def test_a_fresh_sample_is_never_late(random: Random) -> None:
    """Neither a claim, nor a heartbeat of this bound, nor another lane's clock makes a sample late that is not behind."""
    log, append = [m for m in random_log(random, 30) if m.kind != "heartbeat"], NEG
    for m, given_ in zip(log, verdicts(log), strict=True):
        append = max(append, m.append)
        for s, verdict in zip(m.samples, given_, strict=True):
            assert not (verdict == "late" and m.append == append and s.time >= m.append)


@given(randoms)
def test_watermarks_never_go_back_not_even_of_unseen_lanes(random: Random) -> None:
    gate, last = ColumnarGate(TOPIC, BASE), dict.fromkeys([*LANES, "unseen", "s-unseen"], NEG)
    for m in random_log(random, 30):
        if random.random() < 0.15:
            gate.adopt(random.choice(CONFIGURATIONS))
        gate.push([m])
        for lane, before in last.items():
            last[lane] = gate.watermark(lane)
            assert last[lane] >= before


@given(randoms)
def test_packing_does_not_matter_to_a_gateway_in_time_order(random: Random) -> None:
    """Where the samples of each lane are in time order, cutting messages anywhere changes no verdict of a sample."""
    log = []
    for m in random_log(random, 20):
        kept: dict[str, list[int]] = {}
        for s in m.samples:
            kept.setdefault(s.lane, []).append(s.time)
        times = {lane: iter(sorted(ts)) for lane, ts in kept.items()}
        log.append(replace(m, samples=tuple(replace(s, time=next(times[s.lane])) for s in m.samples)))
    cut: list[Message] = []
    for m in log:
        at = 0
        while m.kind == "data" and m.first is not None and at < len(m.samples) - 1:
            end = random.randint(at + 1, len(m.samples))
            cut.append(replace(m, first=m.first + at, samples=m.samples[at:end]))
            at = end
        if at < len(m.samples) or m.kind != "data":
            cut.append(m if m.first is None or not at else replace(m, first=m.first + at, samples=m.samples[at:]))
    assert sum(verdicts(log), []) == sum(verdicts(cut), [])


@pytest.mark.parametrize("mutant", MUTANTS)
def test_broken_variant_is_told_apart(mutant: str) -> None:
    """The comparison with the twin has the power to see each of these mistakes."""
    for seed in range(3000):
        random = Random(seed)
        log, changes = random_log(random, 25), {random.randint(1, 20): random.choice(CONFIGURATIONS)}
        broken, gate = Gate(TOPIC, BASE, mutant), ColumnarGate(TOPIC, BASE)
        for n, m in enumerate(log):
            if n in changes:
                broken.adopt(changes[n])
                gate.adopt(changes[n])
            if broken.push(m) != gate.push([m])[0] or any(broken.watermark(x) != gate.watermark(x) for x in LANES):
                return
    pytest.fail(f"no log tells {mutant} apart")


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (limits((0, 0), (8, 12), 1, 14, 6), "lateness_us must be at least"),
        (limits((3, 5), (8, 12), 1, 12, 6), "horizon_us must be at least"),
    ],
)
def test_limits_that_break_the_laws_are_refused(one: InputLimits, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        configuration(one).check({})


def test_a_lowered_future_bound_still_counts() -> None:
    """Its samples may still be on their way: neither horizon nor lateness may shrink below the largest bound ever."""
    with pytest.raises(ValueError, match="largest future_us ever"):
        configuration(limits((1, 1), (8, 12), 0, 14, 6)).check({TOPIC: 2})
