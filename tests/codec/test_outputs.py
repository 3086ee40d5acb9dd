"""What the encoder writes, fastavro reads as the columns say; ids are what anybody computes."""

from __future__ import annotations

import io
from dataclasses import asdict
from random import Random
from typing import Any

import fastavro
import mmh3
import numpy as np
import pytest
from hypothesis import given

from streams.catalogue import schema_of
from streams.codec.outputs import ContextTable, Encoder
from streams.model.order import Coordinate, OrderRef
from streams.operators.evidence import checksum
from streams.operators.slice import Columns
from tests.operators.harness import Plant, resolve, run_once
from tests.operators.test_laws import CASES, random_histories
from tests.seeds import randoms

TOPICS = [("ot.sample.v1", 3), ("ot.telemetry.v1", 3)]
ORDERS = [(OrderRef("A-1", "10", "Größe", "cell-1"), OrderRef("B", "", "", "")), ()]
CONTEXTS = [((), ()), *((refs, tuple(Coordinate(0, 5 + n, 0) for n in range(len(refs)))) for refs in ORDERS * 3)]
WHERE = {
    "numeric": ("ctx.window.v1", "windows", "windows"),
    "discrete": ("ctx.window.v1", "windows", "discrete-windows"),
    "intervals": ("ctx.state-interval.v1", "intervals", "intervals"),
    "counters": ("ctx.count.v1", "increments", "increments"),
}


def read(schema: str, value: bytes) -> dict[str, Any]:
    assert value[:5] == b"\0\0\0\0\x2a"
    stream = io.BytesIO(value[5:])
    found = fastavro.schemaless_reader(stream, fastavro.parse_schema(_plain(schema_of(schema)), _force=True), None)
    assert stream.tell() == len(value) - 5
    assert isinstance(found, dict)
    return found


def _plain(schema: Any) -> Any:
    """Without logical types: instants as integers."""
    if isinstance(schema, dict):
        return {k: _plain(v) for k, v in schema.items() if k != "logicalType"}
    return [_plain(v) for v in schema] if isinstance(schema, list) else schema


def expected_evidence(row: np.ndarray, context: int) -> list[dict[str, Any]]:
    found = []
    for k, (topic, partition) in enumerate(TOPICS):
        a, b, c, d, count, total = row[6 * k : 6 * k + 6].tolist()
        if count:
            found.append(cited(topic, partition, (a, b), (c, d), count, total))
    if refs := CONTEXTS[context][1]:
        own = [(c.offset, c.index) for c in refs]
        found.append(cited(*TOPICS[0], own[0], own[-1], len(own), checksum(own)))
    return found


def cited(topic: str, partition: int, first: tuple[int, int], last: tuple[int, int], count: int, total: int) -> dict[str, Any]:
    return {
        "topic": topic, "partition": partition, "first_offset": first[0], "first_index": first[1], "last_offset": last[0],
        "last_index": last[1], "count": count, "checksum": total,
    }  # fmt: skip


@pytest.mark.parametrize("case", WHERE)
@given(random=randoms())
def test_fastavro_reads_what_the_columns_say(case: str, random: Random) -> None:
    schema, output, binding = WHERE[case]
    plant, outputs = run_once(CASES[case], random_histories(case, random), 60, random)
    columns: Columns = dict(outputs[output])
    if case == "counters":
        columns["ordinal"] = np.arange(len(columns["time"]))
    encoder = Encoder("out", schema, binding, "test.step", "f00d", 42, TOPICS)
    encoded = encoder.encode(columns, plant.names, ContextTable(TOPICS).table(enumerate(CONTEXTS)))
    wanted = resolve(CASES[case], plant.names, {output: columns})
    assert len(encoded) == len(wanted)
    for n, ((key, value, headers), (_, out)) in enumerate(zip(encoded.records(), wanted, strict=True)):
        record, context = read(schema, value), int(columns["context"][n])
        assert key == b"acme/hamburg/pressing/line-1"
        assert dict(headers) == {"andon-id": record["id"].encode(), "andon-time-us": str(out["time"]).encode()}
        assert record["orders"] == [asdict(ref) for ref in CONTEXTS[context][0]]
        assert record["evidence"] == expected_evidence(columns["evidence"][n], context)
        assert (record["kind"], record["rule"], record["version"], record["revision"]) == ("DATA", "test.step", "f00d", 0)
        check_values(case, record, out)
        assert record["id"] == mmh3.hash_bytes(identity(case, plant, columns, n)).hex()


