"""Writes an export: committed records of topics, up to a last stable offset taken at the start, in bounded memory.

Results are measured before the inputs that they come from: so everything exported as a result follows from exported inputs,
though the plant goes on writing. A partition is written in parts, which are joined into its one file at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from streams.catalogue import Append
from streams.errors import InvalidValue, PlatformError, require
from streams.kafka.reader import KafkaReader, Part, Place, Record, Span
from streams.shell.export import COLUMNS, FORMAT, MANIFEST, ExportedPartition, ExportedTopic, frame_of
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of

PART_BYTES: Final = 32 << 20  # of one partition in memory
ALL_BYTES: Final = 256 << 20  # of all partitions in memory
ROW_GROUP: Final = 50_000
SCHEMA_IDS_MAX: Final = 1_000  # ids asked for, the lowest: a topic of garbage, whose ids lie anywhere, must not become so many requests
_RECORD_BYTES = 500  # a record's Python objects, beyond its bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A topic to export. name: in the catalogue; topic: on the broker; role: what is measured first, results before inputs."""

    name: str
    topic: str
    append: Append
    role: Literal["result", "input"] = "input"


@dataclass(slots=True)
class _Partition:
    """A partition on its way to its file."""

    file: Path
    append: Append
    span: Span
    records: list[Record] = field(default_factory=list)
    bytes: int = 0
    parts: list[Path] = field(default_factory=list)
    written: int = 0
    next: int = 0
    schema_ids: set[int] = field(default_factory=set)

    def add(self, records: Sequence[Record]) -> None:
        self.records += records
        self.bytes += sum(_RECORD_BYTES + len(r.key or b"") + len(r.value or b"") for r in records)
        self.next = records[-1].offset + 1
        self.schema_ids.update(int.from_bytes(r.value[1:5], "big") for r in records if r.value and len(r.value) > 4 and r.value[0] == 0)

    def flush(self) -> None:
        """Write what is in memory as one part."""
        part = self.file.with_suffix(f".part-{len(self.parts)}")
        frame_of(self.records, self.append).write_parquet(part, compression="zstd", row_group_size=ROW_GROUP)
        self.parts.append(part)
        self.written += len(self.records)
        self.records, self.bytes = [], 0

    def finish(self) -> ExportedPartition:
        """Join the parts into the partition's file."""
        if self.records or not self.parts:
            self.flush()
        if len(self.parts) == 1:
            self.parts[0].rename(self.file)
        else:
            whole = pl.scan_parquet(self.parts, schema=COLUMNS)
            whole.sink_parquet(self.file, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True)
            for part in self.parts:
                part.unlink()
        return ExportedPartition(self.span.start, self.next or self.span.start, self.span.end, self.written)


def measure(admin: Admin, wanted: Sequence[Wanted]) -> dict[Place, Span]:
    """What there is to export now, results measured before inputs."""
    found: dict[Place, Span] = {}
    for role in ("result", "input"):
        found |= admin.spans([one.topic for one in wanted if one.role == role])
    return found


def export(
    wanted: Sequence[Wanted], there: Mapping[Place, Span], folder: Path, *, reader: KafkaReader, registry: Registry, cluster_id: str,
    about: Mapping[str, Any], progress: Callable[[int], None] | None = None,
) -> dict[str, ExportedTopic]:  # fmt: skip
    """Export these topics. there: from `measure`; about: what else the manifest says; progress: told of offsets passed."""
    require(wanted, "name at least one topic to export")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidValue("an export goes into a new or empty folder", folder=str(folder))
    try:
        partitions = _partitions(wanted, there, folder)
        for part in reader.read(there, progress):
            _take(part, partitions)
        found = _exported(wanted, partitions)
        ids = sorted({schema_id for topic in found.values() for schema_id in topic.schema_ids})
        manifest = {
            "format": FORMAT, "cluster_id": cluster_id, **about, "topics": {name: asdict(topic) for name, topic in found.items()},
            **_schemas(ids, found, registry),
        }  # fmt: skip
        written = folder / f"{MANIFEST}.new"
        written.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        written.rename(folder / MANIFEST)
    except OSError as error:
        raise PlatformError("the export cannot be written", folder=str(folder), reason=str(error)) from error
    return found


def _partitions(wanted: Sequence[Wanted], there: Mapping[Place, Span], folder: Path) -> dict[Place, _Partition]:
    found = {}
    for one in wanted:
        (folder / one.name).mkdir(parents=True)
        for (topic, partition), span in there.items():
            if topic == one.topic:
                found[topic, partition] = _Partition(folder / one.name / f"{partition}.parquet", one.append, span)
    return found


def _take(part: Part, partitions: Mapping[Place, _Partition]) -> None:
    mine = partitions[part.topic, part.partition]
    mine.add(part.records)
    if mine.bytes > PART_BYTES:
        mine.flush()
    elif sum(one.bytes for one in partitions.values()) > ALL_BYTES:
        max(partitions.values(), key=lambda one: one.bytes).flush()


def _exported(wanted: Sequence[Wanted], partitions: Mapping[Place, _Partition]) -> dict[str, ExportedTopic]:
    found = {}
    for one in wanted:
        own = [partitions[place] for place in sorted(partitions) if place[0] == one.topic]
        ids = sorted(set().union(*(each.schema_ids for each in own)))
        found[one.name] = ExportedTopic(one.topic, one.append, tuple(each.finish() for each in own), tuple(ids))
    return found


def _schemas(ids: Sequence[int], topics: Mapping[str, ExportedTopic], registry: Registry) -> dict[str, Any]:
    """Text and subjects of each schema, and the ids that the registry does not know: of bytes that only look framed."""
    texts = {schema_id: registry.text(schema_id) for schema_id in ids[:SCHEMA_IDS_MAX]}
    return {
        "schemas": {
            str(schema_id): {"schema": text, "subjects": [subject_of(t.topic) for t in topics.values() if schema_id in t.schema_ids]}
            for schema_id, text in texts.items()
            if text is not None
        },
        "unknown_schema_ids": [schema_id for schema_id in ids if texts.get(schema_id) is None],
    }
