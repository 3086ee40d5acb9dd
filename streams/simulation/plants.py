"""The plants S and M: sizes of domain references, made by rule.

    S    1 line,  10 machines of  50 tags:     500 tags
    M    4 lines, 50 machines of 200 tags:  10,000 tags, some 8,000 samples/s

Names of the lines spread evenly over two and over four partitions (murmur2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from streams.simulation.plant import OTHER_TAGS, SECOND_US, Cell, Characteristic, Line, Machine, Plant, Signal

SITE: Final = "acme/turin/housings"
PRODUCTS: Final = ("housing-60", "housing-80", "housing-95")
CELLS: Final = (("turning", "10"), ("milling", "20"), ("finishing", "30"))
CYCLE_US: Final = 6 * SECOND_US
SLOW_US: Final = 5 * SECOND_US
CRITICAL: Final = 4  # the first signals of a machine
TOLERANCE_SIGMAS: Final = 5.0  # process capability Cp = 5 / 3

# name, UCUM unit, centre, sigma
_QUANTITIES: Final = (
    ("spindle-temperature", "Cel", 58.0, 0.35), ("hydraulic-pressure", "bar", 62.0, 0.4), ("coolant-flow", "L/min", 18.0, 0.25),
    ("feed-force", "N", 840.0, 6.0), ("spindle-vibration", "mm/s", 1.9, 0.05), ("drive-current", "A", 14.5, 0.2),
    ("coolant-temperature", "Cel", 21.0, 0.15), ("air-pressure", "bar", 6.1, 0.04), ("spindle-speed", "/min", 2950.0, 7.0),
    ("bearing-temperature", "Cel", 46.0, 0.3), ("supply-voltage", "V", 401.0, 1.2), ("oil-level", "mm", 212.0, 0.9),
)  # fmt: skip


def _signal(k: int, place: int, fast: int) -> Signal:
    """Every third signal belongs to the recipe: its centre is another for each product, ten sigmas apart."""
    name, unit, centre, sigma = _QUANTITIES[k % len(_QUANTITIES)]
    own = centre + 2 * sigma * place + sigma * (k // len(_QUANTITIES))
    step = 10 * sigma if k % 3 == 0 else 0.0
    return Signal(
        tag=f"{name}-{k // len(_QUANTITIES) + 1}", unit=unit, period_us=SECOND_US if k < fast else SLOW_US, sigma=sigma,
        centres=tuple(own + step * p for p in range(len(PRODUCTS))), critical=k < CRITICAL,
    )  # fmt: skip


def _machine(name: str, place: int, signals: int, fast: int, *, single: bool) -> Machine:
    characteristics = [("diameter", 24.0 + place, 0.004, 12.0)] + ([("length", 80.0 + place, 0.01, 20.0)] if place % 2 else [])
    return Machine(
        id=name, cycle_us=CYCLE_US, single=single, power_working=5200.0 + 150 * place, power_waiting=900.0,
        signals=tuple(_signal(k, place, fast) for k in range(signals)),
        characteristics=tuple(
            Characteristic(name=what, unit="mm", sigma=sigma, tolerance=TOLERANCE_SIGMAS * sigma,
                           centres=tuple(centre + step * p for p in range(len(PRODUCTS))))
            for what, centre, sigma, step in characteristics
        ),
    )  # fmt: skip


def _line(number: int, sizes: tuple[int, ...], tags: int, fast: int) -> Line:
    """sizes: machines of each cell. The last machine of the first cell sends single readings; the last cell stores and forwards."""
    cells: list[Cell] = []
    place = 0
    for (name, operation), size in zip(CELLS, sizes, strict=True):
        machines = []
        for n in range(size):
            single = not cells and n == size - 1
            machines.append(_machine(f"{name}-{n + 1}", place, tags - OTHER_TAGS, fast, single=single))
            place += 1
        cells.append(Cell(id=f"cell-{name}", operation=operation, gateway=f"gateway-{name}", machines=tuple(machines),
                          buffered=name == CELLS[-1][0]))  # fmt: skip
    return Line(path=f"{SITE}/line-{number}", cells=tuple(cells), products=PRODUCTS, buffer=3)


def _small() -> Plant:
    return Plant(name="S", lines=(_line(1, (4, 3, 3), tags=50, fast=38),))


def _medium() -> Plant:
    sizes = ((5, 4, 3), (5, 4, 4), (5, 4, 3), (5, 4, 4))
    return Plant(name="M", lines=tuple(_line(n + 1, size, tags=200, fast=150) for n, size in enumerate(sizes)))


PLANTS: Final[Mapping[str, Callable[[], Plant]]] = {"S": _small, "M": _medium}
