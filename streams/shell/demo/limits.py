"""Frozen limits of a simulated plant, as rows of `ref.characteristic.v1`.

The truth is known here, so limits are not estimated from readings: they are centre and sigma of the process in control. A point of
a process signal is the mean of a whole window, so its sigma is that of the mean (sigma / sqrt(readings), Shewhart).

Signals have limits at 4.5 sigma and no run test: forty signals with six windows a minute would beyond 3 sigma tell of chance every
minute, and with a row of eight of chance every few minutes (in-control run length 255 points). Characteristics, a point a part,
have limits at 4 sigma, the run test, and their tolerance.

>>> from streams.simulation.plant import Plant
>>> rows = limit_rows(Plant.named("S"), 10_000_000, valid_from_us=0)
>>> rows[0]["tag"], rows[0]["product"], rows[0]["centre"], round(rows[0]["upper"], 3)
('spindle-temperature-1', 'housing-60', None, 58.498)
"""

from __future__ import annotations

from typing import Any, Final

from streams.simulation.plant import Plant
from streams.simulation.reference import Nominal, nominals

SIGMAS_OF_A_MEAN: Final = 4.5
SIGMAS_OF_A_PART: Final = 4.0
REVISION: Final = 1


def limit_rows(plant: Plant, window_us: int, valid_from_us: int) -> list[dict[str, Any]]:
    """A row for each critical signal and each characteristic, machine and product."""
    return [_row(one, window_us, valid_from_us) for one in nominals(plant) if one.critical]


def _row(one: Nominal, window_us: int, valid_from_us: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "line": one.line, "asset": one.asset, "tag": one.name, "product": one.product, "unit": one.unit, "valid_from_us": valid_from_us,
        "revision": REVISION,
    }  # fmt: skip
    if one.period_us is None:
        half = SIGMAS_OF_A_PART * one.sigma
        return row | {"centre": one.centre, "sigma": one.sigma, "lower": one.centre - half, "upper": one.centre + half, "lsl": one.lsl,
                      "usl": one.usl}  # fmt: skip
    sigma = one.sigma_of_mean(window_us)
    half = SIGMAS_OF_A_MEAN * sigma
    return row | {"centre": None, "sigma": sigma, "lower": one.centre - half, "upper": one.centre + half, "lsl": None, "usl": None}


def limit_key(row: dict[str, Any]) -> bytes:
    """Key of a row: line path/asset id/tag/product/revision."""
    return "/".join(str(row[name]) for name in ("line", "asset", "tag", "product", "revision")).encode()
