"""Which chart a point belongs to, and which rows of limits that chart has: tables for kernels.

A chart is a characteristic (line, asset, tag, unit) and a product. Its rows are those of `Characteristics.of_product` in the
signal's unit; a pair without rows is no chart. Python sees a pair of signal and product once, and again when limits change.
Nothing of it but the charts themselves goes into a snapshot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import F64, I32, I64, grown, kernel
from streams.model.characteristic import NO_LIMITS, CharacteristicRow, Characteristics
from streams.operators.episodes import LIMITS
from streams.operators.slice import Names

VALID_FROM, REVISION, GENERAL = range(3)  # GENERAL 1: a row for every product


class LimitRows(NamedTuple):
    start: I64  # [chart] its rows are start .. end - 1, by validity
    end: I64
    ints: I64  # [row, VALID_FROM ...]
    floats: F64  # [row, LIMITS]


def _nothing() -> LimitRows:
    none = np.zeros(0, np.int64)
    return LimitRows(none, none, np.zeros((0, 3), np.int64), np.zeros((0, len(LIMITS))))


class Charts:
    """Charts by (signal, product), numbered as they are met."""

    def __init__(self, signal: I32 | None = None, product: I32 | None = None) -> None:
        """signal, product: of charts 0, 1, ... that are known already."""
        self.signal = np.zeros(0, np.int32) if signal is None else signal
        self.product = np.zeros(0, np.int32) if product is None else product
        self.count, self.rows = len(self.signal), _nothing()
        self._of = {pair: n for n, pair in enumerate(zip(self.signal.tolist(), self.product.tolist(), strict=True))}
        self._limits, self._names = NO_LIMITS, Names()
        self._used = 0  # rows
        self._forget()

    def _forget(self) -> None:
        self._pairs, self._chart = np.zeros(0, np.int64), np.zeros(0, np.int32)

    def of(self, names: Names, limits: Characteristics, signal: I32, product: I32) -> I32:
        """The chart of each point; -1: none."""
        if limits is not self._limits or names is not self._names:
            self._limits, self._names, self._used = limits, names, 0
            self._forget()
            for chart in range(self.count):
                self._fill(chart, self._rows_of(int(self.signal[chart]), int(self.product[chart])))
        key = signal.astype(np.int64) << 32 | product
        at = np.searchsorted(self._pairs, key)
        known = np.zeros(len(key), np.bool_)
        known[at < len(self._pairs)] = self._pairs[at[at < len(self._pairs)]] == key[at < len(self._pairs)]
        if not known.all():
            self._add(np.unique(key[~known]))
            at = np.searchsorted(self._pairs, key)
        return self._chart[at]

    def _add(self, fresh: I64) -> None:
        """Pairs that are asked for the first time under these limits."""
        found = [self._chart_of(int(one >> 32), int(one & 0xFFFFFFFF)) for one in fresh]
        pairs = np.concatenate([self._pairs, fresh])
        order = np.argsort(pairs)
        self._pairs, self._chart = pairs[order], np.concatenate([self._chart, np.array(found, np.int32)])[order]

    def _rows_of(self, signal: int, product: int) -> list[CharacteristicRow]:
        asset, tag, unit = (part.decode() for part in self._names.signals.decode(signal))
        line = self._names.lines.decode(self._names.signals.scope(signal))[0].decode()
        made = self._names.texts.decode(product)[0].decode()
        return [row for row in self._limits.of_product(line, asset, tag, made) if row.unit == unit]

    def _chart_of(self, signal: int, product: int) -> int:
        known, rows = self._of.get((signal, product), -1), self._rows_of(signal, product)
        if known < 0 and rows:
            known = self.count
            self._of[signal, product] = known
            self.signal, self.product = grown(self.signal, known + 1), grown(self.product, known + 1)
            self.signal[known], self.product[known] = signal, product
            self.count += 1
            self._fill(known, rows)
        return known

    def _fill(self, chart: int, rows: list[CharacteristicRow]) -> None:
        first, end = self._used, self._used + len(rows)
        start, stop, ints, floats = self.rows
        self.rows = LimitRows(grown(start, chart + 1), grown(stop, chart + 1), grown(ints, end), grown(floats, end))
        for n, row in enumerate(rows, first):
            self.rows.ints[n] = row.valid_from_us, row.revision, not row.product
            self.rows.floats[n] = [getattr(row, name) for name in LIMITS]
        self.rows.start[chart], self.rows.end[chart], self._used = first, end, end


@kernel
def row_at(rows: LimitRows, chart: int, time: int) -> int:
    """The row that holds for a chart at an event time; -1: none yet."""
    low, high = rows.start[chart], rows.end[chart]
    first = low
    while low < high:
        middle = (low + high) // 2
        if rows.ints[middle, VALID_FROM] <= time:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > first else -1
