"""Which faults are put into the factory, where and when: drawn from the seed before the run begins.

Each kind strikes once in every stretch of `every_us`, and at least once, if the run is long enough for it (`run_us_least`). A machine
has one fault at a time and time to recover from it; an outage takes all machines of its gateway. A fault that needs an order on its
machine waits for one, at most PATIENCE_US. All are over when the drain begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.errors import require
from streams.simulation import chance
from streams.simulation.plant import SECOND_US, TOTAL, Cell, Line, Machine, Plant

WEAR, OFFSET, STUCK, STEP = "tool-wear", "sensor-offset", "stuck-sensor", "process-step"
RECIPE, RESET, OUTAGE, CLOCK = "wrong-recipe", "counter-reset", "gateway-outage", "clock-jump"
KINDS: Final = (WEAR, OFFSET, STUCK, STEP, RECIPE, RESET, OUTAGE, CLOCK)
ORDER_NEEDED: Final = frozenset({WEAR, OFFSET, STUCK, STEP, RECIPE})  # seen only where an order runs: only there limits are known
DURATION_US: Final[Mapping[str, tuple[int, int]]] = {  # whole seconds, low <= duration < high
    WEAR: (150 * SECOND_US, 200 * SECOND_US), OFFSET: (60 * SECOND_US, 120 * SECOND_US), STUCK: (60 * SECOND_US, 120 * SECOND_US),
    STEP: (60 * SECOND_US, 120 * SECOND_US), RECIPE: (60 * SECOND_US, 120 * SECOND_US), RESET: (SECOND_US, 2 * SECOND_US),
    OUTAGE: (60 * SECOND_US, 150 * SECOND_US), CLOCK: (45 * SECOND_US, 90 * SECOND_US),
}  # fmt: skip
WARM_UP_US: Final = 90 * SECOND_US  # until the first parts have reached the last machines
PATIENCE_US: Final = 200 * SECOND_US
RECOVERY_US: Final = 60 * SECOND_US
DRAWS: Final = 50  # places in time tried for a fault before its stretch goes without

SIGNS: Final[Mapping[str, tuple[str, str]]] = {  # topic that ought to show it, how
    WEAR: ("qual.deviation.v1", "the characteristic drifts away from its centre until the tool is changed"),
    OFFSET: ("qual.deviation.v1", "readings of one signal lie off their centre"),
    STUCK: ("qual.deviation.v1", "every reading of the signal is the same"),
    STEP: ("qual.deviation.v1", "the process runs at another level until it is set right"),
    RECIPE: ("qual.deviation.v1", "the signals of the recipe have the centres of another product"),
    RESET: ("ctx.count.v1", "an increment of kind RESET"),
    OUTAGE: ("frontier", "nothing is lost or late: the lanes of the gateway wait, and its samples come in a burst"),
    CLOCK: ("dq.quarantine.v1", "samples from the future"),
}


Busy = dict[tuple[str, str], list[tuple[int, int]]]  # (line path, asset id) -> spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """every_us: a fault of each kind in every such stretch. drain_us: the last part of the run, without any. kinds: of KINDS."""

    every_us: int
    drain_us: int
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        require(self.every_us > 0, "every_us must be positive", every_us=self.every_us)
        require(self.drain_us >= 0, "drain_us must not be negative", drain_us=self.drain_us)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        require(not unknown, "there are no such kinds of faults", unknown=unknown, known=KINDS)

    @property
    def run_us_least(self) -> int:
        """A run so long has one of each kind."""
        return WARM_UP_US + max((_reach_us(kind) for kind in self.kinds), default=0) + self.drain_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault to be: at `at_us`, or up to PATIENCE_US later. machine: the first of the cell where it takes all of them."""

    id: str
    kind: str
    line: Line
    cell: Cell
    machine: Machine
    names: tuple[str, ...]
    at_us: int
    duration_us: int
    sigmas: float  # with sign; of WEAR: reached at its end
    product_steps: int  # RECIPE: so many products further in the line's list
    ahead_us: int  # CLOCK


def planned(plant: Plant, faults: Faults, seed: int, start_us: int, until_us: int) -> tuple[Planned, ...]:
    """All faults of a run over [start_us, until_us), in order of time."""
    stream = chance.of(seed, "faults")
    busy: Busy = {}
    found: list[Planned] = []
    for kind in sorted(faults.kinds, key=lambda each: (each != OUTAGE, KINDS.index(each))):  # the one that takes most room first
        first, last = start_us + WARM_UP_US, until_us - faults.drain_us - _reach_us(kind)
        if last < first:
            continue
        stretches = max(1, (last - first) // faults.every_us)
        width = (last - first) // stretches
        for n in range(stretches):
            one = _placed(plant, kind, f"{kind}-{n + 1}", (first + n * width, first + (n + 1) * width), stream, busy)
            found += [] if one is None else [one]
    return tuple(sorted(found, key=lambda each: (each.at_us, each.id)))


def _reach_us(kind: str) -> int:
    """From its planned beginning to its last possible end."""
    return DURATION_US[kind][1] + (PATIENCE_US if kind in ORDER_NEEDED or kind == RESET else 0)


def _placed(
    plant: Plant, kind: str, name: str, stretch: tuple[int, int], stream: np.random.Generator, busy: Busy
) -> Planned | None:  # fmt: skip
    """A fault somewhere in the stretch where its machines are free; None where none is."""
    places = [place for place in plant.machines if kind != OUTAGE or (place[1].buffered and place[2] is place[1].machines[0])]
    for _ in range(DRAWS):
        at_us = stretch[0] + chance.between(stream, 0, (stretch[1] - stretch[0]) // SECOND_US + 1) * SECOND_US
        low, high = DURATION_US[kind]
        duration_us = chance.between(stream, low // SECOND_US, high // SECOND_US) * SECOND_US
        span = at_us - RECOVERY_US, at_us + _reach_us(kind) + RECOVERY_US
        for n in stream.permutation(len(places)):
            line, cell, machine = places[int(n)]
            lanes = [(line.path, each.id) for each in (cell.machines if kind == OUTAGE else (machine,))]
            if any(since < span[1] and span[0] < until for lane in lanes for since, until in busy.get(lane, ())):
                continue
            for lane in lanes:
                busy.setdefault(lane, []).append((at_us, at_us + _reach_us(kind)))
            return Planned(
                id=name, kind=kind, line=line, cell=cell, machine=machine, names=_names(kind, machine, stream), at_us=at_us,
                duration_us=duration_us, sigmas=_sigmas(kind, stream), product_steps=chance.between(stream, 1, len(line.products)),
                ahead_us=chance.between(stream, 90, 600) * SECOND_US,
            )  # fmt: skip
    return None


def _names(kind: str, machine: Machine, stream: np.random.Generator) -> tuple[str, ...]:
    critical = [signal.tag for signal in machine.signals if signal.critical]
    if kind == WEAR:
        return (machine.characteristics[0].name,)
    if kind == RECIPE:
        return tuple(signal.tag for signal in machine.signals if len(set(signal.centres)) > 1)
    if kind == RESET:
        return (TOTAL,)
    if kind in (OUTAGE, CLOCK):
        return ()
    return (critical[chance.between(stream, 0, len(critical))],)


def _sigmas(kind: str, stream: np.random.Generator) -> float:
    sign = 1.0 if chance.between(stream, 0, 2) else -1.0
    return sign * (8.0 + 2.0 * float(stream.random()) if kind == WEAR else 3.0 + 3.0 * float(stream.random()))
