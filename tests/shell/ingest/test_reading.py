"""Every format gives the same entries, and a line that cannot be read costs only itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import DataError
from streams.shell.ingest import chunks, delimited
from tests.shell.ingest.material import LONG, SAMPLES, WIDE, entries, reasons, scanned, written

PLAIN = (
    LONG.replace('format = "csv"', 'format = "delimited"\nseparator = "|"\ncolumns = ["time", "tag", "value", "text"]\nragged = true')
    + SAMPLES
)


def told(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select("line", "sequence", "fate", "tag", "time", "number", "quality").rows()


EXPECTED = [(0, 0, 0, "a", 10, 1.5, 0), (1, 1, 0, "b", 20, None, 2), (2, 2, 0, "a", 30, -0.1, 0)]


def test_formats_give_the_same_entries(tmp_path: Path) -> None:
    rows = [("10", "a", "1.5"), ("20", "b", ""), ("30", "a", "-0.1")]
    csv = written(tmp_path, "a.csv", "time,tag,value", *(",".join(row) for row in rows))
    quoted = written(tmp_path, "b.csv", '"time","tag","value"', *(",".join(f'"{cell}"' for cell in row) for row in rows))
    crlf = tmp_path / "c.csv"
    crlf.write_bytes(
        b"\xef\xbb\xbftime,tag,value\r\n" + b"".join(",".join(row).encode() + b"\r\n" for row in rows)[:-2]
    )  # BOM, no last line end
    pipe = written(tmp_path, "d.txt", *("|".join(row) for row in rows))
    objects = [{"time": 10, "tag": "a", "value": 1.5}, {"time": 20, "tag": "b", "value": None}, {"time": 30, "tag": "a", "value": "-0.1"}]
    lines = written(tmp_path, "e.jsonl", *(json.dumps(each) for each in objects))
    parquet = tmp_path / "f.parquet"
    pl.DataFrame({"time": [10, 20, 30], "tag": ["a", "b", "a"], "value": [1.5, None, -0.1], "other": [[1], [2], [3]]}).write_parquet(
        parquet
    )

    assert told(entries(csv, LONG + SAMPLES)) == EXPECTED
    assert told(entries(quoted, LONG + SAMPLES)) == EXPECTED
    assert told(entries(crlf, LONG + SAMPLES)) == EXPECTED
    assert told(entries(pipe, PLAIN)) == EXPECTED
    assert told(entries(lines, LONG.replace('"csv"', '"jsonl"') + SAMPLES)) == EXPECTED
    assert told(entries(parquet, LONG.replace('"csv"', '"parquet"') + SAMPLES)) == EXPECTED


def test_wide_formats_give_the_same_entries(tmp_path: Path) -> None:
    """A cell's number is line x value columns + column; a key that a JSON line does not have is no cell at all, but has a number."""
    csv = written(tmp_path, "a.csv", "p,time,q", "1.5,10,2", ",20,-3")
    parquet = tmp_path / "b.parquet"
    pl.DataFrame({"p": [1.5, None], "time": [10, 20], "q": ["2", "-3"]}).write_parquet(parquet)
    expected = [(0, 0, 0, "p", 10, 1.5, 0), (0, 1, 0, "q", 10, 2.0, 0), (1, 2, 0, "p", 20, None, 2), (1, 3, 0, "q", 20, -3.0, 0)]

    assert told(entries(csv, WIDE + SAMPLES)) == expected
    assert told(entries(parquet, WIDE.replace('"csv"', '"parquet"') + SAMPLES)) == expected

    lines = written(tmp_path, "c.jsonl", '{"time": 10, "p": 1.5, "q": 2}', '{"q": -3, "time": 20}', '{"time": 30, "r": 1}')
    text = WIDE.replace('"csv"', '"jsonl"\ncolumns = ["p", "q"]') + SAMPLES
    found = entries(lines, text)
    assert [row for row in told(found) if row[2] == 0] == [expected[0], expected[1], expected[3]]
    assert reasons(lines, text) == [(3, "the line has a key that the mapping does not name", "r")] * 2
    assert scanned(lines, text)[0].ledger.total.ignored == {"(absent key)": 1}


