"""The law on a real day: whatever cuts the log, and whenever something is claimed, results are the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.configuration import Configuration
from streams.shell.ingest import mapping_file
from streams.shell.ingest.scan import Scan, scan
from tests.acceptance import byhand, plantday, sent
from tests.acceptance.conftest import DAY_END, Ran
from tests.acceptance.plantday import Order, Outcome

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

STRICT = plantday.configuration({'{ live = "2 s" }': '{ live = "500 ms" }'})
AFTERNOON = byhand.instant("2016-10-20T14:15:00Z")
ORDERS: dict[str, Order] = {
    "500 in turn": plantday.in_turn(500),
    "15 in turn": plantday.in_turn(15),
    "at random up to 40": plantday.at_random(40, 40),
    "at random up to 3,000": plantday.at_random(3_000, 3_000),
    "whole inputs, first to last": plantday.one_by_one(range(6)),
    "whole inputs, last to first": plantday.one_by_one(range(5, -1, -1)),
}
EVERYTHING = 'claims = ["mes.order.v1", "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1"]'


@pytest.fixture(scope="module")
def whole(day: Ran) -> list[dict[tuple[str, str], Any]]:
    return [plantday.by_lane(outcome.results) for outcome in day.outcomes]


@pytest.mark.parametrize("order", ORDERS)
def test_slices_of_any_size_in_any_order_give_the_same_bytes(day: Ran, whole: list[dict[tuple[str, str], Any]], order: str) -> None:
    """Key, value and headers of every record, in order per topic and lane; the smallest slices over the day until the afternoon."""
    small = order.startswith(("15", "at random up to 40"))
    for partition, inputs in enumerate(day.logs):
        ends = {topic: np.searchsorted(log.append, AFTERNOON if small else DAY_END, "right") for topic, log in inputs.items()}
        part = {topic: log.part(0, int(ends[topic])) for topic, log in inputs.items()}
        expected = whole[partition] if not small else plantday.by_lane(plantday.run(day.configuration, part, partition).results)
        outcome = plantday.run(day.configuration, part, partition, ORDERS[order])
        assert plantday.by_lane(outcome.results) == expected
        assert sum(map(len, expected.values())) > (300 if small else 20_000)


def test_slices_of_any_size_set_the_same_aside(day: Ran) -> None:
    for partition, inputs in enumerate(day.logs):
        aside = [Counter(plantday.run(STRICT, inputs, partition, order).aside) for order in (None, plantday.at_random(5, 5_000))]
        assert aside[0] == aside[1]
        assert {each.topic for each in aside[0]} == {"dq.late.v1", "audit.restate-request.v1"}


def again(
    found: Scan, claims: str, interval: int | None, configuration: Configuration | None = None
) -> tuple[list[Outcome], int]:  # fmt: skip
    """The day once more, with other claims; and how many records there were."""
    text = plantday.example("nist-day.mapping.toml").read_text("utf-8")
    assert EVERYTHING in text
    mapping = mapping_file.parse(text.replace(EVERYTHING, claims), "claims")
    configuration = configuration or plantday.configuration()
    messages = plantday.records(Scan(mapping, found.files, found.ledger), configuration.catalogue(), DAY_END, interval)
    logs = plantday.logs(messages, configuration.catalogue())
    return [plantday.run(configuration, inputs, partition) for partition, inputs in enumerate(logs)], len(messages)


@dataclass(frozen=True)
class Known:
    results: dict[tuple[str, str], list[Any]]  # without evidence
    late: Counter[sent.Id]

    @classmethod
    def of(cls, outcome: Outcome) -> Known:
        return cls(plantday.without_evidence(outcome.results), sent.late(outcome))


@pytest.fixture(scope="module")
def strict(day: Ran) -> list[Known]:
    """With half a second of lateness, which 442 lines do not keep."""
    return [Known.of(plantday.run(STRICT, inputs, partition)) for partition, inputs in enumerate(day.logs)]


@pytest.mark.parametrize("seconds", [10, 3_600])
def test_how_often_a_run_claims_changes_nothing(day: Ran, strict: list[Known], seconds: int) -> None:
    """Offsets differ, as claims lie between the records, so all but evidence is compared."""
    outcomes, count = again(day.found, EVERYTHING, seconds * 1_000_000, STRICT)
    assert (count > 1.2 * len(day.messages)) if seconds == 10 else (count < len(day.messages))
    assert [Known.of(outcome) for outcome in outcomes] == strict


def test_samples_that_are_records_of_their_own_give_the_same(nist: Path, strict: list[Known]) -> None:
    """Neither what is late nor any result depends on how samples are packed."""
    text = plantday.example("nist-day.mapping.toml").read_text("utf-8")
    assert "packing = 200" in text
    mapping = mapping_file.parse(text.replace("packing = 200", "packing = 1"), "packing")
    found = scan(sorted((nist / "raw").glob("*.txt")), mapping)
    logs = plantday.logs(plantday.records(found, STRICT.catalogue(), DAY_END), STRICT.catalogue())
    outcomes = [plantday.run(STRICT, inputs, partition) for partition, inputs in enumerate(logs)]
    fates = [outcome.ledger["ot.sample.v1"] for outcome in outcomes]
    assert sum(of["accepted"] + of["late"] for of in fates) == 147_208
    assert [Known.of(outcome) for outcome in outcomes] == strict


def test_what_a_run_claims_changes_only_when(day: Ran) -> None:
    """Without claims of its own inputs the run ends with blanks: the last minute of `silence` stays open, what is there is the same."""
    outcomes, _ = again(day.found, 'claims = ["mes.order.v1", "ot.sample.v1", "ot.measurement.v1"]', None)
    silence, missing = day.configuration.time.inputs["ot.state.v1"].silence_us["live"], 0
    last = max(line.time for of in day.lines for line in of)
    for outcome, known in zip(outcomes, day.outcomes, strict=True):
        some, every = plantday.without_evidence(outcome.results), plantday.without_evidence(known.results)
        assert {lane: every[lane][: len(of)] for lane, of in some.items()} == some
        missing += sum(map(len, every.values())) - sum(map(len, some.values()))
        assert {reached for lane, reached in outcome.frontiers.items() if not lane.endswith("/")} == {last - silence}
    assert 0 < missing < 200
