"""Readings of a cell, a second at a time: vectors over all its numeric signals, each machine's process signals and then its power.

    reading = centre(product) + sigma * z + bias,     z independent standard normal; a stuck sensor repeats its last reading
    power   = centre(state) * (1 + 0.01 z);           energy is its sum over seconds

A signal of period p is read every p seconds, slow ones spread over the seconds; within its second every signal has its own fixed
microsecond, so that a machine's readings are in order of time. Biases are the faults' (faults.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from streams.kernel import B1, F64, I64
from streams.simulation import chance
from streams.simulation.floor import RUNNING, Floor, LiveCell
from streams.simulation.plant import POWER, SECOND_US

SCAN_US: Final = 900_000  # of each second, in which the signals are read one after another
POWER_SIGMA: Final = 0.01


class Readings(NamedTuple):
    """Of one machine in one second, in order of time: positions in the cell's block, microseconds in the second, values."""

    rows: I64
    offsets_us: I64
    values: F64


class CellSignals:
    """All numeric signals of a cell. Rows: machine after machine, its process signals in their order, then power."""

    def __init__(self, cell: LiveCell, floor: Floor, seed: int, index: int) -> None:
        self._cell, self._floor, self._stream = cell, floor, chance.of(seed, "signals", index)
        machines = [each.machine for each in cell.machines]
        sizes = [len(machine.signals) + 1 for machine in machines]
        self.start = [0, *np.cumsum(sizes).tolist()]
        self.tags = [tag for machine in machines for tag in (*(s.tag for s in machine.signals), POWER)]
        self.units = [unit for machine in machines for unit in (*(s.unit for s in machine.signals), "W")]
        self.assets = [machine.id for machine, size in zip(machines, sizes, strict=True) for _ in range(size)]
        count = len(self.tags)
        self._sigma, self._centre = np.zeros(count), np.zeros(count)
        self._bias: F64 = np.zeros(count)
        self._stuck: B1 = np.zeros(count, np.bool_)
        self._last: F64 = np.zeros(count)
        self._offset, self._period, self._phase = (np.zeros(count, np.int64) for _ in range(3))
        self._product = [-1] * len(machines)
        self._energy_ws = [0.0] * len(machines)
        for m, machine in enumerate(machines):
            rows, size = slice(self.start[m], self.start[m + 1]), sizes[m]
            self._sigma[rows] = [*(s.sigma for s in machine.signals), 1.0]
            self._period[rows] = [*(s.period_us // SECOND_US for s in machine.signals), 1]
            self._offset[rows] = np.arange(size) * SCAN_US // size
            self._phase[rows] = np.arange(size) % self._period[rows]
        self._plans: dict[int, list[tuple[I64, I64]]] = {}
        self.cycle = int(np.lcm.reduce(self._period))  # seconds after which the same signals are read again

    def row(self, machine: int, tag: str) -> int:
        """Position of a tag of a machine."""
        return self.tags.index(tag, self.start[machine], self.start[machine + 1])

    def bias(self, row: int, sigmas: float) -> None:
        """From now on readings lie so many sigmas beside their centre; 0: on it."""
        self._bias[row] = sigmas * self._sigma[row]

    def stick(self, row: int, stuck: bool) -> None:
        """From now on the last reading is repeated, or not any more."""
        self._stuck[row] = stuck

    def second(self, number: int) -> list[Readings]:
        """The readings of each machine in a second since 1970. Called once for every second, in order."""
        self._follow()
        z = self._stream.standard_normal(len(self._centre))
        values = self._centre + self._sigma * z + self._bias
        values[self._stuck] = self._last[self._stuck]
        plan = self._plan(number % self.cycle)
        for rows, _ in plan:
            self._last[rows] = values[rows]
        for m in range(len(plan)):
            self._energy_ws[m] += float(values[self.start[m + 1] - 1])
        return [Readings(rows, offsets, values[rows]) for rows, offsets in plan]

    def energy_wh(self, machine: int) -> int:
        """Reading of the machine's meter, Wh since the beginning."""
        return int(self._energy_ws[machine] / 3600)

    def _follow(self) -> None:
        """Centres by the product that each machine is set up for; power by its state."""
        for m, live in enumerate(self._cell.machines):
            power = self.start[m + 1] - 1
            machine, product = live.machine, self._floor.product_of(live)
            if product != self._product[m]:
                self._product[m] = product
                self._centre[self.start[m] : power] = [signal.centres[product] for signal in machine.signals]
            self._centre[power] = machine.power_working if live.state == RUNNING else machine.power_waiting
            self._sigma[power] = POWER_SIGMA * self._centre[power]

    def _plan(self, phase: int) -> list[tuple[I64, I64]]:
        """Of each machine the rows that are read in such a second, and when in it."""
        if phase not in self._plans:
            due = phase % self._period == self._phase
            rows = [np.flatnonzero(due[a:b]) + a for a, b in zip(self.start, self.start[1:], strict=False)]
            self._plans[phase] = [(each, self._offset[each]) for each in rows]
        return self._plans[phase]
