"""Decoding plans: how a writer's Avro schema fills the columns that a reader wants.

A plan is a short program that the decoding kernel (decode.py) runs over each message: one instruction a leaf of the schema, in
the order of the bytes. It covers records, nested records, primitives, enums, fixed, unions of null and one other type, arrays of
primitives, and arrays of flat records, which are passed over or taken as they stand: everything our own contracts use.
Another schema is refused with its reason when it is first met
(`SchemaError`), and its messages become dead letters; nothing is guessed.

Schema resolution follows the Avro specification: fields by name, a missing one takes the reader's default, int and long are
promoted to double, enum symbols go by name and an unknown one to the reader's default symbol if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from fastavro.schema import parse_schema, to_parsing_canonical_form

from streams.errors import SchemaError
from streams.kernel import I64, NEG

Kind = Literal["int", "float", "span", "ints", "floats", "spans"]

(OP_NULL, OP_BOOLEAN, OP_LONG, OP_FLOAT, OP_DOUBLE, OP_BYTES, OP_ENUM, OP_FIXED, OP_OPTION, OP_ARRAY, OP_LONG_TO_DOUBLE,
 OP_TEXT, OP_RECORDS) = range(13)  # fmt: skip
WIDTH = 4  # an instruction: operation, column or -1, argument, second argument

_INTEGERS = ("int", "long")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a reader wants. Nulls become NEG, NaN and size -1.

    symbols: an enum's symbols as the reader numbers them. text: strings, and bytes in their place, must be valid UTF-8; without it
    the reader checks.
    bytes_most: longest text that the reader accepts, of spans and arrays of spans; 0: any.
    items: a span of an array of records: its bytes as they stand, blocks included; the writer's items must be this schema.
    """

    name: str
    kind: Kind
    default: float = 0
    symbols: tuple[str, ...] = ()
    fallback: str = ""
    text: bool = False
    bytes_most: int = 0
    items: str = ""  # in the parsing canonical form of the Avro specification


@dataclass(frozen=True, slots=True)
class Plan:
    program: I64  # [instruction, WIDTH]
    maps: I64  # enum symbols of the writer to the reader's numbers, -1: none; an OP_ENUM names its start and count
    ints: tuple[Column, ...]
    floats: tuple[Column, ...]
    spans: tuple[Column, ...]
    arrays: tuple[Column, ...]
    missing: tuple[str, ...] = field(default=())  # columns that the writer has not got


