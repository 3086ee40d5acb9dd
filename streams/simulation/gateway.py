"""The gateway of a cell: readings, states, counts and measurements into messages, over a link that may be away.

    telemetry   each second of the cell, packed, a message at most PACKED samples, each machine's in order of time
    old         each reading of a machine with an old controller, a message of its own
    else        each state, count and measurement, a message of its own
    heartbeat   each second on every input: all of these machines before the second's end has been sent

The link is first in, first out. While it is away everything is kept, heartbeats are not; then all of it goes out in a burst. A message
is now and then sent again, some seconds later; a restart begins a new boot and sends the last packed message again. Numbers are
dense in (source, boot), a source for each input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from streams.kernel import NEG
from streams.simulation import chance
from streams.simulation.floor import LiveCell
from streams.simulation.plant import ENERGY, PERSON, SECOND_US
from streams.simulation.signals import CellSignals, Readings
from streams.simulation.told import CountTold, MeasuredTold, StateTold

TELEMETRY, SAMPLE, STATE, COUNT, MEASUREMENT = "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1"
INPUTS: Final = (TELEMETRY, SAMPLE, STATE, COUNT, MEASUREMENT)
PACKED: Final = 500  # samples of a message, at most
PACKED_US: Final = (40_000, 90_000)  # from the end of a second to its packed messages, low <= delay < high
PROMPT_US: Final = (20_000, 80_000)  # from an event to its message
OLD_US: Final = 15_000  # from a reading of an old controller to its message
HEARTBEAT_US: Final = 120_000  # from the end of a second to its heartbeats: after everything of the second
SPACING_US: Final = 500  # between two messages of a link
AGAIN: Final = 0.002  # of the messages
AGAIN_US: Final = (SECOND_US, 8 * SECOND_US)
RESTART: Final = 1 / 1200  # a second
METER_EVERY: Final = 10  # seconds


class Sent(NamedTuple):
    """A message on its way into the log of an input. kind and entries as in OutRecord."""

    append_us: int
    topic: str
    record: dict[str, Any]
    kind: str
    entries: int


class Waiting(NamedTuple):
    """Ready to be sent from ready_us on. ahead: of its samples, those with a stamp from the future. again: was sent before."""

    ready_us: int
    topic: str
    record: dict[str, Any]
    entries: int
    ahead: int
    again: bool


class Sums:
    """What gateways and bridge have sent, in samples by topic; what a gate will say of them."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()  # each once
        self.again: Counter[str] = Counter()  # duplicates
        self.ahead: Counter[str] = Counter()  # stamped from the future, each once
        self.late_orders = 0  # bookings of a time that was claimed before they came


