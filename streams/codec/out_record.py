"""What a writer of raw topics hands on: one record of its log, before it is Avro."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class OutRecord(NamedTuple):
    """One record of a log. topic: its name in the catalogue. value: the record as fields, or framed Avro.

    kind: DATA, HEARTBEAT, CLAIM or BLANK. append_us: microseconds, never falling within a partition. entries: how many of the
    source's own it holds, lines of files or samples (a packed message has many).
    """

    topic: str
    partition: int
    key: bytes
    value: Mapping[str, Any] | bytes
    append_us: int
    kind: str
    entries: int = 0
