"""The commands as a person calls them; no Kafka needed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.errors import DataError, InvalidValue, SettingsError
from streams.shell.cli import app
from tests.shell.ingest.material import LONG, written

MAPPING = (
    'claims = ["mes.order.v1"]\n'
    + LONG
    + '[[files.tags]]\nmatch = "a"\nkind = "sample"\nunit = "mm"\n[[files.tags]]\nname = "noise"\nmatch = "z"\nkind = "ignore"\n'
)
CONFIGURATION = """
application = "plant"
topology = "context"
lane_classes = { default = "live" }
inputs = {}
rules = {}
topics."ot.sample.v1" = { partitions = 2, append = "header" }
topics."mes.order.v1" = { partitions = 2, append = "header" }
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    written(tmp_path, "m.toml", MAPPING)
    written(tmp_path, "c.toml", CONFIGURATION)
    written(tmp_path, "day.csv", "time,tag,value", "10,a,1.5", "30,a,x", "20,a,2", "40,b,3", "50,z,3")
    return tmp_path


def call(plant: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app(), [each.replace("@", f"{plant}/") for each in arguments])


INGEST = ("ingest", "@day.csv", "--mapping", "@m.toml", "--config", "@c.toml")


def test_a_dry_run_says_what_would_be_written(plant: Path) -> None:
    result = call(plant, *INGEST, "--dry-run", "--json", "--through", "1970-01-01T00:00:01Z")
    said = json.loads(result.stdout)

    assert result.exit_code == 0
    assert said["total"] == {
        "lines": 5, "entries": 5, "written": {"ot.sample.v1": 2}, "refused": {"the value is not a number": 1, "no rule for the tag": 1},
        "ignored": {"noise": 1},
    }  # fmt: skip
    assert said["records"] == {"ot.sample.v1": {"BLANK": 2, "DATA": 2}, "mes.order.v1": {"CLAIM": 2}}
    assert (said["first_us"], said["last_us"], said["through_us"], said["claim_interval_us"], said["dry_run"]) == (
        10,
        20,
        1_000_000,
        1_000_000,
        True,
    )


def test_refused_lines_are_shown_and_written_down(plant: Path) -> None:
    result = call(plant, *INGEST, "--dry-run", "--refused", "@refused.jsonl")
    rows = [json.loads(line) for line in (plant / "refused.jsonl").read_text().splitlines()]

    assert result.exit_code == 0
    assert f"{plant}/day.csv:3: the value is not a number: 'x'" in result.stderr
    assert [(row["line"], row["sequence"], row["tag"], row["reason"], row["detail"]) for row in rows] == [
        (3, 1, "a", "the value is not a number", "x"), (5, 3, "b", "no rule for the tag", "b"),
    ]  # fmt: skip
    assert "1 ignored by noise" in result.stdout


def test_a_line_number_is_not_drawn_as_a_picture(plant: Path) -> None:
    """`day.csv:100:` would be an emoji to the library that prints it."""
    written(plant, "day.csv", "time,tag,value", *(f"{n},a,1" for n in range(98)), "98,a,x")

    assert f"{plant}/day.csv:100: the value is not a number" in call(plant, *INGEST, "--dry-run").stderr


def test_strict_writes_nothing_if_a_line_is_refused(plant: Path) -> None:
    result = call(plant, *INGEST, "--strict")  # no Kafka is named: it is not even looked for

    assert isinstance(result.exception, DataError)
    assert "refused=2" in str(result.exception)
    written(plant, "day.csv", "time,tag,value", "10,a,1.5")
    assert call(plant, *INGEST, "--strict", "--dry-run").exit_code == 0


def test_topics_without_append_time_in_a_header_are_refused(plant: Path) -> None:
    for topic in ("ot.sample.v1", "mes.order.v1"):
        written(plant, "c.toml", CONFIGURATION.replace(f'topics."{topic}" = {{ partitions = 2, append = "header" }}', ""))
        result = call(plant, *INGEST, "--dry-run")

        assert isinstance(result.exception, SettingsError)
        assert f"topics=['{topic}']" in str(result.exception)


def test_an_end_before_the_last_event_or_without_a_zone_is_refused(plant: Path) -> None:
    for through, said in (("1970-01-01T00:00:00.000019Z", "before its last event"), ("1970-01-01T00:00", "no offset"), ("soon", "format")):
        result = call(plant, *INGEST, "--dry-run", "--through", through)

        assert isinstance(result.exception, InvalidValue)
        assert said in str(result.exception)


def test_mapping_check_shows_rows_fates_and_disorder(plant: Path) -> None:
    written(plant, "day.csv", "time,tag,value", "10,a,1.5", "30,a,4", "20,a,2", "40,b,3", "50,z,3", "x,a,1")
    said = json.loads(call(plant, "mapping", "check", "@day.csv", "--mapping", "@m.toml", "--json", "--rows", "4").stdout)
    [file] = said["files"].values()

    assert [(row["line"], row["topic"], row["tag"], row["time_us"], row["value"], row["quality"], row["why"]) for row in file["rows"]] == [
        (2, "ot.sample.v1", "a", 10, 1.5, "GOOD", ""), (3, "ot.sample.v1", "a", 30, 4.0, "GOOD", ""),
        (4, "ot.sample.v1", "a", 20, 2.0, "GOOD", ""), (5, "", "b", 40, None, "", "no rule for the tag: b"),
    ]  # fmt: skip
    assert (file["out_of_order"], file["lane_disorder_us"], file["file_disorder_us"], file["without_rule"]) == (1, 10, 10, {"b": 1})
    assert (file["first_us"], file["last_us"], file["qualities"]) == (10, 30, {"GOOD": 3})
    assert (said["lateness_us"], said["silence_us"]) == (10, 10)
    assert {(tag["tag"], tag["rule"], tag["fate"]): tag["count"] for tag in file["tags"]} == {
        ("a", "a", "written"): 3, ("a", "a", "refused"): 1, ("b", "(none)", "refused"): 1, ("z", "noise", "ignored"): 1,
    }  # fmt: skip


def test_mapping_check_for_people(plant: Path) -> None:
    result = call(plant, "mapping", "check", "@day.csv", "--mapping", "@m.toml")

    assert result.exit_code == 0
    for said in (
        "day.csv, read by files[0]",
        "1970-01-01T00:00",
        "ignored by noise",
        "no rule for the tag",
        "no record is late with a lateness of",
    ):
        assert said in " ".join(result.stdout.split()) + result.stderr


def test_lanes_that_several_files_write_need_the_lateness_of_the_file(plant: Path) -> None:
    """Between its two lines the other file may bring the lane as far as append time."""
    for n in (1, 2):
        written(plant, f"day{n}.csv", "time,tag,value", f"{n}0,a,1", f"{n}5,z,1", f"{n}0,a,1", f"{n}3,a,1", f"{n}2,a,{n}")
    said = json.loads(call(plant, "mapping", "check", "@day1.csv", "@day2.csv", "--mapping", "@m.toml", "--json").stdout)

    assert said["lateness_us"] == max(file["file_disorder_us"] for file in said["files"].values())