class _Compiler:
    def __init__(self, wanted: Sequence[Column]) -> None:
        self.of = {c.name: c for c in wanted}
        self.place: dict[str, int] = {}
        for kinds in (("int",), ("float",), ("span",), ("ints", "floats", "spans")):
            for n, c in enumerate(c for c in wanted if c.kind in kinds):
                self.place[c.name] = n
        self.program: list[tuple[int, int, int, int]] = []
        self.maps: list[int] = []
        self.found: set[str] = set()
        self.named: dict[str, Any] = {}
        self.inside = self.taken = False  # an array of records; one that is taken as it stands

    def record(self, schema: Mapping[str, Any], prefix: str = "") -> None:
        self.named[_name(schema)] = None  # recursion is refused
        for one in schema["fields"]:
            name = prefix + one["name"]
            column = self.of.get(name)
            if column is not None:
                self.found.add(name)
            self.value(one["type"], column, name)
        self.named[_name(schema)] = schema

    def value(self, schema: Any, column: Column | None, name: str) -> None:
        if isinstance(schema, list):
            self.option(schema, column, name)
            return
        if isinstance(schema, str) and schema in self.named:
            schema = self.named[schema]
            if schema is None:
                raise SchemaError("recursive schemas are not accepted", field=name)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            self.record(schema, f"{name}.")
        elif kind == "array":
            self.array(schema["items"], column, name)
        elif kind == "enum":
            self.named[_name(schema)] = schema
            self.enum(schema["symbols"], column)
        elif kind == "fixed":
            self.named[_name(schema)] = schema
            self.add(OP_FIXED, column, () if column is not None and column.text else ("span",), name, schema["size"])
        else:
            self.primitive(kind, column, name)

    def option(self, schema: list[Any], column: Column | None, name: str) -> None:
        if len(schema) != 2 or "null" not in schema:
            raise SchemaError("only unions of null and one other type are accepted", field=name, union=schema)
        at = len(self.program)
        self.program.append((OP_OPTION, -1, schema.index("null"), 0))
        self.value(schema[1 - schema.index("null")], column, name)
        place, kind = (self.place[column.name], column.kind) if column else (-1, "")
        if kind in ("ints", "floats", "spans"):
            raise SchemaError("a nullable array is not accepted", field=name)
        # what to null: the second argument says how many instructions to skip, the column which array it is in
        code = {"int": 0, "float": 1, "span": 2}.get(kind, -1)
        self.program[at] = (OP_OPTION, -1 if code < 0 else 3 * place + code, schema.index("null"), len(self.program) - at - 1)

    def array(self, items: Any, column: Column | None, name: str) -> None:
        items = self.named.get(items, items) if isinstance(items, str) else items
        if isinstance(items, dict) and items.get("type") == "record":
            self.records(items, column, name)
            return
        at = len(self.program)
        self.program.append((OP_ARRAY, self.place[column.name] if column else -1, 0, 0))
        kind = items.get("type") if isinstance(items, dict) else items
        kind = kind if isinstance(kind, str) else ""
        wants = {"ints": _INTEGERS, "floats": ("double", "float"), "spans": ("string", "bytes")}
        accepted = [one for ones in wants.values() for one in ones] if column is None else wants.get(column.kind, ())
        if kind not in accepted:
            raise SchemaError("only arrays of numbers and strings are accepted here", field=name, items=items)
        text = OP_TEXT if column is not None and column.text else OP_BYTES
        op = {"double": OP_DOUBLE, "float": OP_FLOAT}.get(kind, OP_LONG if kind in _INTEGERS else text)
        self.program[at] = (OP_ARRAY, self.program[at][1], op, 0)

    def records(self, items: Mapping[str, Any], column: Column | None, name: str) -> None:
        """An array of records without arrays of records in them; every record at least a byte, so that counts are bounded."""
        if self.inside:
            raise SchemaError("an array of records inside another is not accepted", field=name)
        if column is not None and (column.kind != "span" or canonical(items) != column.items):
            raise SchemaError("the items of an array differ from its contract", field=name, items=items)
        at, self.inside, self.taken = len(self.program), True, column is not None
        self.program.append((OP_RECORDS, self.place[column.name] if column else -1, 0, 0))
        self.record(items, f"{name}[].")
        self.inside = self.taken = False
        body = self.program[at + 1 :]
        if not any(op != OP_NULL and (op != OP_FIXED or argument) for op, _, argument, _ in body):
            raise SchemaError("an array of records without content is not accepted", field=name)
        self.program[at] = (OP_RECORDS, self.program[at][1], len(body), 0)

    def enum(self, symbols: Sequence[str], column: Column | None) -> None:
        start = len(self.maps)
        if column is None:
            self.maps += [0] * len(symbols)
        else:
            known = {symbol: n for n, symbol in enumerate(column.symbols)}
            other = known.get(column.fallback, -1)
            self.maps += [known.get(symbol, other) for symbol in symbols]
        self.program.append((OP_ENUM, self.place[column.name] if column else -1, start, len(symbols)))

    def primitive(self, kind: str, column: Column | None, name: str) -> None:
        if kind == "null":
            self.program.append((OP_NULL, -1, 0, 0))
        elif kind == "boolean":
            self.add(OP_BOOLEAN, column, ("int",), name)
        elif kind in _INTEGERS:
            promote = column is not None and column.kind == "float"
            self.add(OP_LONG_TO_DOUBLE if promote else OP_LONG, column, ("int", "float"), name, int(kind == "int"))
        elif kind == "float":
            self.add(OP_FLOAT, column, ("float",), name)
        elif kind == "double":
            self.add(OP_DOUBLE, column, ("float",), name)
        elif kind in ("bytes", "string"):
            text = self.taken and kind == "string" if column is None else column.text  # what is handed on unread must be text too
            self.add(OP_TEXT if text else OP_BYTES, column, ("span",), name)
        else:
            raise SchemaError("this Avro type is not accepted", field=name, type=kind)

    def add(self, op: int, column: Column | None, kinds: tuple[str, ...], name: str, argument: int = 0) -> None:
        if column is not None and column.kind not in kinds:
            raise SchemaError("the field has another type than its contract", field=name, wanted=column.kind)
        self.program.append((op, self.place[column.name] if column else -1, argument, 0))


def canonical(schema: Mapping[str, Any]) -> str:
    """The parsing canonical form: two schemas that have the same read the same bytes alike."""
    return str(to_parsing_canonical_form(parse_schema(dict(schema), _force=True)))


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("name", ""))


def compile_plan(writer: Mapping[str, Any], wanted: Sequence[Column]) -> Plan:
    """The plan that fills the wanted columns from messages of a writer's schema (parsed JSON)."""
    if not isinstance(writer, Mapping) or writer.get("type") != "record":
        raise SchemaError("a message must be a record", schema=writer)
    compiler = _Compiler(wanted)
    compiler.record(writer)

    def of(*kinds: str) -> tuple[Column, ...]:
        return tuple(c for c in wanted if c.kind in kinds)

    missing = tuple(c.name for c in wanted if c.name not in compiler.found)
    return Plan(
        np.array(compiler.program, np.int64).reshape(-1, WIDTH), np.array(compiler.maps or [0], np.int64), of("int"), of("float"),
        of("span"), of("ints", "floats", "spans"), missing,
    )  # fmt: skip


NULL_INT = NEG
