"""Limits and verdicts of measurements in any file: against a slow twin, by hand, and the rows that come out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.errors import DataError, MappingError
from streams.shell.cli import app
from streams.shell.ingest.limits import WRITERS, Limit, Limits
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import scan
from tests.shell.ingest.material import LONG, entries, mapping, reasons, written

HEADER = "time,tag,value,low,high,mid,verdict,mod,part,unit"
RULE = """
[[files.tags]]
match = "*"
kind = "measurement"
unit = { column = "unit", values = { mm = "mm", in = "[in_i]" } }
product = { column = "part" }
result = { column = "verdict" }
nominal = { column = "mid" }
lsl = { column = "low" }
usl = { column = "high" }
modifier = { column = "mod" }
contradiction = "keep"
"""
TEXT = LONG + RULE
PLACE = ("acme/hamburg/press/line-1", "press-1")
REFUSE = TEXT.replace('"keep"', '"refuse"')


def slow(value: float | None, low: float | None, high: float | None, verdict: str, modifier: str) -> str:
    """From the definition, one at a time."""
    if verdict not in ("PASS", "FAIL") or value is None or (low is None and high is None):
        return "not judged"
    inside = (low is None or low <= value) and (high is None or value <= high)
    if verdict == "PASS" and not inside and modifier in ("MAXIMUM", "LEAST"):
        return "not judged"
    return "agrees" if inside == (verdict == "PASS") else "contradicts"


numbers = st.none() | st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
words, modifiers = st.sampled_from(["PASS", "FAIL", "UNKNOWN", ""]), st.sampled_from(["", "MAXIMUM", "LEAST", "OTHER"])
cases: st.SearchStrategy[Any] = st.tuples(numbers, numbers, numbers, words, modifiers)
cases = cases.filter(lambda case: None in case[1:3] or case[1] <= case[2])


@given(rows=st.lists(cases, min_size=1, max_size=8), scale=st.sampled_from([None, 0.1, 25.4]))
def test_verdicts_as_the_slow_twin_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float | None, float | None, float | None, str, str]], scale: float | None
) -> None:
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    lines = [f"1,t{n},{value},{low},{high},,{word},{mod},p,mm" for n, (value, low, high, word, mod) in enumerate(cells)]
    path = written(tmp_path_factory.mktemp("rows"), "a.csv", HEADER, *lines)
    limits = Limits()
    with Refusals() as refusals:
        scan([path], mapping(TEXT + (f"scale = {scale}\n" if scale else "")), [refusals, limits])
    expected = [slow(*row) for row in rows]

    assert refusals.first == []
    assert {word: count for word, count in limits.verdicts.items() if count} == {word: expected.count(word) for word in set(expected)}


@pytest.mark.parametrize(("line", "reason", "detail"), [
    ("5,a,2,0,x,1,PASS,,p,mm", "a nominal or a limit is not a finite number", "nominal 1, lsl 0, usl x"),
    ("5,a,2,0,NaN,1,PASS,,p,mm", "a nominal or a limit is not a finite number", "nominal 1, lsl 0, usl NaN"),
    ("5,a,2,0,inf,1,PASS,,p,mm", "a nominal or a limit is not a finite number", "nominal 1, lsl 0, usl inf"),
    ("5,a,2,3,1,1,PASS,,p,mm", "the lower limit is above the upper one", "nominal 1, lsl 3, usl 1"),
    ("5,a,2,0,1,1,PASS,,p,mm", "the verdict contradicts value and limits", "PASS, value 2.0, nominal 1, lsl 0, usl 1"),
    ("5,a,1,0,1,1,FAIL,,p,mm", "the verdict contradicts value and limits", "FAIL, value 1.0, nominal 1, lsl 0, usl 1"),
    ("5,a,1,0,1,1,PASS,,p,cm", "the unit is not in the mapping", "cm"),
    ("5,a,1,0,1,1,PASS,,p,", "the unit is not in the mapping", ""),
    ("5,a,1,0,1,1,GOOD,,p,mm", "a text is not in its table", ""),
])  # fmt: skip
def test_rows_whose_limits_cannot_be_used_are_refused(tmp_path: Path, line: str, reason: str, detail: str) -> None:
    path = written(tmp_path, "a.csv", HEADER, line, "5,a,1,0,1,0.5,PASS,,p,mm")

    assert reasons(path, REFUSE) == [(2, reason, detail)]


def test_a_value_without_limits_and_a_bad_value_are_not_judged(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", HEADER, "5,a,1,,,,PASS,,p,mm", "5,a,,0,1,,PASS,,p,mm")
    rows = entries(path, REFUSE)

    assert rows["verdict"].to_list() == [0, 0]
    assert rows["quality"].to_list() == [0, 2]
    assert reasons(path, REFUSE) == []


def test_a_decimal_comma_and_a_scale_hold_for_limits_too(tmp_path: Path) -> None:
    text = REFUSE.replace('format = "csv"', 'format = "csv"\nseparator = ";"\ndecimal = ","') + "scale = 10.0\n"
    path = written(tmp_path, "a.csv", HEADER.replace(",", ";"), "5;a;1,5;1,25;1,75;1,5;PASS;;p;mm")
    (row,) = entries(path, text).iter_rows(named=True)

    assert (row["number"], row["nominal"], row["lsl"], row["usl"], row["unit"]) == (15.0, 15.0, 12.5, 17.5, "mm")


def rows_of(tmp_path: Path, *lines: str) -> Limits:
    limits = Limits()
    scan([written(tmp_path, "a.csv", HEADER, *lines)], mapping(TEXT), [limits])
    return limits


def test_rows_of_limits_are_one_a_characteristic_and_product(tmp_path: Path) -> None:
    lines = ["5,b,1,0,2,1,PASS,,p,mm", "6,b,1,0,2,1,PASS,,p,mm", "5,a,1,0,,,PASS,,q,in", "5,b,1,,3,,PASS,LEAST,q,mm"]
    limits = rows_of(tmp_path, *lines, "5,c,1,,,,PASS,,q,mm")

    assert limits.rows == [
        Limit(*PLACE, "a", "q", "[in_i]", None, 0.0, None, ""), Limit(*PLACE, "b", "p", "mm", 1.0, 0.0, 2.0, ""),
        Limit(*PLACE, "b", "q", "mm", None, None, 3.0, "LEAST"),
    ]  # fmt: skip


def test_two_limits_for_one_characteristic_of_a_product_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has two limits") as error:
        rows_of(tmp_path, "5,b,1,0,2,1,PASS,,p,mm", "6,b,1,0,2.5,1,PASS,,p,mm")

    assert error.value.values["line"] == 3
    assert error.value.values["limits"] == ("mm", 1.0, 0.0, 2.5, "")
    assert error.value.values["before"] == ("mm", 1.0, 0.0, 2.0, "")


def test_both_forms_hold_the_same(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "5,b,1,0.1,2e-7,,FAIL,,p,mm".replace("0.1", "1e-9"), '5,"c, d",1,,3,,PASS,LEAST,"q ""x""",mm').rows
    lines, table = io.StringIO(), io.StringIO()
    WRITERS["jsonl"](rows, lines)
    WRITERS["csv"](rows, table)

    assert [Limit(**json.loads(line)) for line in lines.getvalue().splitlines()] == rows
    back = [{k: (float(v) if v else None) if k in ("nominal", "lsl", "usl") else v for k, v in row.items()}
            for row in csv.DictReader(io.StringIO(table.getvalue()))]  # fmt: skip
    assert [Limit(**row) for row in back] == rows  # type: ignore[arg-type]


