"""The context topology from its definition: what a whole task gives for logs read to their end, in one pass over everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.configuration import Configuration
from streams.kernel import NEG
from streams.model.hierarchy import Hierarchy
from streams.model.order import Coordinate, OrderEvent, OrderRef
from streams.operators.order_join import OrderRow
from streams.time.windows import WindowSpec
from tests.twin import operators, orders
from tests.twin.gate import Gate, Message
from tests.twin.operators import Row


class TaskTwin:
    """inputs: topic -> messages in offset order, orders first; ranks are positions."""

    def __init__(self, inputs: Mapping[str, Sequence[Message]], configuration: Configuration, plant: Hierarchy, line: str) -> None:
        self.plant, self.line, self.topics = plant, line, list(inputs)
        self.gates = [Gate(t, configuration.time) for t in inputs]
        self.verdicts: list[list[list[str]]] = [[] for _ in inputs]
        self.rows: dict[str, list[tuple[tuple[Any, ...], Row]]] = {}
        self.events: list[tuple[tuple[Any, ...], str, int, OrderEvent]] = []  # key, work center, now, event
        self.late: list[tuple[str, int, int]] = []  # lane, time, offset of late samples
        for rank, (gate, log) in enumerate(zip(self.gates, inputs.values(), strict=True)):
            for offset, m in enumerate(log):
                self.verdicts[rank].append(gate.push(m))
                self._keep(rank, offset, m, gate.bounds)
        self.codes = {name: n for n, name in enumerate(sorted({e[1] for e in self.events}))}
        in_turn = sorted(self.events, key=lambda x: x[0])
        self.told = [OrderRow(self.codes[w], now, e) for _, w, now, e in in_turn if now < self.gates[0].watermark(w)]

    def _keep(self, rank: int, offset: int, m: Message, bounds: list[int]) -> None:
        for index, (s, verdict) in enumerate(zip(m.samples, self.verdicts[rank][offset], strict=True)):
            sequence = NEG if m.first is None else m.first + index
            rest = (rank, m.source.encode(), m.boot, sequence, offset, index)
            if rank == 0 and verdict in ("accepted", "late"):
                now = s.time if verdict == "accepted" else bounds[index]
                event = OrderEvent(time_us=s.time, rank=(m.source.encode(), m.boot, sequence, offset, index),
                                   at=Coordinate(0, offset, index), **{"operation": "", **dict(s.value.more)})  # fmt: skip
                self.events.append(((now, *rest), s.lane, now, event))
            elif verdict == "accepted":
                more = dict(s.value.more)
                extra: Any = (more["mode"] == "INCREMENT", more["device"]) if "mode" in more else more.get("reason", "")
                row = Row(s.time, s.value.signal, s.value.value, s.value.quality, rank, offset, index, extra)
                self.rows.setdefault(s.lane, []).append(((s.time, *rest), row))
            elif verdict == "late":
                self.late.append((s.lane, s.time, offset))

    def frontier(self, asset: str) -> int:
        f = min(gate.watermark(asset) for gate in self.gates[1:])
        for since, until, chain in self.plant.spans(self.line, asset):
            for center in chain:
                w = self.gates[0].watermark(center)
                if w < until:
                    f = min(f, max(w, since))
        return f

    def orders_at(self, asset: str, time: int) -> tuple[OrderRef, ...]:
        return orders.told(self.told, self.codes, self.plant, self.line, asset, time)

    def changes(self, asset: str, until: int) -> list[tuple[int, Any]]:
        edges = {row.now_us for row in self.told} | {r.valid_from_us for rows in self.plant.rows.values() for r in rows}
        for row in self.told:
            edges |= {t for t in (row.event.time_us, row.event.corrected_time_us) if t is not None}
        found: list[tuple[int, Any]] = []
        for time in sorted(t for t in edges if NEG < t < until):
            refs = self.orders_at(asset, time)
            if refs != (found[-1][1] if found else ()):
                found.append((time, refs))
        return found

    def outputs(self, asset: str, rules: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Outputs of each step for an asset, in order. rules: windows, state_windows (specs), hold, rollovers."""
        until = self.frontier(asset)
        changes = self.changes(asset, until)
        own = [row for _, row in sorted(self.rows.get(asset, []), key=lambda x: x[0]) if row.time < until]

        def of(*ranks: int) -> list[Row]:
            return [row for row in own if row.input in ranks]

        return {
            "windows": operators.windows(of(1, 2), changes, rules["windows"], rules["hold"], False, until),
            "state-windows": operators.windows(of(3), changes, rules["state_windows"], rules["hold"], True, until),
            "state-intervals": operators.intervals(of(3), changes, until),
            "count-increments": operators.increments(of(4), rules["rollovers"], changes),
            "measurements": [
                {"time": r.time, "signal": r.signal, "value": r.value if operators.good(r) else None,
                 "context": operators.context_at(changes, r.time)[1], "evidence": [(r.input, r.offset, r.index)]} for r in of(5)
            ],
        }  # fmt: skip

    def requests(self, low: int) -> list[tuple[str, int]]:
        """(work center, instant) whose orders a late or corrected event changed."""
        names = {code: name for name, code in self.codes.items()}
        return sorted((names[lane], time) for lane, _, time in orders.requests(self.told, names, low))


SPECS = {
    "windows": (WindowSpec.tumbling(7), WindowSpec.hopping(10, hop_us=5)),
    "state_windows": (WindowSpec.tumbling(9), WindowSpec.session(4)),
}
