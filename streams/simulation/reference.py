"""Reference data of a plant: its hierarchy as rows of `ref.asset.v1`, and the true centre and sigma of everything that is read.

>>> from streams.simulation.plant import Plant
>>> [row["level"] for row in asset_rows(Plant.named("S"), valid_from_us=0)][:3]
['WORK_CENTER', 'WORK_UNIT', 'WORK_UNIT']
>>> found = nominals(Plant.named("S"))
>>> found[0].name, found[0].product, found[0].centre, round(found[0].sigma_of_mean(10_000_000), 4)
('spindle-temperature-1', 'housing-60', 58.0, 0.1107)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

from streams.errors import require
from streams.simulation.plant import Cell, Line, Machine, Plant

READING_SIGMAS: Final = 6.0  # half the tolerance of a process signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Nominal:
    """The truth about one signal or characteristic of a machine while a product is made; what limits are frozen from.

    Readings are independent and normal with `centre` and `sigma`, in `unit`; lsl and usl hold for one reading. period_us: between
    two readings; None: a characteristic, one reading for each part. critical: a process signal worth a chart; every
    characteristic is.
    """

    line: str
    asset: str
    name: str
    product: str
    unit: str
    centre: float
    sigma: float
    lsl: float
    usl: float
    period_us: int | None
    critical: bool

    def sigma_of_mean(self, window_us: int) -> float:
        """Sigma of the mean of the readings of a whole window: sigma / sqrt(window / period). A piece of a window holds fewer."""
        period_us = self.period_us or 0
        require(0 < period_us <= window_us, "a window must hold a reading", name=self.name, period_us=period_us, window_us=window_us)
        return self.sigma / sqrt(window_us // period_us)


def nominals(plant: Plant) -> tuple[Nominal, ...]:
    """One for each machine, process signal or characteristic, and product; in the order of the plant."""
    return tuple(one for line, _, machine in plant.machines for one in _of_machine(line, machine))


def _of_machine(line: Line, machine: Machine) -> Iterator[Nominal]:
    for signal in machine.signals:
        half = READING_SIGMAS * signal.sigma
        for product, centre in zip(line.products, signal.centres, strict=True):
            yield Nominal(
                line=line.path, asset=machine.id, name=signal.tag, product=product, unit=signal.unit, centre=centre, sigma=signal.sigma,
                lsl=centre - half, usl=centre + half, period_us=signal.period_us, critical=signal.critical,
            )  # fmt: skip
    for each in machine.characteristics:
        for index, (product, centre) in enumerate(zip(line.products, each.centres, strict=True)):
            lsl, usl = each.limits(index)
            yield Nominal(line=line.path, asset=machine.id, name=each.name, product=product, unit=each.unit, centre=centre,
                          sigma=each.sigma, lsl=lsl, usl=usl, period_us=None, critical=True)  # fmt: skip


def asset_rows(plant: Plant, valid_from_us: int) -> tuple[dict[str, Any], ...]:
    """Values of `ref.asset.v1`, one for each cell and machine, revision 1. Cells stand below their line, machines below their cell."""
    return tuple(row for line in plant.lines for cell in line.cells for row in _of_cell(line, cell, valid_from_us))


def _of_cell(line: Line, cell: Cell, valid_from_us: int) -> Iterator[dict[str, Any]]:
    def row(asset: str, parent: str, level: str) -> dict[str, Any]:
        row = {"line": line.path, "asset": asset, "parent": parent, "level": level, "name": asset.replace("-", " ")}
        return {**row, "valid_from_us": valid_from_us, "revision": 1}

    yield row(cell.id, "", "WORK_CENTER")
    for machine in cell.machines:
        yield row(machine.id, cell.id, "WORK_UNIT")


def asset_key(row: dict[str, Any]) -> bytes:
    """Key of a row: line path/asset id/revision."""
    return f"{row['line']}/{row['asset']}/{row['revision']}".encode()
