"""The decoding kernel agrees with fastavro on every valid message of every raw contract, and refuses hostile bytes."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given

from streams.codec.decode import REASONS, Decoded, decode
from streams.codec.plan import Column, Kind, Plan, compile_plan
from streams.errors import SchemaError
from streams.kernel import NEG
from tests.seeds import randoms

SCHEMAS = {p.name.removesuffix(".avsc"): json.loads(p.read_text()) for p in (Path(__file__).parents[2] / "schemas").glob("*.avsc")}
RAW = sorted(name for name in SCHEMAS if name.startswith(("ot.", "mes.", "ref.")))
ARRAYS: dict[str, Kind] = {"string": "spans", "double": "floats"}
SCALARS: dict[str, Kind] = {"string": "span", "bytes": "span", "double": "float"}
LONGS = [0, 1, -1, 63, 64, -65, 2**31 - 1, -(2**31), 2**62, -(2**63), 2**63 - 1]


def wanted(schema: dict[str, Any]) -> list[Column]:
    """Every field as a column."""
    found: list[Column] = []
    named: dict[str, Any] = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, list):
            kind = next(k for k in kind if k != "null")
        kind = named.get(kind, kind) if isinstance(kind, str) else kind
        if isinstance(kind, dict) and kind["type"] == "enum":
            named[kind["name"]] = kind
            found.append(Column(field["name"], "int", symbols=tuple(kind["symbols"])))
        elif isinstance(kind, dict) and kind["type"] == "array":
            item = kind["items"] if isinstance(kind["items"], str) else kind["items"]["type"]
            found.append(Column(field["name"], ARRAYS.get(item, "ints")))
        else:
            base = kind if isinstance(kind, str) else kind["type"]
            found.append(Column(field["name"], SCALARS.get(base, "int")))
    return found


def random_value(kind: Any, random: Random) -> Any:
    if isinstance(kind, list):
        return None if random.random() < 0.4 else random_value(next(k for k in kind if k != "null"), random)
    if isinstance(kind, dict) and kind["type"] == "enum":
        return random.choice(kind["symbols"])
    if isinstance(kind, dict) and kind["type"] == "array":
        return [random_value(kind["items"], random) for _ in range(random.choice([0, 1, 5]))]
    base = kind if isinstance(kind, str) else kind["type"]
    if base == "string":
        return random.choice(["", "press-1", "Größe µm", "丠", "x" * 200, "\U0001f916"])
    if base == "double":
        return random.choice([0.0, -0.0, 1.5, -1e300, 5e-324, math.inf, math.nan])
    return random.choice([n for n in LONGS if base == "long" or -(2**31) <= n < 2**31])


def random_record(schema: dict[str, Any], random: Random) -> dict[str, Any]:
    named: dict[str, Any] = {}
    record = {}
    for field in schema["fields"]:
        kind = named.get(field["type"], field["type"]) if isinstance(field["type"], str) else field["type"]
        if isinstance(kind, dict) and "name" in kind:
            named[kind["name"]] = kind
        record[field["name"]] = random_value(kind, random)
    return record


def encoded(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    plain = json.loads(json.dumps(schema).replace('"logicalType"', '"logical_type"'))
    fastavro.schemaless_writer(out, fastavro.parse_schema(plain, _force=True), record)
    return out.getvalue()


def decoded(plan: Plan, messages: list[bytes]) -> Decoded:
    size = np.array([len(m) for m in messages], np.int64)
    at = np.cumsum([0, *size[:-1]])
    return decode(np.frombuffer(b"".join(messages), np.uint8), at, size, [(np.arange(len(messages)), plan)])


def value_of(plan: Plan, out: Decoded, buffer: bytes, column: Column, m: int) -> Any:
    if column.kind == "int":
        value = int(out.ints[plan.ints.index(column), m])
        return column.symbols[value] if column.symbols else value
    if column.kind == "float":
        return float(out.floats[plan.floats.index(column), m])
    if column.kind == "span":
        k = plan.spans.index(column)
        at, size = int(out.at[k, m]), int(out.size[k, m])
        return None if size < 0 else buffer[at : at + size].decode()
    a = plan.arrays.index(column)
    items = range(int(out.start[a, m]), int(out.start[a, m] + out.items[a, m]))
    if column.kind == "ints":
        return [int(out.item_ints[n]) for n in items]
    if column.kind == "floats":
        return [float(out.item_floats[n]) for n in items]
    return [buffer[int(out.item_at[n]) : int(out.item_at[n] + out.item_size[n])].decode() for n in items]


def plain(column: Column, value: Any) -> Any:
    """A null as the columns say it."""
    return {"int": NEG, "float": math.nan, "span": None}[column.kind] if value is None else value


@pytest.mark.parametrize("name", RAW)
@given(random=randoms())
def test_agrees_with_fastavro(name: str, random: Random) -> None:
    schema = SCHEMAS[name]
    columns = wanted(schema)
    plan = compile_plan(schema, columns)
    records = [random_record(schema, random) for _ in range(random.randint(1, 4))]
    messages = [encoded(schema, r) for r in records]
    out, buffer = decoded(plan, messages), b"".join(messages)
    assert out.status.tolist() == [0] * len(records)
    for m, record in enumerate(records):
        for column in columns:
            assert repr(value_of(plan, out, buffer, column, m)) == repr(plain(column, record[column.name])), column


@pytest.mark.parametrize("name", RAW)
@given(random=randoms())
def test_hostile_bytes_never_hurt_their_neighbours(name: str, random: Random) -> None:
    """Bytes flipped, cut, added: the message is refused with a reason or is another valid one; the next is untouched."""
    schema = SCHEMAS[name]
    columns = wanted(schema)
    plan = compile_plan(schema, columns)
    record = random_record(schema, random)
    good, bad = encoded(schema, record), bytearray(encoded(schema, random_record(schema, random)))
    for _ in range(random.randint(1, 4)):
        what, at = random.randint(0, 2), random.randint(0, len(bad))
        if what == 0:
            bad[at:] = b""
        elif what == 1:
            bad[at:at] = random.randbytes(random.randint(1, 12))
        elif at < len(bad):
            bad[at] = random.randint(0, 255)
    messages = [bytes(bad), good]
    out, buffer = decoded(plan, messages), b"".join(messages)
    assert out.status[1] == 0
    for column in columns:
        assert repr(value_of(plan, out, buffer, column, 1)) == repr(plain(column, record[column.name]))
    if out.status[0] == 0:  # then fastavro reads it too, to the last byte
        stream = io.BytesIO(bytes(bad))
        clean = json.loads(json.dumps(schema).replace('"logicalType"', '"logical_type"'))
        fastavro.schemaless_reader(stream, fastavro.parse_schema(clean, _force=True), None, handle_unicode_errors="replace")
        assert stream.tell() == len(bad)


LIST = {"type": "record", "name": "L", "fields": [{"name": "n", "type": {"type": "array", "items": "long"}}]}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "truncated"),
        (b"\x02", "truncated"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "truncated"),  # a count of 2^62 in a message of ten bytes
        (b"\x02\x80\x00\x00", "bad-varint"),  # zero in two bytes
        (b"\x02" + b"\xff" * 11, "bad-varint"),
        (b"\x00\x00", "trailing-bytes"),
        (b"\x01\x02\x02\x00", "ok"),  # a block with its size in bytes
        (b"\x01\x7f\x02\x00", "bad-length"),
    ],
)
def test_reason(message: bytes, reason: str) -> None:
    assert REASONS[decoded(compile_plan(LIST, [Column("n", "ints")]), [message]).status[0]] == reason


def test_schema_resolution() -> None:
    """Fields by name, promotion, defaults, enum symbols by name."""
    writer = {"type": "record", "name": "R", "fields": [
        {"name": "extra", "type": {"type": "record", "name": "N", "fields": [{"name": "x", "type": ["null", "string"]}]}},
        {"name": "n", "type": "int"}, {"name": "f", "type": "float"}, {"name": "b", "type": "boolean"},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["B", "NEW", "A"]}}]}  # fmt: skip
    columns = [Column("n", "float"), Column("f", "float"), Column("b", "int"), Column("e", "int", symbols=("A", "B"), fallback="A"),
               Column("absent", "int", default=7), Column("extra.x", "span")]  # fmt: skip
    plan = compile_plan(writer, columns)
    records = [{"extra": {"x": "hi"}, "n": -3, "f": 0.1, "b": True, "e": e} for e in ("A", "B", "NEW")]
    out = decoded(plan, [encoded(writer, r) for r in records])
    assert out.status.tolist() == [0, 0, 0]
    assert out.floats[0, 0] == -3.0
    assert out.floats[1, 0] == np.float64(np.float32(0.1))
    assert [out.ints[k].tolist() for k in range(3)] == [[1, 1, 1], [0, 1, 0], [7, 7, 7]]
    assert plan.missing == ("absent",)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (["int", "string"], "unions of null"), ({"type": "map", "values": "int"}, "not accepted"), ("L", "recursive"),
        ({"type": "array", "items": ["null", "int"]}, "arrays of numbers"),
        (["null", {"type": "array", "items": "long"}], "nullable array"),
    ],
)  # fmt: skip
def test_schema_that_is_refused(kind: Any, reason: str) -> None:
    schema = {"type": "record", "name": "L", "fields": [{"name": "n", "type": kind}]}
    with pytest.raises(SchemaError, match=reason):
        compile_plan(schema, [Column("n", "ints")])
