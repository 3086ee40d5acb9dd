"""What becomes of a line: rules, qualities, kinds of records, and one fate for each."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from streams.codec.out_record import OutRecord
from streams.errors import DataError
from streams.kernel import POS
from streams.shell.ingest.mapping import INPUTS
from streams.shell.ingest.merge import merged
from streams.shell.ingest.scan import scan
from tests.shell.ingest.material import LONG, ORDERS, SAMPLES, WIDE, entries, mapping, reasons, scanned, written


def records(path: Path, text: str) -> list[OutRecord]:
    return [each for each in merged([path], mapping(text), lambda _: 2) if each.kind == "DATA"]


def values(path: Path, text: str) -> list[dict[str, object]]:
    """Values without the head that all records have."""
    return [
        {k: v for k, v in dict(each.value).items() if k not in ("kind", "source")}
        for each in records(path, text)
        if isinstance(each.value, dict)
    ]


RULES = """
[files.quality]
bad = ["UNAVAILABLE", "-9999"]
uncertain = ["estimated"]

[[files.tags]]
name = "raw"
match = "raw_*"
kind = "ignore"

[[files.tags]]
match = "speed"
kind = "sample"
unit = "mm/s"
scale = 0.5

[[files.tags]]
match = ["execution", "[ab]"]
kind = "state"

[[files.tags]]
match = "note"
kind = "state"
empty = "keep"

[[files.tags]]
match = "parts"
kind = "count"

[[files.tags]]
match = "made"
kind = "count"
mode = "INCREMENT"
device = { constant = "c-7" }
"""


def test_rules_make_samples_states_and_counts(tmp_path: Path) -> None:
    lines = ["1,speed,3", "2,execution,ACTIVE", "3,parts,12.0", "4,made,2", "5,[ab],x", "6,a,y", "7,raw_a,z", "8,note,"]
    path = written(tmp_path, "day.csv", "time,tag,value", *lines)
    head = {"asset": "press-1", "quality": "GOOD"}

    assert values(path, LONG + RULES) == [
        {"sequence": 0, **head, "tag": "speed", "unit": "mm/s", "event_time_us": 1, "value": 1.5, "status_code": 0},
        {"sequence": 1, **head, "tag": "execution", "event_time_us": 2, "value": "ACTIVE", "reason": ""},
        {"sequence": 2, **head, "tag": "parts", "event_time_us": 3, "value": 12, "mode": "TOTAL", "device": ""},
        {"sequence": 3, **head, "tag": "made", "event_time_us": 4, "value": 2, "mode": "INCREMENT", "device": "c-7"},
        {"sequence": 4, **head, "tag": "[ab]", "event_time_us": 5, "value": "x", "reason": ""},
        {"sequence": 5, **head, "tag": "a", "event_time_us": 6, "value": "y", "reason": ""},
        {"sequence": 7, **head, "tag": "note", "event_time_us": 8, "value": "", "reason": ""},
    ]
    assert scanned(path, LONG + RULES)[0].ledger.total.ignored == {"raw": 1}
    assert [(each.topic, each.partition) for each in records(path, LONG + RULES)][:3] == [
        ("ot.sample.v1", 1),
        ("ot.state.v1", 1),
        ("ot.count.v1", 1),
    ]


def test_cells_that_say_bad_in_any_case_and_empty_ones_are_bad_and_have_no_value(tmp_path: Path) -> None:
    lines = [
        "1,speed,Unavailable",
        "2,speed,-9999",
        "3,speed,",
        "4,execution,UNAVAILABLE",
        "5,parts,",
        "6,speed,ESTIMATED",
        "7,a,estimated",
    ]
    path = written(tmp_path, "day.csv", "time,tag,value", *lines)

    assert [(v["value"], v["quality"]) for v in values(path, LONG + RULES)] == [(None, "BAD")] * 5 + [
        (None, "UNCERTAIN"),
        ("estimated", "UNCERTAIN"),
    ]


def test_values_that_are_none_of_their_kind_are_refused_with_what_they_are(tmp_path: Path) -> None:
    lines = ["1,speed,fast", "2,speed,nan", "3,speed,-Infinity", "4,speed,1e999", "5,parts,1.5", "6,parts,99999999999999999999",
             "7,torque,1", "8,,1", "x,speed,1", "9,speed,1_0", "x,raw_a,1", "x,torque,1"]  # fmt: skip
    path = written(tmp_path, "day.csv", "time,tag,value", *lines)

    assert reasons(path, LONG + RULES) == [
        (2, "the value is not a number", "fast"), (3, "the value is not finite", "nan"), (4, "the value is not finite", "-Infinity"),
        (5, "the value is not finite", "1e999"), (6, "the value is not a whole number", "1.5"),
        (7, "the value is not a whole number", "99999999999999999999"), (8, "no rule for the tag", "torque"), (9, "the tag is missing", ""),
        (10, "the time is not written in the mapping's format", "x"), (11, "the value is not a number", "1_0"),
        (13, "no rule for the tag", "torque"),
    ]  # fmt: skip
    total = scanned(path, LONG + RULES)[0].ledger.total
    assert (total.lines, sum(total.refused.values()), total.ignored) == (12, 11, {"raw": 1})


def test_a_quality_column_has_a_table_and_an_unknown_code_is_refused(tmp_path: Path) -> None:
    quality = '[files.quality]\ncolumn = "q"\ncodes = { "192" = "GOOD", "64" = "UNCERTAIN", "0" = "BAD" }\n'
    path = written(
        tmp_path, "day.csv", "time,tag,value,q", "1,a,1,192", "2,a,2,64", "3,a,3,0", "4,a,Bad Input,0", "5,a,5,17", "6,a,x,64", "7,a,,192"
    )

    assert [(v["value"], v["quality"], v["status_code"]) for v in values(path, LONG + quality + SAMPLES)] == [
        (1.0, "GOOD", 192), (2.0, "UNCERTAIN", 64), (3.0, "BAD", 0), (None, "BAD", 0), (None, "BAD", 192),
    ]  # fmt: skip
    assert reasons(path, LONG + quality + SAMPLES) == [
        (6, "the quality code is not in the table", "17"),
        (7, "the value is not a number", "x"),
    ]


def test_conditions_have_a_reason_from_further_columns(tmp_path: Path) -> None:
    text = LONG.replace(
        '"csv"', '"delimited"\nseparator = "|"\nragged = true\ncolumns = ["time", "tag", "value", "code", "s", "q", "text"]'
    )
    text += '[[files.tags]]\nmatch = "*"\nkind = "state"\nreason = ["code", "text"]\n'
    path = written(tmp_path, "day.txt", "1|system|Warning|428|||MEMORY  PROTECT", "2|system|Normal||||", "3|mode|AUTO")

    assert [(v["value"], v["reason"]) for v in values(path, text)] == [("Warning", "428 MEMORY PROTECT"), ("Normal", ""), ("AUTO", "")]


def test_measurements_take_their_texts_from_columns(tmp_path: Path) -> None:
    rule = """
