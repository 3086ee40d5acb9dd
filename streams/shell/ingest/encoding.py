"""Records of a run as Kafka messages: Avro in Confluent framing, append time in a header."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import fastavro

from streams.catalogue import TOPICS, schema_of
from streams.codec.log import APPEND_HEADER
from streams.codec.out_record import OutRecord


class Message(NamedTuple):
    """What the producer takes. topic: its name in the catalogue, without a deployment's prefix."""

    topic: str
    partition: int
    append_us: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def encoded(records: Iterable[OutRecord], schema_ids: Mapping[str, int]) -> Iterator[Message]:
    """Messages of records, one for one. schema_ids: by topic, as the registry numbers them.

    >>> blank = {"kind": "BLANK", "source": "s"}
    >>> [message] = encoded([OutRecord("ot.sample.v1", 0, b"a/b/c/d", blank, 5, "BLANK")], {"ot.sample.v1": 7})
    >>> message.value[:6], message.headers
    (b'\\x00\\x00\\x00\\x00\\x07\\x02', [('andon-append-us', b'5')])
    """
    encoders = {topic: _encoder(topic, number) for topic, number in schema_ids.items()}
    header = APPEND_HEADER.decode()
    for topic, partition, key, value, append_us, _, _ in records:
        payload = value if isinstance(value, bytes) else encoders[topic](value)
        yield Message(topic, partition, append_us, key, payload, [(header, b"%d" % append_us)])


def _encoder(topic: str, schema_id: int) -> Callable[[Mapping[str, Any]], bytes]:
    schema = fastavro.parse_schema(dict(schema_of(next(each.schema for each in TOPICS if each.name == topic))))
    return partial(_framed, BytesIO(), struct.pack(">bI", 0, schema_id), schema)


def _framed(buffer: BytesIO, frame: bytes, schema: Any, value: Mapping[str, Any]) -> bytes:
    """One value; the buffer is used again for each."""
    buffer.seek(0)
    buffer.truncate()
    buffer.write(frame)
    fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()
