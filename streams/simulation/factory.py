"""The factory as a log: every record of its six inputs in append order, and what is true of it.

A second at a time: faults begin or end, the shop floor happens, gateways and the bridge send, and all that is sure to come first in
append order is handed on. So the log is a function of the plant, the seed, the span and the faults alone; how far it is read at a
time, and whether anybody looks at the truth meanwhile, changes nothing.

The bridge to the MES is the only writer of orders, so it claims them, on every partition every second: what it has from before the
second's end it has sent, except for what people book late. Everything else comes from many gateways, which speak for their own
machines by heartbeats; a partition of these inputs to which a second brought nothing gets a BLANK, so that its time moves. At the
end the whole simulator claims every input through the end: nobody else writes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final

from streams.catalogue import Catalogue
from streams.codec.murmur import partition_of
from streams.codec.out_record import OutRecord
from streams.errors import require
from streams.simulation.faults import Faults, planned
from streams.simulation.floor import Floor
from streams.simulation.gateway import INPUTS, Gateway, Sent, Sums
from streams.simulation.injector import Injector, Station
from streams.simulation.orders import PROMPT_US, Booking
from streams.simulation.plant import SECOND_US, Plant
from streams.simulation.signals import CellSignals
from streams.simulation.told import Told
from streams.simulation.truth import OrderRun, Truth

ORDERS: Final = "mes.order.v1"
EVERY: Final = (ORDERS, *INPUTS)
RUN_KEY: Final = b"andon/simulation/run/claim"  # a line path, as every key of a raw topic is; claims and blanks belong to no line
CLAIM_US: Final = 500_000  # from the end of a second to the claim for it: later than any booking in time
BLANK_US: Final = 600_000


def simulate(
    plant: Plant, *, seed: int, start_us: int, until_us: int, faults: Faults | None, catalogue: Catalogue | None = None
) -> Simulation:
    """The factory over [start_us, until_us), whole seconds in microseconds UTC. faults: None for none.

    catalogue: whose numbers of partitions the keys are placed by; without one that of a first installation.

    >>> run = simulate(Plant.named("S"), seed=1, start_us=0, until_us=2_000_000, faults=None)
    >>> last = list(run)[-1]
    >>> last.kind, last.value["through_us"], run.truth
    ('CLAIM', 2000000, [])
    """
    whole = start_us % SECOND_US == 0 and until_us % SECOND_US == 0
    require(whole, "a run begins and ends with a whole second", start_us=start_us, until_us=until_us)
    require(start_us < until_us, "a run must begin before it ends", start_us=start_us, until_us=until_us)
    return Simulation(plant, seed, start_us, until_us, faults, catalogue or Catalogue())


class Simulation:
    """One run. Iterating goes on where it was left; truth, runs and sums grow as time passes."""

    def __init__(self, plant: Plant, seed: int, start_us: int, until_us: int, faults: Faults | None, catalogue: Catalogue) -> None:
        self.plant, self.seed, self.start_us, self.until_us = plant, seed, start_us, until_us
        self.now_us, self.sums = start_us, Sums()
        self._boot = start_us // SECOND_US  # a run that begins later numbers its records anew
        self._told: list[Told] = []
        self._floor = Floor(plant, seed, start_us, self._told.append)
        self._stations = [self._station(n) for n in range(len(self._floor.cells))]
        ahead = planned(plant, faults, seed, start_us, until_us) if faults else ()
        self._injector = Injector(ahead, self._floor, self._stations)
        self._keys = [line.path.encode() for line in plant.lines]
        self._partitions = {topic: catalogue.of(topic).partitions for topic in EVERY}
        self._home = {(topic, n): partition_of(key, count) for topic, count in self._partitions.items() for n, key in enumerate(self._keys)}
        self._heap: list[tuple[int, int, OutRecord]] = []
        self._pushed = 0
        self._booked = [0] * len(plant.lines)
        self._written: set[tuple[str, int]] = set()
        self._finishing = False
        self._records = self._log()

    def __iter__(self) -> Iterator[OutRecord]:
        return self._records

    @property
    def truth(self) -> list[Truth]:
        """Faults that have begun, in order of time."""
        return self._injector.truth

    @property
    def runs(self) -> list[OrderRun]:
        """Which orders really ran where, by their beginning; the last ones may still run."""
        return self._floor.runs

    def finish(self) -> None:
        """End at the next whole second, as if it had been the end from the start: what is on its way is handed on, then the claims."""
        self._finishing = True

    def _station(self, n: int) -> Station:
        cell = self._floor.cells[n]
        signals = CellSignals(cell, self._floor, self.seed, n)
        return Station(cell, signals, Gateway(cell, signals, self.seed, n, self._boot, self.sums))

    # ---- the log

    def _log(self) -> Iterator[OutRecord]:
        while self.now_us < self.until_us and not self._finishing:
            self._second(self.now_us)
            self.now_us += SECOND_US
            while self._heap and self._heap[0][0] < self.now_us:  # what later seconds bring is appended later
                yield heapq.heappop(self._heap)[2]
        yield from self._end()

    def _second(self, start_us: int) -> None:
        end_us = start_us + SECOND_US
        self._injector.second(start_us)
        self._floor.run(end_us)
        by_cell: dict[tuple[int, int], list[Any]] = {station.cell.place: [] for station in self._stations}
        for one in self._told:
            if isinstance(one, Booking):
                self._book(one)
            else:
                by_cell[one.line, one.cell].append(one)
        self._told.clear()
        for station in self._stations:
            for sent in station.gateway.second(start_us, by_cell[station.cell.place]):
                self._push(sent, station.cell.place[0])
        self._everywhere(ORDERS, "CLAIM", end_us + CLAIM_US, end_us)
        for topic in INPUTS:
            for partition in range(self._partitions[topic]):
                if (topic, partition) not in self._written:
                    self._pace(topic, partition, "BLANK", end_us + BLANK_US)
        self._written.clear()

    def _end(self) -> Iterator[OutRecord]:
        """What is on its way comes at once; then everything is complete."""
        append_us = self.now_us + SECOND_US
        while self._heap:
            record = heapq.heappop(self._heap)[2]
            yield record._replace(append_us=min(record.append_us, append_us))
        for topic in EVERY:
            self._everywhere(topic, "CLAIM", append_us + 1, self.now_us)
        while self._heap:
            yield heapq.heappop(self._heap)[2]

    def _push(self, sent: Sent, line: int) -> None:
        partition = self._home[sent.topic, line]
        self._written.add((sent.topic, partition))
        self._put(OutRecord(sent.topic, partition, self._keys[line], sent.record, sent.append_us, sent.kind, sent.entries))

    def _put(self, record: OutRecord) -> None:
        heapq.heappush(self._heap, (record.append_us, self._pushed, record))
        self._pushed += 1

    def _everywhere(self, topic: str, kind: str, append_us: int, through_us: int) -> None:
        for partition in range(self._partitions[topic]):
            self._pace(topic, partition, kind, append_us, through_us)

    def _pace(self, topic: str, partition: int, kind: str, append_us: int, through_us: int | None = None) -> None:
        source = "mes-bridge" if topic == ORDERS else "simulator"
        value = {"kind": kind, "source": source, "sequence": None, "through_us": through_us}
        self._put(OutRecord(topic, partition, RUN_KEY, value, append_us, kind))

    def _book(self, one: Booking) -> None:
        """A booking as the bridge writes it. It is late if its second has been claimed before it comes."""
        line, order = self.plant.lines[one.line], one.order
        self.sums.samples[ORDERS] += 1
        self.sums.late_orders += one.append_us - one.event_us >= PROMPT_US[1]
        known = one.event in ("CREATED", "RELEASED", "STARTED")
        record = {
            "kind": "DATA", "source": f"mes-bridge/{line.path}", "boot": self._boot, "sequence": self._booked[one.line],
            "work_center": one.work_center, "event_time_us": one.event_us, "event": one.event, "order": order.number,
            "operation": one.operation, "product": line.products[order.product] if known else "", "unit": "{part}",
            "quantity_planned": order.quantity if known else None, "quantity_good": one.good, "quantity_scrap": one.scrap,
            "split_into": list(one.split_into),
        }  # fmt: skip
        if one.event == "CORRECTED":
            record |= {"corrects": "STARTED", "corrects_time_us": one.corrects_us, "corrected_time_us": one.corrected_us}
        self._booked[one.line] += 1
        self._push(Sent(one.append_us, ORDERS, record, "DATA", 1), one.line)
