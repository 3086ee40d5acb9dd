"""Runs of the factory for tests, and their logs read with nothing of ours: records as they are, a reading or booking each once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from streams.codec.out_record import OutRecord
from streams.configuration import Configuration, load
from streams.model.hierarchy import AssetRow, Hierarchy
from streams.shell.ingest.encoding import Message, encoded
from streams.simulation.factory import Simulation, simulate
from streams.simulation.faults import Faults
from streams.simulation.plant import SECOND_US, Plant
from streams.simulation.reference import asset_rows
from tests.acceptance import plantday

S: Final = SECOND_US
START_US: Final = 1_760_000_000 * S
FAULTS: Final = Faults(every_us=240 * S, drain_us=90 * S)
CONFIGURATION: Final = Path(__file__).parents[2] / "examples" / "demo-context.toml"


@functools.cache
def configuration() -> Configuration:
    return load(CONFIGURATION)


def run(seed: int, seconds: int, faults: Faults | None = FAULTS, plant: str = "S") -> Simulation:
    return simulate(
        Plant.named(plant), seed=seed, start_us=START_US, until_us=START_US + seconds * S, faults=faults,
        catalogue=configuration().catalogue(),
    )  # fmt: skip


def hierarchy(plant: Plant) -> Hierarchy:
    rows = asset_rows(plant, 0)
    return Hierarchy.of(AssetRow(r["line"], r["asset"], r["parent"], r["valid_from_us"], r["revision"]) for r in rows)


def messages(records: Iterable[OutRecord]) -> list[Message]:
    return list(encoded(records, plantday.SCHEMA_IDS))


@dataclass(slots=True)
class Series:
    """Readings of one name of a machine, in the order sent."""

    times_us: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    appended_us: list[int] = field(default_factory=list)

    def within(self, since_us: int, until_us: int) -> list[Any]:
        return [value for at, value in zip(self.times_us, self.values, strict=True) if since_us <= at < until_us]


class Sample(NamedTuple):
    topic: str
    line: str
    asset: str
    name: str
    time_us: int
    value: Any
    append_us: int
    source: str
    whole: Any  # of a message with one sample


def samples(records: Iterable[OutRecord]) -> Iterator[Sample]:
    """Every sample once, by its number; orders too, their work center as asset."""
    seen: set[tuple[str, str, int, int]] = set()
    for record in records:
        value: Any = record.value
        if record.kind != "DATA":
            continue
        packed = record.topic == "ot.telemetry.v1"
        whole = [None if packed else value]
        for k in range(len(value["values"]) if packed else 1):
            number = (record.topic, value["source"], value["boot"], value["sequence"] + k)
            if number in seen:
                continue
            seen.add(number)
            if packed:
                signal, at_us, read = value["signals"][k], value["base_time_us"] + value["times_us"][k], value["values"][k]
                asset, name = value["assets"][signal], value["tags"][signal]
            else:
                asset, name = value.get("asset", value.get("work_center")), value.get("tag", value.get("characteristic", ""))
                at_us, read = value["event_time_us"], value.get("value")
            yield Sample(record.topic, record.key.decode(), asset, name, at_us, read, record.append_us, value["source"], *whole)


def series(found: Iterable[Sample], *, future: bool = False) -> dict[tuple[str, str, str], Series]:
    """By line, asset and name. future: only samples stamped from the future, else all others."""
    by_name: dict[tuple[str, str, str], Series] = {}
    for one in found:
        if (one.time_us > one.append_us) != future:
            continue
        into = by_name.setdefault((one.line, one.asset, one.name), Series())
        into.times_us.append(one.time_us)
        into.values.append(one.value)
        into.appended_us.append(one.append_us)
    return by_name


@functools.cache
def long_run(seed: int, seconds: int = 1500) -> tuple[Simulation, tuple[OutRecord, ...]]:
    """A run of plant S with every kind of fault, and its whole log."""
    simulation = run(seed, seconds)
    return simulation, tuple(simulation)
