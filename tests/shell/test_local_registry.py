"""The registry keeps the promise that is on its door: old readers and new ones read all records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from streams.shell.local.registry import Registry


def record(*fields: dict[str, object]) -> Schema:
    return Schema(json.dumps({"type": "record", "name": "Reading", "fields": list(fields)}), "AVRO")


VALUE: dict[str, object] = {"name": "value", "type": "double"}
UNIT: dict[str, object] = {"name": "unit", "type": "string"}
UNIT_OR_NONE: dict[str, object] = {"name": "unit", "type": ["null", "string"], "default": None}


def test_a_compatible_version_is_taken(registry_url: str, topic_prefix: str) -> None:
    client = SchemaRegistryClient({"url": registry_url})
    subject = f"{topic_prefix}value"
    first = client.register_schema(subject, record(VALUE))
    second = client.register_schema(subject, record(VALUE, UNIT_OR_NONE))
    assert first != second
    assert client.get_versions(subject) == [1, 2]


@pytest.mark.parametrize("fields", [(VALUE, UNIT), ()], ids=["needs-more-than-old", "offers-less-than-old"])
def test_a_version_that_breaks_a_reader_is_refused(
    registry_url: str, topic_prefix: str, fields: tuple[dict[str, object], ...]
) -> None:
    client = SchemaRegistryClient({"url": registry_url})
    client.register_schema(f"{topic_prefix}value", record(VALUE))
    with pytest.raises(SchemaRegistryError) as refused:
        client.register_schema(f"{topic_prefix}value", record(*fields))
    assert refused.value.http_status_code == 409


def test_every_earlier_version_counts(registry_url: str, topic_prefix: str) -> None:
    """FULL_TRANSITIVE: what is fine with the last version may break readers of the first."""
    client = SchemaRegistryClient({"url": registry_url})
    subject = f"{topic_prefix}value"
    client.register_schema(subject, record(VALUE, UNIT_OR_NONE))
    client.register_schema(subject, record(VALUE))
    with pytest.raises(SchemaRegistryError):
        client.register_schema(subject, record(VALUE, {"name": "unit", "type": ["null", "int"], "default": None}))


def test_the_same_schema_with_other_white_space_is_the_same(registry_url: str, topic_prefix: str) -> None:
    client = SchemaRegistryClient({"url": registry_url})
    subject = f"{topic_prefix}value"
    loose = Schema(json.dumps(json.loads(record(VALUE).schema_str), indent=4), "AVRO")
    assert client.register_schema(subject, record(VALUE)) == client.register_schema(subject, loose)
    assert client.get_versions(subject) == [1]


def test_a_kept_registry_survives_kill_9(tmp_path: Path) -> None:
    """At once: a client has its id as soon as the call returns, and writes records with it."""
    with Registry(tmp_path, kept=True) as registry:
        client = SchemaRegistryClient({"url": registry.url})
        identity = client.register_schema("kept-value", record(VALUE))
        registry.kill9()
        registry.start()
        again = SchemaRegistryClient({"url": registry.url})
        assert json.loads(again.get_schema(identity).schema_str) == json.loads(record(VALUE).schema_str)
        with pytest.raises(SchemaRegistryError):
            again.register_schema("kept-value", record(VALUE, UNIT))
