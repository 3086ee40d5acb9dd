"""Individuals charts: published values, alarm rates, episodes, limits and rules that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan, sqrt
from typing import Any

import numpy as np
import pytest

from streams.errors import InvalidValue
from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.operators import IndividualsChart
from streams.operators import episodes as e
from streams.operators.example import example_points
from streams.operators.slice import Columns, Names, Slice

OP = IndividualsChart(window_us=10, clear_after=3, version="v1")
LINE = "acme/hamburg/pressing/line-1"
ROW = CharacteristicRow(LINE, "press-1", "temperature", "", "Cel", -(10**9), 1, 0.0, 1.0, -3.0, 3.0)


def told(found: Columns) -> list[tuple[str, str, int]]:
    return [(e.TESTS[t], e.PHASES[p], time) for t, p, time in zip(found["test"], found["phase"], found["time"].tolist(), strict=True)]


def points(values: Sequence[float], row: CharacteristicRow = ROW, since: int = 0, names: Names | None = None, window_us: int = 0) -> Slice:
    """One point a microsecond."""
    numbered = [(since + n, float(value)) for n, value in enumerate(values)]
    return example_points(numbered, since + len(values), window_us, Characteristics.of([row]), since, names)


def chart(values: Sequence[float], row: CharacteristicRow = ROW, op: IndividualsChart = OP) -> list[tuple[str, str, int]]:
    return told(op.advance(op.initial(), points(values, row))[1]["episodes"])


def test_published_values_of_an_individuals_chart() -> None:
    """NIST/SEMATECH e-Handbook 6.3.2.2: limits by 3 / 1.128 times the mean moving range; none of the ten points is outside."""
    values = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
    ranges = [abs(b - a) for a, b in zip(values, values[1:], strict=False)]
    centre, moving = sum(values) / 10, sum(ranges) / 9
    lower, upper = centre - 3 * moving / 1.128, centre + 3 * moving / 1.128
    assert [round(x, 4) for x in (centre, moving, lower, upper)] == [50.81, 1.8778, 45.8159, 55.8041]
    row = ROW._replace(centre=centre, sigma=moving / 1.128, lower=lower, upper=upper)
    assert chart(values, row) == []
    assert chart([*values, 55.80, 55.81], row) == [("BEYOND_LIMITS", "BEGIN", 11)]


def first_alarms(row: CharacteristicRow, runs: int, length: int) -> list[int]:
    """Points until the first alarm of charts of independent normal points."""
    random, names, found = np.random.default_rng(1), Names(), []
    for run in range(runs):
        one = row._replace(tag=f"signal-{run}")
        piece = points(random.standard_normal(length).tolist(), one, names=names)
        piece.rows.signal[:] = names.signal(piece.names.lines.encode(0, LINE.encode()), "press-1", f"signal-{run}", "Cel")
        _, outputs = OP.advance(OP.initial(), piece)
        times = outputs["episodes"]["time"]
        found.append(int(times[0]) + 1 if len(times) else length)
    return found


def test_false_alarms_come_as_often_as_published() -> None:
    """Champ and Woodall, Technometrics 29(4), 1987, table 1: 152.73 points for a point beyond 3 sigma or a row of eight."""
    lengths = first_alarms(ROW, 400, 1500)
    assert abs(np.mean(lengths) - 152.73) < 4 * np.std(lengths) / sqrt(len(lengths))


def test_points_beyond_three_sigma_come_as_often_as_the_normal_law_says() -> None:
    """One in 370.4 on both sides; exposure counts, since some charts never alarm."""
    lengths = first_alarms(ROW._replace(centre=nan), 200, 1500)
    alarms = sum(n < 1500 for n in lengths)
    expected = sum(lengths) / 370.4
    assert abs(alarms - expected) < 4 * sqrt(expected)


def test_a_long_shift_out_of_control_is_one_episode_a_test() -> None:
    """Eight hours of windows of 10 s beside the limits: no flood."""
    told_ = chart([0.0] * 10 + [3.5] * 2880 + [0.0] * 5, ROW._replace(usl=3.2))
    assert told_ == [
        ("BEYOND_LIMITS", "BEGIN", 10), ("TOLERANCE", "BEGIN", 10), ("RUN_OF_EIGHT", "BEGIN", 17),
        *((test, "END", 2892) for test in ("BEYOND_LIMITS", "RUN_OF_EIGHT", "TOLERANCE")),
    ]  # fmt: skip


def test_a_point_on_the_centre_breaks_a_row_of_eight() -> None:
    assert chart([1.0] * 7 + [0.0] + [1.0] * 7) == []
    assert chart([1.0] * 7 + [0.0] + [1.0] * 8) == [("RUN_OF_EIGHT", "BEGIN", 15)]
    assert chart([1.0] * 4 + [-1.0] * 4) == []


def test_severity_only_rises_within_an_episode() -> None:
    _, outputs = OP.advance(OP.initial(), points([4.0, 5.0, 6.5, 4.0, 7.0]))
    found = outputs["episodes"]
    assert [e.SEVERITIES[s] for s in found["severity"]] == ["MEDIUM", "HIGH"]
    assert told(found) == [("BEYOND_LIMITS", "BEGIN", 0), ("BEYOND_LIMITS", "UPDATE", 2)]


def test_what_is_not_good_is_passed_over() -> None:
    piece = points([4.0, 0.0, 9.0, nan, 0.0, 0.0])
    piece.rows.quality[2] = 2
    assert told(OP.advance(OP.initial(), piece)[1]["episodes"]) == [("BEYOND_LIMITS", "BEGIN", 0), ("BEYOND_LIMITS", "END", 5)]


def test_limits_of_another_unit_or_a_later_date_make_no_chart() -> None:
    assert chart([9.0] * 9, ROW._replace(unit="K")) == []
    assert chart([9.0] * 3, ROW._replace(valid_from_us=2)) == [("BEYOND_LIMITS", "BEGIN", 2)]


def test_other_limits_end_an_episode_and_rows_begin_anew() -> None:
    """The end carries the limits under which the episode stood."""
    names, wider = Names(), ROW._replace(revision=2, lower=-9.0, upper=9.0)
    state, begun = OP.advance(OP.initial(), points([1.0] * 6 + [4.0], names=names))
    _, ended = OP.advance(state, points([4.0] * 7, wider, 7, names))
    assert told(begun["episodes"]) == [("BEYOND_LIMITS", "BEGIN", 6)]
    found = ended["episodes"]
    assert told(found) == [("BEYOND_LIMITS", "END", 7)]
    assert (e.REASONS[found["reason"][0]], found["upper"].tolist(), found["limits_revision"].tolist()) == ("LIMITS_CHANGED", [3.0], [1])
    assert (found["begun"].tolist(), found["until"].tolist()) == ([6], [7])


def test_windows_of_another_size_end_what_is_open() -> None:
    names, other = Names(), replace(OP, window_us=20, version="v2")
    state, _ = OP.advance(OP.initial(), points([4.0] * 7, names=names, window_us=10))
    state = other.succeed(OP, other.restored(OP.columns(state)))
    _, outputs = other.advance(state, points([1.0] * 7, since=7, names=names, window_us=20))
    found = outputs["episodes"]
    assert told(found) == [("BEYOND_LIMITS", "END", 7)], "seven of a row under the old rules, seven under the new ones"
    assert e.REASONS[found["reason"][0]] == "RULES_CHANGED"
    assert [names.texts.decode(int(code))[0] for code in found["begun_version"]] == [b"v1"]


def test_the_same_rules_under_another_configuration_go_on() -> None:
    names, other = Names(), replace(OP, version="v2")
    state, _ = OP.advance(OP.initial(), points([1.0] * 7, names=names))
    _, outputs = other.advance(other.succeed(OP, state), points([1.0], since=7, names=names))
    assert told(outputs["episodes"]) == [("RUN_OF_EIGHT", "BEGIN", 7)]


def test_memory_is_that_of_the_points_that_are_remembered() -> None:
    names, state = Names(), OP.initial()
    for part in range(1200):
        state, _ = OP.advance(state, points([0.0] * 25, since=25 * part, names=names))
    columns = OP.columns(state)
    assert (columns["points"].tolist(), columns["point_time"].tolist()) == ([8], list(range(29992, 30000)))
    assert len(state.open.points.arena) <= 1 << 17, "what is dead is given back from 64 kB on; all would be half a megabyte"


@pytest.mark.parametrize("wrong", [{"window_us": 0}, {"clear_after": 0}, {"clear_after": 9}])
def test_wrong_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        replace(OP, **wrong)
