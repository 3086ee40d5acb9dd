"""Mappings and files for the tests of ingest: the shortest of each kind, to be varied."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from streams.shell.ingest import mapping_file
from streams.shell.ingest.mapping import IngestMapping
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import Scan, scan, source_of

PLACE = """
asset = { constant = "press-1" }
line = { constant = "acme/hamburg/press/line-1" }
time = { column = "time", format = "epoch_us" }
"""
LONG = f"""
[[files]]
match = "*"
format = "csv"
layout = "long"
tag = "tag"
value = "value"
{PLACE}
"""
WIDE = f"""
[[files]]
match = "*"
format = "csv"
layout = "wide"
{PLACE}
"""
ORDERS = """
[[files]]
match = "*orders*"
format = "csv"
layout = "orders"
line = { constant = "acme/hamburg/press/line-1" }
time = { column = "time", format = "epoch_us" }

[files.order]
event = { column = "event", values = { Start = "STARTED", Stop = "ENDED", Split = "SPLIT", Fix = "CORRECTED" } }
order = { column = "order" }
operation = { column = "operation" }
product = { column = "product" }
work_center = { column = "work_center" }
quantity_good = "good"
planned_start = "planned"
split_into = "split"
corrects = { column = "corrects", values = { Start = "STARTED" } }
corrects_time = "reported"
corrected_time = "true_time"
"""
SAMPLES = '\n[[files.tags]]\nmatch = "*"\nkind = "sample"\n'


def written(folder: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def mapping(text: str) -> IngestMapping:
    return mapping_file.parse(text, "m.toml")


def entries(path: Path, text: str) -> pl.DataFrame:
    """Every entry of a file."""
    return pl.concat(list(source_of(path, mapping(text)).entries()))


def scanned(path: Path, text: str) -> tuple[Scan, Refusals]:
    refusals = Refusals()
    return scan([path], mapping(text), [refusals]), refusals


def reasons(path: Path, text: str) -> list[tuple[int, str, str]]:
    """(line, reason, detail) of everything refused."""
    return [(each.line, each.reason, each.detail) for each in scanned(path, text)[1].first]
