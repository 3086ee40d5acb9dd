"""Stuck and missing signals: what counts as the same value, what rules that change do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from streams.errors import InvalidValue
from streams.operators import SignalHealth
from streams.operators import episodes as e
from streams.operators.example import example_points
from streams.operators.slice import Columns, Names

OP = SignalHealth(window_us=10, stuck=(("temp*", 3),), missing=(("*", 25),), version="v1")
Points = Sequence[tuple[int, float]]


def told(found: Columns) -> list[tuple[str, str, int]]:
    return [(e.TESTS[t], e.PHASES[p], time) for t, p, time in zip(found["test"], found["phase"], found["time"].tolist(), strict=True)]


def reasons(found: Columns) -> list[str]:
    return [e.REASONS[reason] for reason in found["reason"]]


def health(windows: Points, until: int, op: SignalHealth = OP, size: int = 10) -> list[tuple[str, str, int]]:
    return told(op.advance(op.initial(), example_points(windows, until, size))[1]["episodes"])


def test_means_of_one_value_are_the_same_value() -> None:
    """(0.1 + 0.1 + 0.1) / 3 is not 0.1, and a sensor that hangs is not sampled equally often in every window."""
    three = (0.1 + 0.1 + 0.1) / 3
    assert three != 0.1
    assert health([(9, 0.1), (19, three), (29, 0.1)], 30) == [("STUCK", "BEGIN", 29)]
    assert health([(9, 0.1), (19, 0.1 + 1e-9), (29, 0.1)], 30) == []
    assert health([(9, 0.0), (19, -0.0), (29, 0.0)], 30) == [("STUCK", "BEGIN", 29)]


def test_a_silence_begins_exactly_when_it_is_long_enough() -> None:
    """The window at that instant comes too late for it; the one before does not."""
    assert health([(9, 1.0), (33, 2.0)], 40) == []
    assert health([(9, 1.0), (34, 2.0)], 40) == [("MISSING", "BEGIN", 33), ("MISSING", "END", 34)]
    assert health([(9, 1.0)], 33) == []
    assert health([(9, 1.0)], 34) == [("MISSING", "BEGIN", 33)]


def test_a_night_without_a_signal_is_one_episode() -> None:
    assert health([(9, 1.0), (50_000, 1.0)], 60_000) == [("MISSING", "BEGIN", 33), ("MISSING", "END", 50_000), ("MISSING", "BEGIN", 50_024)]


def test_only_windows_of_the_size_and_tags_that_are_named_count() -> None:
    assert health([(9, 1.0), (19, 1.0), (29, 1.0)], 99, size=20) == []
    assert health([(9, 1.0), (19, 1.0), (29, 1.0)], 99, replace(OP, stuck=(("force", 3),), missing=())) == []


def test_a_shorter_silence_is_asked_for_from_the_epoch_on() -> None:
    """The signal was silent longer than that already: it is missing at once, not before the epoch."""
    names, other = Names(), replace(OP, missing=(("*", 21),), version="v2")
    state, _ = OP.advance(OP.initial(), example_points([(9, 1.0)], 30, 10, names=names))
    state = other.succeed(OP, other.restored(OP.columns(state)))
    lanes = example_points([], 30, 10, names=names).lanes
    assert other.due(state, lanes)[0] < 30, "the lane is looked at again"
    _, outputs = other.advance(state, example_points([], 31, 10, since=30, names=names))
    found = outputs["episodes"]
    assert (told(found), found["since"].tolist()) == ([("MISSING", "BEGIN", 30)], [9])


def test_what_is_no_longer_asked_for_ends_with_the_next_window_and_is_forgotten() -> None:
    names, silent = Names(), replace(OP, stuck=(), missing=(), version="v2")
    state, _ = OP.advance(OP.initial(), example_points([(9, 1.0), (19, 1.0), (29, 1.0)], 30, 10, names=names))
    state, outputs = silent.advance(silent.succeed(OP, state), example_points([(39, 1.0), (49, 1.0)], 100, 10, since=30, names=names))
    assert (told(outputs["episodes"]), reasons(outputs["episodes"])) == ([("STUCK", "END", 39)], ["RULES_CHANGED"])
    _, outputs = OP.advance(OP.succeed(silent, state), example_points([(109, 1.0)], 120, 10, since=100, names=names))
    assert told(outputs["episodes"]) == [], "windows came while nobody asked"


def test_windows_of_another_size_begin_anew() -> None:
    names, other = Names(), replace(OP, window_us=20, missing=(("*", 41),), version="v2")
    state, _ = OP.advance(OP.initial(), example_points([(9, 1.0), (19, 1.0), (29, 1.0)], 30, 10, names=names))
    later = example_points([(79, 1.0), (99, 1.0), (119, 1.0)], 120, 20, since=30, names=names)
    _, outputs = other.advance(other.succeed(OP, state), later)
    found = outputs["episodes"]
    assert told(found) == [("STUCK", "END", 79), ("STUCK", "BEGIN", 119)]
    assert reasons(found) == ["RULES_CHANGED", "NONE"]


@pytest.mark.parametrize("wrong", [{"window_us": 0}, {"stuck": (("*", 1),)}, {"stuck": (("*", 9),)}, {"missing": (("*", 20),)}])
def test_wrong_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        replace(OP, **wrong)