def identity(case: str, plant: Plant, columns: Columns, n: int) -> bytes:
    asset, tag, unit = (p.decode() for p in plant.names.signals.decode(int(columns["signal"][n])))
    parts = {"numeric": ("shape", "size", "hop", "start", "since"), "intervals": ("start",), "counters": ("time", "ordinal")}
    numbers = [int(columns[name][n]) for name in parts.get(case, parts["numeric"])]
    return "|".join(map(str, ["test.step", "f00d", 0, "acme/hamburg/pressing/line-1", asset, tag, unit, *numbers])).encode()


def check_values(case: str, record: dict[str, Any], out: dict[str, Any]) -> None:
    assert (record["asset"], record["tag"]) == (record["asset"], out["signal"])
    if case == "intervals":
        for field in ("value", "start_us", "end_us", "entered_us", "reason"):
            assert record[field] == out[field.removesuffix("_us")], field
        assert record["duration_us"] == out["end"] - out["start"]
        return
    if case == "counters":
        told = [record[field] for field in ("event_time_us", "increment", "total", "cause")]
        assert told == [out[name] for name in ("time", "increment", "total", "cause")]
        return
    assert [record[k] for k in ("start_us", "end_us", "since_us", "until_us", "count", "count_bad", "known_us")] == [
        out[k] for k in ("start", "end", "since", "until", "count", "count_bad", "known")
    ]
    if case == "discrete":
        assert [tuple(d.values()) for d in record["durations"]] == out["durations"]
        assert (record["first_value"], record["last_value"]) == (out.get("first"), out.get("last"))
        return
    for name in ("sum", "mean", "variance", "min", "max", "first", "last", "time_weighted_mean"):
        assert repr(record[name]) == repr(out.get(name)), name


def test_long_names_and_many_rows_make_the_buffer_grow() -> None:
    random = Random(1)
    plant, outputs = run_once(CASES["intervals"], random_histories("intervals", random), 60, random)
    columns = {name: np.repeat(column, 5000, axis=0) for name, column in outputs["intervals"].items()}
    long = plant.names.texts.encode(0, b"x" * 3000)
    columns["reason"] = np.full(len(columns["time"]), long)
    encoder = Encoder("out", "ctx.state-interval.v1", "intervals", "r", "v", 42, TOPICS)
    encoded = encoder.encode(columns, plant.names, ContextTable(TOPICS).table(enumerate(CONTEXTS)))
    values = [value for _, value, _ in encoded.records()]
    assert all(read("ctx.state-interval.v1", values[n])["reason"] == "x" * 3000 for n in (0, len(values) // 2, -1))


def test_room_for_names_that_are_not_there_yet_is_not_measured() -> None:
    """Arrays grow without being set: what lies behind the last name is whatever the memory held."""
    random = Random(1)
    plant, outputs = run_once(CASES["intervals"], random_histories("intervals", random), 60, random)
    plant.names.texts.table.lengths[3 * len(plant.names.texts) :] = (1 << 31) - 1
    encoder = Encoder("out", "ctx.state-interval.v1", "intervals", "r", "v", 42, TOPICS)
    encoded = encoder.encode(outputs["intervals"], plant.names, ContextTable(TOPICS).table(enumerate(CONTEXTS)))
    assert len([read("ctx.state-interval.v1", value) for _, value, _ in encoded.records()]) == len(outputs["intervals"]["time"]) > 0
