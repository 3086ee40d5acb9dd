"""A record as JSON that any program can read, with nothing lost: what `andon tail` prints.

    instants            integers, in the unit of the schema (ours: microseconds since 1970-01-01 UTC)
    bytes of a schema   base64
    NaN and infinities  the strings "NaN", "Infinity", "-Infinity", which JSON has no numbers for
    key, headers        text where they are UTF-8, else {"base64": "..."}
    not decodable       "error" says why, "value" is {"base64": "..."}
"""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import fastavro

from streams.catalogue import Append
from streams.errors import DataError
from streams.kafka.reader import Record, append_us

Lookup = Callable[[int], Mapping[str, Any] | None]

_ASK_AGAIN_S = 5.0  # for a schema that the registry did not know: a topic of garbage must not become as many requests


class Decoder:
    """Framed Avro of any schema id that `lookup` knows, with every logical type as what it is on the wire."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup, self._parsed, self._unknown = lookup, dict[int, Any](), dict[int, float]()

    def value(self, framed: bytes) -> Any:
        """The decoded value; DataError says why there is none. PlatformError where the schema cannot be asked for.

        >>> Decoder({7: {"type": "long", "logicalType": "timestamp-micros"}}.get).value(bytes([0, 0, 0, 0, 7, 4]))
        2
        """
        if len(framed) < 5 or framed[0] != 0:
            raise DataError("no Confluent frame: a zero byte and a schema id of four bytes", first=framed[:5].hex())
        schema, rest = self._schema(int.from_bytes(framed[1:5], "big")), io.BytesIO(framed[5:])
        try:
            found = fastavro.schemaless_reader(rest, schema, None)
        except Exception as error:  # whatever fastavro runs into in bytes that are not what they say; it is shown with the record
            raise DataError("the bytes do not fit their schema", reason=f"{type(error).__name__}: {error}") from error
        if left := len(rest.read()):
            raise DataError("the bytes do not fit their schema", left_over=left)
        return found

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._parsed:
            unknown = time.monotonic() - self._unknown.get(schema_id, -_ASK_AGAIN_S) < _ASK_AGAIN_S
            schema = None if unknown else self._lookup(schema_id)
            if schema is None:
                if not unknown:
                    self._unknown[schema_id] = time.monotonic()
                raise DataError("the registry does not know the schema", schema_id=schema_id)
            try:
                self._parsed[schema_id] = fastavro.parse_schema(_without_logical_types(schema), named_schemas={})
            except Exception as error:  # a registry may hold Avro that fastavro refuses; it is shown with the record
                raise DataError("the schema cannot be used", schema_id=schema_id, reason=f"{type(error).__name__}: {error}") from error
        return self._parsed[schema_id]


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical_types(branch) for branch in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = ("type", "items", "values", "fields")
    return {key: _without_logical_types(part) if key in inner else part for key, part in schema.items() if key != "logicalType"}


def plain(value: Any) -> Any:
    """A decoded value with only what JSON has.

    >>> plain({"a": b"\\xff", "b": [float("nan"), 1.5]})
    {'a': '/w==', 'b': ['NaN', 1.5]}
    """
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def readable(data: bytes | None) -> str | dict[str, str] | None:
    """Text where it is UTF-8; an object, which no text is mistaken for, where it is not.

    >>> readable(b"acme/hamburg"), readable(b"\\xff"), readable(None)
    ('acme/hamburg', {'base64': '/w=='}, None)
    """
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def described(topic: str, partition: int, record: Record, append: Append, decoder: Decoder | None) -> dict[str, Any]:
    """The record as an object. No decoder: key, value and headers as they are, in base64."""
    found: dict[str, Any] = {"topic": topic, "partition": partition, "offset": record.offset, "append_us": append_us(record, append)}
    if decoder is None:
        return found | {
            "key": plain(record.key), "headers": [[name, plain(value)] for name, value in record.headers], "value": plain(record.value),
        }  # fmt: skip
    found |= {"key": readable(record.key), "headers": [[name, readable(value)] for name, value in record.headers]}
    if record.value is None:
        return found | {"value": None}
    try:
        return found | {"value": plain(decoder.value(record.value))}
    except DataError as error:
        return found | {"value": {"base64": base64.b64encode(record.value).decode()}, "error": str(error)}


def frontier(shown: Mapping[str, Any]) -> bool:
    """Is it a frontier record, which says how far a task is and holds no result?"""
    value = shown["value"]
    return isinstance(value, dict) and value.get("kind") == "FRONTIER"
