"""Records that leave a task one by one: what is set aside, what is asked for, how far it is.

They are few, so they are plain values, written by fastavro; results leave as encoded columns (codec/outputs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import fastavro
import numpy as np

from streams.catalogue import DEAD_LETTERS, LATE, MESSAGE_BYTES_MAX, QUARANTINE, RESTATE_REQUESTS, schema_of
from streams.codec.murmur import murmur3
from streams.codec.outputs import ID_HEADER, TIME_HEADER, Headers, avro_bytes
from streams.codec.reader import Read
from streams.codec.reasons import BAD_REFERENCE, DETAILS, REASONS
from streams.kernel import I8, I64
from streams.operators.evidence import checksum
from streams.operators.slice import Names
from streams.runners.epoch import Row
from streams.time.gate import CONFLICT, FUTURE
from streams.time.instants import representable

HEAD_BYTES = 65_536  # of a value too large to be kept whole
KEY_BYTES, HEADERS_BYTES = 4_096, 16_384  # of a key, of all headers together: what is longer is cut, what follows is left out
PART_BYTES = 262_144  # of the samples in one record of what is set aside
SAMPLE_BYTES = 32  # of one, at most, beside its asset


@dataclass(frozen=True, slots=True)
class Record:
    """One record for Kafka: catalogue name of the topic, key, framed value, headers."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a task's input stands: catalogue name of the topic, its name on the broker, partition."""

    name: str
    topic: str
    partition: int


class RecordWriter:
    """Frames records of the contracts. schema_id: of a catalogue topic's value."""

    def __init__(self, application: str, schema_id: Callable[[str], int]) -> None:
        self.application, self._schema_id = application, schema_id
        self._parsed: dict[str, Any] = {}

    def value(self, topic: str, schema: str, record: Mapping[str, Any]) -> bytes:
        if schema not in self._parsed:
            self._parsed[schema] = fastavro.parse_schema(dict(schema_of(schema)), _force=True)
        return b"\0" + self._schema_id(topic).to_bytes(4, "big") + avro_bytes(self._parsed[schema], record)

    def record(self, topic: str, key: bytes | None, record: Mapping[str, Any], identity: str, time_us: int) -> Record:
        """A record whose id is the MurmurHash3 x64 128 of `identity`."""
        headers: Headers = [(ID_HEADER, murmur3(identity.encode()).hex().encode()), (TIME_HEADER, b"%d" % time_us)]
        return Record(topic, key, self.value(topic, topic, record), headers)


def _cut(key: bytes | None) -> bytes | None:
    return key if key is None else key[:KEY_BYTES]


