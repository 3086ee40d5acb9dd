"""What is accepted can be folded: a message that a later step could not read is a dead letter when it is decoded, with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.catalogue import InputKind
from streams.codec.blobs import Blobs, Details
from streams.codec.inputs import SHAPES
from streams.codec.outputs import avro_bytes
from streams.codec.reader import REASONS, Names, Read, Reader, log_of
from streams.kernel import NEG
from streams.model.order import EVENTS
from tests.runners.plant import LINE, plain_schema

KINDS: dict[str, InputKind] = {
    "mes.order.v1": "order", "ot.telemetry.v1": "telemetry", "ot.sample.v1": "sample", "ot.state.v1": "state", "ot.count.v1": "count",
    "ot.measurement.v1": "measurement",
}  # fmt: skip
HEAD = {"kind": "DATA", "source": "gateway", "sequence": 0}
BODY: dict[str, dict[str, Any]] = {
    "mes.order.v1": {"event_time_us": 10, "event": "STARTED", "order": "A", "work_center": "m1"},
    "ot.telemetry.v1": {"base_time_us": 10, "assets": ["m1"], "tags": ["t"], "units": [""], "signals": [0], "times_us": [0],
                        "values": [1.0]},
    "ot.sample.v1": {"event_time_us": 10, "asset": "m1", "tag": "t", "value": 1.0},
    "ot.state.v1": {"event_time_us": 10, "asset": "m1", "tag": "t", "value": "RUN"},
    "ot.count.v1": {"event_time_us": 10, "asset": "m1", "tag": "t", "value": 1},
    "ot.measurement.v1": {"event_time_us": 10, "asset": "m1", "characteristic": "bore", "value": 1.0},
}  # fmt: skip


def framed(schema: Any, record: dict[str, Any], schema_id: int = 1) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + avro_bytes(schema, record)


def read(contract: str, schema: Any, *values: bytes) -> Read:
    reader = Reader(KINDS[contract], {1: schema}.get)
    return reader.read(log_of([(n, 100, LINE.encode(), value, b"") for n, value in enumerate(values)]), Names())


def reasons(contract: str, *records: dict[str, Any]) -> list[str]:
    schema = plain_schema(contract)
    values = [framed(schema, {**HEAD, **BODY[contract], **record}) for record in records]
    return [REASONS[code] for code in read(contract, schema, *values).reason]


@pytest.mark.parametrize("contract", KINDS)
def test_the_plain_message_is_accepted(contract: str) -> None:
    assert reasons(contract, {}) == ["ok"]


def test_counts_are_so_small_that_no_difference_of_two_leaves_64_bits() -> None:
    most = 1 << 60
    found = reasons("ot.count.v1", *({"value": value} for value in (most, -most, most + 1, -most - 1, 2**63 - 1, -(2**63), None)))

    assert found == ["ok", "ok", "bad-count", "bad-count", "bad-count", "bad-count", "ok"]


def changed(contract: str, **types: Any) -> Any:
    """A writer's schema: the contract with fields of other types, or without them (None)."""
    types = {"corrects": None} | types if "event" in types else types  # its type is defined at `event`
    fields = [{**one, "type": types[one["name"]], "default": ANY[types[one["name"]]]} if types.get(one["name"]) else one
              for one in plain_schema(contract)["fields"] if types.get(one["name"], "") is not None]  # fmt: skip
    return {"type": "record", "name": "Written", "fields": fields}


ANY = {"string": "", "bytes": "", "double": 0.0, "boolean": False}


@pytest.mark.parametrize(
    ("contract", "lacking"),
    [("mes.order.v1", "event"), ("mes.order.v1", "order"), ("mes.order.v1", "event_time_us"), ("ot.telemetry.v1", "values"),
     ("ot.sample.v1", "value"), ("ot.state.v1", "value"), ("ot.count.v1", "tag"), ("ot.measurement.v1", "characteristic")],
)  # fmt: skip
def test_a_writer_without_what_makes_the_record_is_refused(contract: str, lacking: str) -> None:
    """Its fields have defaults, so that each could come later; but an order without an event is a record of another contract."""
    schema = changed(contract, **{lacking: None})
    body = {name: value for name, value in {**HEAD, **BODY[contract]}.items() if name != lacking}
    assert REASONS[read(contract, schema, framed(schema, body)).reason[0]] == "schema-refused"


