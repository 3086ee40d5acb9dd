"""What is accepted can be folded: a message that a later step could not read is a dead letter when it is decoded, with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from streams.catalogue import InputKind
from streams.codec.outputs import avro_bytes
from streams.codec.reader import REASONS, Names, Read, Reader, log_of
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
