"""A mapping file that is wrong is refused, and the error names the file, the key and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import DataError, MappingError
from streams.shell.ingest import mapping_file
from tests.shell.ingest.material import LONG, ORDERS, SAMPLES, WIDE, mapping

GOOD = LONG + SAMPLES

WRONG = [
    ("x = ", "is not TOML"),
    ("", "lacks a key: key='files'"),
    ("colour = 1\n" + GOOD, "not known: key='colour'"),
    ('claims = ["ot.samples.v1"]\n' + GOOD, "known words here: key='claims[0]', given='ot.samples.v1'"),
    ('claim_interval = "1 fortnight"\n' + GOOD, "a duration here: key='claim_interval'"),
    ('claim_interval = "0 s"\n' + GOOD, "above 0 here: key='claim_interval'"),
    (GOOD.replace('"csv"', '"xml"'), "known words here: key='files[0].format', given='xml'"),
    (GOOD.replace('layout = "long"', 'layout = "tall"'), "key='files[0].layout'"),
    (GOOD.replace('tag = "tag"\n', ""), "lacks a key: key='files[0].tag'"),
    (GOOD.replace('layout = "long"', 'layout = "long"\nsep = ";"'), "not known: key='files[0].sep'"),
    (GOOD.replace('layout = "long"', 'layout = "long"\nseparator = ";;"'), "one character here: key='files[0].separator'"),
    (GOOD.replace('layout = "long"', 'layout = "long"\nseparator = "\\""'), "same character as separator and as quote"),
    (GOOD.replace('layout = "long"', 'layout = "long"\npacking = 0'), "a number from 1 to 10000 here: key='files[0].packing'"),
    (GOOD.replace('layout = "long"', 'layout = "long"\npacking = true'), "a whole number here: key='files[0].packing'"),
    (GOOD.replace('layout = "long"', 'layout = "long"\nencoding = "utf-99"'), "an encoding that is not known"),
    (GOOD.replace('layout = "long"', 'layout = "long"\ncolumns = ["a"]'), "but the file has its own"),
    (GOOD.replace('"csv"', '"delimited"'), "lacks the names of the columns"),
    (GOOD.replace('"csv"', '"delimited"\ncolumns = ["time", "tag"]'), "missing=['value']"),
    (GOOD.replace('"csv"', '"delimited"\ncolumns = ["time", "tag", "value", "tag"]'), "names a column twice"),
    (GOOD.replace('constant = "press-1"', 'constant = "press-1", column = "a"'), "exactly one of constant, column and file_name"),
    (GOOD.replace('constant = "press-1"', 'file_name = "^.*$"'), "one group in the regular expression: key='files[0].asset.file_name'"),
    (GOOD.replace('constant = "press-1"', 'file_name = "^(.*$"'), "does not work: key='files[0].asset.file_name'"),
    (GOOD.replace('constant = "press-1"', 'column = "a", template = "x"'), "{} where the text goes"),
    (GOOD.replace("acme/hamburg/press/line-1", "acme/hamburg"), "a line path here: key='files[0].line.constant', given='acme/hamburg'"),
    (GOOD.replace('"epoch_us"', '"epoch_us", zone = "UTC"'), "times since the epoch have no zone"),
    (GOOD.replace('"epoch_us"', '"%d/%m/%Y"'), "no offset (%z), and there is no zone"),
    (GOOD.replace('"epoch_us"', '"%d/%m/%Y %Q", zone = "UTC"'), "directive='%Q'"),
    (GOOD.replace('"epoch_us"', '"%d/%Y", zone = "UTC"'), "exactly one of these directives"),
    (GOOD.replace('"epoch_us"', '"%Y-%m-%d %I", zone = "UTC"'), "%H, or %I with %p"),
    (GOOD.replace('"epoch_us"', '"rfc 1123"'), "no such time format"),
    (GOOD.replace('"epoch_us"', '"iso8601", zone = "Europe/Bonn"'), "no such time zone: key='files[0].time', zone='Europe/Bonn'"),
    (GOOD.replace('"epoch_us"', '"iso8601", fold = 2'), "a number from 0 to 1 here: key='files[0].time.fold'"),
    (GOOD.replace('kind = "sample"', 'kind = "samples"'), "key='files[0].tags[0].kind'"),
    (GOOD.replace('kind = "sample"', 'kind = "state"\nunit = "mm"'), "a rule of kind state does not take: key='files[0].tags[0].unit'"),
    (GOOD.replace('kind = "sample"', 'kind = "sample"\nscale = "2"'), "a number here: key='files[0].tags[0].scale'"),
    (GOOD + SAMPLES, "two rules of one name"),
    (LONG + '[files.quality]\ncolumn = "q"\n' + SAMPLES, "column and codes together"),
    (LONG + '[files.quality]\ncolumn = "q"\ncodes = { a = "FINE" }\n' + SAMPLES, "key='files[0].quality.codes.a', given='FINE'"),
    (LONG, "lacks a key: key='files[0].tags'"),
    (WIDE.replace('"csv"', '"jsonl"') + SAMPLES, "lacks the value columns"),
    (ORDERS.replace('"STARTED", Stop', '"BEGUN", Stop'), "known words here: key='files[0].order.event.values', given='BEGUN'"),
    (ORDERS.replace('order = { column = "order" }', ""), "lacks a key: key='files[0].order.order'"),
    (ORDERS + 'quantity = "q"\n', "not known: key='files[0].order.quantity'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_a_wrong_mapping_is_refused_with_file_and_key(text: str, said: str) -> None:
    with pytest.raises(MappingError) as refused:
        mapping(text)

    assert str(refused.value).startswith("m.toml ")
    assert said in str(refused.value)


def test_a_good_mapping_says_what_it_says() -> None:
    found = mapping('claims = ["mes.order.v1"]\nclaim_interval = "5 s"\n' + GOOD + ORDERS)

    assert (found.claims, found.claim_interval_us) == (("mes.order.v1",), 5_000_000)
    assert [block.layout for block in found.files] == ["long", "orders"]
    assert found.of("day.csv").sample_topic == "ot.sample.v1"


def test_the_first_block_that_fits_a_file_is_taken_and_a_file_without_one_is_refused() -> None:
    found = mapping((LONG + SAMPLES).replace('match = "*"', 'match = "*.txt"', 1) + ORDERS)

    assert found.of("orders.txt").layout == "long"
    assert found.of("orders.csv").layout == "orders"
    with pytest.raises(DataError, match="no block of the mapping fits a file: file='day.parquet'"):
        found.of("day.parquet")


def test_a_file_name_gives_asset_and_line_through_a_table() -> None:
    text = GOOD.replace('{ constant = "press-1" }', '{ file_name = "^(\\\\w+)-" }').replace(
        '{ constant = "acme/hamburg/press/line-1" }', '{ file_name = "^(\\\\w+)-", values = { p7 = "line-a" }, template = "acme/x/y/{}" }'
    )
    block = mapping(text).of("p7-monday.csv")

    assert block.asset is not None
    assert (block.asset.constant, block.line.constant) == ("p7", "acme/x/y/line-a")
    with pytest.raises(DataError, match="does not translate what a file's name says: file='p8-monday.csv', found='p8'"):
        mapping(text).of("p8-monday.csv")
    with pytest.raises(DataError, match="a file's name does not fit the mapping"):
        mapping(text).of("monday.csv")


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read"):
        mapping_file.load(tmp_path / "none.toml")
