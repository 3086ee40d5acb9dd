"""Puts the planned faults into the running factory, and takes them out again; writes down what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.simulation import faults as f
from streams.simulation.faults import Planned
from streams.simulation.floor import Floor, LiveCell, LiveMachine
from streams.simulation.gateway import Gateway
from streams.simulation.plant import SECOND_US, TOTAL
from streams.simulation.signals import CellSignals
from streams.simulation.truth import Truth

PARTS_LEFT = {f.WEAR: 10}  # of the order at the machine's cell, so that the fault can be seen; else PARTS_LEFT_ELSE
PARTS_LEFT_ELSE = 5
COUNTED = 5  # pieces that a counter must show, so that its reset can be seen


class Station(NamedTuple):
    """A cell at work with what reads it and what sends it."""

    cell: LiveCell
    signals: CellSignals
    gateway: Gateway


class Injector:
    """Works on whole seconds: a fault begins and ends where one begins."""

    def __init__(self, planned: Sequence[Planned], floor: Floor, stations: Sequence[Station]) -> None:
        self._ahead, self._active = list(planned), list[tuple[int, Planned]]()
        self._floor, self._stations = floor, {(s.cell.line.path, s.cell.cell.id): s for s in stations}
        self.truth: list[Truth] = []

    def second(self, now_us: int) -> None:
        """Before anything of the second happens."""
        for until_us, one in [each for each in self._active if each[0] <= now_us]:
            self._active.remove((until_us, one))
            self._change(one, now_us, begins=False)
        for one in [each for each in self._ahead if each.at_us <= now_us]:
            if self._can_be_seen(one, now_us) or now_us >= one.at_us + f.PATIENCE_US:
                self._ahead.remove(one)
                self._change(one, now_us, begins=True)
                self._active.append((now_us + one.duration_us, one))
                self.truth.append(self._truth(one, now_us))

    def _can_be_seen(self, one: Planned, now_us: int) -> bool:
        cell, machine, _ = self._where(one)
        if one.kind in f.ORDER_NEEDED:
            return cell.running(now_us, PARTS_LEFT.get(one.kind, PARTS_LEFT_ELSE))
        return one.kind != f.RESET or machine.counts[TOTAL] >= COUNTED

    def _where(self, one: Planned) -> tuple[LiveCell, LiveMachine, int]:
        cell = self._stations[one.line.path, one.cell.id].cell
        number = one.cell.machines.index(one.machine)
        return cell, cell.machines[number], number

    def _change(self, one: Planned, now_us: int, *, begins: bool) -> None:
        _, machine, number = self._where(one)
        _, signals, gateway = self._stations[one.line.path, one.cell.id]
        if one.kind in (f.OFFSET, f.STEP):
            signals.bias(signals.row(number, one.names[0]), one.sigmas if begins else 0.0)
        elif one.kind == f.STUCK:
            signals.stick(signals.row(number, one.names[0]), begins)
        elif one.kind == f.WEAR:
            machine.wear_since_us, machine.wear_sigmas_a_us = now_us, one.sigmas / one.duration_us if begins else 0.0
        elif one.kind == f.RECIPE:
            self._floor.load(machine, machine.recipe, one.product_steps if begins else 0)
        elif one.kind == f.CLOCK:
            gateway.ahead_us[number] = one.ahead_us if begins else 0
        elif one.kind == f.OUTAGE and begins:
            gateway.cut_off(now_us + one.duration_us)
        elif one.kind == f.RESET and begins:
            self._floor.reset_counters(machine)

    def _truth(self, one: Planned, now_us: int) -> Truth:
        cell, machine, _ = self._where(one)
        order = None if cell.paused else cell.order
        seen_in, sign = f.SIGNS[one.kind]
        return Truth(
            id=one.id, kind=one.kind, line=one.line.path, asset=one.cell.gateway if one.kind == f.OUTAGE else one.machine.id,
            names=one.names, since_us=now_us, until_us=now_us + one.duration_us, order=order.number if order else "",
            operation=one.cell.operation if order else "", product=one.line.products[order.product] if order else "",
            parameters=self._parameters(one, machine), seen_in=seen_in, sign=sign,
        )  # fmt: skip

    def _parameters(self, one: Planned, machine: LiveMachine) -> Mapping[str, float | int | str]:
        if one.kind in (f.OFFSET, f.STEP):
            return {"shift_sigmas": one.sigmas}
        if one.kind == f.WEAR:
            return {"shift_at_end_sigmas": one.sigmas, "drift_sigmas_a_minute": one.sigmas * 60 * SECOND_US / one.duration_us}
        if one.kind == f.RECIPE:
            return {"wrong_product": one.line.products[self._floor.product_of(machine)]}
        if one.kind == f.CLOCK:
            return {"ahead_us": one.ahead_us}
        if one.kind == f.OUTAGE:
            return {"lanes": " ".join(each.id for each in one.cell.machines)}
        return {}
