"""Only instants that every consumer can show as a date come in."""

from __future__ import annotations

import fastavro
import pytest

from streams.catalogue import schema_of
from streams.codec.blobs import without_logical_types
from streams.codec.outputs import avro_bytes
from streams.codec.reader import REASONS, Names, Reader, log_of
from streams.time.instants import FIRST_US, LAST_US

_CONTRACT = fastavro.parse_schema(without_logical_types(dict(schema_of("ot.sample.v1"))), _force=True)
_SAMPLE = {"kind": "DATA", "source": "s", "boot": 0, "sequence": 1, "asset": "a", "tag": "t", "value": 1.0, "quality": "GOOD"}


@pytest.mark.parametrize(
    ("event_us", "append_us", "reason"),
    [
        (FIRST_US, 0, "ok"), (FIRST_US - 1, 0, "bad-time"), (LAST_US, 0, "ok"), (LAST_US + 1, 0, "bad-time"), (0, LAST_US, "ok"),
        (0, LAST_US + 1, "no-append-time"), (0, FIRST_US - 1, "no-append-time"),
    ],
)  # fmt: skip
def test_the_years_2_to_9998_come_in(event_us: int, append_us: int, reason: str) -> None:
    value = b"\0" + (1).to_bytes(4, "big") + avro_bytes(_CONTRACT, _SAMPLE | {"event_time_us": event_us})
    read = Reader("sample", {1: schema_of("ot.sample.v1")}.get).read(log_of([(0, append_us, b"e/s/a/l", value, b"")]), Names())
    assert REASONS[read.reason[0]] == reason
