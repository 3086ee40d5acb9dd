"""An export: topics as Parquet files with offsets and append times, and all that a replay needs to read them.

    <folder>/manifest.json              written last: a folder without one is no export
    <folder>/<topic>/<partition>.parquet

    offset int64 | append_us int64 | timestamp_type string | timestamp_ms int64 | key binary | value binary | headers list of (name, value)

Topics are named as in the catalogue, without the prefix of the deployment. append_us is null where a record does not say.
The manifest has, of each partition, `first` (log start when it was exported), `next` (last data offset + 1; `first` where there is
none), `end` (the last stable offset, up to which it was read) and the number of records; and each schema id that the values bear.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from streams.catalogue import Append
from streams.codec.log import Log, pack_headers
from streams.errors import DataError, InvalidValue, require
from streams.kafka.reader import Headers, Record, append_us
from streams.kernel import I32, I64, NEG

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
TIMESTAMP_TYPES: Final = ("NONE", "CREATE_TIME", "LOG_APPEND_TIME")  # by librdkafka's number
_TYPES: dict[str, Any] = {
    "offset": pl.Int64, "append_us": pl.Int64, "timestamp_type": pl.String, "timestamp_ms": pl.Int64, "key": pl.Binary, "value": pl.Binary,
    "headers": pl.List(pl.Struct({"name": pl.String, "value": pl.Binary})),
}  # fmt: skip
COLUMNS: Final = pl.Schema(_TYPES)


@dataclass(frozen=True, slots=True)
class ExportedPartition:
    """first <= offsets < next; read up to end."""

    first: int
    next: int
    end: int
    records: int


@dataclass(frozen=True, slots=True)
class ExportedTopic:
    """A topic in an export. topic: its name on the broker; schema_ids: those that its values bear."""

    topic: str
    append: Append
    partitions: tuple[ExportedPartition, ...]
    schema_ids: tuple[int, ...]


class Export:
    """An export, read back. Knows nothing of Kafka: whoever has the folder has the log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError("not an export: its manifest cannot be read", folder=str(folder), reason=str(error)) from error
        if self.manifest.get("format") != FORMAT:
            raise DataError("an export of another format", folder=str(folder), format=self.manifest.get("format"), known=FORMAT)

    @cached_property
    def topics(self) -> Mapping[str, ExportedTopic]:
        """By catalogue name."""
        return {
            name: ExportedTopic(
                raw["topic"], raw["append"], tuple(ExportedPartition(**one) for one in raw["partitions"]), tuple(raw["schema_ids"])
            )
            for name, raw in self.manifest["topics"].items()
        }

    @cached_property
    def schemas(self) -> Mapping[int, Mapping[str, Any]]:
        """Schema of each id that a value bears and the registry knew; `schemas.get` is what a codec's Reader asks."""
        return {int(schema_id): json.loads(raw["schema"]) for schema_id, raw in self.manifest["schemas"].items()}

    def file(self, topic: str, partition: int) -> Path:
        """Where the records of a partition are."""
        if topic not in self.topics:
            raise InvalidValue("the export does not have this topic", topic=topic, exported=sorted(self.topics))
        partitions = len(self.topics[topic].partitions)
        require(0 <= partition < partitions, "no such partition", topic=topic, partition=partition, partitions=partitions)
        return self.folder / topic / f"{partition}.parquet"

    def frame(self, topic: str, partition: int) -> pl.DataFrame:
        """Records of a partition as they are in the file."""
        path = self.file(topic, partition)
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError("a file of the export cannot be read", topic=topic, partition=partition, reason=str(error)) from error

    def log(self, topic: str, partition: int) -> Log:
        """A whole partition as columns, append time from where the catalogue had it."""
        return log_of_frame(self.frame(topic, partition))

    def records(self, topic: str, partition: int) -> Iterator[Record]:
        """The records of a partition, one by one."""
        frame = self.frame(topic, partition)
        kinds = {name: number for number, name in enumerate(TIMESTAMP_TYPES)}
        columns = (frame[name].to_list() for name in ("offset", "timestamp_type", "timestamp_ms", "key", "value"))
        for (offset, kind, stamp_ms, key, value), headers in zip(zip(*columns, strict=True), _headers(frame["headers"]), strict=True):
            yield Record(offset, kinds[kind], stamp_ms, key, value, headers)


