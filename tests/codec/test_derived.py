"""Derived records read as rows of a later stage agree with fastavro, whatever they hold; hostile bytes become dead letters."""

from __future__ import annotations

import io
import json
import math
from random import Random
from typing import Any, cast

import fastavro
import numpy as np
import pytest
from hypothesis import given

from streams.catalogue import DerivedKind, schema_of
from streams.codec.blobs import without_logical_types
from streams.codec.derived import CitedArena, DerivedReader
from streams.codec.log import log_of, pack_headers
from streams.codec.plan import Column, canonical, compile_plan
from streams.codec.reasons import REASONS
from streams.errors import SchemaError
from streams.kernel import NEG
from streams.operators.cited import EVIDENCE_AT, FLAGS_AT, ID_AT, SIZE_BITS, SIZE_MASK, contexts
from streams.operators.slice import Names
from tests.seeds import randoms

TOPIC: dict[DerivedKind, str] = {"window": "ctx.window.v1", "context-measurement": "ctx.measurement.v1"}
PARSED = {kind: fastavro.parse_schema(without_logical_types(schema_of(topic)), _force=True) for kind, topic in TOPIC.items()}
LINES = ("acme/hamburg/pressing/line-1", "acme/kiel/paint/line-2")
NOW = 1_700_000_000_000_000


def avro(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def evidence(random: Random) -> list[dict[str, Any]]:
    numbers = ("partition", "first_offset", "first_index", "last_offset", "last_index", "count", "checksum")
    return [{"topic": random.choice(["ot.sample.v1", "x" * 200]), **{n: random.randint(0, 2**31 - 1) for n in numbers}}
            for _ in range(random.choice([0, 1, 1, 3]))]  # fmt: skip


def result(kind: DerivedKind, random: Random) -> dict[str, Any]:
    value = random.choice([1.5, -0.0, 1e300, None])
    order = {"order": random.choice(["A", "B" * 90]), "operation": "10", "product": "P", "work_center": "wc"}
    record: dict[str, Any] = {
        "kind": "DATA", "id": f"{random.getrandbits(128):032x}", "asset": random.choice(["press-1", "Größe"]),
        "unit": random.choice(["", "Cel"]), "orders": [order] * random.choice([0, 0, 1, 2]), "evidence": evidence(random),
    }  # fmt: skip
    if kind == "window":
        least = random.choice([1.0, 2.0])
        durations = [{"value": "RUN", "duration_us": 5}] * random.randint(0, 2)
        return record | {"tag": "temperature", "shape": random.choice(["TUMBLING", "HOPPING", "SESSION"]), "size_us": 10_000_000,
                         "since_us": NOW + random.choice([0, 0, 5]), "until_us": NOW + 10_000_000,
                         "mean": value, "min": least, "max": random.choice([1.0, 2.0]), "durations": durations}  # fmt: skip
    return record | {"characteristic": "d1", "value": value, "quality": random.choice(["GOOD", "UNCERTAIN", "BAD"]), "serial": "s"}


def whole(record: dict[str, Any]) -> bool:
    return bool(record["shape"] == "TUMBLING" and record["since_us"] == NOW)


def frontier(random: Random) -> dict[str, Any]:
    count = random.choice([0, 1, 3])
    told = {"epoch": 1, "lanes": [f"{random.choice(LINES)}/{random.choice(['press-1', 'new-asset', ''])}" for _ in range(count)],
            "frontiers_us": [NOW + random.randint(0, 99) for _ in range(count)], "class_table": "0123456789abcdef",
            "classes": ["live", "slow"], "floors_us": [NOW - 5, NOW - random.randint(5, 50)]}  # fmt: skip
    return {"kind": "FRONTIER", "frontier": told}


def log_for(kind: DerivedKind, records: list[dict[str, Any]], random: Random) -> Any:
    rows = []
    for n, record in enumerate(records):
        headers: list[tuple[str, bytes | None]] = [("andon-id", b"x"), ("andon-time-us", b"%d" % (NOW + n))]
        key = b"frontier" if record["kind"] == "FRONTIER" else record.pop("line", random.choice(LINES)).encode()
        rows.append((2 * n, NOW, key, b"\0\0\0\0\7" + avro(PARSED[kind], record), pack_headers(headers)))
    return log_of(rows)


@pytest.mark.parametrize("kind", TOPIC)
@given(random=randoms())
def test_rows_are_what_fastavro_reads(kind: DerivedKind, random: Random) -> None:
    records = [frontier(random) if random.random() < 0.2 else result(kind, random) for _ in range(random.randint(0, 12))]
    log, names, arena, parsed = log_for(kind, records, random), Names(), CitedArena(), cast("dict[str, Any]", PARSED[kind])
    read = DerivedReader(kind, {7: schema_of(TOPIC[kind])}.get).read(log, names)
    assert not read.reason.any() and read.cited is not None
    data = [(n, r) for n, r in enumerate(records) if r["kind"] == "DATA"]
    assert np.flatnonzero(np.diff(read.messages.row)).tolist() == [n for n, _ in data]
    arena.keep_cited(log.buffer, read.cited, np.ones(len(data), np.int8), read.content.extra)
    for row, (n, record) in enumerate(data):
        signal = int(read.content.signal[row])
        asset, tag, unit = (part.decode() for part in names.signals.decode(signal))
        assert names.lines.decode(names.signals.scope(signal))[0] == log.key(n)
        assert (asset, tag, unit) == (record["asset"], record.get("tag", "d1"), record["unit"])
        value = record.get("mean") if kind == "window" else record["value"]
        assert repr(read.content.value[row : row + 1].view(np.float64)[0].item()) == repr(math.nan if value is None else value)
        good = "GOOD" if kind == "window" else record["quality"]
        assert read.content.quality[row] == (2 if value is None and good == "GOOD" else ["GOOD", "UNCERTAIN", "BAD"].index(good))
        assert read.samples.time[row] == NOW + n
        assert read.messages.first[n] == (0 if kind != "window" else 10_000_000 if whole(record) else -1)
        extra = int(read.content.extra[row])
        piece = arena.arena[extra >> SIZE_BITS :][: extra & SIZE_MASK].tobytes()
        fields = {f["name"]: f["type"] for f in parsed["fields"]}
        assert piece[EVIDENCE_AT:] == avro(fields["evidence"], record["evidence"])
        assert piece[ID_AT:EVIDENCE_AT].hex() == record["id"]
        assert piece[FLAGS_AT] == int(kind == "window" and record["min"] == record["max"])
        context = int(contexts(arena.arena, read.content.extra[row : row + 1])[0])
        assert names.contexts.decode(context)[0] == avro(fields["orders"], record["orders"])
    told = [r["frontier"] for r in records if r["kind"] == "FRONTIER"]
    for got, wanted in zip(read.told, told, strict=True):
        assert [names.lane_path(int(lane)) for lane in got.lanes] == wanted["lanes"] and got.frontiers.tolist() == wanted["frontiers_us"]
        assert (got.table, list(got.classes), list(got.floors)) == (wanted["class_table"], wanted["classes"], wanted["floors_us"])


@pytest.mark.parametrize("kind", TOPIC)
@given(random=randoms())
def test_hostile_bytes_are_dead_and_leave_no_trace(kind: DerivedKind, random: Random) -> None:
    """Whatever our decoder accepts, fastavro reads alike and to the last byte."""
    record = frontier(random) if random.random() < 0.3 else result(kind, random)
    value = bytearray(avro(PARSED[kind], record))
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(value))
        value[at : at + random.randint(0, 2)] = random.randbytes(random.randint(0, 3))
    good = avro(PARSED[kind], result(kind, random))
    headers = pack_headers([("andon-time-us", b"%d" % NOW)])
    log = log_of([(n, NOW, LINES[0].encode(), b"\0\0\0\0\7" + v, headers) for n, v in enumerate([bytes(value), good])])
    read = DerivedReader(kind, {7: schema_of(TOPIC[kind])}.get).read(log, Names())
    assert read.reason[1] == 0
    if read.reason[0] == 0:
        stream = io.BytesIO(bytes(value))
        try:
            fastavro.schemaless_reader(stream, PARSED[kind], None)
        except UnicodeDecodeError:  # of a text that no later stage reads
            return
        assert stream.tell() == len(value)


