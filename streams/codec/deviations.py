"""Episodes of charts and signals as records of `qual.deviation.v1`. They are few, so they are plain values, written by fastavro.

    id        rule|version|0|line|asset|characteristic|unit|product of the chart|test|time|ordinal, hashed as every id
    episode   the same of the BEGIN record, under the version that it had: the operator remembers what it is made of

`epoch` is the number of the task's epoch: reference rows and rules that it adopted, or an earlier one did, are in force.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

import fastavro
import numpy as np

from streams.catalogue import schema_of
from streams.codec.encode import Contexts
from streams.codec.murmur import murmur3
from streams.codec.outputs import Encoded, avro_bytes
from streams.kernel import U8
from streams.model.order import OrderRef
from streams.operators.episodes import LIMITS, NONE, PHASES, REASONS, SEVERITIES, TESTS
from streams.operators.order_refs import order_refs, product_of
from streams.operators.slice import Columns, Names

CONTRACT = "qual.deviation.v1"
_ID_BYTES = 16


def _evidence_schema() -> Any:
    points = next(field for field in schema_of(CONTRACT)["fields"] if field["name"] == "points")["type"]["items"]
    evidence = next(field for field in points["fields"] if field["name"] == "evidence")["type"]
    return fastavro.parse_schema(evidence, _force=True)


def _number(value: float) -> float | None:
    return None if isnan(value) else value


class DeviationEncoder:
    """Encodes the output `episodes` of one step. topic: catalogue name; epoch: number of the epoch in force; schema_id: of the value."""

    def __init__(self, topic: str, rule: str, version: str, epoch: int, schema_id: int) -> None:
        self.topic, self._rule, self._version, self._epoch = topic, rule, version, epoch
        self._frame = b"\0" + schema_id.to_bytes(4, "big")
        self._schema, self._evidence = fastavro.parse_schema(dict(schema_of(CONTRACT)), _force=True), _evidence_schema()

    def encode(self, columns: Columns, names: Names, contexts: Contexts, blobs: U8 | None = None) -> Encoded:
        """Records of the columns (operators/episodes.py); contexts and blobs are not asked for, orders are read from names.contexts."""
        rows = len(columns["time"])
        line = names.lanes.table.scope[columns["lane"]]
        plain = {name: column.tolist() for name, column in columns.items() if name not in ("point_bytes", "lane")}
        pieces, buffer, ends = columns["point_bytes"].tobytes(), bytearray(), [0]
        refs = {code: order_refs(names.contexts.decode(code)[0]) for code in set(plain["context"])}
        ids = np.empty((rows, 2 * _ID_BYTES), np.uint8)
        for k in range(rows):
            one = {name: column[k] for name, column in plain.items() if not name.startswith("point")}
            points = self._points(plain, pieces, plain["points"][k], plain["points"][k + 1])
            record = self._record(one, names, names.lines.decode(int(line[k]))[0].decode(), refs[one["context"]], points)
            ids[k] = np.frombuffer(record["id"].encode(), np.uint8)
            buffer += self._frame + avro_bytes(self._schema, record)
            ends.append(len(buffer))
        at = np.array(ends, np.int64)
        return Encoded(self.topic, names, line, columns["lane"], columns["time"], ids, bytes(buffer), at[:-1], at[1:])

    def _record(
        self, one: Mapping[str, Any], names: Names, line: str, refs: tuple[OrderRef, ...], points: list[dict[str, Any]]
    ) -> dict[str, Any]:
        asset, tag, unit = (part.decode() for part in names.signals.decode(one["signal"]))
        chart = "|".join((line, asset, tag, unit, names.texts.decode(one["product"])[0].decode(), TESTS[one["test"]]))

        def id_of(version: str, time: int, ordinal: int) -> str:
            return murmur3(f"{self._rule}|{version}|0|{chart}|{time}|{ordinal}".encode()).hex()

        begun = names.texts.decode(one["begun_version"])[0].decode()
        found: dict[str, Any] = {
            "kind": "DATA", "frontier": None, "id": id_of(self._version, one["time"], one["ordinal"]), "revision": 0,
            "rule": self._rule, "version": self._version, "episode": id_of(begun, one["begun"], one["begun_ordinal"]),
            "phase": PHASES[one["phase"]], "test": TESTS[one["test"]], "severity": SEVERITIES[one["severity"]],
            "reason": REASONS[one["reason"]], "asset": asset, "characteristic": tag, "unit": unit, "since_us": one["since"],
            "until_us": None if one["until"] == NONE else one["until"], "value": _number(one["value"]),
            "limits_revision": None if one["limits_revision"] == NONE else one["limits_revision"], "limits_product": "",
            "epoch": self._epoch, "product": product_of(refs), "orders": [asdict(ref) for ref in refs], "points": points,
        }  # fmt: skip
        if one["limits_revision"] != NONE and not one["limits_general"]:
            found["limits_product"] = found["product"]
        return found | {name: _number(one[name]) for name in LIMITS}

    def _points(self, plain: Mapping[str, Any], pieces: bytes, first: int, end: int) -> list[dict[str, Any]]:
        found = []
        for k in range(first, end):
            piece = pieces[plain["point_at"][k] : plain["point_at"][k] + plain["point_size"][k]]
            cited = fastavro.schemaless_reader(io.BytesIO(piece[_ID_BYTES:]), self._evidence, None)
            value = _number(plain["point_value"][k])
            found.append({"id": piece[:_ID_BYTES].hex(), "time_us": plain["point_time"][k], "value": value, "evidence": cited})
        return found
