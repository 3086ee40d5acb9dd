"""The shop floor: machines, buffers, cells and orders as discrete events (simpy). Time is the simulation's, in microseconds.

A part goes through all machines of its line, one after another; a buffer of a few parts stands before each machine but the first. A
machine that finds none is STARVED, one that cannot hand on is BLOCKED: both follow from the buffers alone. A cell takes orders in
the line's sequence. It is set up when it has handed on the last part of the order before, SETUP of its machines, and in the middle
of that its product changes. So within a cell orders never overlap, between cells they do. A pause begins when the cell is empty.

What happens is told to `tell` (told.py), in order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import simpy

from streams.simulation import chance
from streams.simulation import orders as o
from streams.simulation.orders import Booking, LiveOrder, OrderBook
from streams.simulation.plant import EXECUTION, GOOD, PERSON, PROGRAM, SCRAP, SECOND_US, TOTAL, Cell, Line, Machine, Plant
from streams.simulation.told import CountTold, MeasuredTold, StateTold, Told
from streams.simulation.truth import OrderRun

RUNNING, STARVED, BLOCKED, SETUP, IDLE, FAULT = "RUNNING", "STARVED", "BLOCKED", "SETUP", "IDLE", "FAULT"
SETUP_US: Final = (20 * SECOND_US, 40 * SECOND_US)
SAME_US: Final = 2 * SECOND_US  # between two orders of one product
SETTLE_US: Final = 300_000  # from the start of an order to its first part; from its last part to its end
JITTER: Final = 0.05  # of a cycle, either way
BREAKDOWN: Final = 0.002  # of a part
REPAIR_US: Final = (10 * SECOND_US, 30 * SECOND_US)
SCRAP_RATE: Final = 0.004  # of parts within tolerance
SIGN_ON_US: Final = (60 * SECOND_US, 240 * SECOND_US)  # late, a person signs on
CHECK_US: Final = 60 * SECOND_US  # states are confirmed so often
SHIFT_US: Final = 8 * 3600 * SECOND_US

Process = Generator[simpy.Event, Any, None]


class Part(NamedTuple):
    order: LiveOrder
    serial: str


@dataclass(slots=True, eq=False)
class LiveMachine:
    """A machine at work. recipe: index of the product that it is set up for; wrong: so many products beside it, by a fault."""

    machine: Machine
    place: tuple[int, int, int]  # line, cell, machine
    into: simpy.Store | None
    out: simpy.Store | None
    state: str = ""
    recipe: int = 0
    wrong: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((TOTAL, GOOD, SCRAP), 0))
    wear_since_us: int = 0
    wear_sigmas_a_us: float = 0.0


@dataclass(slots=True, eq=False)
class LiveCell:
    """A cell at work. open: for parts of its order; taken, done: of these. known_us: from when on the log knows what runs here."""

    cell: Cell
    line: Line
    place: tuple[int, int]
    machines: list[LiveMachine]
    opened: simpy.Event
    emptied: simpy.Event
    finished: simpy.Event
    order: LiveOrder | None = None
    open: bool = False
    recipe: int = 0
    taken: int = 0
    done: int = 0
    scrap: int = 0
    paused: bool = False
    known_us: int | None = None

    def running(self, now_us: int, parts: int) -> bool:
        """Does an order run here, known to everybody for ten seconds, with so many parts still to come?"""
        known = self.known_us is not None and self.known_us + 10 * SECOND_US <= now_us
        return known and self.order is not None and not self.paused and self.order.quantity - self.taken >= parts


class Floor:
    def __init__(self, plant: Plant, seed: int, start_us: int, tell: Callable[[Told], None]) -> None:
        self._environment = simpy.Environment(initial_time=start_us)
        self._tell, self._lines = tell, plant.lines
        self.runs: list[OrderRun] = []
        self._open: dict[tuple[int, int], int] = {}
        self._streams = [chance.of(seed, "line", n) for n in range(len(plant.lines))]
        self._books = [OrderBook(line, n, seed) for n, line in enumerate(plant.lines)]
        self.cells: list[LiveCell] = []
        for n, line in enumerate(plant.lines):
            self._build(n, line)
        for cell in self.cells:
            self._environment.process(self._orders(cell))
            for machine in cell.machines:
                self._environment.process(self._works(cell, machine))
        self._environment.process(self._confirms())
        self._environment.process(self._shifts())

    def run(self, until_us: int) -> None:
        """Everything with now <= time < until_us happens."""
        self._environment.run(until=until_us)

    @property
    def now_us(self) -> int:
        return int(self._environment.now)

    def reset_counters(self, machine: LiveMachine) -> None:
        """A controller restarts: its counters begin at 0, and say so."""
        for tag in machine.counts:
            machine.counts[tag] = 0
            self._tell(CountTold(*machine.place, tag, 0, self.now_us))

    def load(self, machine: LiveMachine, recipe: int, wrong: int) -> None:
        """Load the program of a product, or of one beside it."""
        machine.recipe, machine.wrong = recipe, wrong
        self._tell(StateTold(*machine.place, PROGRAM, self._lines[machine.place[0]].products[self.product_of(machine)], "", self.now_us))

    def product_of(self, machine: LiveMachine) -> int:
        """Index of the product whose centres hold for the machine's signals."""
        return (machine.recipe + machine.wrong) % len(self._lines[machine.place[0]].products)

    # ---- building

    def _build(self, n: int, line: Line) -> None:
        buffer: simpy.Store | None = None
        last = sum(len(cell.machines) for cell in line.cells) - 1
        at = 0
        for c, cell in enumerate(line.cells):
            machines = []
            for m, machine in enumerate(cell.machines):
                out = None if at == last else simpy.Store(self._environment, capacity=line.buffer)
                machines.append(LiveMachine(machine, (n, c, m), buffer, out))
                buffer, at = out, at + 1
            new = self._environment.event
            self.cells.append(LiveCell(cell, line, (n, c), machines, new(), new(), new()))

    # ---- orders

    def _orders(self, cell: LiveCell) -> Process:
        """The life of a cell: order after order."""
        line, position = cell.place[0], 0
        while True:
            order, new = self._books[line].at(position)
            if new:
                self._announce(line, order)
            position += 1
            yield from self._set_up(cell, order)
            cell.order, cell.taken, cell.done, cell.scrap = order, 0, 0, 0
            cell.finished = self._environment.event()
            self._start(cell, order)
            self._sign_on(cell)
            yield self._environment.timeout(SETTLE_US)
            cell.open = True
            cell.opened.succeed()
            cell.opened = self._environment.event()
            yield cell.finished
            yield self._environment.timeout(SETTLE_US)
            self._book(cell, "ENDED", good=cell.done - cell.scrap, scrap=cell.scrap)
            self._ran(cell, None)
            cell.order, cell.known_us, cell.open = None, None, False

    def _set_up(self, cell: LiveCell, order: LiveOrder) -> Process:
        same = all(machine.state for machine in cell.machines) and cell.recipe == order.product
        for machine in cell.machines:
            self._state(machine, IDLE if same else SETUP)
        wanted_us = SAME_US if same else chance.between(self._streams[cell.place[0]], *SETUP_US)
        yield self._environment.timeout(wanted_us // 2)
        if not same:
            cell.recipe = order.product
            for machine in cell.machines:
                self.load(machine, order.product, machine.wrong)
        yield self._environment.timeout(wanted_us - wanted_us // 2)
        for machine in cell.machines:
            self._state(machine, STARVED)

    def _announce(self, line: int, order: LiveOrder) -> None:
        for cell in self.cells:
            if cell.place[0] == line:
                self._book(cell, "CREATED", order)
                self._book(cell, "RELEASED", order)

    def _start(self, cell: LiveCell, order: LiveOrder) -> None:
        """Book the start; in the cell of its story late, or with a wrong time."""
        stream, now_us, known_us = self._streams[cell.place[0]], self.now_us, self.now_us
        told = cell.place[1] == order.cell
        if told and order.story == o.LATE:
            known_us = now_us + chance.between(stream, *o.LATE_US)
            self._book(cell, "STARTED", append_us=known_us)
        elif told and order.story == o.CORRECTED:
            self._environment.process(self._corrects(cell, order, now_us, chance.between(stream, *o.WRONG_US)))
            known_us = now_us + o.WRONG_US[1]
        else:
            self._book(cell, "STARTED")
        cell.known_us = known_us
        self._ran(cell, order)

    def _corrects(self, cell: LiveCell, order: LiveOrder, true_us: int, wrong_us: int) -> Process:
        yield self._environment.timeout(wrong_us)
        self._book(cell, "STARTED", order)
        reported_us = self.now_us
        yield self._environment.timeout(chance.between(self._streams[cell.place[0]], *o.CORRECTION_US))
        self._book(cell, "CORRECTED", order, corrects_us=reported_us, corrected_us=true_us)

    def _book(self, cell: LiveCell, event: str, order: LiveOrder | None = None, append_us: int = 0, **more: Any) -> None:
        appended_us = append_us or self.now_us + o.prompt_us(self._streams[cell.place[0]])
        about = order or cell.order
        assert about is not None, "a booking is about an order"
        self._tell(Booking(cell.place[0], cell.cell.id, cell.cell.operation, event, about, self.now_us, appended_us, **more))

    def _ran(self, cell: LiveCell, order: LiveOrder | None) -> None:
        """Note in `runs` that from now on this order runs in the cell, or none."""
        if (at := self._open.pop(cell.place, None)) is not None:
            last = self.runs[at]
            self.runs[at] = OrderRun(line=last.line, work_center=last.work_center, order=last.order, operation=last.operation,
                                     product=last.product, since_us=last.since_us, until_us=self.now_us)  # fmt: skip
        if order is not None:
            self._open[cell.place] = len(self.runs)
            self.runs.append(OrderRun(line=cell.line.path, work_center=cell.cell.id, order=order.number, operation=cell.cell.operation,
                                      product=cell.line.products[order.product], since_us=self.now_us, until_us=None))  # fmt: skip

    def _sign_on(self, cell: LiveCell) -> None:
        """The person of the shift signs on to the cell, and the terminal sends it minutes later."""
        who = f"person-{100 * (self.now_us // SHIFT_US % 3 + 1) + 10 * cell.place[0] + cell.place[1]}"
        delay_us = chance.between(self._streams[cell.place[0]], *SIGN_ON_US)
        self._tell(StateTold(*cell.place, -1, PERSON, who, "sign-on", self.now_us, delay_us))

    def _shifts(self) -> Process:
        while True:
            yield self._environment.timeout(SHIFT_US - self.now_us % SHIFT_US)
            for cell in self.cells:
                self._sign_on(cell)

    # ---- parts

    def _works(self, cell: LiveCell, machine: LiveMachine) -> Process:
        """The life of a machine: part after part."""
        stream, first, last = self._streams[cell.place[0]], machine is cell.machines[0], machine is cell.machines[-1]
        while True:
            part = yield from self._next(cell, machine, first)
            self._state(machine, RUNNING)
            cycle_us = machine.machine.cycle_us * (1 - JITTER + 2 * JITTER * float(stream.random()))
            yield self._environment.timeout(int(cycle_us))
            if stream.random() < BREAKDOWN:
                self._state(machine, FAULT, f"E{chance.between(stream, 100, 120)}")
                yield self._environment.timeout(chance.between(stream, *REPAIR_US))
                self._state(machine, RUNNING)
            self._finish(cell, machine, part, last)
            if machine.out is not None:
                if len(machine.out.items) >= machine.out.capacity:
                    self._state(machine, BLOCKED)
                yield machine.out.put(part)
            if last:
                cell.done += 1
                self._look(cell)

    def _next(self, cell: LiveCell, machine: LiveMachine, first: bool) -> Generator[simpy.Event, Any, Part]:
        """The machine's next part. The first machine of a cell holds it until the cell is open for its order."""
        if machine.into is None:
            part = yield from self._launched(cell)
        else:
            if not machine.into.items:
                self._state(machine, STARVED)
            part = yield machine.into.get()
            while first and not (cell.open and cell.order is part.order):
                yield cell.opened
        if first:
            yield from self._interrupted(cell)
            cell.taken += 1
        return part

    def _launched(self, cell: LiveCell) -> Generator[simpy.Event, Any, Part]:
        """A blank of the order that the line's first cell is at."""
        while True:
            order = cell.order
            if order is None or not cell.open or order.launched >= order.quantity:
                yield cell.opened
            elif order.story == o.SPLIT and order.launched == order.quantity // 2:
                self._split(cell, order)
            else:
                order.launched += 1
                return Part(order, f"{order.number}-{order.launched:03d}")

    def _interrupted(self, cell: LiveCell) -> Process:
        """The pause of an order whose story it is: at half of its parts, when the cell is empty."""
        order = cell.order
        if order is None or order.story != o.PAUSED or cell.place[1] != order.cell or cell.taken != order.quantity // 2:
            return
        self._state(cell.machines[0], IDLE)
        while cell.done < cell.taken:
            cell.emptied = self._environment.event()
            yield cell.emptied
        yield self._environment.timeout(SETTLE_US)
        cell.paused = True
        self._book(cell, "PAUSED")
        self._ran(cell, None)
        for machine in cell.machines:
            self._state(machine, IDLE)
        yield self._environment.timeout(chance.between(self._streams[cell.place[0]], *o.PAUSE_US))
        self._book(cell, "RESUMED")
        self._ran(cell, order)
        cell.paused, cell.known_us = False, self.now_us
        for machine in cell.machines:
            self._state(machine, STARVED)
        yield self._environment.timeout(SETTLE_US)

    def _split(self, cell: LiveCell, order: LiveOrder) -> None:
        rest = self._books[cell.place[0]].split(order)
        order.story = o.PLAIN
        for each in self.cells:
            if each.place[0] == cell.place[0]:
                self._book(each, "SPLIT", order, split_into=(rest.number,))
                if each.order is order:
                    self._look(each)

    def _look(self, cell: LiveCell) -> None:
        """After a part has left, or the order has become smaller."""
        if cell.done == cell.taken and not cell.emptied.triggered:
            cell.emptied.succeed()
        if cell.order is not None and cell.done == cell.order.quantity and not cell.finished.triggered:
            cell.finished.succeed()

    def _finish(self, cell: LiveCell, machine: LiveMachine, part: Part, last: bool) -> None:
        stream, good = self._streams[cell.place[0]], True
        product = part.order.product
        for n, each in enumerate(machine.machine.characteristics):
            off = machine.wear_sigmas_a_us * (self.now_us - machine.wear_since_us) if n == 0 and machine.wear_sigmas_a_us else 0.0
            value = each.centres[product] + each.sigma * (float(stream.standard_normal()) + off)
            lsl, usl = each.limits(product)
            passed = lsl <= value <= usl
            good &= passed
            about = cell.line.products[product], part.serial, passed
            self._tell(MeasuredTold(*machine.place, each.name, each.unit, value, *about, self.now_us))
        good = good and stream.random() >= SCRAP_RATE
        for tag in (TOTAL, GOOD if good else SCRAP):
            machine.counts[tag] += 1
            self._tell(CountTold(*machine.place, tag, machine.counts[tag], self.now_us))
        cell.scrap += last and not good

    # ---- states

    def _state(self, machine: LiveMachine, state: str, reason: str = "") -> None:
        if machine.state != state:
            machine.state = state
            self._tell(StateTold(*machine.place, EXECUTION, state, reason, self.now_us))

    def _confirms(self) -> Process:
        while True:
            yield self._environment.timeout(CHECK_US)
            for cell in self.cells:
                for machine in cell.machines:
                    self._tell(StateTold(*machine.place, EXECUTION, machine.state, "", self.now_us))
