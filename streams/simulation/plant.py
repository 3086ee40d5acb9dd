"""What stands where: a plant as a frozen value.

    plant > line > cell (a work center, an operation of the routing, a gateway) > machine > signals, characteristics

The machines of a line stand one behind another, through its cells, with a buffer before each but the first. Every numeric
signal and every characteristic has a true centre for each product, and a true sigma: in normal operation

    value = centre(product) + sigma * z,      z independent standard normal, one for each reading

whether the machine works, waits or is set up; a product's centre holds from the middle of the set-up for its order on, when no
order runs in the cell. Values are not rounded: two equal readings in a row do not happen by chance. The mean of n readings in a
window is normal with sigma / sqrt(n). `power` is no such signal: it follows the state of its machine.

>>> plant = Plant.named("S")
>>> len(plant.lines), len(plant.machines), plant.tags
(1, 10, 500)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streams.errors import InvalidValue, require
from streams.model.path import line_path

SECOND_US: Final = 1_000_000
EXECUTION, PROGRAM = "execution", "program"  # tags of ot.state.v1, of a machine
PERSON = "person"  # tag of ot.state.v1, of a cell
GOOD, SCRAP, TOTAL, ENERGY = "good", "scrap", "total", "energy"  # tags of ot.count.v1; energy in Wh
POWER = "power"  # tag of ot.telemetry.v1, W
OTHER_TAGS: Final = 7  # of a machine, beside its process signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A process signal of a machine. centres: by product of the line. critical: worth a chart, and where faults strike."""

    tag: str
    unit: str
    period_us: int
    sigma: float
    centres: tuple[float, ...]
    critical: bool

    def __post_init__(self) -> None:
        whole = self.period_us > 0 and self.period_us % SECOND_US == 0
        require(whole, "a period must be whole seconds", tag=self.tag, period_us=self.period_us)
        require(self.sigma > 0, "sigma must be positive", tag=self.tag, sigma=self.sigma)


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristic:
    """What is measured of each part behind a machine. tolerance: half the width of the tolerance, in `unit`."""

    name: str
    unit: str
    sigma: float
    centres: tuple[float, ...]
    tolerance: float

    def limits(self, product: int) -> tuple[float, float]:
        """(LSL, USL) for a product of the line, by its index."""
        return self.centres[product] - self.tolerance, self.centres[product] + self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """single: an old controller, each reading of its signals a message of its own (ot.sample.v1). Power in W."""

    id: str
    cycle_us: int
    signals: tuple[Signal, ...]
    characteristics: tuple[Characteristic, ...]
    single: bool
    power_working: float
    power_waiting: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A work center. buffered: its gateway stores what it cannot send, so its link may be away for minutes."""

    id: str
    operation: str
    gateway: str
    machines: tuple[Machine, ...]
    buffered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    path: str
    cells: tuple[Cell, ...]
    products: tuple[str, ...]
    buffer: int  # parts between two machines

    def __post_init__(self) -> None:
        line_path(self.path)
        require(self.buffer > 0, "a buffer must hold a part", line=self.path, buffer=self.buffer)
        require(len(self.products) > 1, "a line must make two products, else no recipe can be wrong", line=self.path)

    @property
    def machines(self) -> Iterator[Machine]:
        return (machine for cell in self.cells for machine in cell.machines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    name: str
    lines: tuple[Line, ...]

    @classmethod
    def named(cls, name: str) -> Plant:
        """S: 1 line, 10 machines, 500 tags. M: 4 lines, 50 machines, 10,000 tags, some 8,000 samples/s.

        >>> Plant.named("XL")
        Traceback (most recent call last):
        streams.errors.InvalidValue: no such plant: name='XL', known=['M', 'S']
        """
        from streams.simulation.plants import PLANTS

        if name not in PLANTS:
            raise InvalidValue("no such plant", name=name, known=sorted(PLANTS))
        return PLANTS[name]()

    @property
    def machines(self) -> tuple[tuple[Line, Cell, Machine], ...]:
        """Every machine with where it stands, in the order of the lines."""
        return tuple((line, cell, machine) for line in self.lines for cell in line.cells for machine in cell.machines)

    @property
    def tags(self) -> int:
        """Process signals, power, counters, meters and states of all machines; not the characteristics of parts."""
        return sum(len(machine.signals) + OTHER_TAGS for _, _, machine in self.machines)

    @property
    def samples_per_second(self) -> float:
        """Numeric readings, on average, power included."""
        return sum(1 + sum(SECOND_US / signal.period_us for signal in machine.signals) for _, _, machine in self.machines)
