"""Which fault a finding is of; what is missed and what is false."""

from __future__ import annotations

from typing import Any

import pytest

from streams.shell.demo.findings import COUNTER, FUTURE, HELD, Finding, explains, false_alarms_most, score
from streams.simulation.faults import KINDS

LINE, SLACK = "acme/turin/housings/line-1", 10


def truth(kind: str, **changes: Any) -> dict[str, Any]:
    where = {"id": f"{kind}-1", "kind": kind, "line": LINE, "asset": "m1", "names": ["t"]}
    return where | {"since_us": 100, "until_us": 200, "parameters": {}} | changes


def finding(test: str, **changes: Any) -> Finding:
    given: dict[str, Any] = {"line": LINE, "asset": "m1", "name": "t", "since_us": 120, "said_us": 130}
    return Finding(test=test, **{**given, **changes})


@pytest.mark.parametrize(
    ("kind", "test"),
    [("tool-wear", "RUN_OF_EIGHT"), ("sensor-offset", "BEYOND_LIMITS"), ("stuck-sensor", "STUCK"), ("process-step", "TOLERANCE"),
     ("wrong-recipe", "BEYOND_LIMITS"), ("counter-reset", COUNTER), ("clock-jump", FUTURE), ("gateway-outage", HELD)],
)  # fmt: skip
def test_every_kind_of_fault_can_be_found(kind: str, test: str) -> None:
    one = truth(kind, parameters={"lanes": "m0 m1"}, asset="gateway" if kind == "gateway-outage" else "m1")
    found = score([one], [finding(test)], SLACK)
    assert (found.recall, list(found.found), found.false) == (1.0, [one["id"]], [])
    assert kind in KINDS


def test_a_finding_of_another_kind_explains_but_does_not_find() -> None:
    """A stuck sensor that stuck far out is beyond its limits, too: no false alarm, but what is stuck is still to be found."""
    found = score([truth("stuck-sensor")], [finding("BEYOND_LIMITS")], SLACK)
    assert (found.recall, found.missed[0]["id"], found.false) == (0.0, "stuck-sensor-1", [])


@pytest.mark.parametrize(
    "changes", [{"line": "acme/turin/housings/line-2"}, {"asset": "m2"}, {"name": "u"}, {"said_us": 99}, {"since_us": 210, "said_us": 211}],
)  # fmt: skip
def test_elsewhere_or_at_another_time_it_is_a_false_alarm(changes: dict[str, Any]) -> None:
    other = finding("STUCK", **changes)
    assert not explains(other, truth("stuck-sensor"), SLACK)
    found = score([truth("stuck-sensor")], [other], SLACK)
    assert (found.recall, found.false) == (0.0, [other])


def test_the_first_finding_counts_and_the_slack_is_half_open() -> None:
    early, late = finding("STUCK", said_us=125), finding("STUCK", since_us=209, said_us=209)
    found = score([truth("stuck-sensor")], [late, early], SLACK)
    assert found.found["stuck-sensor-1"] is early and not found.false


def test_a_lane_that_waits_without_an_outage_is_no_alarm() -> None:
    assert score([], [finding(HELD)], SLACK).false == []
    assert score([], [], SLACK).recall == 1.0


def test_chance_is_bounded_by_the_number_of_parts() -> None:
    assert false_alarms_most(0) < false_alarms_most(1000) < false_alarms_most(100_000) < 100_000 / 200
