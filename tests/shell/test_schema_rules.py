"""What makes a contract, and what breaks one. Judged against two others: the registry, and records that are really read."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from streams.catalogue import TOPICS
from streams.errors import SchemaError
from streams.shell.registry import Registry
from streams.shell.schema_rules import breaks, committed, flaws, incompatible, parsed, released
from streams.shell.settings import RegistrySettings

CONTRACTS = sorted({topic.schema for topic in TOPICS} | {"ctl.epoch.v1", "ctl.snapshot.v1"})
MODE = {"type": "enum", "name": "Mode", "symbols": ["OFF", "ON"], "default": "OFF"}
INNER = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "int", "default": 0}]}
BASE: dict[str, Any] = {
    "type": "record", "name": "Reading", "namespace": "plant",
    "fields": [
        {"name": "value", "type": "int"},
        {"name": "unit", "type": ["null", "string"], "default": None},
        {"name": "mode", "type": MODE, "default": "OFF"},
        {"name": "parts", "type": {"type": "array", "items": "long"}, "default": []},
        {"name": "limits", "type": {"type": "map", "values": "double"}, "default": {}},
        {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 4}, "default": "\0\0\0\0"},
        {"name": "inner", "type": INNER, "default": {}},
    ],
}  # fmt: skip


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    schema = copy.deepcopy(BASE)
    change({field["name"]: field for field in schema["fields"]} | {"": schema})
    return schema


def added(schema: dict[str, Any], field: dict[str, Any]) -> None:
    schema[""]["fields"].append(field)


CASES: dict[str, tuple[dict[str, Any], bool, bool]] = {  # schema, reads old records, is read by old readers
    "nothing": (changed(lambda s: None), True, True),
    "documentation": (changed(lambda s: s["value"].update(doc="new")), True, True),
    "a field with default": (changed(lambda s: added(s, {"name": "b", "type": "int", "default": 1})), True, True),
    "a field without default": (changed(lambda s: added(s, {"name": "b", "type": "int"})), False, True),
    "a field with default gone": (changed(lambda s: s[""]["fields"].pop(1)), True, True),
    "a field without default gone": (changed(lambda s: s[""]["fields"].pop(0)), True, False),
    "a wider number": (changed(lambda s: s["value"].update(type="long")), True, False),
    "a narrower item": (changed(lambda s: s["parts"]["type"].update(items="int")), False, True),
    "text instead of a number": (changed(lambda s: s["value"].update(type="string")), False, False),
    "another branch": (changed(lambda s: s["unit"].update(type=["null", "string", "int"])), True, False),
    "a branch less": (changed(lambda s: s["unit"].update(type=["null"])), False, True),
    "a new symbol": (changed(lambda s: s["mode"]["type"].update(symbols=["OFF", "ON", "AUTO"])), True, True),
    "another size": (changed(lambda s: (s["digest"]["type"].update(size=5), s["digest"].pop("default"))), False, False),
    "a renamed record": (changed(lambda s: s["inner"]["type"].update(name="Other")), False, False),
    "a renamed record with its alias": (changed(lambda s: s["inner"]["type"].update(name="Other", aliases=["Inner"])), True, False),
    "a renamed field with its alias": (changed(lambda s: s["value"].update(name="reading", aliases=["value"])), True, False),
    "inner field without default": (
        changed(lambda s: s["inner"]["type"]["fields"].append({"name": "b", "type": "int"}) or s["inner"].pop("default")), False, True),
}  # fmt: skip


def read_all(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """Does the reader get through 300 random records of the writer's?"""
    random.seed(1)  # fastavro draws from there
    for value in generate_many(fastavro.parse_schema(writer, named_schemas={}), 300):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(writer, named_schemas={}), value)
        try:
            fastavro.schemaless_reader(io.BytesIO(out.getvalue()), writer, reader)
        except Exception:  # fastavro has no single exception for this
            return False
    return True


@pytest.mark.parametrize("case", CASES)
def test_what_breaks_a_reader(case: str) -> None:
    schema, reads_old, read_by_old = CASES[case]
    new, old = parsed(json.dumps(schema)), parsed(json.dumps(BASE))
    assert (breaks(reader=new, writer=old) == []) is reads_old
    assert (breaks(reader=old, writer=new) == []) is read_by_old
    assert read_all(schema, BASE) is reads_old
    assert read_all(BASE, schema) is read_by_old


def test_the_registry_judges_alike(registry_url: str, topic_prefix: str) -> None:
    """An oracle that somebody else wrote."""
    with Registry(RegistrySettings(url=registry_url)) as registry:
        registry.set_compatibility(f"{topic_prefix}value")
        registry.register(f"{topic_prefix}value", json.dumps(BASE))
        refused = {case for case, (schema, _, _) in CASES.items() if registry.compatible(f"{topic_prefix}value", json.dumps(schema))}
    assert refused == {case for case, (schema, _, _) in CASES.items() if incompatible(json.dumps(schema), {"": json.dumps(BASE)})}


def test_a_logical_type_must_not_change() -> None:
    """The registry would let it pass, the bytes would be read, and every instant would be wrong by a factor of 1000."""
    old = {"type": "record", "name": "R", "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
    new = json.loads(json.dumps(old).replace("millis", "micros"))
    found = breaks(reader=parsed(json.dumps(new)), writer=parsed(json.dumps(old)))
    assert found == ["R.at: written as timestamp-millis, read as timestamp-micros"]


def test_a_schema_may_contain_itself() -> None:
    tree = {"type": "record", "name": "Tree", "fields": [{"name": "left", "type": ["null", "Tree"]}, {"name": "n", "type": "int"}]}
    text = json.dumps(tree)
    assert incompatible(text, {"old": text}) == []
    assert incompatible(text.replace('"int"', '"string"'), {"old": text}) == [
        "old: new records, old readers: Tree.n: written as string, read as int",
        "old: old records, new readers: Tree.n: written as int, read as string",
    ]


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_is_sound(name: str) -> None:
    assert flaws(committed(name)) == []
    assert incompatible(committed(name), released(name)) == []


def test_flaws_are_named() -> None:
    inner = {"type": "record", "name": "I", "doc": "d", "fields": [{"name": "c", "type": "int"}]}
    undocumented = {"type": "record", "name": "R", "doc": "d", "fields": [
        {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X"]}, "doc": "d"},
        {"name": "b", "type": ["null", {"type": "array", "items": inner}]},
    ]}  # fmt: skip
    assert flaws(json.dumps(undocumented)) == [
        "E: no doc", "E: an enum without default, so that no symbol can ever be added", "R.b: no doc", "I.c: no doc",
    ]  # fmt: skip
    assert flaws('{"type": "record"}')[0].startswith("not a valid Avro schema")
    with pytest.raises(SchemaError, match="not a valid Avro schema"):
        parsed('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "nobody"}]}')


def test_releases_are_found(tmp_path: Path) -> None:
    for release in ("1.0", "1.1"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "ot.sample.v1.avsc").write_text(release)
    assert released("ot.sample.v1", tmp_path) == {"1.0": "1.0", "1.1": "1.1"}
    assert released("ot.state.v1", tmp_path) == {}
