"""What a backfill puts out, in the forms in which it is kept: Avro containers, tables of columns, lines of JSON.

A container holds records of

    andon_key      bytes, null where there is none: the line path, or what the key of a dead letter was
    andon_id       the record's id, the same in every run
    andon_time_us  event time at which it was complete, microseconds
    value          the record as its contract says (schemas/<topic>.avsc), byte for byte

A table has these columns, the key as text where it is a line path, and those of the contract; `kind` and `frontier`, which are news
for the next stage, and `id`, which is `andon_id`, are left out. Instants stay integers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import fastavro
import polars as pl

from streams.catalogue import schema_of
from streams.codec.outputs import ID_HEADER, TIME_HEADER
from streams.shell.record_json import Decoder, plain, readable

FRAME: Final = 5  # bytes before the Avro of a framed value
_LEFT_OUT: Final = ("kind", "frontier", "id")
_SYNC: Final = b"andon-backfill\0\1"  # of a container: 16 bytes between its blocks
_ASIDE: Final = "dq."  # topics whose keys are those of the records that they tell of: any bytes


class Out(NamedTuple):
    """A record as Kafka would hold it."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]


def _zigzag(value: int) -> bytes:
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def container_schema(contract: str) -> dict[str, Any]:
    """The schema of a container's records. contract: name of the value's schema."""
    return {
        "type": "record", "name": "Derived", "namespace": "andon.backfill",
        "fields": [
            {"name": "andon_key", "type": ["null", "bytes"]}, {"name": "andon_id", "type": "string"},
            {"name": "andon_time_us", "type": "long"}, {"name": "value", "type": dict(schema_of(contract))},
        ],
    }  # fmt: skip


def container_head(schema: Mapping[str, Any]) -> bytes:
    """What stands before the blocks of an Avro object container."""
    meta = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": b"null"}
    parts = [b"Obj\1", _zigzag(len(meta))]
    for name, value in meta.items():
        parts += (_zigzag(len(name)), name, _zigzag(len(value)), value)
    return b"".join((*parts, b"\0", _SYNC))


def container_block(records: Sequence[Out]) -> bytes:
    """Records as one block of a container, their values as they are."""
    bodies = list[bytes]()
    for key, value, headers in records:
        said = dict(headers)
        own, time = said[ID_HEADER] or b"", int(said[TIME_HEADER] or b"0")
        bodies += (b"\0" if key is None else b"\2" + _zigzag(len(key)) + key, _zigzag(len(own)), own, _zigzag(time), value[FRAME:])
    data = b"".join(bodies)
    return b"".join((_zigzag(len(records)), _zigzag(len(data)), data, _SYNC))


def _bare(schema: Any) -> Any:
    """A schema that polars reads: no logical types, defaults and documents; a map as the list of pairs that its bytes are."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema["type"] == "map":
        pair = [{"name": "name", "type": "string"}, {"name": "value", "type": schema["values"]}]
        return {"type": "array", "items": {"type": "record", "name": "Pair", "fields": pair}}
    found = {key: schema[key] for key in ("name", "symbols", "size") if key in schema} | {"type": _bare(schema["type"])}
    if "items" in schema:
        found["items"] = _bare(schema["items"])
    if "fields" in schema:
        found["fields"] = [{"name": field["name"], "type": _bare(field["type"])} for field in schema["fields"]]
    return found if len(found) > 1 else found["type"]


@cache
def _head_for_polars(contract: str) -> bytes:
    schema = _bare(container_schema(contract))
    *own, value = schema["fields"]
    return container_head(schema | {"fields": [*own, *value["type"]["fields"]]})  # the same bytes, and a record in a record it cannot read


def table(contract: str, records: Sequence[Out]) -> pl.DataFrame:
    """Records of one topic as columns."""
    raw = pl.read_avro(io.BytesIO(_head_for_polars(contract) + container_block(records)))
    found = raw.drop(_LEFT_OUT, strict=False)
    enums = [name for name, kind in found.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    found = found.with_columns(pl.col(enums).cast(pl.String))
    return found if contract.startswith(_ASIDE) else found.with_columns(pl.col("andon_key").cast(pl.String))


def line(decoder: Decoder, record: Out) -> str:
    """A record as a line of JSON, with nothing lost; see record_json.py."""
    headers = [[name, readable(value)] for name, value in record.headers]
    return json.dumps({"key": readable(record.key), "headers": headers, "value": plain(decoder.value(record.value))}) + "\n"


def contained(data: bytes) -> list[dict[str, Any]]:
    """Records of a container, by fastavro: what any reader of Avro sees."""
    return [record for record in fastavro.reader(io.BytesIO(data)) if isinstance(record, dict)]
