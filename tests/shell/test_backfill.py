"""A backfill gives the bytes of the fold that an export or files stand for, in every form, and leaves nothing half done."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from streams.catalogue import schema_of
from streams.codec.log import Log
from streams.errors import AndonError, DataError, InvalidValue, SettingsError
from streams.kafka.reader import Record
from streams.shell.backfill import records
from streams.shell.cli import app
from streams.shell.export import Export, frame_of
from streams.shell.ingest import mapping_file
from streams.shell.ingest.scan import scan
from tests.acceptance import plantday
from tests.acceptance.plantday import Out, Outcome

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

CONFIG = plantday.example("context.toml")
MAPPING = plantday.example("press-line.mapping.toml")
FILES = [plantday.example("press-line.csv"), plantday.example("press-line-orders.csv")]


def call(*arguments: str) -> Any:
    result = CliRunner().invoke(app(), ["backfill", *arguments, "--json"])
    if isinstance(result.exception, AndonError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def exported(folder: Path, logs: list[dict[str, Log]]) -> Path:
    """Logs as `andon export` writes them, without Kafka."""
    topics: dict[str, Any] = {}
    for name in logs[0]:
        (folder / name).mkdir(parents=True)
        rows = []
        for partition, inputs in enumerate(logs):
            log = inputs[name]
            found = [Record(int(log.offset[n]), 0, 0, log.key(n), log.value(n), log.headers(n)) for n in range(len(log.offset))]
            frame_of(found, "header").write_parquet(folder / name / f"{partition}.parquet")
            rows.append({"first": 0, "next": len(found), "end": len(found), "records": len(found)})
        topics[name] = {"topic": name, "append": "header", "partitions": rows, "schema_ids": [plantday.SCHEMA_IDS[name]]}
    ids = {plantday.SCHEMA_IDS[name]: name for name in topics}
    schemas = {str(n): {"schema": json.dumps(schema_of(name)), "subjects": []} for n, name in ids.items()}
    about = {"format": 1, "application": plantday.configuration().application, "topology": "context", "prefix": ""}
    (folder / "manifest.json").write_text(json.dumps({**about, "topics": topics, "schemas": schemas}))
    return folder


@pytest.fixture(scope="module")
def logs() -> list[dict[str, Log]]:
    found = scan(FILES, mapping_file.load(MAPPING))
    return plantday.logs(plantday.records(found, plantday.configuration().catalogue()), plantday.configuration().catalogue())


@pytest.fixture(scope="module")
def outcomes(logs: list[dict[str, Log]]) -> list[Outcome]:
    return [plantday.run(plantday.configuration(), inputs, partition) for partition, inputs in enumerate(logs)]


def without_id(value: bytes) -> bytes:
    """Without the frame, whose schema id is another in every registry."""
    return value[5:]


def read_back(folder: Path, partition: int) -> list[Out]:
    export = Export(folder)
    found = [(name, record) for name in export.topics for record in export.records(name, partition)]
    return [Out(name, r.key, r.value or b"", tuple((n, v or b"") for n, v in r.headers)) for name, r in found]


def test_an_export_gives_the_bytes_of_memory(logs: list[dict[str, Log]], outcomes: list[Outcome], tmp_path: Path) -> None:
    day = exported(tmp_path / "day", logs)
    told = call("context", "--from", str(day), "--config", str(CONFIG), "--to", str(tmp_path / "out"), "--format", "log")
    for partition, outcome in enumerate(outcomes):
        found = read_back(tmp_path / "out", partition)
        results = [out for out in found if out.topic in plantday.RESULTS]
        assert _lanes(results) == _lanes(outcome.results)
        aside = [out for out in found if out.topic not in plantday.RESULTS]
        assert Counter((o.topic, o.key, without_id(o.value), o.headers) for o in aside) == Counter(
            (o.topic, o.key, without_id(o.value), o.headers) for o in outcome.aside
        )
    assert told["records"]["ctx.window.v1"] == sum(out.topic == "ctx.window.v1" for o in outcomes for out in o.results) > 50
    assert told["records"]["dq.late.v1"] > 0


def _lanes(outs: list[Out]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for out in outs:
        lane = (out.topic, out.key, plantday.decoded(out.topic, out.value)["asset"])
        found.setdefault(lane, []).append((without_id(out.value), out.headers))
    return found


def test_files_give_what_ingest_and_a_task_give_but_for_evidence(outcomes: list[Outcome], tmp_path: Path) -> None:
    told = call(
        "context", *[word for file in FILES for word in ("--from", str(file))], "--mapping", str(MAPPING), "--config", str(CONFIG),
        "--to", str(tmp_path / "out"), "--format", "log",
    )  # fmt: skip
    for partition, outcome in enumerate(outcomes):
        found = [out for out in read_back(tmp_path / "out", partition) if out.topic in plantday.RESULTS]
        assert plantday.without_evidence(found) == plantday.without_evidence(outcome.results)
        for out in found:
            for cited in plantday.decoded(out.topic, out.value)["evidence"]:
                assert cited["topic"] == "files" and cited["first_offset"] >> 40 < len(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "what was written aside is gone"
    assert told["entries"]["refused"] == {"the value is not a number": 1}


SAMPLES = """
claims = ["ot.sample.v1", "mes.order.v1", "ot.telemetry.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1"]
[[files]]
match = ["*.parquet", "*.csv"]
format = "FORMAT"
layout = "long"
line = { column = "line", values = { a = "line-a", b = "line-b" }, template = "acme/hamburg/pressing/{}" }
asset = { column = "machine" }
tag = "tag"
value = "value"
time = { column = "time", format = "iso8601" }
[[files.tags]]
match = "t*"
kind = "sample"
unit = "Cel"
scale = 0.1
[[files.tags]]
match = "other"
kind = "ignore"
"""


def table(seed: int, rows: int, odd: bool) -> pl.DataFrame:
    """Samples of two lines, out of order, some too late; odd: with cells that are refused or BAD."""
    rng = np.random.default_rng(seed)
    time = 1_700_000_000_000_000 + np.arange(rows) * 50_000 - np.where(rng.random(rows) < 0.02, rng.integers(0, 20_000_000, rows), 0)
    frame = pl.DataFrame({
        "time": pl.Series(time).cast(pl.Datetime("us", "UTC")), "line": rng.choice(["a", "b"], rows),
        "machine": rng.choice(["m1", "m2", "m3"], rows), "tag": rng.choice(["t1", "t2", "other"], rows),
        "value": rng.normal(20, 5, rows).round(3),
    })  # fmt: skip
    if odd:
        row = pl.int_range(pl.len())
        frame = frame.with_columns(
            value=pl.when(row % 97 == 3).then(None).when(row % 101 == 5).then(float("inf")).otherwise("value"),
            tag=pl.when(row % 103 == 7).then(pl.lit("stranger")).otherwise("tag"),
            line=pl.when(row % 107 == 7).then(pl.lit("c")).otherwise("line"),
        )
    return frame


def _lateness(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["line"], row["assets"][0], row["event_times_us"][0], row["lateness_us"][0])


@pytest.mark.parametrize("odd", [False, True])
def test_tables_of_samples_give_what_ingest_and_a_task_give(odd: bool, tmp_path: Path) -> None:
    """Three files that overlap in time, straight from their columns: windows, what is late, what is refused."""
    paths = [tmp_path / f"{n}.parquet" for n in range(3)]
    for n, path in enumerate(paths):
        table(n, 4_000, odd and n != 1).write_parquet(path)
    mapping = tmp_path / "samples.toml"
    mapping.write_text(SAMPLES.replace("FORMAT", "parquet"))
    found = scan(paths, mapping_file.load(mapping))
    configuration = plantday.configuration()
    logs = plantday.logs(plantday.records(found, configuration.catalogue()), configuration.catalogue())
    told = call(
        "context", *[word for path in paths for word in ("--from", str(path))], "--mapping", str(mapping), "--config", str(CONFIG),
        "--to", str(tmp_path / "out"), "--format", "log",
    )  # fmt: skip
    late = 0
    for partition, inputs in enumerate(logs):
        outcome = plantday.run(configuration, inputs, partition)
        again = read_back(tmp_path / "out", partition)
        assert plantday.without_evidence(o for o in again if o.topic in plantday.RESULTS) == plantday.without_evidence(outcome.results)
        one, other = (list(plantday.rows(outs, "dq.late.v1")) for outs in (again, outcome.aside))
        assert Counter(map(_lateness, one)) == Counter(map(_lateness, other))
        late += len(one)
    total = found.ledger.total
    assert late > 0 and told["records"]["ctx.window.v1"] > 100
    written, ignored = sum(total.written.values()), sum(total.ignored.values())
    assert told["entries"] == {"entries": total.entries, "written": written, "refused": dict(total.refused), "ignored": ignored}
    assert bool(total.refused) == odd


def test_every_form_says_the_same(logs: list[dict[str, Log]], tmp_path: Path) -> None:
    """Columns, containers and lines hold what the records hold, read by other readers than ours."""
    day = exported(tmp_path / "day", logs)
    for form in ("log", "parquet", "avro", "jsonl"):
        call("context", "--from", str(day), "--config", str(CONFIG), "--to", str(tmp_path / form), "--format", form)
    seen = 0
    for name in ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "dq.late.v1", "audit.restate-request.v1"):
        for partition in range(len(logs)):
            kept = list(Export(tmp_path / "log").records(name, partition))
            seen += len(kept)
            values = [plantday.decoded(name, r.value or b"") for r in kept]
            held = records.contained((tmp_path / "avro" / name / f"{partition}.avro").read_bytes())
            assert [(r["andon_key"], r["andon_id"].encode()) for r in held] == [(r.key, dict(r.headers)["andon-id"]) for r in kept]
            lines = [json.loads(line) for line in (tmp_path / "jsonl" / name / f"{partition}.jsonl").read_text().splitlines()]
            columns = pl.read_parquet(tmp_path / "parquet" / name / f"{partition}.parquet")
            assert [line["key"] for line in lines] == [(r.key or b"").decode() for r in kept]
            for n, value in enumerate(values):
                row = columns.row(n, named=True)
                own = {field: value[field] for field in row if not field.startswith("andon_")}
                assert {field: row[field] for field in own} == own
            assert len(columns) == len(held) == len(lines) == len(values)
    assert seen > 100


def test_what_cannot_be_done_is_refused_before_anything_is_written(logs: list[dict[str, Log]], tmp_path: Path) -> None:
    day, out = exported(tmp_path / "day", logs), tmp_path / "out"
    with pytest.raises(SettingsError, match="under which configuration"):
        call("context", "--from", str(day), "--to", str(out))
    with pytest.raises(DataError, match="does not have the epochs"):
        call("context", "--from", str(day), "--to", str(out), "--as-known")
    with pytest.raises(InvalidValue, match="no such format"):
        call("context", "--from", str(day), "--to", str(out), "--format", "xml")
    with pytest.raises(InvalidValue, match="--prefix"):
        call("context", "--from", str(day), "--to", "topics")
    with pytest.raises(InvalidValue, match="new or empty folder"):
        call("context", "--from", str(day), "--config", str(CONFIG), "--to", str(day))
    assert not out.exists()


def test_a_history_that_ends_in_an_error_leaves_no_manifest(logs: list[dict[str, Log]], tmp_path: Path) -> None:
    day, out = exported(tmp_path / "day", logs), tmp_path / "out"
    file = day / "ot.state.v1" / "0.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        call("context", "--from", str(day), "--config", str(CONFIG), "--to", str(out))
    assert not (out / "manifest.json").exists()
    assert all(path.name.endswith(".part") or ".part-" in path.name for path in out.rglob("*") if path.is_file())
