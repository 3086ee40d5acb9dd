"""B1 as a backfill: from a Parquet table of samples, and from an export of messages, to windows in Parquet; beside a plain polars
group_by of the same table, which has no gate, no order and no evidence.

    python -m bench.backfill 8000000 2000000 3     samples of the table, messages of the export, rounds

Rates are those of a process that has its kernels loaded, from the files to named results and the manifest. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from bench import report
from bench.load import LINES, PARTITIONS, Load, Writer, one_by_one
from bench.oracle import FIELDS, WINDOW_US, expected, faults
from bench.workloads import LATE, SAMPLE, WINDOWS, configuration_text
from streams.catalogue import TOPICS, schema_of
from streams.codec.log import APPEND_HEADER
from streams.configuration import parse
from streams.kafka.reader import Record
from streams.shell.backfill import job
from streams.shell.backfill.folder import Folder
from streams.shell.backfill.history import ExportHistory, History
from streams.shell.backfill.streamed import StreamedHistory
from streams.shell.export import Export, frame_of
from streams.shell.ingest import mapping_file

MAPPING = """
claims = ["ot.sample.v1"]
[[files]]
match = "*.parquet"
format = "parquet"
layout = "long"
line = { column = "line" }
asset = { column = "machine" }
tag = "tag"
value = "value"
time = { column = "time", format = "iso8601" }
[[files.tags]]
match = "tag-*"
kind = "sample"
unit = "Cel"
"""
ROW_GROUP = 262_144


def table(load: Load, file: Path) -> None:
    """The load's samples in the order in which they were appended."""
    columns = load.columns()
    machine = columns.signal // load.tags
    line = pl.Series([LINES[load.line(n)] for n in range(load.machines)])
    pl.DataFrame({
        "time": pl.Series(columns.time).cast(pl.Datetime("us", "UTC")), "line": line.gather(machine),
        "machine": pl.Series([f"machine-{n}" for n in range(load.machines)]).gather(machine),
        "tag": pl.Series([f"tag-{n}" for n in range(load.tags)]).gather(columns.signal % load.tags), "value": columns.value,
    }).write_parquet(file, compression="zstd", row_group_size=ROW_GROUP)  # fmt: skip


def export(load: Load, folder: Path) -> None:
    """The load's messages as `andon export` writes them."""
    number = 1 + next(n for n, topic in enumerate(TOPICS) if topic.name == SAMPLE)
    rows: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for message in one_by_one(load, Writer(SAMPLE, number)):
        own = rows[message.partition]
        headers: Any = [(APPEND_HEADER.decode(), b"%d" % message.append_us)]
        own.append(Record(len(own), 0, 0, message.key, message.value, headers))
    (folder / SAMPLE).mkdir(parents=True)
    for partition, own in enumerate(rows):
        frame_of(own, "header").write_parquet(folder / SAMPLE / f"{partition}.parquet", compression="zstd", row_group_size=50_000)
    partitions = [{"first": 0, "next": len(own), "end": len(own), "records": len(own)} for own in rows]
    topic = {"topic": SAMPLE, "append": "header", "partitions": partitions, "schema_ids": [number]}
    schemas = {str(number): {"schema": json.dumps(schema_of(SAMPLE)), "subjects": []}}
    about = {"format": 1, "application": "b1", "topology": "other", "prefix": "", "topics": {SAMPLE: topic}, "schemas": schemas}
    (folder / "manifest.json").write_text(json.dumps(about))


def folded(history: History, folder: Path) -> None:
    sink = Folder(folder, "parquet", history.schemas)
    job.run(history, sink)
    sink.finish(history.about, history.ids, history.partitions)


def plain(file: Path, to: Path) -> None:
    """The named peer: what anybody would write who needs no gate."""
    value = pl.col("value")
    statistics = {"count": pl.len(), "mean": value.mean(), "std": value.std(), "min": value.min(), "max": value.max()}
    start = (pl.col("time").dt.epoch("us") // WINDOW_US * WINDOW_US).alias("start_us")
    pl.scan_parquet(file).group_by("line", "machine", "tag", start).agg(**statistics).sink_parquet(to)


def wrong(load: Load, folder: Path) -> list[str]:
    """What the oracle of B1 says of the results."""
    windows, late = (pl.read_parquet(folder / name / "*.parquet") for name in (WINDOWS, LATE))
    told = windows.rename({"andon_id": "id"}).select(FIELDS)
    return faults(load, expected(load), told.to_dicts(), late.to_dicts())


def timed(rows: int, call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return rows / (time.perf_counter() - began)


def main(samples: int, messages: int, rounds: int) -> dict[str, Any]:
    configuration, of_table, of_export = parse(configuration_text("b1")), Load(samples), Load(messages)
    rules, rates = mapping_file.parse(MAPPING), dict[str, list[float]]()
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name:
        folder = Path(name)
        file, day = folder / "samples.parquet", folder / "day"
        table(of_table, file)
        export(of_export, day)
        found: list[str] = []
        for number in range(rounds + 1):  # the first one loads kernels
            outs = [folder / f"{what}-{number}" for what in ("table", "export", "plain")]
            runs: dict[str, tuple[int, Callable[[], None]]] = {
                "table": (samples, lambda to=outs[0]: folded(  # type: ignore[misc]
                    StreamedHistory([file], rules, configuration, "downsample", of_table.end_us, lambda _: None), to)),
                "export": (messages, lambda to=outs[1]: folded(  # type: ignore[misc]
                    ExportHistory(Export(day), "downsample", configuration, lambda _: None, as_known=False), to)),
                "polars": (samples, lambda to=outs[2]: plain(file, to)),  # type: ignore[misc]
            }  # fmt: skip
            for what, (rows, call) in runs.items():
                rate = timed(rows, call)
                rates.setdefault(what, []).extend([rate] if number else [])
            if number == rounds:
                checked = (("table", of_table, outs[0]), ("export", of_export, outs[1]))
                found = [f"backfill of a {what}: {one}" for what, load, out in checked for one in wrong(load, out)]
    ratios = [ours / peer for ours, peer in zip(rates["table"], rates["polars"], strict=True)]
    return {what: report.middle(each) for what, each in rates.items()} | {"table / polars": report.middle(ratios), "wrong": found}


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:4]))), flush=True)
