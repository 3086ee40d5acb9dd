"""The registry client: ids of our contracts, and never a guess about an id that nobody could be asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.catalogue import TOPICS
from streams.errors import PlatformError, SchemaError
from streams.shell.local.registry import Registry as Server
from streams.shell.registry import Registry
from streams.shell.schema_rules import committed
from streams.shell.settings import RegistrySettings


@pytest.fixture
def registry(registry_url: str) -> Iterator[Registry]:
    with Registry(RegistrySettings(url=registry_url)) as opened:
        yield opened


def record(*fields: str, doc: str = "d") -> dict[str, Any]:
    return {"type": "record", "name": "R", "doc": doc, "fields": [{"name": f, "type": "int", "doc": f, "default": 0} for f in fields]}


def turned_round(schema: Any) -> Any:
    """The same schema with the attributes of every part in the opposite order."""
    if isinstance(schema, list):
        return [turned_round(part) for part in schema]
    return {key: turned_round(schema[key]) for key in reversed(schema)} if isinstance(schema, dict) else schema


@pytest.mark.parametrize("name", [topic.schema for topic in TOPICS])
def test_a_contract_is_registered_as_committed_and_found_again(registry: Registry, topic_prefix: str, name: str) -> None:
    text, subject = committed(name), f"{topic_prefix}value"
    schema_id = registry.register(subject, text)
    assert registry.text(schema_id) == text
    assert registry.schema(schema_id) == json.loads(text)
    assert registry.id_of(subject, json.loads(text)) == schema_id


def test_white_space_and_order_of_attributes_change_nothing(registry: Registry, topic_prefix: str) -> None:
    text, subject = committed("ot.sample.v1"), f"{topic_prefix}value"
    first = registry.register(subject, text)
    assert registry.register(subject, json.dumps(turned_round(json.loads(text)))) == first
    assert registry.register(subject, json.dumps(json.loads(text), indent=7)) == first
    assert registry.versions(subject) == [1]


def test_another_default_is_another_schema(registry: Registry, topic_prefix: str) -> None:
    """Readers fill in defaults: to take the two for one would change what old records say."""
    one, other = record("a"), record("a")
    other["fields"][0]["default"] = 1
    subject = f"{topic_prefix}value"
    first = registry.register(subject, json.dumps(one))
    assert registry.lookup(subject, json.dumps(other)) is None
    assert registry.register(subject, json.dumps(other)) != first


def test_a_contract_that_is_not_registered_says_what_to_do(registry: Registry, topic_prefix: str) -> None:
    with pytest.raises(PlatformError, match="a schema is not registered.*andon schemas apply"):
        registry.id_of(f"{topic_prefix}value", record("a"))
    registry.register(f"{topic_prefix}value", json.dumps(record("b")))
    with pytest.raises(PlatformError, match="a schema is not registered"):
        registry.id_of(f"{topic_prefix}value", record("a"))


def test_an_unknown_id_is_an_answer(registry: Registry) -> None:
    assert registry.schema(1 << 30) is None


def test_a_schema_of_another_kind_is_not_avro(registry: Registry, topic_prefix: str) -> None:
    from confluent_kafka.schema_registry import Schema

    text = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#"})
    schema_id = registry._client.register_schema(f"{topic_prefix}value", Schema(text, "JSON"))
    assert registry.schema(schema_id) is None


def test_a_version_that_breaks_a_reader_is_refused(registry: Registry, topic_prefix: str) -> None:
    subject = f"{topic_prefix}value"
    assert registry.compatibility(subject) is None
    registry.set_compatibility(subject)  # before there is anything under it
    assert registry.compatibility(subject) == "FULL_TRANSITIVE"
    registry.register(subject, json.dumps(record("a")))
    broken = record("a", "b")
    del broken["fields"][1]["default"]
    assert registry.compatible(subject, json.dumps(broken)) == [1]
    with pytest.raises(SchemaError, match="the registry refuses a schema.*Incompatible"):
        registry.register(subject, json.dumps(broken))
    assert registry.compatible(subject, json.dumps(record("a", "b"))) == []


@pytest.mark.parametrize("path", ["", "/apis/ccompat/v7x"])
def test_something_else_that_answers_404_is_no_answer(registry_url: str, path: str) -> None:
    """An unknown id sends a record to the dead letters: a wrong URL must not send all of them there."""
    wrong = registry_url.removesuffix("/apis/ccompat/v7") + path
    with Registry(RegistrySettings(url=wrong)) as registry, pytest.raises(PlatformError, match="what answers is no schema registry"):
        registry.schema(1)


def test_a_registry_that_is_not_there_is_named() -> None:
    nobody = RegistrySettings(url="http://127.0.0.1:1/x")
    with Registry(nobody) as registry, pytest.raises(PlatformError, match="cannot be reached.*ConnectError"):
        registry.schema(1)
    with pytest.raises(PlatformError, match="these registry settings cannot be used"):
        Registry(RegistrySettings(url="nonsense"))


def test_what_is_known_outlives_the_registry(tmp_path: Path) -> None:
    """Known for ever; and while it is away, nothing is assumed about the rest."""
    with Server(tmp_path) as server, Registry(RegistrySettings(url=server.url)) as registry:
        known = registry.register("x-value", json.dumps(record("a")))
        assert registry.schema(known) == record("a")
        server.stop()
        assert registry.schema(known) == record("a")
        asked = (lambda: registry.schema(known + 1), lambda: registry.id_of("y-value", record("a")), lambda: registry.versions("x-value"))
        for ask in asked:
            with pytest.raises(PlatformError, match="the registry cannot be reached"):
                ask()
