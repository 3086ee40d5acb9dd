"""What a worker wrote on a real Kafka, and what a backfill of the exported log makes of it: the same bytes; and into topics beside."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.codec.blobs import RecordReader
from streams.errors import AndonError, InvalidValue, PlatformError
from streams.runners.frontier_records import KIND_HEADER
from streams.shell.cli import app
from streams.shell.export import Export
from tests.live.plant import Gateways, Plant, context_configuration, until
from tests.live.test_worker import OUTPUTS, tasks

pytestmark = pytest.mark.timeout(300)
ASIDE = ("dq.dead-letter.v1", "dq.late.v1", "dq.quarantine.v1", "audit.restate-request.v1")


def lanes(export: Export, name: str, partition: int) -> dict[Any, list[Any]]:
    """Results of each lane in order; all that is not news for the next stage."""
    found, reader = dict[Any, list[Any]](), RecordReader(export.schemas.get)
    for record in export.records(name, partition):
        if (KIND_HEADER, b"frontier") not in record.headers:
            lane = (record.key, reader.read(record.value or b"")["asset"])
            found.setdefault(lane, []).append((record.value, record.headers))
    return found


def backfilled(plant: Plant, *arguments: str) -> dict[str, Any]:
    result = CliRunner(env=plant.environment).invoke(app(), ["backfill", "context", *arguments, "--json"])
    if isinstance(result.exception, AndonError):
        raise result.exception
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.long
def test_live_export_backfill_are_the_same_bytes(plant: Plant) -> None:
    worker = plant.start()
    port = worker.wait("serving")["port"]
    with Gateways(plant, rate=400):
        worker.wait("assigned", partitions=[0, 1])
        until(lambda: sum(t["records_out"] for t in tasks(worker, port)) > 200, 30, "results")
        time.sleep(2)
    worker.kill()
    plant.config.write_text(context_configuration("2 s"))  # other windows from here on: a second epoch
    plant.finish()
    day, out = plant.folder / "day", plant.folder / "out"
    assert plant.call("export", "--application", "--outputs", "--to", str(day), "--json").exit_code == 0
    told = backfilled(plant, "--from", str(day), "--to", str(out), "--format", "log", "--as-known")
    live, again = Export(day), Export(out)
    assert len(list(live.records(f"{live.manifest['application']}.epoch.v1", 0))) == 2
    total = 0
    for name in OUTPUTS:
        for partition in range(2):
            assert lanes(again, name, partition) == lanes(live, name, partition)
        total += told["records"][name]
    assert total > 200
    for name in ASIDE:
        one, other = (
            Counter((r.key, r.value, tuple(r.headers)) for p in range(len(e.topics[name].partitions)) for r in e.records(name, p))
            for e in (live, again)
        )
        assert one == other
    _beside(plant, day, told)


def _beside(plant: Plant, day: Path, told: dict[str, Any]) -> None:
    """Into topics under another prefix: never into the plant's own, never twice."""
    trial = f"{plant.prefix}trial."
    with pytest.raises(InvalidValue, match="which only its workers write"):
        backfilled(plant, "--from", str(day), "--to", "topics", "--prefix", plant.prefix)
    with pytest.raises(PlatformError, match="topics are missing"):
        backfilled(plant, "--from", str(day), "--to", "topics", "--prefix", trial)
    environment = {**plant.environment, "ANDON_TOPIC_PREFIX": trial}
    for group in ("topics", "schemas"):
        done = CliRunner(env=environment).invoke(app(), [group, "apply", "--config", str(plant.config)])
        assert done.exit_code == 0, done.output
    beside = backfilled(plant, "--from", str(day), "--to", "topics", "--prefix", trial, "--as-known")
    assert beside["records"] == told["records"]
    with pytest.raises(PlatformError, match="must be empty"):
        backfilled(plant, "--from", str(day), "--to", "topics", "--prefix", trial)