def test_records_of_another_contract_are_refused() -> None:
    sample = plain_schema("ot.sample.v1")
    found = read("mes.order.v1", sample, framed(sample, {**HEAD, **BODY["ot.sample.v1"]}))
    assert REASONS[found.reason[0]] == "schema-refused"


@pytest.mark.parametrize(
    ("contract", "field", "wrong"),
    [("ot.measurement.v1", "result", "string"), ("mes.order.v1", "event", "string"), ("mes.order.v1", "corrects", "string"),
     ("mes.order.v1", "corrects_time_us", "double"), ("mes.order.v1", "order", "double"), ("ot.measurement.v1", "serial", "boolean")],
)  # fmt: skip
def test_a_writer_with_another_type_is_refused(contract: str, field: str, wrong: str) -> None:
    schema = changed(contract, **{field: wrong})
    body = {**HEAD, **BODY[contract], field: ANY[wrong]}
    assert REASONS[read(contract, schema, framed(schema, body)).reason[0]] == "schema-refused"


@pytest.mark.parametrize("written_as", ["string", "bytes"])
@pytest.mark.parametrize(
    ("contract", "field"),
    [("mes.order.v1", "order"), ("mes.order.v1", "operation"), ("mes.order.v1", "product"), ("mes.order.v1", "unit"),
     ("ot.measurement.v1", "product"), ("ot.measurement.v1", "serial"), ("ot.measurement.v1", "subgroup"), ("ot.measurement.v1", "gauge")],
)  # fmt: skip
def test_a_text_that_is_no_utf8_is_refused_where_it_is_read_later(contract: str, field: str, written_as: str) -> None:
    schema = changed(contract, **{field: written_as})
    text: Any = "ZZZZ" if written_as == "string" else b"ZZZZ"
    good = framed(schema, {**HEAD, **BODY[contract], field: text})
    found = read(contract, schema, good, good.replace(b"ZZZZ", b"\xff\xfe\xfd\xfc"))
    assert [REASONS[code] for code in found.reason] == ["ok", "not-utf8"]


def test_an_order_by_a_writer_of_wider_types_is_folded_as_it_reads() -> None:
    """bytes for texts, a nullable text, symbols in another order and one that is not ours: accepted, and read by the same plan."""
    events = {"type": "enum", "name": "E", "symbols": ["SCHEDULED", "STARTED", "UNKNOWN"], "default": "UNKNOWN"}
    schema = {"type": "record", "name": "Order", "fields": [
        {"name": "source", "type": "string"}, {"name": "event", "type": events}, {"name": "order", "type": "bytes"},
        {"name": "product", "type": ["null", "string"]}, {"name": "event_time_us", "type": "int"},
        {"name": "split_into", "type": {"type": "array", "items": "bytes"}},
        {"name": "corrects_time_us", "type": ["null", "long"]},
    ]}  # fmt: skip
    records: list[dict[str, Any]] = [
        {"event": "STARTED", "order": b"A-1", "product": None, "event_time_us": 7, "split_into": [], "corrects_time_us": None},
        {"event": "SCHEDULED", "order": b"", "product": "P", "event_time_us": 8, "split_into": [b"B"], "corrects_time_us": 3},
    ]
    values = [framed(schema, {"source": "mes", **record}) for record in records]
    assert [REASONS[code] for code in read("mes.order.v1", schema, *values).reason] == ["ok", "ok"]

    blobs, extra, sizes = Blobs(), np.zeros(2, np.int64), np.array([len(value) for value in values], np.int32)
    arena, at = np.frombuffer(b"".join(values), np.uint8), np.array([0, len(values[0])])
    blobs.keep(arena, at, sizes, np.arange(3), np.ones(2, np.uint8), extra)
    said = Details(SHAPES["order"].details, {1: schema}.get).read(blobs, extra)
    texts = [[blobs.text(int(a), int(s)) for a, s in zip(said.at[:, n], said.size[:, n], strict=True)] for n in range(2)]
    assert texts == [["A-1", "", ""], ["", "", "P"]]
    assert [[EVENTS[code] for code in said.ints[:2, n]] for n in range(2)] == [["STARTED", "UNKNOWN"], ["UNKNOWN", "UNKNOWN"]]
    assert said.ints[2:, :].T.tolist() == [[NEG, NEG, 7], [3, NEG, 8]]
    assert [blobs.text(int(said.item_at[k]), int(said.item_size[k])) for k in range(said.items.sum())] == ["B"]