def _first_headers(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Those that fit into HEADERS_BYTES, in order."""
    found, used = dict[str, bytes](), 0
    for name, value in headers:
        used += len(name.encode()) + len(value or b"")
        if used > HEADERS_BYTES:
            break
        found[name] = value or b""
    return found


def _coordinates(origin: Origin, read: Read, m: int) -> dict[str, Any]:
    log, value = read.log, read.log.value(m)
    kept = value if value is None or len(value) <= MESSAGE_BYTES_MAX else value[:HEAD_BYTES]
    return {
        "topic": origin.topic, "partition": origin.partition, "offset": int(log.offset[m]), "key": _cut(log.key(m)),
        "append_us": representable(max(0, int(log.append[m]))), "value": kept,
        "value_length": len(value or b""), "value_hash": murmur3(value or b"").hex(),
    }  # fmt: skip


def dead_letters(writer: RecordWriter, origin: Origin, read: Read) -> Iterable[Record]:
    """One record for each message that could not be decoded."""
    for m in np.flatnonzero(read.reason).tolist():
        reason, where = REASONS[read.reason[m]], _coordinates(origin, read, m)
        headers = _first_headers(read.log.headers(m))
        schema_id = int(read.schema_id[m])
        letter = where | {"reason": reason, "detail": DETAILS[reason], "headers": headers, "application": writer.application,
                          "schema_id": schema_id if schema_id >= 0 else None}  # fmt: skip
        yield writer.record(DEAD_LETTERS, where["key"], letter, f"{origin.topic}|{origin.partition}|{where['offset']}", where["append_us"])


def reference_letters(writer: RecordWriter, refused: Iterable[tuple[Row, str]]) -> Iterable[Record]:
    """Dead letters of rows of a reference topic, which no gate sees."""
    for row, detail in refused:
        append_us, value = max(0, row.append_us), row.value or b""
        letter = {
            "topic": row.topic, "partition": 0, "offset": row.offset, "append_us": append_us, "key": _cut(row.key),
            "value": value[:MESSAGE_BYTES_MAX], "value_length": len(value), "value_hash": murmur3(value).hex(),
            "reason": BAD_REFERENCE, "detail": detail, "headers": {},
            "application": writer.application, "schema_id": None,
        }  # fmt: skip
        yield writer.record(DEAD_LETTERS, _cut(row.key), letter, f"{row.topic}|0|{row.offset}", append_us)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some samples of a part of a log, in order: of each its row, its place in its message, its lane, its event time."""

    messages: list[tuple[int, slice]]  # (message, which of the lists' places are its samples); none without samples
    rows: I64
    index: list[int]
    lane: list[int]
    time: list[int]


def chosen(read: Read, rows: I64) -> Chosen:
    message = np.searchsorted(read.messages.row, rows, side="right") - 1
    first = np.flatnonzero(np.diff(message, prepend=-1))
    parts = [slice(start, end) for start, end in pairwise([*first.tolist(), len(rows)])]
    index, lane, time = rows - read.messages.row[message], read.samples.lane[rows], read.samples.time[rows]
    return Chosen(list(zip(message[first].tolist(), parts, strict=True)), rows, index.tolist(), lane.tolist(), time.tolist())


def _parts(found: Chosen, size: Mapping[int, int]) -> Iterator[tuple[int, int, slice]]:
    """(message, number, its samples) of each record: as many samples as PART_BYTES hold. size: of a sample of each lane."""
    for m, part in found.messages:
        ends = np.cumsum([size[lane] for lane in found.lane[part]])
        number, first = 0, 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            end = max(first + 1, int(np.searchsorted(ends, before + PART_BYTES, side="right")))
            yield m, number, slice(part.start + first, part.start + end)
            number, first = number + 1, end


def set_aside(writer: RecordWriter, origin: Origin, read: Read, names: Names, verdict: I8, bound: I64, kind: int) -> Iterable[Record]:
    """One record a message for its samples with a verdict: LATE to the late topic, FUTURE and CONFLICT to quarantine.

    Where they do not fit into one, there are more records, of which only the first has the message's value.
    """
    found = chosen(read, np.flatnonzero(verdict == kind))
    beyond = (read.samples.time[found.rows] - bound[found.rows]).tolist()
    asset = {lane: names.lanes.decode(lane)[0].decode() for lane in set(found.lane)}
    size = {lane: SAMPLE_BYTES + len(name.encode()) for lane, name in asset.items()}
    for m, number, part in _parts(found, size):
        where = _coordinates(origin, read, m) | {
            "indexes": found.index[part], "assets": [asset[lane] for lane in found.lane[part]], "event_times_us": found.time[part],
            "application": writer.application, "part": number,
        }  # fmt: skip
        where |= {"value": None} if number else {}
        identity = f"{origin.topic}|{origin.partition}|{where['offset']}" + (f"|part {number}" if number else "")
        if kind in (FUTURE, CONFLICT):
            excess = beyond[part] if kind == FUTURE else [0] * len(beyond[part])
            reason = "FUTURE" if kind == FUTURE else "CONFLICT"
            quarantined = where | {"reason": reason, "excess_us": excess}
            yield writer.record(QUARANTINE, where["key"], quarantined, f"{identity}|{reason}", where["append_us"])
        else:
            lateness = [-excess for excess in beyond[part]]
            yield writer.record(LATE, where["key"], where | {"lateness_us": lateness}, identity, where["append_us"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Restatement:
    """What `audit.restate-request.v1` asks for; at: (origin, offset, index) of the record that brought the knowledge."""

    line: bytes
    lane: str
    descendants: bool
    since_us: int
    until_us: int
    reason: str
    time_us: int
    at: tuple[Origin, int, int] | None


def restate_request(writer: RecordWriter, rule: str, version: str, asked: Restatement) -> Record:
    evidence = []
    if asked.at is not None:
        origin, offset, index = asked.at
        evidence.append({
            "topic": origin.topic, "partition": origin.partition, "first_offset": offset, "first_index": index,
            "last_offset": offset, "last_index": index, "count": 1, "checksum": checksum([(offset, index)]),
        })  # fmt: skip
    where = f"{asked.at[0].topic}|{asked.at[0].partition}|{asked.at[1]}|{asked.at[2]}" if asked.at else ""
    stretch = (asked.line.decode(), asked.lane, asked.since_us, asked.until_us)
    identity = "|".join(map(str, (writer.application, rule, version, asked.reason, *stretch, where)))
    record = {
        "id": murmur3(identity.encode()).hex(), "application": writer.application, "rule": rule, "version": version,
        "reason": asked.reason, "lanes": [asked.lane],
        "descendants": asked.descendants,
        "since_us": representable(asked.since_us), "until_us": representable(asked.until_us), "evidence": evidence,
    }  # fmt: skip
    return writer.record(RESTATE_REQUESTS, asked.line, record, identity, asked.time_us)
