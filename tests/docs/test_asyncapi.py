"""docs/asyncapi.yaml: valid by AsyncAPI's own schema, every reference leads somewhere, and it says what the code says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pytest
import yaml

from streams.catalogue import TOPICS, schema_of
from streams.shell import asyncapi_page

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "asyncapi.yaml").read_text("utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    """AsyncAPI's schema, as published in its package: see asyncapi/NOTICE."""
    return jsonschema.Draft7Validator(json.loads((Path(__file__).parent / "asyncapi" / "3.1.0.json").read_text("utf-8")))


def test_it_is_valid_by_the_official_schema(validator: jsonschema.Draft7Validator) -> None:
    assert [f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(("at", "to"), [
    ("asyncapi", "4.0.0"),
    ("info.version", 1),
    ("channels.ot.sample.v1.bindings.kafka.partitions", 0),
    ("operations.context.receive.ot.sample.v1.action", "read"),
    ("components.messages.ot.sample.v1.payload.schema.type", "recording"),
])  # fmt: skip
def test_that_schema_sees_what_is_wrong(validator: jsonschema.Draft7Validator, at: str, to: object) -> None:
    wrong = yaml.safe_load(TEXT)
    found, rest = wrong, at
    while "." in rest:
        key = max((key for key in found if rest.startswith(f"{key}.")), key=len)
        found, rest = found[key], rest.removeprefix(f"{key}.")
    found[rest] = to
    assert not validator.is_valid(wrong)


def test_what_is_written_is_what_was_meant() -> None:
    """The YAML, read by somebody else's reader."""
    assert json.loads(json.dumps(asyncapi_page.document())) == DOCUMENT


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref")
        yield from (found for key, each in value.items() if key != "schema" for found in references(each))
    elif isinstance(value, list):
        yield from (found for each in value for found in references(each))


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 2 * len(TOPICS)
    for reference in found:
        value: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
        assert isinstance(value, dict)


def test_every_topic_is_there_with_its_contract() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert set(DOCUMENT["channels"]) == set(messages) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        channel, message = DOCUMENT["channels"][topic.name], messages[topic.name]
        configuration = channel["bindings"]["kafka"]["topicConfiguration"]
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        told = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in configuration.items()}
        assert told == topic.broker_settings()
        assert message["payload"]["schema"] == schema_of(topic.schema)
        fastavro.parse_schema(message["payload"]["schema"], named_schemas={})


def test_every_topic_but_those_of_control_and_reference_is_read_or_written_by_a_topology() -> None:
    used = {operation["channel"]["$ref"].removeprefix("#/channels/") for operation in DOCUMENT["operations"].values()}
    assert {topic.name for topic in TOPICS} - used == {"ref.asset.v1", "ref.characteristic.v1", "ctl.configuration.v1"}
