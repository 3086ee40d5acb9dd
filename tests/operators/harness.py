"""Twin rows to slices, cut at random, and operators' output columns back to the twins' dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from streams.kernel import NEG
from streams.operators import CounterIncrements, InContext, StateIntervals, WindowStatistics
from streams.operators.counter_increments import CAUSES, NO_TOTAL, REPORTS_INCREMENTS
from streams.operators.evidence import WIDTH, checksum
from streams.operators.slice import Changes, Names, Slice
from streams.time.pending import Rows, empty_rows
from tests.twin.operators import Change, Row, context_at

Histories = Mapping[str, tuple[list[Row], list[Change]]]  # lane -> its samples in order, its changes


class Plant:
    """Names with codes in a random order: no output may depend on them."""

    def __init__(self, random: Random, histories: Histories) -> None:
        self.names = Names()
        self.line = self.names.lines.encode(0, b"acme/hamburg/pressing/line-1")
        for lane in random.sample(sorted(histories), len(histories)):
            self.names.lanes.encode(self.line, lane.encode())
            signals = sorted({row.signal for row in histories[lane][0]})
            for signal in random.sample(signals, len(signals)):
                self.names.signal(self.line, lane, signal)
        for text in random.sample(["", "RUN", "STOP", "HOLD", "d1", "d2"], 6):
            self.names.texts.encode(0, text.encode())

    def text(self, text: str) -> int:
        return self.names.texts.encode(0, text.encode())

    def lane(self, name: str) -> int:
        return self.names.lanes.encode(self.line, name.encode())

    def _value(self, row: Row) -> int:
        if row.value is None:
            return -1 if not isinstance(row.extra, tuple) else NEG
        if isinstance(row.value, str):
            return self.text(row.value)
        return int(np.float64(row.value).view(np.int64)) if isinstance(row.value, float) else row.value

    def _extra(self, row: Row) -> int:
        if isinstance(row.extra, tuple):
            return (REPORTS_INCREMENTS if row.extra[0] else 0) | self.text(row.extra[1])
        return self.text(row.extra)

    def rows(self, lane: str, rows: Sequence[Row]) -> Rows:
        out = empty_rows(len(rows))
        for n, row in enumerate(rows):
            out.time[n], out.input[n], out.quality[n] = row.time, row.input, row.quality
            out.offset[n], out.index[n] = row.offset, row.index
            out.signal[n] = self.names.signal(self.line, lane, row.signal)
            value = self._value(row)
            if row.value is None and not isinstance(row.extra, tuple) and row.index >= 0 and self.numeric:
                out.value[n : n + 1].view(np.float64)[0] = np.nan
            else:
                out.value[n] = value
            out.extra[n] = self._extra(row)
        return out

    numeric = False

    def slice(self, histories: Histories, lanes: Sequence[str], since: Mapping[str, int], until: Mapping[str, int]) -> Slice:
        parts, context, context_since, changes = [], [], [], []
        start, change_start = [0], [0]
        for lane in lanes:
            history, all_changes = histories[lane]
            inside = [row for row in history if since[lane] <= row.time < until[lane]]
            parts.append(self.rows(lane, inside))
            found = [context_at(all_changes, row.time) for row in inside]
            context += [c for _, c in found]
            context_since += [t for t, _ in found]
            changes += [c for c in all_changes if since[lane] <= c[0] < until[lane]]
            start.append(start[-1] + len(inside))
            change_start.append(len(changes))
        rows = Rows._make(np.concatenate(columns) for columns in zip(*parts, strict=True)) if parts else empty_rows(0)
        return Slice(
            self.names, np.array([self.lane(x) for x in lanes], np.int32), np.array([since[x] for x in lanes], np.int64),
            np.array([until[x] for x in lanes], np.int64), np.array(start), rows, np.array(context, np.int32),
            np.array(context_since, np.int64),
            Changes(np.array(change_start), np.array([t for t, _ in changes], np.int64), np.array([c for _, c in changes], np.int32)),
        )  # fmt: skip


def run_once(op: Any, histories: Histories, end: int, random: Random) -> tuple[Plant, Any]:
    """One slice up to `end`: the names and the outputs as columns."""
    plant = Plant(random, histories)
    plant.numeric = isinstance(op, (WindowStatistics, InContext)) and not getattr(op, "discrete", False)
    piece = plant.slice(histories, list(histories), dict.fromkeys(histories, NEG), dict.fromkeys(histories, end))
    return plant, op.advance(op.initial(), piece)[1]


def run(op: Any, histories: Histories, end: int, random: Random, cuts: int) -> tuple[dict[str, list[dict[str, Any]]], Any]:
    """Advance over random slices of random lanes up to `end`; outputs by lane, and the state as columns with names."""
    plant = Plant(random, histories)
    plant.numeric = isinstance(op, (WindowStatistics, InContext)) and not getattr(op, "discrete", False)
    state, front = op.initial(), dict.fromkeys(histories, NEG)
    outputs: dict[str, list[dict[str, Any]]] = {lane: [] for lane in histories}
    for step in range(cuts + 1):
        lanes = list(histories) if step == cuts else random.sample(sorted(histories), random.randint(1, len(histories)))
        until = {x: end if step == cuts else max(front[x], random.randint(-20, end)) for x in lanes}
        lanes = [x for x in lanes if until[x] > front[x]]
        if random.random() < 0.3:
            state = op.restored(op.columns(state))  # a snapshot anywhere changes nothing
        piece = plant.slice(histories, lanes, front, until)
        before = {name: column.copy() for name, column in piece.rows._asdict().items()}
        state, found = op.advance(state, piece)
        assert all((piece.rows._asdict()[name] == column).all() for name, column in before.items()), "input was changed"
        assert (op.due(state, piece.lanes) > piece.until).all(), "a timer was left behind"
        for lane, out in resolve(op, plant.names, found):
            name = plant.names.lanes.decode(lane)[0].decode()
            assert front[name] <= out["time"] < until[name], "output outside its slice"
            outputs[name].append(out)
        front |= until
    return outputs, canonical(op, plant, state)


def canonical(op: Any, plant: Plant, state: Any) -> list[str]:
    """State rows with signals and texts resolved, sorted: equal states give equal lists, whatever their codes."""
    columns = op.columns(state)
    signals = [f"{asset!r} {tag!r}" for _, asset, tag, _ in plant.names.signals.names()]
    texts = [b for _, b, _, _ in plant.names.texts.names()]
    found = []
    slots = getattr(op, "_slots", 1)
    discrete = getattr(op, "discrete", False)
    for k, cell in enumerate(columns.get("cell", [])):
        ints = columns["ints"][k].tolist()
        if discrete:
            ints[8], ints[9] = (texts[i] if i >= 0 else i for i in ints[8:10])
        ints[10] = None
        spent = zip(columns["times_cell"], columns["times_value"], columns["times_duration"], strict=True)
        times, floats = sorted((texts[v], d) for c, v, d in spent if c == cell), columns["floats"][k].tobytes()
        found.append(f"cell {signals[cell // slots]} {cell % slots} {ints} {floats!r} {columns['evidence'][k].tolist()} {times}")
    for k, signal in enumerate(columns.get("signal", [])):
        if "held_time" in columns:
            code = texts[columns["held_code"][k]] if discrete and columns["held_time"][k] != NEG else None
            number = None if discrete or columns["held_time"][k] == NEG else columns["held_number"][k].tobytes()
            found.append(f"held {signals[signal]} {columns['held_time'][k]} {number!r} {code!r}")
        if "open" in columns:
            value, start, entered, context, reason, *where = columns["open"][k].tolist()
            text = texts[value] if value >= 0 else None
            found.append(f"open {signals[signal]} {text!r} {start} {entered} {context} {texts[reason]!r} {where}")
        if "last" in columns:
            last = columns["last"][k].tolist()
            found.append(f"last {signals[signal]} {last[0]} {texts[last[1]]} {last[4:]}")
    return sorted(found)


def evidence_of(row: np.ndarray) -> list[tuple[int, ...]]:
    return [(k, *row[WIDTH * k : WIDTH * (k + 1)].tolist()) for k in range(len(row) // WIDTH) if row[WIDTH * k + 4]]


def expected_evidence(cited: list[tuple[int, int, int]]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for k in sorted({c[0] for c in cited}):
        own = sorted((offset, index) for i, offset, index in cited if i == k)
        found.append((k, *own[0], *own[-1], len(own), checksum(own)))
    return found


def resolve(op: Any, names: Names, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> list[tuple[int, dict[str, Any]]]:
    """(lane, output as the twin gives it) in order."""
    found = []
    for columns in outputs.values():
        for n in range(len(columns["time"])):
            out: dict[str, Any] = {"time": int(columns["time"][n]), "signal": names.signals.decode(int(columns["signal"][n]))[1].decode()}
            out |= {"context": int(columns["context"][n]), "evidence": evidence_of(columns["evidence"][n])}
            for name in ("start", "end", "since", "until", "known", "count", "count_bad", "entered", "increment"):
                if name in columns:
                    out[name] = int(columns[name][n])
            found.append((int(columns["lane"][n]), out | _values(op, names, columns, n)))
    return found


def _values(op: Any, names: Names, columns: Mapping[str, np.ndarray], n: int) -> dict[str, Any]:
    def text(code: int) -> str | None:
        return names.texts.decode(int(code))[0].decode() if code >= 0 else None

    if isinstance(op, StateIntervals):
        return {"value": text(columns["value"][n]), "reason": text(columns["reason"][n])}
    if isinstance(op, CounterIncrements):
        total = int(columns["total"][n])
        return {"cause": CAUSES[columns["cause"][n]], "total": None if total == NO_TOTAL else total}
    if isinstance(op, InContext):
        return {"value": float(columns["value"][n : n + 1].view(np.float64)[0]), "quality": int(columns["quality"][n])}
    if op.discrete:
        low, high = columns["spent_start"][n : n + 2]
        spent = [(text(v), int(d)) for v, d in zip(columns["spent_value"][low:high], columns["spent_duration"][low:high], strict=True)]
        out: dict[str, Any] = {"durations": spent}
        return out | ({"first": text(columns["first"][n]), "last": text(columns["last"][n])} if columns["count"][n] else {})
    out = {}
    if columns["count"][n]:
        out |= {name: float(columns[name][n]) for name in ("sum", "mean", "min", "max", "first", "last")}
    if columns["count"][n] > 1:
        out["variance"] = float(columns["variance"][n])
    return out | ({"time_weighted_mean": float(columns["time_weighted_mean"][n])} if columns["known"][n] else {})