[[files.tags]]
match = "D*"
kind = "measurement"
unit = "mm"
characteristic = { column = "tag", template = "plan-3/{}" }
serial = { column = "serial" }
product = { constant = "COVER" }
result = { column = "ok", values = { yes = "PASS", no = "FAIL" } }
"""
    path = written(tmp_path, "day.csv", "time,tag,value,serial,ok", "1,D1,9.98,s-1,yes", "2,D2,,s-1,", "3,D1,1,s-2,perhaps")
    fixed = {"asset": "press-1", "unit": "mm", "product": "COVER", "serial": "s-1", "subgroup": "", "gauge": ""}

    assert values(path, LONG + rule) == [
        {"sequence": 0, "characteristic": "plan-3/D1", "event_time_us": 1, "value": 9.98, "quality": "GOOD", "result": "PASS", **fixed},
        {"sequence": 1, "characteristic": "plan-3/D2", "event_time_us": 2, "value": None, "quality": "BAD", "result": "UNKNOWN", **fixed},
    ]
    assert reasons(path, LONG + rule) == [(4, "a text is not in its table", "")]


def test_lines_and_assets_come_from_columns_and_what_is_no_line_path_is_refused(tmp_path: Path) -> None:
    text = LONG.replace('{ constant = "press-1" }', '{ column = "machine" }').replace(
        '{ constant = "acme/hamburg/press/line-1" }', '{ column = "area", template = "acme/hamburg/{}" }'
    )
    path = written(
        tmp_path,
        "day.csv",
        "time,tag,value,machine,area",
        "1,a,1,m1,press/l1",
        "2,a,1,,press/l1",
        "3,a,1,m2,press",
        "4,a,1,m2,paint/l9",
        "5,a,1,m,",
    )
    found = records(path, text + SAMPLES)

    assert [(each.key, dict(each.value)["asset"]) for each in found] == [(b"acme/hamburg/press/l1", "m1"), (b"acme/hamburg/paint/l9", "m2")]  # type: ignore[arg-type]
    assert [(line, reason) for line, reason, _ in reasons(path, text + SAMPLES)] == [
        (3, "the asset id is missing"), (4, "there is no line path for the line"), (6, "there is no line path for the line"),
    ]  # fmt: skip


def test_wide_cells_without_a_rule_are_refused_one_by_one(tmp_path: Path) -> None:
    text = WIDE + '[[files.tags]]\nmatch = "p"\nkind = "sample"\n'
    path = written(tmp_path, "day.csv", "time,p,q", "1,1,1", "oops,2,2")
    total = scanned(path, text)[0].ledger.total

    assert (total.lines, total.entries, dict(total.written)) == (2, 4, {"ot.sample.v1": 1})
    assert dict(total.refused) == {"no rule for the tag": 2, "the time is not written in the mapping's format": 1}


HEADER = "time,event,order,operation,product,work_center,good,planned,split,corrects,reported,true_time"


def test_order_events(tmp_path: Path) -> None:
    path = written(
        tmp_path, "orders.csv", HEADER, "10,Start,o-1,OP10,COVER,press-1,,5,,,,", "20,Stop,o-1,OP10,,press-1,7.5,,,,,",
        "30,Split,o-1,,,,,,o-2; o-3,,,", "40,Fix,o-1,OP10,,press-1,,,,Start,10,9", "50,Fix,o-1,OP10,,press-1,,,,Start,10,",
    )  # fmt: skip
    none = {"quantity_good": None, "planned_start_us": None, "corrects_time_us": None, "corrected_time_us": None, "unit": ""}
    order: dict[str, object] = {**none, "split_into": [], "corrects": "UNKNOWN", "order": "o-1", "operation": "OP10", "product": ""}
    order["work_center"] = "press-1"

    assert values(path, ORDERS) == [
        {**order, "sequence": 0, "event_time_us": 10, "event": "STARTED", "product": "COVER", "planned_start_us": 5},
        {**order, "sequence": 1, "event_time_us": 20, "event": "ENDED", "quantity_good": 7.5},
        {**order, "sequence": 2, "event_time_us": 30, "event": "SPLIT", "operation": "", "work_center": "", "split_into": ["o-2", "o-3"]},
        {
            **order,
            "sequence": 3,
            "event_time_us": 40,
            "event": "CORRECTED",
            "corrects": "STARTED",
            "corrects_time_us": 10,
            "corrected_time_us": 9,
        },
        {**order, "sequence": 4, "event_time_us": 50, "event": "CORRECTED", "corrects": "STARTED", "corrects_time_us": 10},
    ]
    assert {each.key for each in records(path, ORDERS)} == {b"acme/hamburg/press/line-1"}


def test_order_events_that_say_too_little_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path, "orders.csv", HEADER, "10,Begin,o-1,,,,,,,,,", "10,,o-1,,,,,,,,,", "10,Start,,,,,,,,,,", "10,Split,o-1,,,,,,,,,",
        "10,Fix,o-1,,,,,,,,,", "10,Fix,o-1,,,,,,,Stop,10,", "10,Stop,o-1,,,,many,,,,,", "10,Stop,o-1,,,,1,soon,,,,", "x,Stop,o-1,,,,,,,,,",
    )  # fmt: skip

    assert reasons(path, ORDERS) == [
        (2, "a text is not in its table", "Begin"), (3, "a text is not in its table", ""), (4, "the order number is missing", ""),
        (5, "a split must name the new orders", ""), (6, "a correction must say which event and time it corrects", ""),
        (7, "a text is not in its table", "Stop"), (8, "a quantity is not a number", "many"),
        (9, "the time is not written in the mapping's format", "soon"), (10, "the time is not written in the mapping's format", "x"),
    ]  # fmt: skip


def test_a_file_twice_in_a_run_is_refused(tmp_path: Path) -> None:
    one, two = written(tmp_path, "a.csv", "time,tag,value", "1,a,1"), written(tmp_path, "b.csv", "time,tag,value", "1,a,1")

    with pytest.raises(DataError, match="two files have the same content"):
        scan([one, two], mapping(LONG + SAMPLES))
    with pytest.raises(DataError, match="a file is named twice"):
        scan([one, one], mapping(LONG + SAMPLES))


def test_a_file_that_changes_between_the_passes_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "time,tag,value", "1,a,1")
    log = merged([path], mapping(LONG + SAMPLES), lambda _: 1)
    written(tmp_path, "a.csv", "time,tag,value", "1,a,1", "2,a,1")

    with pytest.raises(DataError, match="a file changed while it was read"):
        list(log)


def test_the_scan_knows_what_is_still_to_come_at_every_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.shell.ingest.delimited.LINES_MAX", 2)
    path = written(tmp_path, "a.csv", "time,tag,value", "5,speed,1", "9,a,x", "3,speed,1", "7,speed,1", "8,a,x", "6,a,UNAVAILABLE")
    [file] = scan([path], mapping(LONG + RULES)).files
    samples, states = INPUTS.index("ot.sample.v1"), INPUTS.index("ot.state.v1")

    assert file.to_come[:, samples].tolist() == [3, POS, POS]
    assert file.to_come[:, states].tolist() == [6, 6, POS]
    assert (file.smallest_us[samples], file.smallest_us[states], file.first_us, file.last_us) == (3, 6, 5, 9)


def test_entries_have_the_same_columns_in_every_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.shell.ingest.delimited.LINES_MAX", 1)
    path = written(tmp_path, "a.csv", "time,tag,value", "5,speed,1", "9,made,1", "3,execution,x", "x,raw_1,x")

    assert isinstance(entries(path, LONG + RULES), pl.DataFrame)
