"""Event times that come from the orders of the same run: for files that know which part they are about, but not when.

Inspection results often bear one time for many parts, the report's. What a chart needs is when the part was made, and that the order
files of the run say. Of an operation of an order at a work center, by all events of the run, corrections applied:

    it ran          from STARTED or RESUMED until PAUSED, ENDED or CANCELLED
    order-start     the first instant at which an operation of the order ran
    order-end       the last instant at which one ran, once each of them has ended (or was cancelled): its end - 1 us

Intervals are half-open, so at the end itself the order is over: a microsecond before it the order is in force, and the join gives the
measurement this order. Orders are looked up by their number within the line path of the row.

Where two events of an operation bear the same time, the one that comes later in the files holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from streams.kernel import B1, I64
from streams.shell.ingest import entries as e
from streams.shell.ingest.entries import Found
from streams.shell.ingest.mapping import OrderMoment

NO_OPERATION: Final = "no operation"
BEGINS, CLOSES = ("STARTED", "RESUMED"), ("PAUSED", "ENDED", "CANCELLED")
COLUMNS: Final = ["path", "tag", "operation", "asset", "text", "time", "corrects", "corrects_time_us", "corrected_time_us"]

_Key = tuple[str, str, str, str]  # line path, order, operation, work center
_Event = tuple[int, int, str]  # time, number in the run, event


class Moments(NamedTuple):
    """us: of each row, where it is not missing. detail: why it is."""

    us: I64
    missing: B1
    detail: pl.Series


@dataclass(frozen=True, slots=True)
class Ran:
    """When an operation ran first and last, [first, until); ended: it does not go on. None: it never ran."""

    first: int | None
    until: int | None
    ended: bool


class OrderTimes:
    """When the orders of a run ran."""

    def __init__(self, files: Iterable[Iterable[pl.DataFrame]]) -> None:
        """files: the entries of every file of orders, in the order of the run."""
        events, corrections = _read(files)
        effective: dict[_Key, list[_Event]] = {}
        for key, (time, number, event) in events:
            found = corrections.get((key, event, time), time)
            if found is not None:
                effective.setdefault(key, []).append((found, number, event))
        self._orders: dict[tuple[str, str], list[tuple[str, Ran]]] = {}
        for (path, order, operation, _), of in effective.items():
            self._orders.setdefault((path, order), []).append((operation, _ran(sorted(of))))

    def of(self, moment: OrderMoment, frame: pl.DataFrame, paths: pl.Series) -> Moments:
        """The time of each row."""
        orders = e.resolved(moment.order, frame)
        operations = None if moment.operation is None else e.resolved(moment.operation, frame).texts
        asked = [paths, orders.texts, *([operations] if operations is not None else []), _said(moment, frame, orders)]
        known: dict[tuple[str, ...], tuple[int, str]] = {}
        times, details = np.zeros(len(frame), np.int64), [""] * len(frame)
        for n, row in enumerate(zip(*(column.to_list() for column in asked), strict=True)):
            if row not in known:
                known[row] = self._moment(moment, row[0], row[1], row[2] if operations is not None else None, row[-1])
            times[n], details[n] = known[row]
        return Moments(times, np.array([bool(detail) for detail in details], np.bool_), pl.Series(details, dtype=pl.String))

    def _moment(self, moment: OrderMoment, path: str, order: str, operation: str | None, said: str) -> tuple[int, str]:
        """(time, empty) or (0, why there is none)."""
        if not order:
            return 0, f"the mapping names no order for {said!r}" if said else "no order is named"
        found = self._orders.get((path, order))
        if found is None:
            return 0, f"no file of the run has order {order}"
        ran = [each for own, each in found if operation is None or own == operation]
        if not ran:
            return 0, f"order {order} has no operation {operation}"
        if moment.moment == "order-start":
            firsts = [each.first for each in ran if each.first is not None]
            return (min(firsts), "") if firsts else (0, f"order {order} never started")
        untils = [each.until for each in ran if each.until is not None]
        if not untils or not all(each.ended for each in ran):
            return 0, f"order {order} has not ended"
        return max(untils) - 1, ""


def _said(moment: OrderMoment, frame: pl.DataFrame, orders: Found) -> pl.Series:
    """What the file says where the mapping makes no order of it."""
    if moment.order.column is None:
        return e.constant("", len(frame))
    cells = frame[moment.order.column].cast(pl.String).fill_null("")
    return cells.zip_with(pl.Series(orders.missing), e.constant("", len(frame)))


def _read(files: Iterable[Iterable[pl.DataFrame]]) -> tuple[list[tuple[_Key, _Event]], dict[tuple[_Key, str, int], int | None]]:
    """Events, and the time that a correction gives to one (None: it did not happen); the last correction holds."""
    events: list[tuple[_Key, _Event]] = []
    corrections: dict[tuple[_Key, str, int], int | None] = {}
    for chunk in (chunk for file in files for chunk in file):
        rows = chunk.filter(pl.col("fate") == e.WRITTEN)
        missing = [pl.lit(None, pl.Int64).alias(name) for name in COLUMNS if name not in rows.columns]
        for *key, event, time, of, before, after in rows.with_columns(missing).select(COLUMNS).iter_rows():
            path, order, operation, work_center = key
            if event == "CORRECTED":
                corrections[(path, order, operation, work_center), of, before] = after
            elif event in BEGINS or event in CLOSES:
                events.append(((path, order, operation, work_center), (time, len(events), event)))
    return events, corrections


def _ran(events: list[_Event]) -> Ran:
    """An operation by its events in order of time. One that only reports its end is believed to have run until then."""
    first: int | None = None
    until: int | None = None
    begin: int | None = None
    for time, _, event in events:
        if event in BEGINS:
            begin = time if begin is None else begin
        elif begin is not None:
            if begin < time:  # else it ran at no instant
                first, until = begin if first is None else first, time
            begin = None
    last, _, event = events[-1]
    if until is None and event == "ENDED":
        until = last
    return Ran(begin if first is None else first, until, event in ("ENDED", "CANCELLED"))
