"""The records of one file, in its order: values for Avro, append times, and what is still to come.

Append time is the running maximum of the event times written so far from this file, a packed message included as a whole. Each
record says the smallest event time that its file still has for the same input after it: claims are made of that (see merge.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from streams.kernel import I64, NEG
from streams.shell.ingest import entries as e
from streams.shell.ingest.cells import CellMapper
from streams.shell.ingest.chunks import Identity, Reader
from streams.shell.ingest.mapping import COUNTS, INPUTS, MEASUREMENTS, ORDERS, QUALITIES, SAMPLES, STATES, TELEMETRY, FileMapping
from streams.shell.ingest.order_times import OrderTimes
from streams.shell.ingest.orders import OrderMapper
from streams.shell.ingest.packing import cut

Value = dict[str, Any]
PIECE: Final = 2_048  # rows whose values exist as objects at a time


class FileRecord(NamedTuple):
    """entries: how many it holds. to_come_us: smallest event time still to come from this file on this topic; POS: none."""

    append_us: int
    topic: str
    path: str
    value: Value
    entries: int
    to_come_us: int


class Source:
    """A file with its mapping: its entries, and its records."""

    def __init__(self, identity: Identity, block: FileMapping, reader: Reader, orders: OrderTimes | None = None) -> None:
        """orders: those of the run, for a block whose times come from them."""
        self.identity, self.block, self._reader = identity, block, reader
        self._mapper = OrderMapper(block, reader) if block.layout == "orders" else CellMapper(block, reader, orders)
        self.rules, self.entries_a_line = self._mapper.rules, self._mapper.entries_a_line
        self._units = [rule.unit for rule in block.tags]

    def entries(self) -> Iterator[pl.DataFrame]:
        """Every entry of the file, a chunk at a time; the cuts are the same each time."""
        for chunk in self._reader.chunks():
            yield self._mapper.entries(chunk)

    def records(self, to_come: I64) -> Iterator[FileRecord]:
        """to_come: for each chunk and input of INPUTS the smallest event time written in later chunks."""
        peak, held = NEG, None
        for number, entries in enumerate(self.entries()):
            rows = entries.filter(pl.col("fate") == e.WRITTEN)
            rows = rows if held is None else pl.concat([held, rows])
            if not len(rows):
                continue
            begins = self._begins(rows)
            goes_on = number + 1 < len(to_come) and rows["topic"][-1] == INPUTS.index(TELEMETRY)
            held = rows.slice(int(begins[-1])) if goes_on else None  # the last message may get more samples
            ends = np.append(begins[1:], len(rows))[: len(begins) - goes_on]
            time = rows["time"].to_numpy()
            append = np.maximum.accumulate(np.maximum(time, peak))
            after = _after(rows["topic"].to_numpy(), time, to_come[number])
            yield from self._values(rows, begins[: len(ends)], ends, append, after)
            peak = int(append[ends[-1] - 1]) if len(ends) else peak

    def _begins(self, rows: pl.DataFrame) -> I64:
        if self.block.packing == 1:
            return np.arange(len(rows))
        path = _codes(rows, "path")
        lane = _codes(rows, "asset") if not path.any() else np.unique(path << 32 | _codes(rows, "asset"), return_inverse=True)[1]
        packed = rows["topic"].to_numpy() == INPUTS.index(TELEMETRY)
        return cut(packed, path, lane, rows["sequence"].to_numpy(), rows["time"].to_numpy(), self.block.packing, self.block.packing_span_us)

    def _values(self, rows: pl.DataFrame, begins: I64, ends: I64, append: I64, after: I64) -> Iterator[FileRecord]:
        """Messages of a chunk; a piece of them at a time becomes Python objects."""
        at = 0
        while at < len(begins):
            upto = max(at + 1, int(np.searchsorted(ends, begins[at] + PIECE)))
            first, last = int(begins[at]), int(ends[upto - 1])
            piece = rows.slice(first, last - first)
            starts, stops = begins[at:upto] - first, ends[at:upto] - first
            by_topic = {n: self._of_topic(n, piece, starts, stops) for n in piece["topic"].unique().to_list()}
            topics = piece["topic"].gather(starts).to_list()
            paths = piece["path"].gather(starts).to_list()
            appends, to_come = append[stops + first - 1].tolist(), after[stops + first - 1].tolist()
            sizes = (stops - starts).tolist()
            for n, topic in enumerate(topics):
                yield FileRecord(appends[n], INPUTS[topic], paths[n], next(by_topic[topic]), sizes[n], to_come[n])
            at = upto

    def _of_topic(self, topic: int, piece: pl.DataFrame, starts: I64, stops: I64) -> Iterator[Value]:
        rows = piece.filter(pl.col("topic") == topic)
        if INPUTS[topic] == TELEMETRY:
            mine = piece["topic"].to_numpy()[starts] == topic
            return self._packed(piece, starts[mine], stops[mine])
        return iter(_SINGLE[INPUTS[topic]](self, rows))

    def _head(self, rows: pl.DataFrame) -> Iterator[Value]:
        source = self.identity.source
        return ({"kind": "DATA", "source": source, "sequence": sequence} for sequence in rows["sequence"].to_list())

    def _samples(self, rows: pl.DataFrame) -> list[Value]:
        source, units = self.identity.source, self._units
        columns = (rows[name].to_list() for name in ("sequence", "asset", "tag", "rule", "time", "number", "quality", "status"))
        return [
            {"kind": "DATA", "source": source, "sequence": sequence, "asset": asset, "tag": tag, "unit": units[rule],
             "event_time_us": time, "value": value, "quality": QUALITIES[quality], "status_code": status}
            for sequence, asset, tag, rule, time, value, quality, status in zip(*columns, strict=True)
        ]  # fmt: skip

    def _states(self, rows: pl.DataFrame) -> list[Value]:
        causes = rows["cause"].to_list() if "cause" in rows.columns else [""] * len(rows)
        columns = (rows[name].to_list() for name in ("asset", "tag", "time", "text", "quality"))
        return [
            {**head, "asset": asset, "tag": tag, "event_time_us": time, "value": text, "quality": QUALITIES[quality], "reason": cause}
            for head, cause, asset, tag, time, text, quality in zip(self._head(rows), causes, *columns, strict=True)
        ]

    def _counts(self, rows: pl.DataFrame) -> list[Value]:
        modes, devices = [rule.mode for rule in self.block.tags], _column(rows, "device")
        columns = (rows[name].to_list() for name in ("asset", "tag", "time", "whole", "quality", "rule"))
        return [
            {**head, "asset": asset, "tag": tag, "event_time_us": time, "value": whole, "quality": QUALITIES[quality], "mode": modes[rule],
             "device": device}
            for head, device, asset, tag, time, whole, quality, rule in zip(self._head(rows), devices, *columns, strict=True)
        ]  # fmt: skip

    def _measurements(self, rows: pl.DataFrame) -> list[Value]:
        named = (self.measured(row) for row in rows.select(*_there(rows, _MEASURED)).iter_rows(named=True))
        texts = zip(*(_column(rows, name) for name in ("serial", "subgroup", "gauge", "result")), strict=True)
        columns = (rows[name].to_list() for name in ("asset", "time", "number", "quality"))
        return [
            {**head, "asset": asset, "characteristic": of[0], "product": of[1], "unit": of[2], "event_time_us": time,
             "value": value, "quality": QUALITIES[quality], "serial": what[0], "subgroup": what[1], "gauge": what[2],
             "result": what[3] or "UNKNOWN"}
            for head, of, what, asset, time, value, quality in zip(self._head(rows), named, texts, *columns, strict=True)
        ]  # fmt: skip

    def measured(self, row: Mapping[str, Any]) -> tuple[str, str, str]:
        """(characteristic, product, unit) of an entry that is a measurement."""
        rule = self.block.tags[row["rule"]]
        characteristic = row["characteristic"] if rule.characteristic is not None else row["tag"]
        return characteristic, row.get("product", ""), row["unit"] if rule.unit_of is not None else rule.unit

    def _orders(self, rows: pl.DataFrame) -> list[Value]:
        names = [name for name in _ORDER_FIELDS if name in rows.columns]
        columns = [rows[name].to_list() for name in names]
        times = rows["time"].to_list()
        return [
            {**head, "event_time_us": time, **dict(zip(names, values, strict=True))}
            for head, time, *values in zip(self._head(rows), times, *columns, strict=True)
        ]

    def _packed(self, piece: pl.DataFrame, starts: I64, stops: I64) -> Iterator[Value]:
        """Messages of many samples; the table of signals in order of first appearance."""
        signals = (_codes(piece, "asset") << 32 | _codes(piece, "tag")).tolist()
        assets, tags, rules = piece["asset"].to_list(), piece["tag"].to_list(), piece["rule"].to_list()
        sequence, time = piece["sequence"].to_list(), piece["time"].to_list()
        number, quality = piece["number"].fill_null(np.nan).to_list(), piece["quality"].to_list()
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            table: dict[int, int] = {}
            firsts: list[int] = []
            indices = []
            for n in range(start, stop):
                index = table.setdefault(signals[n], len(table))
                if index == len(firsts):
                    firsts.append(n)
                indices.append(index)
            base, qualities = time[start], quality[start:stop]
            yield {
                "kind": "DATA", "source": self.identity.source, "sequence": sequence[start],
                "assets": [assets[n] for n in firsts], "tags": [tags[n] for n in firsts], "units": [self._units[rules[n]] for n in firsts],
                "base_time_us": base, "signals": indices, "times_us": [at - base for at in time[start:stop]],
                "values": number[start:stop], "qualities": qualities if any(qualities) else [],
            }  # fmt: skip


_MEASURED: Final = ("rule", "tag", "characteristic", "product", "unit")
_ORDER_FIELDS: Final = (
    "work_center", "event", "order", "operation", "product", "quantity_planned", "quantity_good", "quantity_scrap", "unit",
    "planned_start_us", "planned_end_us", "split_into", "corrects", "corrects_time_us", "corrected_time_us",
)  # fmt: skip
_SINGLE: Final[dict[str, Callable[[Source, pl.DataFrame], list[Value]]]] = {
    SAMPLES: Source._samples, STATES: Source._states, COUNTS: Source._counts, MEASUREMENTS: Source._measurements, ORDERS: Source._orders,
}  # fmt: skip


def _there(rows: pl.DataFrame, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in rows.columns]


def _column(rows: pl.DataFrame, name: str) -> list[str]:
    return rows[name].to_list() if name in rows.columns else [""] * len(rows)


def _codes(rows: pl.DataFrame, name: str) -> I64:
    """Codes from 0 of the texts of a column."""
    physical = rows[name].cast(pl.Categorical).to_physical().to_numpy()
    return np.unique(physical, return_inverse=True)[1].astype(np.int64)


def _after(topic: I64, time: I64, to_come: I64) -> I64:
    """For each row the smallest event time after it on the same topic, in this chunk or a later one."""
    after = np.empty(len(time), np.int64)
    for n in np.unique(topic):
        rows = np.flatnonzero(topic == n)
        smallest = np.minimum.accumulate(np.append(time[rows][1:], to_come[n])[::-1])[::-1]
        after[rows] = smallest
    return after