def test_a_count_that_the_bytes_cannot_hold_is_refused_at_once() -> None:
    """2^40 empty-looking items would otherwise be a loop of hours."""
    columns = [Column("items", "span", items=canonical(_flat([("n", "long")])))]
    plan = compile_plan(_array(_flat([("n", "long")])), columns)
    from streams.codec.decode import REASONS as DECODING
    from streams.codec.decode import decode

    for count in (2**40, -(2**40), -(2**62) * 2):
        body = avro("long", count) + (avro("long", 3) if count < 0 else b"") + b"\2\2\2"
        found = decode(np.frombuffer(body, np.uint8), np.zeros(1, np.int64), np.array([len(body)]), [(np.zeros(1, np.int64), plan)])
        assert DECODING[found.status[0]] in ("truncated", "bad-length")


@pytest.mark.parametrize(
    ("items", "reason"),
    [([("n", "null")], "without content"), ([("n", "double")], "differ from its contract"),
     ([("n", {"type": "array", "items": {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}})], "differ")],
)  # fmt: skip
def test_arrays_of_records_that_are_not_accepted(items: list[tuple[str, Any]], reason: str) -> None:
    wanted = canonical(_flat(items if items[0][1] == "null" else [("n", "long")]))
    with pytest.raises(SchemaError, match=reason):
        compile_plan(_array(_flat(items)), [Column("items", "span", items=wanted)])


def _flat(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": "Item", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({"type": "record", "name": "R", "fields": [{"name": "items", "type": {"type": "array", "items": items}}]}))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"id": "x"}, "bad-id"), ({"asset": ""}, "no-asset"), ({"tag": ""}, "no-tag"), ({"line": "a/b"}, "bad-key")],
)  # fmt: skip
def test_what_is_wrong_with_a_result_is_named(change: dict[str, Any], reason: str) -> None:
    log = log_for("window", [result("window", Random(1)) | change], Random(1))
    read = DerivedReader("window", {7: schema_of("ctx.window.v1")}.get).read(log, Names())
    assert [REASONS[n] for n in read.reason] == [reason]


def test_a_result_without_its_time_is_dead() -> None:
    log = log_of([(0, NOW, LINES[0].encode(), b"\0\0\0\0\7" + avro(PARSED["window"], result("window", Random(1))), b"")])
    read = DerivedReader("window", {7: schema_of("ctx.window.v1")}.get).read(log, Names())
    assert [REASONS[n] for n in read.reason] == ["bad-time"] and NEG < 0
