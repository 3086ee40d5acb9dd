"""What happens on the shop floor, as it is told: places are indices of line, cell and machine in the plant; -1: the cell itself."""

from __future__ import annotations

from typing import NamedTuple

from streams.simulation.orders import Booking


class StateTold(NamedTuple):
    """A discrete signal of a machine, or of a cell (machine -1). delay_us: how late it is reported."""

    line: int
    cell: int
    machine: int
    tag: str
    value: str
    reason: str
    time_us: int
    delay_us: int = 0


class CountTold(NamedTuple):
    line: int
    cell: int
    machine: int
    tag: str
    value: int
    time_us: int


class MeasuredTold(NamedTuple):
    line: int
    cell: int
    machine: int
    characteristic: str
    unit: str
    value: float
    product: str
    serial: str
    passed: bool
    time_us: int


Told = StateTold | CountTold | MeasuredTold | Booking