def test_a_line_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "day.txt"
    path.write_bytes(b"10|a|1\n20|a\n30|\xff|1\n\n40|a|1|x|y\n50|a\r|1\n60|a|4|unread \xff\n70|a|5\n")

    assert reasons(path, PLAIN) == [
        (2, "the line has another number of columns", "2 instead of 4"),
        (3, "the line is not valid in the file's encoding", "utf-8"),
        (6, "a carriage return stands inside the line", ""),
        (7, "the line is not valid in the file's encoding", "utf-8"),
    ]
    total = scanned(path, PLAIN)[0].ledger.total
    assert (total.lines, sum(total.written.values()), total.ignored) == (8, 3, {"(blank line)": 1})


def test_columns_are_counted_exactly_unless_lines_may_be_ragged(tmp_path: Path) -> None:
    for quote in ("", '"'):  # both ways of reading
        path = written(tmp_path, f"day{len(quote)}.csv", "time,tag,value", f"10,{quote}a{quote},1", "20,a", "30,a,1,2", "40,a,2")

        assert [(line, detail) for line, _, detail in reasons(path, LONG + SAMPLES)] == [(3, "2 instead of 3"), (4, "4 instead of 3")]


def test_quotes_hold_separators_and_line_ends_and_a_wrong_one_refuses_what_it_swallowed(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_bytes(b'time,tag,value\n10,"a,""b\n c",1\n20,"a"b,1\n30,a,3\n40,"a,4\n50,a,5\n')
    found = entries(path, LONG + SAMPLES)

    assert found.filter(pl.col("fate") == 0).select("line", "at", "tag").rows() == [(0, 2, 'a,"b\n c'), (2, 5, "a")]
    assert [(line, reason) for line, reason, _ in reasons(path, LONG + SAMPLES)] == [(4, delimited.QUOTES), (6, delimited.QUOTES)]
    assert reasons(path, LONG + SAMPLES)[1][2].endswith("through line 7")


def test_other_encodings(tmp_path: Path) -> None:
    for encoding in ("latin-1", "cp1252", "utf-16"):
        path = written(tmp_path, f"{encoding}.csv", "time,tag,value", "10,Überdruck,1", encoding=encoding)

        assert entries(path, LONG.replace('"csv"', f'"csv"\nencoding = "{encoding}"') + SAMPLES)["tag"].to_list() == ["Überdruck"]
    assert reasons(tmp_path / "latin-1.csv", LONG + SAMPLES) == [(2, delimited.ENCODING, "utf-8")]
    with pytest.raises(DataError, match="not valid in its encoding"):
        entries(tmp_path / "latin-1.csv", LONG.replace('"csv"', '"csv"\nencoding = "utf-16"') + SAMPLES)


def test_decimal_commas_and_blanks_around_cells(tmp_path: Path) -> None:
    path = written(tmp_path, "day.csv", " time ; tag;value ", " 10 ; a b ; 1,25 ")
    text = LONG.replace('"csv"', '"csv"\nseparator = ";"\ndecimal = ","\ntrim = true') + SAMPLES

    assert told(entries(path, text)) == [(0, 0, 0, "a b", 10, 1.25, 0)]


def test_json_lines_keep_their_digits_and_refuse_what_is_no_cell(tmp_path: Path) -> None:
    good = '{"time": 1476966625.701001, "tag": "a", "value": 0.1000000000000000055, "more": {"x": 1}}'
    path = written(tmp_path, "day.jsonl", good, "{", "[1]", '{"time": 1, "tag": "a"}', '{"time": 1, "tag": "a", "value": [1]}',
                   '{"time": 1, "tag": "a", "value": NaN}', '{"time": 1, "tag": "a", "value": true}')  # fmt: skip
    text = LONG.replace('"csv"', '"jsonl"').replace("epoch_us", "epoch_s") + SAMPLES

    assert entries(path, text).row(0, named=True)["time"] == 1476966625701001
    assert [(line, reason) for line, reason, _ in reasons(path, text)] == [
        (2, "the line is not a JSON object"), (3, "the line is not a JSON object"), (4, "the line is not a JSON object"),
        (5, "a value is not a single text or number"), (6, "the value is not finite"), (7, "the value is not a number"),
    ]  # fmt: skip


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    tiny = 0.1 + 2**-27  # not a 32-bit float's shortest text
    pl.DataFrame(
        {"time": [datetime(2016, 10, 20, 12, 30, tzinfo=UTC)] * 3, "f": [tiny] * 3, "b": [True, False, None], "i": [2**53 + 1] * 3,
         "n": [float("nan")] * 3},
        schema_overrides={"f": pl.Float32},
    ).write_parquet(path)  # fmt: skip
    text = WIDE.replace('"csv"', '"parquet"').replace("epoch_us", "iso8601") + '[[files.tags]]\nmatch = "i"\nkind = "count"\n' + SAMPLES
    found = entries(path, text)

    assert set(found["time"]) == {1476966600000000}
    assert found.filter(pl.col("tag") == "f")["number"].unique().to_list() == [float(pl.Series([tiny], dtype=pl.Float32)[0])]
    assert found.filter(pl.col("tag") == "b")["number"].to_list() == [1.0, 0.0, None]
    assert found.filter(pl.col("tag") == "i")["whole"].unique().to_list() == [2**53 + 1]
    assert reasons(path, text)[0][1:] == ("the value is not finite", "NaN")


def test_a_file_that_is_not_what_the_mapping_says_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "day.csv", "time,tag,wert", "10,a,1")
    with pytest.raises(DataError, match=r"lacks columns that the mapping reads: .* missing=\['value'\]"):
        entries(path, LONG + SAMPLES)
    with pytest.raises(DataError, match="no value columns"):
        entries(written(tmp_path, "empty.csv", "time"), WIDE + SAMPLES)
    with pytest.raises(DataError, match="two columns of one name"):
        entries(written(tmp_path, "twice.csv", "time,a,a"), WIDE + SAMPLES)
    with pytest.raises(DataError, match="is not Parquet"):
        entries(path, LONG.replace('"csv"', '"parquet"') + SAMPLES)
    with pytest.raises(DataError, match="has no header"):
        entries(written(tmp_path, "none.csv"), LONG + SAMPLES)
    with pytest.raises(DataError, match="cannot be read"):
        entries(tmp_path / "missing.csv", LONG + SAMPLES)
    with pytest.raises(DataError, match="more than a single value"):
        nested = tmp_path / "nested.parquet"
        pl.DataFrame({"time": [1], "tag": ["a"], "value": [[1]]}).write_parquet(nested)
        entries(nested, LONG.replace('"csv"', '"parquet"') + SAMPLES)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(["1,a,1", "2,b,", "x,a,1", "", "3,a,zz", "4,ü,0.5", "5,a"]), min_size=1, max_size=60),
    st.integers(8, 64),
    st.booleans(),
)
def test_how_a_file_is_cut_into_chunks_decides_nothing(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], letters: int, quoted: bool
) -> None:
    path = written(tmp_path_factory.mktemp("cut"), "day.csv", "time,tag,value", *lines, *(['6,"a",6'] if quoted else []))
    whole = entries(path, LONG + SAMPLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "LETTERS", letters)
        patch.setattr(delimited, "LINES_MAX", max(1, letters // 9))
        cut = entries(path, LONG + SAMPLES)

    assert cut.equals(whole)
    assert whole["line"].to_list() == list(range(len(lines) + quoted))


def test_parquet_is_cut_alike_whatever_its_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "day.parquet"
    pl.DataFrame({"time": range(1000), "tag": ["a"] * 1000, "value": range(1000)}).write_parquet(path, row_group_size=77)
    text = LONG.replace('"csv"', '"parquet"') + SAMPLES
    whole = entries(path, text)
    monkeypatch.setattr("streams.shell.ingest.reading.LINES_MAX", 100)

    assert entries(path, text).equals(whole)
    assert whole["number"].to_list() == [float(n) for n in range(1000)]


def test_a_source_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    one, two = written(tmp_path, "one.csv", "x"), written(tmp_path, "two.csv", "x")

    assert chunks.identify(one).source == chunks.identify(two).source == "file:73cb3858a687a849"
