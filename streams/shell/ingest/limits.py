"""Limits that came with measurements, as rows: for a topology that checks tolerances, or for people.

    line, asset, characteristic,
    product, unit                 as the measurements say them, so that limits are found by them
    nominal, lsl, usl             numbers in that unit, or none; a limit on one side is usual
    modifier                      MAXIMUM or LEAST: the limit grows with the feature's size (see verdicts.py)
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TextIO

import polars as pl

from streams.errors import DataError
from streams.shell.ingest import entries as e
from streams.shell.ingest.order_times import NO_OPERATION
from streams.shell.ingest.records import Source
from streams.shell.ingest.verdicts import NUMBERS, VERDICTS


class Limit(NamedTuple):
    """One row. None: no nominal, or no limit on that side."""

    line: str
    asset: str
    characteristic: str
    product: str
    unit: str
    nominal: float | None
    lsl: float | None
    usl: float | None
    modifier: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is a limit of: there is one row for it."""
        return self.line, self.asset, self.characteristic, self.product


class Limits:
    """An observer of a scan (see scan.py): the limits of every measurement that is written, or refused only because its part has no
    operation in this run. verdicts: what became of the inspector's verdicts, of all entries of files that have limits."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str, str], tuple[Limit, str, int]] = {}
        self.verdicts: Counter[str] = Counter()

    def __call__(self, source: Source, entries: pl.DataFrame) -> None:
        if "verdict" not in entries.columns:
            return
        for verdict, count in entries.group_by("verdict").len().iter_rows():
            self.verdicts[VERDICTS[verdict]] += count
        kept = entries.filter((pl.col("fate") == e.WRITTEN) | (pl.col("reason") == NO_OPERATION))
        kept = kept.filter(pl.any_horizontal(pl.col(*NUMBERS).is_not_null()))
        names = [name for name in ("characteristic", "product", "unit") if name in kept.columns]
        of = ["path", "asset", "rule", "tag", *names, *NUMBERS, "modifier"]
        for row in kept.unique(of, keep="first", maintain_order=True).iter_rows(named=True):
            self._add(source, row)

    def _add(self, source: Source, row: dict[str, Any]) -> None:
        limit = Limit(row["path"], row["asset"], *source.measured(row), row["nominal"], row["lsl"], row["usl"], row["modifier"])
        file, line = str(source.identity.path), int(row["at"])
        before, *where = self._rows.setdefault(limit.key, (limit, file, line))
        if before != limit:
            raise DataError(
                "a characteristic of a product has two limits", of=limit.key, file=file, line=line, limits=limit[4:], before=before[4:],
                where=where, hint="let `characteristic` or `product` of the mapping tell them apart",
            )  # fmt: skip

    @property
    def rows(self) -> list[Limit]:
        """By what they are limits of, sorted by bytes."""
        return sorted((limit for limit, _, _ in self._rows.values()), key=lambda row: tuple(part.encode() for part in row.key))


def _json_lines(rows: Iterable[Limit], to: TextIO) -> None:
    to.writelines(json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)


def _csv(rows: Iterable[Limit], to: TextIO) -> None:
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(Limit._fields)
    writer.writerows(["" if value is None else value for value in row] for row in rows)


WRITERS: Final = {"jsonl": _json_lines, "csv": _csv}
