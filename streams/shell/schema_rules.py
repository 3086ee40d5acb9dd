"""What a contract must be, and when two versions of it can live together.

`flaws` looks at one schema: valid Avro; every record, enum and field documented; every enum with a default, so that an old
reader survives a new symbol. `breaks` asks whether a reader with one schema understands all records written with another;
full compatibility is both directions, against every version there ever was. It follows the resolution rules of the Avro
specification (1.12, section Schema Resolution) and adds one: a logical type must not change, because the bytes would still be
read, and mean something else.

>>> old = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
>>> new = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "int"}]}
>>> breaks(reader=new, writer=old)
['R.b: the reader needs it, the writer has not got it, and it has no default']
>>> breaks(reader=old, writer=new)
['R.a: written as long, read as int']
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException, UnknownType, expand_schema

from streams.errors import SchemaError

Schema = Mapping[str, Any] | str | list[Any]

_PROMOTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "int": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",), "string": ("bytes",), "bytes": ("string",),
}  # fmt: skip
_NAMED = ("record", "error", "enum", "fixed")


def committed(name: str) -> str:
    """Text of schemas/<name>.avsc."""
    return (resources.files("schemas") / f"{name}.avsc").read_text("utf-8")


def released(name: str, folder: Path | None = None) -> dict[str, str]:
    """Texts of all released versions of a contract: release -> text, from schemas/released/<release>/<name>.avsc."""
    folder = folder or Path(str(resources.files("schemas") / "released"))
    if not folder.is_dir():
        return {}
    return {path.parent.name: path.read_text("utf-8") for path in sorted(folder.glob(f"*/{name}.avsc"))}


def parsed(text: str) -> Any:
    """A schema from its text, every name written out in full; SchemaError where it is no Avro."""
    try:
        return expand_schema(json.loads(text))
    except (SchemaParseException, UnknownType, ValueError, KeyError, TypeError) as error:
        raise SchemaError("not a valid Avro schema", reason=f"{type(error).__name__}: {error}") from error


def flaws(text: str) -> list[str]:
    """What is wrong with a contract in itself.

    >>> flaws('{"type": "record", "name": "R", "doc": "d", "fields": [{"name": "a", "type": "int"}]}')
    ['R.a: no doc']
    """
    try:
        schema = parsed(text)
        fastavro.parse_schema(json.loads(text))
    except (SchemaError, SchemaParseException) as error:
        return [str(error)]
    found = []
    for where, part in _walk(schema, ""):
        if not str(part.get("doc", "")).strip():
            found.append(f"{where}: no doc")
        if part.get("type") == "enum" and "default" not in part:
            found.append(f"{where}: an enum without default, so that no symbol can ever be added")
    return found


def _walk(schema: Schema, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Named types and fields, with where they stand."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _walk(branch, where)
    elif isinstance(schema, Mapping):
        kind = schema["type"]
        if kind in _NAMED:
            where = schema["name"].rpartition(".")[2]
            yield where, schema
        for field in schema.get("fields", ()):
            yield f"{where}.{field['name']}", field
            yield from _walk(field["type"], f"{where}.{field['name']}")
        for inner in (schema.get("items"), schema.get("values"), None if isinstance(kind, str) else kind):
            if inner is not None:
                yield from _walk(inner, where)


def breaks(reader: Schema, writer: Schema) -> list[str]:
    """Why a reader with `reader` fails on, or misreads, records written with `writer`; nothing: it reads them all."""
    return _breaks(reader, writer, "", set())


def _breaks(reader: Schema, writer: Schema, where: str, met: set[tuple[str, str]]) -> list[str]:
    reader, writer = _plain(reader), _plain(writer)
    if isinstance(writer, list):
        return [problem for branch in writer for problem in _breaks(reader, branch, where, met)]
    if isinstance(reader, list):
        tries = [_breaks(branch, writer, where, met) for branch in reader]
        return [] if [] in tries else [f"{where}: written as {_kind(writer)}, which is no branch of what is read"]
    kind, written = _kind(reader), _kind(writer)
    if kind != written and kind not in _PROMOTIONS.get(written, ()):
        return [f"{where}: written as {written}, read as {kind}"]
    if _meaning(reader) != _meaning(writer):
        return [f"{where}: written as {_meaning(writer) or 'plain ' + written}, read as {_meaning(reader) or 'plain ' + kind}"]
    if isinstance(reader, str) or isinstance(writer, str):
        return []  # a primitive; or the name of a record that is being compared further up
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        return _breaks(reader[inner], writer[inner], where, met)
    return _named(reader, writer, kind, where, met) if kind in _NAMED else []


def _named(reader: Mapping[str, Any], writer: Mapping[str, Any], kind: str, where: str, met: set[tuple[str, str]]) -> list[str]:
    pair = (reader["name"], writer["name"])
    where = where or reader["name"].rpartition(".")[2]
    if writer["name"] not in (reader["name"], *_aliases(reader)):
        return [f"{where}: written as {writer['name']}, read as {reader['name']}, which has no such alias"]
    if pair in met:
        return []
    if kind == "fixed":
        return [] if reader["size"] == writer["size"] else [f"{where}: {writer['size']} bytes written, {reader['size']} read"]
    if kind == "enum":
        unknown = sorted(set(writer["symbols"]) - set(reader["symbols"]))
        known = not unknown or "default" in reader
        return [] if known else [f"{where}: the reader does not know {', '.join(unknown)}, and has no default"]
    found, there = [], {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        at = f"{where}.{field['name']}"
        match = next((there[name] for name in (field["name"], *field.get("aliases", ())) if name in there), None)
        if match is not None:
            found += _breaks(field["type"], match["type"], at, met | {pair})
        elif "default" not in field:
            found.append(f"{at}: the reader needs it, the writer has not got it, and it has no default")
    return found


def _aliases(schema: Mapping[str, Any]) -> list[str]:
    space = schema["name"].rpartition(".")[0]
    return [alias if "." in alias or not space else f"{space}.{alias}" for alias in schema.get("aliases", ())]


def _plain(schema: Schema) -> Schema:
    """Without a wrapping that says nothing: {"type": "int"} is int."""
    while isinstance(schema, Mapping) and "logicalType" not in schema and (not isinstance(schema["type"], str) or len(schema) == 1):
        schema = schema["type"]
    return schema


def _meaning(schema: Schema) -> str:
    """What a logical type says beyond the bytes; empty: nothing."""
    if not isinstance(schema, Mapping) or "logicalType" not in schema:
        return ""
    return " ".join(str(schema[part]) for part in ("logicalType", "precision", "scale") if part in schema)


def _kind(schema: Schema) -> str:
    if isinstance(schema, str):
        return schema
    return "union" if isinstance(schema, list) else str(schema["type"])


def _both_ways(text: str, other: str) -> list[str]:
    new, old = parsed(text), parsed(other)
    return [f"new records, old readers: {problem}" for problem in breaks(reader=old, writer=new)] + [
        f"old records, new readers: {problem}" for problem in breaks(reader=new, writer=old)
    ]


def incompatible(text: str, others: Mapping[str, str]) -> list[str]:
    """Why a contract cannot follow these versions of it (label -> text).

    >>> v1 = '{"type": "record", "name": "R", "fields": []}'
    >>> incompatible(v1.replace("[]", '[{"name": "a", "type": "int"}]'), {"1.0": v1})
    ['1.0: old records, new readers: R.a: the reader needs it, the writer has not got it, and it has no default']
    """
    return [f"{label}: {problem}" for label, other in others.items() for problem in _both_ways(text, other)]
