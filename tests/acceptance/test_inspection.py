"""NIST's Cover with its inspection: each of 541 measured characteristics becomes a measurement with its order, or a refused row."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.shell.cli import app
from streams.shell.ingest import mapping_file
from streams.shell.ingest.limits import Limits
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import scan
from tests.acceptance import byhand, inspection_by_hand, plantday
from tests.acceptance.conftest import Ran, ran
from tests.acceptance.inspection_by_hand import Measured

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

MAPPING, ORDERS = "nist-cover.mapping.toml", "nist-cover-orders.csv"
END = byhand.instant("2017-02-10T20:00:00Z")
LIVE = range(1, 7)  # parts with an order


@pytest.fixture(scope="module")
def document(nist: Path) -> Path:
    return nist / "cover" / "CoverResults_20_samples.QIF"


@pytest.fixture(scope="module")
def by_hand(document: Path) -> list[Measured]:
    found = inspection_by_hand.measured(document)
    assert Counter(each.status for each in found) == {"PASS": 541}
    return found


@pytest.fixture(scope="module")
def inspected(nist: Path, document: Path) -> Ran:
    """Machine records, orders and inspection in one run."""
    machines = sorted((nist / "cover").glob("Cover-Hurco04-*of20.txt"))
    return ran([*machines, plantday.example(ORDERS), document], plantday.mapped(MAPPING), [], END)


def measurements(run: Ran) -> list[dict[str, Any]]:
    return [row for outcome in run.outcomes for row in plantday.rows(outcome.results, "ctx.measurement.v1") if row["kind"] == "DATA"]


def ends() -> dict[int, int]:
    """Of each part the time at which its last operation ended."""
    with plantday.example(ORDERS).open(newline="") as file:
        ended = [(int(row["order"].removeprefix("COVER-")), row["time"]) for row in csv.DictReader(file) if row["event"] == "ENDED"]
    return {part: max(byhand.instant(time) for each, time in ended if each == part) for part, _ in ended}


def test_every_characteristic_has_exactly_one_fate(inspected: Ran, document: Path, by_hand: list[Measured]) -> None:
    file = inspected.found.ledger.files[str(document)]
    written = sum(each.part in LIVE for each in by_hand)

    assert (file.entries, file.written["ot.measurement.v1"], dict(file.refused)) == (541, written, {"no operation": 541 - written})
    assert (written, inspected.refused) == (162, 379)
    assert len(measurements(inspected)) == written
    assert [outcome.aside for outcome in inspected.outcomes] == [[], []]
    fates = [outcome.ledger["ot.measurement.v1"] for outcome in inspected.outcomes]
    assert sum(of["applied"] for of in fates) == written


def test_each_measurement_carries_the_order_of_its_part(inspected: Ran, by_hand: list[Measured]) -> None:
    """In the last operation of it: the instant before it ended."""
    of, serials = ends(), {each.serial: each.part for each in by_hand if each.part in LIVE}
    for row in measurements(inspected):
        part = serials[row["serial"]]
        assert [tuple(ref.values()) for ref in row["orders"]] == [(f"COVER-{part:02}", "OP30", "COVER", "Hurco04")]
        assert row["event_time_us"] == of[part] - 1
        assert row["asset"] == "Hurco04"
        assert {cited["topic"] for cited in row["evidence"]} == {"ot.measurement.v1", "mes.order.v1"}


def test_values_are_those_of_the_document(inspected: Ran, by_hand: list[Measured]) -> None:
    found = Counter((r["serial"], r["characteristic"], r["value"], r["result"], r["unit"], r["gauge"], r["product"], r["quality"])
                    for r in measurements(inspected))  # fmt: skip
    expected = [each for each in by_hand if each.part in LIVE]

    assert found == Counter((m.serial, m.characteristic, m.value, m.status, "mm", "CMM", "COVER", "GOOD") for m in expected)
    assert len({(m.serial, m.characteristic) for m in expected}) == len(expected), "a chart could not tell two of them apart"


def test_limits_are_those_of_the_document(document: Path, by_hand: list[Measured]) -> None:
    limits, orders = Limits(), plantday.example(ORDERS)
    scan([document, orders], plantday.mapped(MAPPING), [limits])

    assert {row.characteristic: (row.nominal, row.lsl, row.usl) for row in limits.rows} == {
        each.characteristic: (each.nominal, each.lsl, each.usl) for each in by_hand
    }
    assert len(limits.rows) == 28
    assert {(row.line, row.asset, row.product, row.unit) for row in limits.rows} == {
        ("nist/gaithersburg/shop/line-d", "Hurco04", "COVER", "mm")
    }
    assert {row.characteristic: row.modifier for row in limits.rows if row.modifier} == {"POSITION2/CYLINDER3": "MAXIMUM"}
    assert limits.verdicts == {"agrees": 541}


def test_the_wrong_sign_in_the_document_is_found(document: Path, by_hand: list[Measured]) -> None:
    """Without the mapping's correction: every PASS of the characteristic contradicts a zone that is -0.13 wide."""
    text = plantday.example(MAPPING).read_text("utf-8")
    correction = '{ constant = "0.13" }'
    assert text.count(correction) == 1
    with Refusals(shown_max=1_000) as refusals:
        limits = Limits()
        scan([document, plantday.example(ORDERS)], mapping_file.parse(text.replace(correction, '{ column = "usl" }')), [refusals, limits])
    wrong = [each for each in refusals.first if each.reason == "the verdict contradicts value and limits"]

    assert {each.sequence for each in wrong} == {each.number for each in by_hand if each.characteristic.startswith("PERPENDICULARITY1")}
    assert len(wrong) == limits.verdicts["contradicts"] == 20
    assert wrong[0].detail == "PASS, value 0.002, nominal , lsl , usl -0.13"


def test_limits_as_a_command(document: Path, tmp_path: Path, by_hand: list[Measured]) -> None:
    arguments = ["mapping", "limits", str(document), str(plantday.example(ORDERS)), "--mapping", str(plantday.example(MAPPING))]
    result = CliRunner().invoke(app(), arguments)
    rows = {row["characteristic"]: row for row in map(json.loads, result.stdout.splitlines())}

    assert result.exit_code == 0
    assert {name: (row["nominal"], row["lsl"], row["usl"]) for name, row in rows.items()} == {
        each.characteristic: (each.nominal, each.lsl, each.usl) for each in by_hand
    }
    target = tmp_path / "limits.csv"
    assert CliRunner().invoke(app(), [*arguments, "--format", "csv", "--to", str(target)]).exit_code == 0
    with target.open(newline="") as file:
        again = {row["characteristic"]: row for row in csv.DictReader(file)}
    assert {name: {key: "" if value is None else str(value) for key, value in row.items()} for name, row in rows.items()} == again


def test_the_check_of_a_mapping_shows_limits_and_verdicts(document: Path) -> None:
    arguments = ["mapping", "check", str(document), str(plantday.example(ORDERS)), "--mapping", str(plantday.example(MAPPING))]
    said = json.loads(CliRunner().invoke(app(), [*arguments, "--json"]).stdout)
    shown = " ".join(CliRunner().invoke(app(), arguments).stdout.split())

    assert said["verdicts"] == {"agrees": 541}
    assert len(said["limits"]) == 28
    assert said["total"]["refused"] == {"no operation": 379}
    assert "verdicts held against value and limits: 541 agrees" in shown
