"""A real machine day (NIST, three machine tools, 2016-10-20): every line has one fate, and every number is what the files say."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from streams.codec.log import Log
from tests.acceptance import agreement, byhand, plantday, sent
from tests.acceptance.byhand import Line
from tests.acceptance.conftest import DAY_END, Ran
from tests.acceptance.plantday import Outcome

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

TOPIC = {"sample": "ot.telemetry.v1", "state": "ot.state.v1", "count": "ot.count.v1"}
HALF_A_SECOND = {'{ live = "2 s" }': '{ live = "500 ms" }'}


def every_line(day: Ran) -> list[Line]:
    return [line for of in day.lines for line in of]


def machines(outcome: Outcome) -> set[str]:
    """Assets that spoke in a partition; the line itself, where orders of the whole line would be, is none."""
    return {lane.rpartition("/")[2] for lane in outcome.frontiers} - {""}


def of_partition(lines: list[Line], outcome: Outcome) -> list[Line]:
    return [line for line in lines if line.asset in machines(outcome)]


@pytest.fixture(scope="module")
def strict(day: Ran) -> list[Outcome]:
    """The same logs with a lateness of half a second."""
    return [plantday.run(plantday.configuration(HALF_A_SECOND), inputs, partition) for partition, inputs in enumerate(day.logs)]


@pytest.fixture(scope="module")
def late(day: Ran) -> set[sent.Id]:
    """Lines that half a second makes late, by hand."""
    return {(line.source, line.number) for of in day.lines for line in byhand.late(of, 500_000)}


def test_the_three_machines_are_in_two_partitions(day: Ran) -> None:
    assert [machines(outcome) for outcome in day.outcomes] == [{"GFAgie01", "Mazak03"}, {"Mazak01"}]


def test_what_is_sent_is_what_the_lines_say(day: Ran) -> None:
    """One sample for each line that is not ignored, with its number, and nothing else; nothing is refused."""
    expected = {
        (line.source, line.number): (TOPIC[line.kind], line.asset, line.tag, line.time, line.value, "BAD" if line.value is None else "GOOD")
        for line in every_line(day)
        if line.kind != "ignore"
    }
    found = Counter[sent.Id]()
    for inputs in day.logs:
        for topic, log in inputs.items():
            for _, _, samples in sent.records(topic, log):
                for s in samples:
                    found[s.source, s.sequence] += 1
                    assert (topic, s.lane.rpartition("/")[2], s.tag, s.time, s.value, s.quality) == expected[s.source, s.sequence]
    assert found == dict.fromkeys(expected, 1)
    assert day.refused == 0


def test_every_line_has_exactly_one_fate(day: Ran) -> None:
    """lines = ignored by a rule + accepted; with a lateness of 2 s no line is late, and all of it is applied by midnight."""
    kinds = Counter(line.kind for line in every_line(day))
    assert kinds == {"sample": 147_208, "state": 7_852, "count": 118, "ignore": 3_674}
    for kind, topic in TOPIC.items():
        fates = Counter[str]()
        for outcome in day.outcomes:
            fates.update(outcome.ledger[topic])
        assert fates.pop("messages") > 0
        assert fates == Counter(accepted=kinds[kind], applied=kinds[kind], dead=0, duplicate=0, conflict=0, future=0, late=0)
    for outcome in day.outcomes:
        assert outcome.pending == 0
        assert set(outcome.frontiers.values()) == {DAY_END}
        assert outcome.aside == []


def test_every_sample_is_in_one_window(day: Ran) -> None:
    """What goes in comes out: evidence counts each sample of a signal once a window size, and each state once."""
    cited = Counter[tuple[str, int]]()
    for outcome in day.outcomes:
        for row in plantday.rows(outcome.results, "ctx.window.v1"):
            assert sum(each["count"] for each in row["evidence"]) == row["count"] + row["count_bad"]
            cited[row["rule"], row["size_us"]] += row["count"] + row["count_bad"]
    assert cited == {
        ("context.windows", 10_000_000): 147_208, ("context.windows", 60_000_000): 147_208, ("context.state-windows", 60_000_000): 7_852,
    }  # fmt: skip


def test_half_a_second_makes_exactly_those_late_that_come_later(day: Ran, strict: list[Outcome], late: set[sent.Id]) -> None:
    found = sum((sent.late(outcome) for outcome in strict), Counter[sent.Id]())
    assert found == dict.fromkeys(late, 1)
    assert len(late) == 442  # of 633 that are out of order
    for outcome, loose in zip(strict, day.outcomes, strict=True):
        for topic in TOPIC.values():
            fates = outcome.ledger[topic]
            assert fates["accepted"] + fates["late"] == loose.ledger[topic]["accepted"]
            assert fates["applied"] == fates["accepted"]


def test_the_twin_of_the_gate_says_the_same_of_every_sample(day: Ran, strict: list[Outcome]) -> None:
    time = plantday.configuration(HALF_A_SECOND).time
    for outcome, inputs in zip(strict, day.logs, strict=True):
        verdicts = [verdict for topic in TOPIC.values() for verdict in sent.judged(topic, inputs[topic], time)[1]]
        assert {v.verdict for v in verdicts} == {"accepted", "late"}
        assert Counter((v.sample.source, v.sample.sequence) for v in verdicts if v.verdict == "late") == sent.late(outcome)


def test_late_lines_ask_for_the_restatement_of_their_time(strict: list[Outcome], late: set[sent.Id], day: Ran) -> None:
    asked = [row for outcome in strict for row in plantday.rows(outcome.aside, "audit.restate-request.v1")]
    assert {row["reason"] for row in asked} == {"LATE_SAMPLE"}
    spans: dict[str, list[tuple[int, int]]] = {}
    for row in asked:
        (asset,) = row["lanes"]
        spans.setdefault(asset, []).append((row["since_us"], row["until_us"]))
    for line in every_line(day):
        if (line.source, line.number) in late:
            assert any(since <= line.time < until for since, until in spans[line.asset])


@pytest.mark.parametrize("lateness", ["2 s", "500 ms"])
def test_windows_are_what_the_files_say(day: Ran, strict: list[Outcome], late: set[sent.Id], lateness: str) -> None:
    lines = [line for line in every_line(day) if lateness == "2 s" or (line.source, line.number) not in late]
    windows = 0
    for outcome in day.outcomes if lateness == "2 s" else strict:
        windows += agreement.check_windows(outcome, agreement.windows_by_hand(of_partition(lines, outcome), DAY_END, {}))
    assert windows > 30_000


@pytest.mark.parametrize("lateness", ["2 s", "500 ms"])
def test_state_intervals_are_what_the_files_say(day: Ran, strict: list[Outcome], late: set[sent.Id], lateness: str) -> None:
    lines = [line for line in every_line(day) if lateness == "2 s" or (line.source, line.number) not in late]
    for outcome in day.outcomes if lateness == "2 s" else strict:
        agreement.check_intervals(outcome, agreement.intervals_by_hand(of_partition(lines, outcome), DAY_END, {}))


def seconds_by_hand(lines: list[Line], until: int) -> Counter[tuple[str, str | None]]:
    """Microseconds of each machine in each state: line after line, a state holds until the next line, or until the cut."""
    spent = Counter[tuple[str, str | None]]()
    for (asset, tag), of in byhand.signals(lines, "state").items():
        if tag == "execution":
            for line, after in zip(of, [*(each.time for each in of[1:]), until], strict=True):
                spent[asset, line.value] += min(after, until) - min(line.time, until)
    return spent


def seconds(outcome: Outcome, until: int) -> Counter[tuple[str, str | None]]:
    """The same of the intervals; the last state of a machine has no interval yet, it holds from the end of the last one."""
    spent, ends = Counter[tuple[str, str | None]](), dict[str, int]()
    for row in plantday.rows(outcome.results, "ctx.state-interval.v1"):
        if row["tag"] == "execution":
            spent[row["asset"], row["value"]] += row["duration_us"]
            ends[row["asset"]] = max(ends.get(row["asset"], 0), row["end_us"])
    for asset, end in ends.items():
        spent[asset, None] += until - end  # at the end of this day all three are UNAVAILABLE
    return spent


def test_seconds_in_each_execution_state(day: Ran) -> None:
    found = sum((seconds(outcome, DAY_END) for outcome in day.outcomes), Counter[tuple[str, str | None]]())
    assert found == seconds_by_hand(every_line(day), DAY_END)
    assert {state for _, state in found} == {"ACTIVE", "READY", "STOPPED", "INTERRUPTED", "FEED_HOLD", None}
    assert min(found.values()) > 0


def test_piece_counters(day: Ran) -> None:
    for outcome in day.outcomes:
        found: dict[tuple[str, str], list[tuple[int, str, int, int]]] = {}
        for row in plantday.rows(outcome.results, "ctx.count.v1"):
            found.setdefault((row["asset"], row["tag"]), []).append((row["event_time_us"], row["cause"], row["increment"], row["total"]))
        counters = byhand.signals(of_partition(every_line(day), outcome), "count")
        by_hand = {signal: byhand.increments(of, DAY_END) for signal, of in counters.items()}
        assert found == {signal: of for signal, of in by_hand.items() if of}
        assert found


@pytest.mark.parametrize("seed", range(2))
def test_wherever_the_log_ends_for_now_results_are_those_below_the_frontier(day: Ran, seed: int) -> None:
    """Each input is read up to some offset of its own, as a worker does that is stopped. How far a machine is complete is said by
    the twins of the gates; by then, and no further, everything is what the files say."""
    random = Random(seed)
    for partition, inputs in enumerate(day.logs):
        upto = {topic: random.randint(len(log.offset) // 4, len(log.offset)) for topic, log in inputs.items()}
        part = {topic: log.part(0, upto[topic]) for topic, log in inputs.items()}
        outcome = plantday.run(day.configuration, part, partition)
        check_cut(day, outcome, part)


def check_cut(day: Ran, outcome: Outcome, part: dict[str, Log]) -> None:
    twins = {topic: sent.judged(topic, log, day.configuration.time) for topic, log in part.items()}
    gates = [gate for gate, _ in twins.values()]
    read = {(v.sample.source, v.sample.sequence) for _, verdicts in twins.values() for v in verdicts}
    windows: dict[tuple[Any, ...], dict[str, Any]] = {}
    intervals: dict[tuple[str, str], list[byhand.Interval]] = {}
    for lane, reached in outcome.frontiers.items():
        asset = lane.rpartition("/")[2]
        if asset:
            assert reached == sent.frontier(gates, lane)
            own = [line for line in every_line(day) if line.asset == asset and line.time < reached and (line.source, line.number) in read]
            windows |= agreement.windows_by_hand(own, reached, {})
            intervals |= agreement.intervals_by_hand(own, reached, {})
    agreement.check_windows(outcome, windows)
    agreement.check_intervals(outcome, intervals)
    fates = Counter[str]()
    for row in outcome.ledger.values():
        fates.update(row)
    assert fates["accepted"] == len(read) == fates["applied"] + outcome.pending