def test_the_command_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    path, rules = written(tmp_path, "a.csv", HEADER, "5,b,1,0,2,1,PASS,,p,mm"), written(tmp_path, "m.toml", TEXT)
    result = CliRunner().invoke(app(), ["mapping", "limits", str(path), "--mapping", str(rules), "--to", str(tmp_path / "none" / "l.csv")])

    assert "the limits cannot be written" in str(result.exception)


@pytest.mark.parametrize(("old", "new", "said"), [
    ('contradiction = "keep"', "", "must say what becomes of a verdict"),
    ('contradiction = "keep"', 'contradiction = "hide"', "known words"),
    ('result = { column = "verdict" }\n', "", "has no verdict and limits to compare"),
    ('lsl = { column = "low" }\nusl = { column = "high" }', "", "has no verdict and limits to compare"),
    ('usl = { column = "high" }', 'usl = { constant = "wide" }', "must have a finite number"),
    ('usl = { column = "high" }', 'usl = { constant = "nan" }', "must have a finite number"),
    ('contradiction = "keep"', 'contradiction = "keep"\nscale = -1.0', "must have a scale above 0"),
])  # fmt: skip
def test_mappings_that_cannot_be_meant(old: str, new: str, said: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(MappingError, match=said):
        mapping(TEXT.replace(old, new))


def test_a_qif_mapping_reads_the_columns_of_such_a_file() -> None:
    text = TEXT.replace('format = "csv"', 'format = "qif"')
    with pytest.raises(MappingError, match="by the columns that such a file has") as error:
        mapping(text)

    assert set(error.value.values["unknown"]) == {"tag", "time", "mid", "low", "high", "mod", "verdict"}


def test_what_a_file_name_says_may_be_any_text_of_a_rule(tmp_path: Path) -> None:
    """Product, serial and the like, not only line and asset."""
    text = LONG + '[[files.tags]]\nmatch = "*"\nkind = "measurement"\nserial = { file_name = "^part-([0-9]+)" }\n'
    path = written(tmp_path, "part-17.csv", "time,tag,value", "5,a,1")

    assert entries(path, text)["serial"].to_list() == ["17"]
