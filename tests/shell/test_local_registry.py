"""The registry keeps the promise that is on its door: old readers and new ones read all records.

That what it has taken survives kill -9 is shown in test_local_platform.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError


def record(*fields: dict[str, object]) -> Schema:
    return Schema(json.dumps({"type": "record", "name": "Reading", "fields": list(fields)}), "AVRO")


def schema_text(schema: Schema) -> str:
    return str(schema.schema_str)


VALUE: dict[str, object] = {"name": "value", "type": "double"}
UNIT: dict[str, object] = {"name": "unit", "type": "string"}
UNIT_OR_NONE: dict[str, object] = {"name": "unit", "type": ["null", "string"], "default": None}


@pytest.fixture
def client(registry_url: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry_url}) as opened:
        yield opened


def test_a_compatible_version_is_taken(client: SchemaRegistryClient, topic_prefix: str) -> None:
    subject = f"{topic_prefix}value"
    first = client.register_schema(subject, record(VALUE))
    second = client.register_schema(subject, record(VALUE, UNIT_OR_NONE))
    assert first != second
    assert client.get_versions(subject) == [1, 2]


@pytest.mark.parametrize("fields", [(VALUE, UNIT), ()], ids=["needs-more-than-old", "offers-less-than-old"])
def test_a_version_that_breaks_a_reader_is_refused(
    client: SchemaRegistryClient, topic_prefix: str, fields: tuple[dict[str, object], ...]
) -> None:
    client.register_schema(f"{topic_prefix}value", record(VALUE))
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(f"{topic_prefix}value", record(*fields))
    assert refused.value.http_status_code == 409


def test_every_earlier_version_counts(client: SchemaRegistryClient, topic_prefix: str) -> None:
    """FULL_TRANSITIVE: what is fine with the last version may break readers of the first."""
    subject = f"{topic_prefix}value"
    client.register_schema(subject, record(VALUE, UNIT_OR_NONE))
    client.register_schema(subject, record(VALUE))
    with pytest.raises(SchemaRegistryError):
        client.register_schema(subject, record(VALUE, {"name": "unit", "type": ["null", "int"], "default": None}))


def test_the_same_schema_with_other_white_space_is_the_same(client: SchemaRegistryClient, topic_prefix: str) -> None:
    subject = f"{topic_prefix}value"
    loose = Schema(json.dumps(json.loads(schema_text(record(VALUE))), indent=4), "AVRO")
    assert client.register_schema(subject, record(VALUE)) == client.register_schema(subject, loose)
    assert client.get_versions(subject) == [1]