def frame_of(records: Sequence[Record], append: Append) -> pl.DataFrame:
    """Records as columns of an export."""
    return pl.DataFrame(
        {
            "offset": [r.offset for r in records],
            "append_us": [append_us(r, append) for r in records],
            "timestamp_type": [TIMESTAMP_TYPES[r.timestamp_type] for r in records],
            "timestamp_ms": [r.timestamp_ms for r in records],
            "key": [r.key for r in records],
            "value": [r.value for r in records],
            "headers": _header_column([r.headers for r in records]),
        },
        schema=COLUMNS,
    )


def _header_column(headers: Sequence[Headers]) -> pl.Series:
    """Lists of (name, value): built flat and grouped, thirty times faster than from one Python object a header."""
    row = np.repeat(np.arange(len(headers)), [len(one) for one in headers])
    flat = pl.DataFrame(
        {"row": row, "name": [name for one in headers for name, _ in one], "value": [value for one in headers for _, value in one]},
        schema={"row": pl.Int64, "name": pl.String, "value": pl.Binary},
    )
    lists = flat.group_by("row", maintain_order=True).agg(headers=pl.struct("name", "value"))
    rows = pl.DataFrame({"row": np.arange(len(headers))}, schema={"row": pl.Int64})
    found = rows.join(lists, on="row", how="left", maintain_order="left")["headers"]
    return found.fill_null(pl.Series([[]], dtype=COLUMNS["headers"]))


def _headers(column: pl.Series) -> Iterator[Headers]:
    flat = column.filter(column.list.len() > 0).explode().struct.unnest()
    pairs = list(zip(flat["name"].to_list(), flat["value"].to_list(), strict=True))
    at = 0
    for count in column.list.len().to_list():
        yield pairs[at : at + count]
        at += count


def _spans(column: pl.Series) -> tuple[bytes, I64, I32]:
    """The bytes of a column without its nulls, where each value begins among them, and its size, -1 for null."""
    size = column.bin.size().cast(pl.Int32).fill_null(-1).to_numpy()
    end = np.cumsum(np.maximum(size, 0), dtype=np.int64)
    return b"".join(column.drop_nulls().to_list()), end - np.maximum(size, 0), size


def log_of_frame(frame: pl.DataFrame, *, headers: bool = True) -> Log:
    """Columns of an export as the codec takes them. headers False: as if no record had any, at half the price.

    >>> log = log_of_frame(frame_of([Record(5, 2, 3, b"key", None, [("name", b"1")])], "log"))
    >>> log.offset[0], log.append[0], log.key(0), log.value(0), log.headers(0)
    (np.int64(5), np.int64(3000), b'key', None, [('name', b'1')])
    """
    packed = [pack_headers(one) if one else b"" for one in _headers(frame["headers"])] if headers else []
    nothing = pl.Series([b""], dtype=pl.Binary).new_from_index(0, len(frame))
    keys, values = _spans(frame["key"]), _spans(frame["value"])
    heads = _spans(pl.Series(packed, dtype=pl.Binary) if headers else nothing)
    blocks = [part[0] for part in (keys, values, heads)]
    buffer = np.frombuffer(b"".join(blocks) or b"\0", np.uint8)
    value_at, headers_at = values[1] + len(blocks[0]), heads[1] + len(blocks[0]) + len(blocks[1])
    append = frame["append_us"].fill_null(NEG).to_numpy().copy()
    return Log(buffer, frame["offset"].to_numpy().copy(), append, keys[1], keys[2], value_at, values[2], headers_at, heads[2])
