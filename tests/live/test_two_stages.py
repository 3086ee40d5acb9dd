"""Two stages on a real Kafka, each with workers that are killed: what the second one writes is what it computes in memory, again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest

from streams.catalogue import schema_of, text_of
from streams.codec.blobs import without_logical_types
from streams.codec.outputs import avro_bytes
from streams.shell.registry import Registry
from streams.shell.settings import RegistrySettings
from tests.live.plant import ASSETS, LINES, Gateways, Plant
from tests.live.stock import read_by_a_stock_consumer

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

TEXT = """application = "quality"
topology = "quality"
[topics]
"ctx.window.v1" = { partitions = 2 }
"ctx.measurement.v1" = { partitions = 2 }
"qual.deviation.v1" = { partitions = 2 }
[rules]
window = "1 s"
clear_after = 2
stuck = [["x", 3]]
missing = [["*", "3 s"]]
"""


@pytest.fixture
def quality(plant: Plant, tmp_path: Path) -> Iterator[Plant]:
    """The second stage of `plant`."""
    folder = tmp_path / "quality"
    folder.mkdir()
    made = Plant(plant.bootstrap_servers, plant.registry_url, plant.prefix, folder, text=TEXT, topology="quality")
    yield made
    made.close()


def limits(plant: Plant, revision: int, upper: float) -> None:
    """Frozen limits of the bore of every machine."""
    name = "ref.characteristic.v1"
    with Registry(RegistrySettings(url=plant.registry_url)) as registry:
        schema_id = registry.id_of(f"{plant.prefix}{name}-value", text_of(name))
    parsed = fastavro.parse_schema(without_logical_types(schema_of(name)), _force=True)
    for line in LINES:
        for asset in ASSETS:
            row: dict[str, Any] = {
                "line": line, "asset": asset, "tag": "bore", "product": "", "unit": "", "valid_from_us": 0, "revision": revision,
                "centre": 10.0, "sigma": 0.1, "lower": 9.8, "upper": upper, "lsl": None, "usl": 10.28,
            }  # fmt: skip
            value = b"\0" + schema_id.to_bytes(4, "big") + avro_bytes(parsed, row)
            plant.producer.produce(plant.prefix + name, value, f"{line}/{asset}/bore//{revision}".encode())
    assert plant.producer.flush(10) == 0


def deviations(plant: Plant) -> list[dict[str, Any]]:
    shown = plant.call("tail", "qual.deviation.v1", "--until-end", config=False).stdout
    return [json.loads(line)["value"] for line in shown.splitlines() if line.startswith("{")]


def test_deviations_survive_the_death_of_either_stage(plant: Plant, quality: Plant) -> None:
    limits(quality, 1, 10.2)
    with Gateways(plant, rate=300):
        first, second = plant.start(), quality.start()
        first.wait("assigned", partitions=[0, 1])
        second.wait("assigned", partitions=[0, 1])
        time.sleep(3)
        second.kill()
        again = quality.start()
        time.sleep(1)
        first.kill()
        limits(quality, 2, 10.15)  # an epoch of the second stage while it recovers
        plant.start().wait("assigned", partitions=[0, 1])
        again.wait("assigned", partitions=[0, 1])
        time.sleep(4)
        again.kill()
    for worker in plant.workers:
        worker.process.kill()
        worker.process.wait(10)
    plant.finish()
    quality.finish()
    found = quality.verified()
    assert found["same"] and not found["ahead"], found["different"][:3] or found
    read_by_a_stock_consumer(plant, {"qual.deviation.v1": 2, "ref.characteristic.v1": 1})
    said = Counter((one["test"], one["phase"]) for one in deviations(plant))
    assert found["equal"]["qual.deviation.v1"] == said.total() > 20, found
    assert said["BEYOND_LIMITS", "BEGIN"] >= said["BEYOND_LIMITS", "END"] > 0 and said["TOLERANCE", "BEGIN"] > 0
