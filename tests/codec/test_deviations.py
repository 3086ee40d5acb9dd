"""What the encoder writes of episodes, fastavro reads as the operator told it; ids are what anybody computes."""

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
from streams.codec.blobs import without_logical_types
from streams.codec.deviations import DeviationEncoder
from streams.codec.outputs import ContextTable
from streams.model.characteristic import Characteristics
from streams.operators import episodes as e
from streams.operators.slice import Columns, Names
from tests.operators.later import LINE, UNIT, cited, run
from tests.operators.test_laws_of_later_stages import CASES, END, random_epochs, random_histories
from tests.seeds import randoms
from tests.twin.deviations import Point, product_of

SCHEMA = fastavro.parse_schema(without_logical_types(schema_of("qual.deviation.v1")), _force=True)
ENCODER = DeviationEncoder("qual.deviation.v1", "quality.charts", "v1", 7, 42)


def read(value: bytes) -> dict[str, Any]:
    assert value[:5] == b"\0\0\0\0\x2a"
    stream = io.BytesIO(value[5:])
    found = fastavro.schemaless_reader(stream, SCHEMA, None)
    assert stream.tell() == len(value) - 5
    assert isinstance(found, dict)
    return found


def none_for_nan(value: float) -> float | None:
    return None if np.isnan(value) else value


def wanted(lane: str, out: dict[str, Any], by_id: dict[bytes, Point]) -> dict[str, Any]:
    def id_of(time: int, ordinal: int) -> str:
        parts = ["quality.charts", "v1", 0, LINE, lane, out["signal"], UNIT, out["product"], out["test"], time, ordinal]
        return mmh3.hash_bytes("|".join(map(str, parts)).encode()).hex()

    chart = "revision" in out
    return {
        "kind": "DATA", "frontier": None, "id": id_of(out["time"], out["ordinal"]), "revision": 0, "rule": "quality.charts",
        "version": "v1", "episode": id_of(out["begun"], out["begun_ordinal"]),
        "phase": out["phase"], "test": out["test"], "severity": out["severity"],
        "reason": out["reason"], "asset": lane, "characteristic": out["signal"], "unit": UNIT, "since_us": out["since"],
        "until_us": out["until"], "value": none_for_nan(out["value"]), "limits_revision": out["revision"] if chart else None,
        "limits_product": out["product"] if chart and not out["general"] else "", "epoch": 7, "product": product_of(out["orders"]),
        "orders": [asdict(ref) for ref in out["orders"]],
        "points": [{"id": i.hex(), "time_us": t, "value": none_for_nan(v), "evidence": cited(by_id[i])} for i, t, v in out["points"]],
        **{name: none_for_nan(out[name]) if chart else None for name in e.LIMITS},
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@given(random=randoms())
def test_fastavro_reads_what_was_told(case: str, random: Random) -> None:
    """Whatever the cuts; and every record of an episode names the id of the record that began it."""
    histories = random_histories(case, random)
    limits, epochs = random_epochs(random, histories)
    records: dict[str, list[dict[str, Any]]] = {lane: [] for lane in histories}

    def seen(names: Names, columns: Columns) -> None:
        encoded = ENCODER.encode(columns, names, ContextTable([]).table())
        assert len(encoded) == len(columns["time"])
        for (key, value, headers), time, lane in zip(encoded.records(), columns["time"].tolist(), columns["lane"].tolist(), strict=True):
            record = read(value)
            assert key == LINE.encode()
            assert dict(headers) == {"andon-id": record["id"].encode(), "andon-time-us": str(time).encode()}
            records[names.lanes.decode(lane)[0].decode()].append(record)

    ops, frozen = [CASES[case]] * len(limits), [Characteristics.of(rows) for rows in limits]
    outputs, _ = run(ops, histories, END, random, random.randint(0, 6), frozen, epochs, seen)
    by_id = {point.id: point for points in histories.values() for point in points}
    for lane, told in outputs.items():
        assert records[lane] == [wanted(lane, out, by_id) for out in told]
        begun = {record["id"] for record in records[lane] if record["phase"] == "BEGIN"}
        assert {record["episode"] for record in records[lane]} == begun
        assert len({record["id"] for record in records[lane]}) == len(records[lane])


def test_an_episode_keeps_its_name_when_the_configuration_changes() -> None:
    """It began under another version than that of the record that ends it."""
    names = Names()
    signal = names.signal(names.lines.encode(0, LINE.encode()), "press-1", "force", "kN")
    told = e.new_told(1)
    told.ints[0], told.floats[0], told.counts[:2] = 0, np.nan, (1, 0)
    told.ints[0, [e.T_SIGNAL, e.T_TEST, e.T_PHASE, e.T_TIME, e.T_BEGUN]] = signal, e.BEYOND_LIMITS, e.END, 90, 20
    told.ints[0, e.T_BEGUN_VERSION], told.ints[0, e.T_REVISION] = names.texts.encode(0, b"before"), e.NONE
    nothing = np.zeros(0, np.uint8)
    told.ints[0, e.T_PRODUCT] = names.texts.encode(0, b"")
    columns = e.told_columns(told, np.arange(1), np.zeros(1, np.int32), {e.BEYOND_LIMITS: nothing}, nothing)
    [(_, value, _)] = ENCODER.encode(columns, names, ContextTable([]).table()).records()
    parts = f"quality.charts|before|0|{LINE}|press-1|force|kN||BEYOND_LIMITS|20|0"
    assert read(value)["episode"] == mmh3.hash_bytes(parts.encode()).hex()
