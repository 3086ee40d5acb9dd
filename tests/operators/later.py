"""Points of the twin to slices of a later stage, cut at random, and what operators tell back to the twin's dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from random import Random
from typing import Any

import fastavro
import numpy as np

from streams.catalogue import schema_of
from streams.codec.outputs import avro_bytes
from streams.kernel import NEG
from streams.model.characteristic import Characteristics
from streams.operators import IndividualsChart
from streams.operators import episodes as e
from streams.operators.cited import EVIDENCE_AT, FLAGS_AT, FLAT, ID_AT, SIZE_BITS
from streams.operators.order_refs import order_refs
from streams.operators.slice import BAD, GOOD, Columns, Names, Slice, plain_slice
from streams.time.pending import Rows, empty_rows
from tests.twin.deviations import Orders, Point

LINE, UNIT = "acme/hamburg/pressing/line-1", "kN"
Histories = Mapping[str, Sequence[Point]]
_FIELDS = [{"name": name, "type": "string"} for name in ("order", "operation", "product", "work_center")]
ORDERS_SCHEMA = fastavro.parse_schema({"type": "array", "items": {"type": "record", "name": "OrderRef", "fields": _FIELDS}}, _force=True)


_POINT = next(field for field in schema_of("qual.deviation.v1")["fields"] if field["name"] == "points")["type"]["items"]
_EVIDENCE = fastavro.parse_schema(next(f for f in _POINT["fields"] if f["name"] == "evidence")["type"], _force=True)


def cited(point: Point) -> list[dict[str, Any]]:
    """What a point cites: something that is its own, of various sizes."""
    one = {"topic": "ot.sample.v1" + "x" * (point.id[1] % 5), "partition": 3, "first_index": point.id[3], "last_index": 5, "count": 9}
    one |= {"first_offset": point.id[2], "last_offset": 300 + point.id[0], "checksum": -7}
    return [one] * (point.id[0] % 3)


@cache
def evidence(point: Point) -> bytes:
    return avro_bytes(_EVIDENCE, cited(point))


class LaterPlant:
    """Names with codes in a random order: no output may depend on them."""

    def __init__(self, random: Random, histories: Histories) -> None:
        self.names = Names()
        self.line = self.names.lines.encode(0, LINE.encode())
        for lane in random.sample(sorted(histories), len(histories)):
            self.names.lanes.encode(self.line, lane.encode())
            signals = sorted({point.signal for point in histories[lane]})
            for signal in random.sample(signals, len(signals)):
                self.names.signal(self.line, lane, signal, UNIT)
        orders = sorted({point.orders for points in histories.values() for point in points})
        for one in random.sample(orders, len(orders)):
            self.context(one)
        for text in random.sample(["", "x", "P", "Q", "v1"], 5):
            self.names.texts.encode(0, text.encode())

    def context(self, orders: Orders) -> int:
        return self.names.contexts.encode(0, avro_bytes(ORDERS_SCHEMA, [asdict(ref) for ref in orders]))

    def lane(self, name: str) -> int:
        return self.names.lanes.encode(self.line, name.encode())

    def slice(
        self, histories: Histories, lanes: Sequence[str], since: Mapping[str, int], until: Mapping[str, int], limits: Characteristics
    ) -> Slice:
        rows, arena, context, start = empty_rows(sum(map(len, histories.values()))), bytearray(b"\0"), [], [0]
        n = 0
        for lane in lanes:
            for place, point in enumerate(histories[lane]):
                if not since[lane] <= point.time < until[lane]:
                    continue
                code = self.context(point.orders)
                piece = code.to_bytes(4, "little") + bytes([FLAT if point.flat else 0]) + point.id + evidence(point)
                assert (len(piece[:FLAGS_AT]), len(piece[: FLAGS_AT + 1]), len(piece) - len(evidence(point))) == (4, ID_AT, EVIDENCE_AT)
                rows.time[n], rows.signal[n] = point.time, self.names.signal(self.line, lane, point.signal, UNIT)
                rows.value[n : n + 1].view(np.float64)[0] = point.value
                rows.quality[n], rows.sequence[n], rows.offset[n] = GOOD if point.good else BAD, point.size, place
                rows.extra[n] = len(arena) << SIZE_BITS | len(piece)
                arena += piece
                context.append(code)
                n += 1
            start.append(n)
        rows = Rows._make(column[:n] for column in rows)
        low, high = (np.array([of[x] for x in lanes], np.int64) for of in (since, until))
        piece_of = plain_slice(self.names, np.array([self.lane(x) for x in lanes], np.int32), low, high, np.array(start), rows)
        return replace(piece_of, context=np.array(context, np.int32), arena=np.frombuffer(bytes(arena), np.uint8), limits=limits)


def run(
    ops: Sequence[Any], histories: Histories, end: int, random: Random, cuts: int, limits: Sequence[Characteristics],
    epochs: Sequence[Mapping[str, int]], seen: Callable[[Names, Columns], None] = lambda names, columns: None,
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:  # fmt: skip
    """Advance over random slices of random lanes up to `end`. ops, limits: of each epoch; epochs: how far each lane is when the
    next one is adopted; seen: is shown every output. Outputs by lane, and the canonical state."""
    plant = LaterPlant(random, histories)
    state, front, op = ops[0].initial(), dict.fromkeys(histories, NEG), ops[0]
    outputs: dict[str, list[dict[str, Any]]] = {lane: [] for lane in histories}
    for number, goal in enumerate([*epochs, dict.fromkeys(histories, end)]):
        if number:
            state, op = ops[number].succeed(op, state), ops[number]
        for step in range(cuts + 1):
            last = step == cuts
            lanes = list(histories) if last else random.sample(sorted(histories), random.randint(1, len(histories)))
            until = {x: goal[x] if last else max(front[x], random.randint(min(-20, goal[x]), goal[x])) for x in lanes}
            lanes = [x for x in lanes if until[x] > front[x]]
            if random.random() < 0.3:
                state = op.restored({name: column.copy() for name, column in op.columns(state).items()})
            piece = plant.slice(histories, lanes, front, until, limits[number])
            before = {name: column.copy() for name, column in piece.rows._asdict().items()}
            state, found = op.advance(state, piece)
            assert all((piece.rows._asdict()[name] == column).all() for name, column in before.items()), "input was changed"
            assert (op.due(state, piece.lanes) > piece.until).all(), "a timer was left behind"
            seen(plant.names, found["episodes"])
            for lane, out in resolve(plant.names, found["episodes"], {p.id: p for points in histories.values() for p in points}):
                assert front[lane] <= out["time"] < until[lane], "output outside its slice"
                outputs[lane].append(out)
            front |= until
    return outputs, canonical(op, plant.names, state)


def resolve(names: Names, columns: Columns, by_id: Mapping[bytes, Point]) -> list[tuple[str, dict[str, Any]]]:
    """(lane, record as the twin gives it) in order; the bytes of each point are held against the point."""
    found = []
    for n in range(len(columns["time"])):
        points = []
        for k in range(int(columns["points"][n]), int(columns["points"][n + 1])):
            at, size = int(columns["point_at"][k]), int(columns["point_size"][k])
            piece = columns["point_bytes"][at : at + size].tobytes()
            assert piece[16:] == evidence(by_id[piece[:16]]), "evidence of another point"
            points.append((piece[:16], int(columns["point_time"][k]), float(columns["point_value"][k])))
        numbers = {name: int(columns[name][n]) for name in ("time", "since", "ordinal", "begun", "begun_ordinal")}
        out: dict[str, Any] = numbers | {
            "signal": names.signals.decode(int(columns["signal"][n]))[1].decode(), "test": e.TESTS[columns["test"][n]],
            "product": names.texts.decode(int(columns["product"][n]))[0].decode(), "phase": e.PHASES[columns["phase"][n]],
            "severity": e.SEVERITIES[columns["severity"][n]], "reason": e.REASONS[columns["reason"][n]],
            "orders": order_refs(names.contexts.decode(int(columns["context"][n]))[0]), "value": float(columns["value"][n]),
            "until": None if columns["until"][n] == e.NONE else int(columns["until"][n]), "points": points,
        }  # fmt: skip
        if out["test"] not in ("STUCK", "MISSING"):
            out |= {name: float(columns[name][n]) for name in e.LIMITS}
            out |= {"revision": int(columns["limits_revision"][n]), "general": bool(columns["limits_general"][n])}
        found.append((names.lanes.decode(int(columns["lane"][n]))[0].decode(), out))
    return found


def canonical(op: Any, names: Names, state: Any) -> list[str]:
    """State rows with codes resolved, sorted: equal states give equal lists, whatever their codes."""
    columns = op.columns(state)
    tests = len(columns["episodes"]) // max(1, len(columns["signal"]))
    found = []
    for k, signal in enumerate(columns["signal"].tolist()):
        name = repr(names.signals.decode(signal))
        ints = columns["ints"][k].tolist()
        if isinstance(op, IndividualsChart):
            name += repr(names.texts.decode(int(columns["product"][k]))) + repr(columns["limits"][k].tolist())
        else:
            ints[0] = names.lanes.decode(ints[0])
            ints[3] = names.contexts.decode(ints[3])
            name += repr(columns["asked"][k].tolist())
        rows = []
        for episode in columns["episodes"][k * tests : (k + 1) * tests].tolist():
            if episode[e.OPEN]:
                episode[e.CONTEXT] = names.contexts.decode(episode[e.CONTEXT])
                episode[e.BEGUN_VERSION] = names.texts.decode(episode[e.BEGUN_VERSION])
            rows.append(episode)
        rings = [ring(columns, prefix, k) for prefix in (("",) if isinstance(op, IndividualsChart) else ("good.", "last."))]
        found.append(f"{name} {ints} {rows} {rings}")
    return sorted(found)


def ring(columns: Columns, prefix: str, k: int) -> list[tuple[int, bytes, bytes]]:
    first = int(columns[f"{prefix}points"][:k].sum())
    found = []
    for n in range(first, first + int(columns[f"{prefix}points"][k])):
        at = int(columns[f"{prefix}point_size"][:n].sum())
        piece = columns[f"{prefix}point_bytes"][at : at + int(columns[f"{prefix}point_size"][n])]
        found.append((int(columns[f"{prefix}point_time"][n]), columns[f"{prefix}point_value"][n].tobytes(), piece.tobytes()))
    return found
