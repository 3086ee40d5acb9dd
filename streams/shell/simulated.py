"""A simulated factory into Kafka: its reference rows once, then its log, at its own pace or as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from streams.catalogue import HIERARCHY, Catalogue
from streams.codec.out_record import OutRecord
from streams.errors import PlatformError, SettingsError
from streams.kafka.reader import KafkaReader, Span
from streams.shell.ingest import writer
from streams.shell.ingest.encoding import Message, encoded
from streams.shell.settings import KafkaSettings
from streams.simulation.factory import EVERY, Simulation
from streams.simulation.plant import Plant
from streams.simulation.reference import asset_key, asset_rows

VALID_FROM_US: Final = 0  # the plant has always been so, whenever a run begins
LOOK_S: Final = 0.05  # between two looks whether to end


def check_stamp(catalogue: Catalogue, stamp: str) -> None:
    """Refuse topics whose append time comes from elsewhere than the run would have it."""
    if stamp == "header":
        writer.check_append(catalogue, EVERY)
        return
    wrong = [name for name in EVERY if catalogue.of(name).append != "log"]
    if wrong:
        raise SettingsError(
            "with --stamp log the broker stamps the records, and these topics take append time from a header", topics=wrong,
            hint="leave `append` out of the configuration, or use --stamp header",
        )  # fmt: skip


def new_rows(plant: Plant, kafka: KafkaSettings, catalogue: Catalogue) -> list[OutRecord]:
    """The plant's rows of `ref.asset.v1` that are not there yet: a revision is published once."""
    topic = catalogue.of(HIERARCHY).name
    with KafkaReader(kafka.librdkafka()) as reader:
        low, end = reader.span(topic, 0)
        there = {record.key for part in reader.read({(topic, 0): Span(low, end)}) for record in part.records}
    rows = ((asset_key(row), row) for row in asset_rows(plant, VALID_FROM_US))
    return [OutRecord(HIERARCHY, 0, key, row, VALID_FROM_US, "DATA") for key, row in rows if key not in there]


def paced(records: Iterable[OutRecord], start_us: int, speed: float, began_s: float, ended: Callable[[], bool]) -> Iterator[OutRecord]:
    """Each record when its append time has come: began_s + (append - start) / speed of the monotonic clock; at once where speed is
    0, and for what is left once `ended` says so."""
    for record in records:
        if speed:
            due_s = began_s + (record.append_us - start_us) / 1e6 / speed
            while (left_s := due_s - time.monotonic()) > 0 and not ended():
                time.sleep(min(left_s, LOOK_S))
        yield record


def told(records: Iterable[OutRecord], simulation: Simulation, file: Path | None) -> Iterator[OutRecord]:
    """The records; each fault goes into the file, a line of JSON, when it has begun."""
    if file is None:
        yield from records
        return
    try:
        with file.open("w", encoding="utf-8") as out:
            written = 0
            for record in records:
                yield record
                while written < len(simulation.truth):
                    out.write(simulation.truth[written].json() + "\n")
                    out.flush()
                    written += 1
    except OSError as error:
        raise PlatformError("the truth cannot be written", file=str(file), reason=error.strerror) from error


def messages(records: Iterable[OutRecord], ids: dict[str, int], stamp: str) -> Iterator[Message]:
    """As Kafka takes them; with `log` without the header, since the broker stamps them."""
    for message in encoded(records, ids):
        yield message if stamp == "header" else message._replace(headers=[])


def summary(simulation: Simulation, rows: int, counts: dict[str, dict[str, int]], seconds: float) -> dict[str, Any]:
    """What a run has written, and what a gate will say of it."""
    kinds: dict[str, int] = {}
    for fault in simulation.truth:
        kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
    samples = sum(simulation.sums.samples.values())
    return {
        "plant": simulation.plant.name, "seed": simulation.seed, "start_us": simulation.start_us, "through_us": simulation.now_us,
        "records": counts, "reference_rows": rows, "samples": dict(simulation.sums.samples), "duplicates": dict(+simulation.sums.again),
        "future": dict(+simulation.sums.ahead), "late_orders": simulation.sums.late_orders, "faults": kinds,
        "seconds": round(seconds, 3), "samples_per_second": round(samples / max(seconds, 1e-3)),
    }  # fmt: skip
