"""Frozen limits of a characteristic: what a measured value or the mean of a signal ought to be, by machine and product.

Rows are effective-dated reference data (`ref.characteristic.v1`): a row holds from `valid_from_us` in event time until the next
row of the same (line, asset, tag, product); of two rows with one date the later revision holds. A row without a product holds
for every product, and for a machine without an order, where no row names the product. No point takes part in its own limits:
they come from earlier data or from a drawing, and change only by a new revision, at an epoch.

>>> row = CharacteristicRow("l", "press-1", "force", "", "kN", 0, 1, 100.0, 2.0, lower=94.0, upper=106.0)
>>> limits = Characteristics.of([row, row._replace(product="A", centre=90.0, lower=84.0, upper=96.0)])
>>> limits.at("l", "press-1", "force", "A", 5).centre, limits.at("l", "press-1", "force", "B", 5).centre
(90.0, 100.0)
>>> limits.at("l", "press-1", "force", "A", -1) is None
True
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Final, NamedTuple


class CharacteristicRow(NamedTuple):
    """centre, sigma: of the process in control. lower, upper: control limits; lsl, usl: tolerance; NaN where there is none."""

    line: str
    asset: str
    tag: str
    product: str
    unit: str
    valid_from_us: int
    revision: int
    centre: float = nan
    sigma: float = nan
    lower: float = nan
    upper: float = nan
    lsl: float = nan
    usl: float = nan


Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Characteristics:
    """What is adopted of the limits. Rows of each (line, asset, tag, product), by (valid_from_us, revision)."""

    rows: Mapping[Key, tuple[CharacteristicRow, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[CharacteristicRow]) -> Characteristics:
        found: dict[Key, list[CharacteristicRow]] = {}
        for row in rows:
            found.setdefault((row.line, row.asset, row.tag, row.product), []).append(row)
        return cls({key: tuple(sorted(of, key=lambda r: (r.valid_from_us, r.revision))) for key, of in found.items()})

    def of_product(self, line: str, asset: str, tag: str, product: str) -> tuple[CharacteristicRow, ...]:
        """The rows that count for a product, in order of validity: its own where it has any, else those without a product."""
        return self.rows.get((line, asset, tag, product)) or self.rows.get((line, asset, tag, ""), ())

    def at(self, line: str, asset: str, tag: str, product: str, time_us: int) -> CharacteristicRow | None:
        """The row that holds at an event time."""
        rows = self.of_product(line, asset, tag, product)
        place = bisect_right([r.valid_from_us for r in rows], time_us)
        return rows[place - 1] if place else None


NO_LIMITS: Final = Characteristics()
