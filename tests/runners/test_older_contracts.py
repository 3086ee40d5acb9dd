"""Messages of writers whose schema is an earlier one of ours: what they lack has the contract's default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import fastavro
import pytest

from streams.catalogue import schema_of
from streams.codec.log import log_of
from streams.codec.outputs import avro_bytes
from streams.model.hierarchy import Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.task import Task
from tests.runners.plant import ENVIRONMENT, INPUTS, LINE, SCHEMAS, configuration
from topologies import NAMED

OLD = 99  # id of the earlier schema
ORDERS = INPUTS[0]
NEEDED = {"kind", "event", "order", "event_time_us", "through_us"}
OPTIONAL = [field["name"] for field in schema_of(ORDERS)["fields"] if "default" in field and field["name"] not in NEEDED]


@pytest.mark.parametrize("lacking", OPTIONAL)
def test_an_order_without_a_field_that_came_later_is_folded(lacking: str) -> None:
    earlier: dict[str, Any] = dict(schema_of(ORDERS))
    earlier["fields"] = [field for field in earlier["fields"] if field["name"] != lacking]

    def writer(schema_id: int) -> Mapping[str, Any] | None:
        return earlier if schema_id == OLD else SCHEMAS.get(schema_id)

    plain = fastavro.parse_schema(json.loads(json.dumps(earlier).replace('"logicalType"', '"was"')), _force=True)
    event = {"kind": "DATA", "source": "mes", "sequence": 0, "event_time_us": 10, "event": "STARTED", "order": "A", "work_center": "m1"}
    claim = {"kind": "CLAIM", "source": "mes", "through_us": 50}
    values = [b"\0" + OLD.to_bytes(4, "big") + avro_bytes(plain, {k: v for k, v in one.items() if k != lacking}) for one in (event, claim)]
    own = configuration()
    first = Adopted(Epoch(0, (0,) * len(INPUTS), {}, own.fingerprint), own, Hierarchy())
    task = Task(NAMED["context"], first, replace(ENVIRONMENT, writer=writer))
    task.feed(0, log_of([(n, 60 * n + 10, LINE.encode(), value, b"") for n, value in enumerate(values)]))
    task.advance()

    assert task.ledger.row(0)["applied"] == 1
