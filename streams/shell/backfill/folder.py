"""A folder of results: a file a topic and partition, and a manifest written last.

    <folder>/<topic>/<partition>.<ending>     ends in `.part` as long as it is written
    <folder>/manifest.json                    a folder without one was not finished

    parquet   columns of the contract (records.py)
    avro      object containers
    jsonl     lines of JSON
    log       the layout of an export: the records as Kafka would hold them, byte for byte, read by streams/shell/export.py

Memory: at most PART_RECORDS records or PART_BYTES bytes of each file, whichever comes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import polars as pl

from streams.catalogue import TOPICS
from streams.errors import InvalidValue, PlatformError
from streams.kafka.reader import Record
from streams.shell.backfill import records
from streams.shell.backfill.records import Out
from streams.shell.export import COLUMNS, FORMAT, MANIFEST, frame_of
from streams.shell.record_json import Decoder

Form = Literal["parquet", "avro", "jsonl", "log"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
PART_RECORDS, PART_BYTES = 50_000, 32 << 20
_CONTRACT: Final = {topic.name: topic.schema for topic in TOPICS}


class PartFile:
    """One file of one topic and partition, written aside. lookup: schemas by id, for lines of JSON."""

    def __init__(self, folder: Path, topic: str, partition: int, form: Form, lookup: Mapping[int, Any]) -> None:
        self.topic, self.form, self.count = topic, form, 0
        self.file = folder / topic / f"{partition}.{'parquet' if form == 'log' else form}"
        self._aside = self.file.with_suffix(self.file.suffix + ".part")
        self._decoder, self._held, self._bytes, self._parts = Decoder(lookup.get), list[Out](), 0, list[Path]()
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def add(self, found: Iterable[Out]) -> None:
        for record in found:
            self._held.append(record)
            self._bytes += len(record.value)
        if len(self._held) >= PART_RECORDS or self._bytes >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        if self.form in ("parquet", "log"):
            part = self._aside.with_suffix(f".part-{len(self._parts)}")
            self._frame().write_parquet(part, compression="zstd")
            self._parts.append(part)
        else:
            with self._aside.open("ab") as file:
                if self.form == "avro":
                    file.write(b"" if self.count else records.container_head(records.container_schema(_CONTRACT[self.topic])))
                    file.write(records.container_block(self._held) if self._held else b"")
                else:
                    file.write("".join(records.line(self._decoder, one) for one in self._held).encode())
        self.count += len(self._held)
        self._held, self._bytes = [], 0

    def _frame(self) -> pl.DataFrame:
        if self.form == "parquet":
            return records.table(_CONTRACT[self.topic], self._held)
        first = self.count
        return frame_of([Record(first + n, 0, 0, one.key, one.value, list(one.headers)) for n, one in enumerate(self._held)], "header")

    def finish(self) -> None:
        """Give the file its name."""
        if self._held or not self.count:
            self.flush()
        if len(self._parts) > 1:
            schema = COLUMNS if self.form == "log" else None
            pl.scan_parquet(self._parts, schema=schema).sink_parquet(self._aside, compression="zstd", maintain_order=True)
            for part in self._parts:
                part.unlink()
        elif self._parts:
            self._parts[0].rename(self._aside)
        self._aside.rename(self.file)


class Folder:
    """Where all partitions write; the files of one partition belong to one thread."""

    def __init__(self, folder: Path, form: Form, schemas: Mapping[int, Any]) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidValue("a backfill goes into a new or empty folder", folder=str(folder))
        self.folder, self.form, self.schemas = folder, form, schemas
        self._files: dict[tuple[str, int], PartFile] = {}

    def write(self, topic: str, partition: int, found: Iterable[Out]) -> None:
        """Take records of a topic and partition, in order."""
        try:
            if (topic, partition) not in self._files:
                self._files[topic, partition] = PartFile(self.folder, topic, partition, self.form, self.schemas)
            self._files[topic, partition].add(found)
        except OSError as error:
            raise PlatformError("the results cannot be written", folder=str(self.folder), reason=str(error)) from error

    def finish(self, about: Mapping[str, Any], ids: Mapping[str, int], partitions: int) -> dict[str, int]:
        """Name every file, then write the manifest; records by topic. ids: of each topic's contract, as its values bear them."""
        counts: dict[str, int] = {}
        topics: dict[str, Any] = {}
        try:
            for topic in ids:
                rows = [self._finished(topic, partition) for partition in range(partitions)]
                counts[topic] = sum(rows)
                each = [{"first": 0, "next": n, "end": n, "records": n} for n in rows]
                topics[topic] = {"topic": topic, "append": "log", "partitions": each, "schema_ids": [ids[topic]]}
            schemas = {str(n): {"schema": json.dumps(self.schemas[n]), "subjects": [f"{t}-value"]} for t, n in ids.items()}
            manifest = {"format": FORMAT, "kind": "backfill", "form": self.form, **about, "topics": topics, "schemas": schemas}
            aside = self.folder / f"{MANIFEST}.part"
            aside.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
            aside.rename(self.folder / MANIFEST)
        except OSError as error:
            raise PlatformError("the results cannot be written", folder=str(self.folder), reason=str(error)) from error
        return counts

    def _finished(self, topic: str, partition: int) -> int:
        """Every topic has a file for every partition; what nobody wrote to is an empty one where the form has such."""
        if (topic, partition) not in self._files:
            self._files[topic, partition] = PartFile(self.folder, topic, partition, self.form, self.schemas)
        file = self._files[topic, partition]
        file.finish()
        return file.count