class Gateway:
    def __init__(self, cell: LiveCell, signals: CellSignals, seed: int, index: int, boot: int, sums: Sums) -> None:
        self._cell, self._signals, self._sums = cell, signals, sums
        self._stream = chance.of(seed, "gateway", index)
        self._machines = [live.machine for live in cell.machines]
        self._name = f"{cell.line.path}/{cell.cell.gateway}"
        self._terminal = f"{cell.line.path}/terminal-{cell.cell.id}"
        self._boot, self._next = boot, dict.fromkeys(INPUTS, 0)
        self._first_boot, self._signed_on = boot, 0
        self._free_us, self._away_until_us = NEG, NEG
        self._again: list[Waiting] = []
        self._last_packed: Waiting | None = None
        self._tables: dict[tuple[int, int, int], dict[str, Any]] = {}
        self.ahead_us = [0] * len(self._machines)

    @property
    def lanes(self) -> list[str]:
        return [machine.id for machine in self._machines]

    def cut_off(self, until_us: int) -> None:
        """The link is away until then."""
        self._away_until_us = until_us

    def second(self, start_us: int, told: Sequence[StateTold | CountTold | MeasuredTold]) -> Iterator[Sent]:
        """What the gateway sends of the second that begins at start_us, with the append times that it will have."""
        end_us = start_us + SECOND_US
        waiting = [*self._restarted(start_us), *self._due(end_us)]
        readings = self._signals.second(start_us // SECOND_US)
        waiting += self._packed(start_us, readings)
        for m, machine in enumerate(self._machines):
            if machine.single:
                waiting += self._singly(start_us, m, readings[m])
            if start_us // SECOND_US % METER_EVERY == 0:
                metered = CountTold(*self._cell.place, m, ENERGY, self._signals.energy_wh(m), end_us - 1)
                waiting.append(self._count(metered))
        for one in told:
            if one.machine < 0:
                assert isinstance(one, StateTold)
                yield self._at_terminal(one)
            elif isinstance(one, StateTold):
                waiting.append(self._state(one))
            elif isinstance(one, CountTold):
                waiting.append(self._count(one))
            else:
                waiting.append(self._measurement(one))
        for each in sorted(waiting, key=lambda w: w.ready_us):  # stable: at one time in the order above
            yield self._over_the_link(each)
        yield from self._heartbeats(end_us)

    # ---- the link

    def _over_the_link(self, each: Waiting) -> Sent:
        append_us = max(each.ready_us, self._free_us, self._away_until_us if each.ready_us < self._away_until_us else NEG)
        self._free_us = append_us + SPACING_US
        if each.again:
            self._sums.again[each.topic] += each.entries
        else:
            self._sums.samples[each.topic] += each.entries
            self._sums.ahead[each.topic] += each.ahead
            if self._stream.random() < AGAIN:
                due_us = append_us + chance.between(self._stream, *AGAIN_US)
                self._again.append(each._replace(ready_us=due_us, again=True))
        return Sent(append_us, each.topic, each.record, "DATA", each.entries)

    def _due(self, end_us: int) -> list[Waiting]:
        due = [each for each in self._again if each.ready_us < end_us]
        self._again = [each for each in self._again if each.ready_us >= end_us]
        return due

    def _restarted(self, start_us: int) -> list[Waiting]:
        if self._stream.random() >= RESTART or self._last_packed is None:
            return []
        self._boot, self._next = self._boot + 1, dict.fromkeys(INPUTS, 0)
        return [self._last_packed._replace(ready_us=start_us, again=True)]

    def _heartbeats(self, end_us: int) -> Iterator[Sent]:
        """Only when nothing waits: a heartbeat says that everything has been sent."""
        ready_us = end_us + HEARTBEAT_US
        if max(self._free_us, self._away_until_us) > ready_us:
            return
        for topic in INPUTS:
            head = {"kind": "HEARTBEAT", "source": self._source(topic), "boot": self._boot, "sequence": None}
            yield Sent(ready_us, topic, {**head, "through_us": end_us, "lanes": self.lanes}, "HEARTBEAT", 0)

    # ---- messages

    def _source(self, topic: str) -> str:
        return f"{self._name}/{topic.split('.')[1]}"

    def _head(self, topic: str, entries: int = 1) -> dict[str, Any]:
        sequence = self._next[topic]
        self._next[topic] = sequence + entries
        return {"kind": "DATA", "source": self._source(topic), "boot": self._boot, "sequence": sequence}

    def _packed(self, start_us: int, readings: Sequence[Readings]) -> Iterator[Waiting]:
        ready_us = start_us + SECOND_US + chance.between(self._stream, *PACKED_US)
        pack: list[int] = []
        size = 0
        packable = [m for m, machine in enumerate(self._machines) if not machine.single and len(readings[m].rows)]
        for m in packable:
            if pack and size + len(readings[m].rows) > PACKED:
                yield self._message(start_us, ready_us, pack, readings)
                pack, size = [], 0
            pack.append(m)
            size += len(readings[m].rows)
        if pack:
            yield self._message(start_us, ready_us, pack, readings)

    def _message(self, start_us: int, ready_us: int, pack: Sequence[int], readings: Sequence[Readings]) -> Waiting:
        """One packed message: every signal of these machines once, its table the same whenever the same signals are read."""
        key = start_us // SECOND_US % self._signals.cycle, pack[0], pack[-1]
        if (table := self._tables.get(key)) is None:
            rows = [row for m in pack for row in readings[m].rows.tolist()]
            table = self._tables[key] = {
                "assets": [self._signals.assets[r] for r in rows], "tags": [self._signals.tags[r] for r in rows],
                "units": [self._signals.units[r] for r in rows], "signals": list(range(len(rows))),
            }  # fmt: skip
        times = [at for m in pack for at in (readings[m].offsets_us + self.ahead_us[m]).tolist()]
        values = [value for m in pack for value in readings[m].values.tolist()]
        ahead = sum(len(readings[m].rows) for m in pack if self.ahead_us[m])
        record = {**self._head(TELEMETRY, len(values)), "base_time_us": start_us, **table, "times_us": times, "values": values}
        self._last_packed = Waiting(ready_us, TELEMETRY, record, len(values), ahead, False)
        return self._last_packed

    def _singly(self, start_us: int, m: int, readings: Readings) -> Iterator[Waiting]:
        asset, ahead_us = self._machines[m].id, self.ahead_us[m]
        for row, offset_us, value in zip(readings.rows.tolist(), readings.offsets_us.tolist(), readings.values.tolist(), strict=True):
            at_us = start_us + offset_us
            body = {"asset": asset, "tag": self._signals.tags[row], "unit": self._signals.units[row], "event_time_us": at_us + ahead_us}
            yield Waiting(at_us + OLD_US, SAMPLE, {**self._head(SAMPLE), **body, "value": value}, 1, int(ahead_us > 0), False)

    def _alone(self, topic: str, one: StateTold | CountTold | MeasuredTold, stamped_ahead_us: int, body: dict[str, Any]) -> Waiting:
        ready_us = one.time_us + chance.between(self._stream, *PROMPT_US)
        stamp = {"asset": self._machines[one.machine].id, "event_time_us": one.time_us + stamped_ahead_us}
        return Waiting(ready_us, topic, {**self._head(topic), **stamp, **body}, 1, int(stamped_ahead_us > 0), False)

    def _state(self, one: StateTold) -> Waiting:
        return self._alone(STATE, one, self.ahead_us[one.machine], {"tag": one.tag, "value": one.value, "reason": one.reason})

    def _count(self, one: CountTold) -> Waiting:
        device = f"{'meter' if one.tag == ENERGY else 'controller'}-{self._machines[one.machine].id}"
        return self._alone(COUNT, one, self.ahead_us[one.machine], {"tag": one.tag, "value": one.value, "mode": "TOTAL", "device": device})

    def _measurement(self, one: MeasuredTold) -> Waiting:
        """The gauge has a clock of its own: a controller's that jumps does not touch it."""
        return self._alone(MEASUREMENT, one, 0, {
            "characteristic": one.characteristic, "unit": one.unit, "value": one.value, "product": one.product, "serial": one.serial,
            "gauge": f"gauge-{self._machines[one.machine].id}", "result": "PASS" if one.passed else "FAIL",
        })  # fmt: skip

    def _at_terminal(self, one: StateTold) -> Sent:
        """What a person enters at the cell's terminal: minutes late, by a way of its own."""
        assert one.tag == PERSON, "only persons sign on at a terminal"
        self._sums.samples[STATE] += 1
        head = {"kind": "DATA", "source": self._terminal, "boot": self._first_boot, "sequence": self._signed_on}
        self._signed_on += 1
        body = {"asset": self._cell.cell.id, "tag": one.tag, "event_time_us": one.time_us, "value": one.value, "reason": one.reason}
        return Sent(one.time_us + one.delay_us, STATE, {**head, **body}, "DATA", 1)
