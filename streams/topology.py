"""A topology as a value: sources, steps, sinks. It can be drawn, described and compared; running it is a runner's business.

    >>> from streams.operators import WindowStatistics
    >>> from streams.time.windows import WindowSpec
    >>> flow = Flow("example")
    >>> samples = flow.source("ot.sample.v1")
    >>> windows = flow.apply("windows", [samples], lambda ranks: WindowStatistics(
    ...     windows=(WindowSpec.tumbling(10_000_000),), hold_us=60_000_000, discrete=False, inputs=ranks))
    >>> flow.sink(windows, "windows", "ctx.window.v1", binding="windows")
    >>> print(flow.topology().terminal())
    example
      ot.sample.v1 --> windows --> ctx.window.v1
      every input  --> dq.dead-letter.v1, dq.late.v1, dq.quarantine.v1
      late records --> audit.restate-request.v1

Step ids are contracts: they name the state in snapshots, the rule in results, the label of metrics and the box in the picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.catalogue import DEAD_LETTERS, HIERARCHY, LATE, QUARANTINE, RESTATE_REQUESTS
from streams.errors import require
from streams.operators.order_join import OrderJoin
from streams.operators.slice import Operator

_STEP_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Source:
    """An input: a topic and its rank, which orders records of one instant."""

    topic: str
    rank: int


@dataclass(frozen=True, slots=True)
class Join:
    """Observations with the orders in force: step id, the orders, the observations."""

    id: str
    operator: OrderJoin
    orders: Source
    observations: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An operator over the samples of some sources; joined: behind the join with orders."""

    id: str
    operator: Operator[Any]
    sources: tuple[Source, ...]
    joined: bool


@dataclass(frozen=True, slots=True)
class Sink:
    """An output of a step, the derived topic it becomes, and how its columns fill the topic's contract."""

    step: str
    output: str
    topic: str
    binding: str


@dataclass(frozen=True, slots=True)
class Topology:
    name: str
    sources: tuple[Source, ...]
    join: Join | None
    steps: tuple[Step, ...]
    sinks: tuple[Sink, ...]
    reference: tuple[str, ...] = (HIERARCHY,)  # topics whose rows it adopts at epochs

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input topics by rank."""
        return tuple(s.topic for s in self.sources)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Derived topics, without those every topology writes."""
        return tuple(dict.fromkeys(s.topic for s in self.sinks))

    @property
    def state_version(self) -> str:
        """Versions of all states in it; a snapshot of another one is refused."""
        join = [f"{self.join.id}={self.join.operator.state_version}"] if self.join else []
        return " ".join([*join, *(f"{s.id}={s.operator.state_version}" for s in self.steps)])

    def edges(self) -> list[tuple[str, str]]:
        """(from, to) between topics and step ids, in the order of the flow."""
        found = []
        if self.join:
            found += [(self.join.orders.topic, self.join.id), *((s.topic, self.join.id) for s in self.join.observations)]
        for step in self.steps:
            found += [(self.join.id, step.id)] if self.join and step.joined else [(s.topic, step.id) for s in step.sources]
        return found + [(s.step, s.topic) for s in self.sinks]

    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart."""
        lines = ["flowchart LR"]
        topics = [*self.inputs, *self.outputs, DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS]
        node = {topic: re.sub(r"\W", "_", topic) for topic in topics}
        lines += [f"  {node[t]}[/{t}/]" for t in topics]
        ids = [*([self.join.id] if self.join else []), *(s.id for s in self.steps)]
        operators = {s.id: type(s.operator).__name__ for s in self.steps} | ({self.join.id: "OrderJoin"} if self.join else {})
        lines += [f'  {i.replace("-", "_")}["{i}<br/>{operators[i]}"]' for i in ids]
        names = node | {i: i.replace("-", "_") for i in ids}
        lines += [f"  {names[a]} --> {names[b]}" for a, b in self.edges()]
        gate = "every input's gate"
        lines += [f'  gate(["{gate}"])', *(f"  gate -.-> {node[t]}" for t in (DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS))]
        if self.join:
            lines.append(f"  {names[self.join.id]} -.-> {node[RESTATE_REQUESTS]}")
        return "\n".join(lines)

    def terminal(self) -> str:
        """The picture in plain characters, a line a path to a sink."""
        rows = []
        for step in self.steps:
            left = f"{' + '.join(s.topic for s in step.sources)}"
            if self.join and step.joined:
                left += f" --> {self.join.id}"
            for sink in (s for s in self.sinks if s.step == step.id):
                rows.append((left, f"{step.id} --> {sink.topic}"))
        if self.join:
            rows.append((self.join.orders.topic, f"{self.join.id} (looked up by the assets below each work center)"))
        rows.append(("every input", ", ".join((DEAD_LETTERS, LATE, QUARANTINE))))
        rows.append(("late records" + (", late and corrected orders" if self.join else ""), RESTATE_REQUESTS))
        width = max(len(left) for left, _ in rows)
        return "\n".join([self.name, *(f"  {left:<{width}} --> {right}" for left, right in rows)])


class Flow:
    """Builds a topology: sources first (their order is the rank), then steps, then sinks. It opens nothing."""

    def __init__(self, name: str, reference: Sequence[str] = (HIERARCHY,)) -> None:
        require(_STEP_ID.fullmatch(name), "a topology's name is lower case words joined by hyphens", name=name)
        self._name, self._sources, self._reference = name, list[Source](), tuple(reference)
        self._join: Join | None = None
        self._steps: list[Step] = []
        self._sinks: list[Sink] = []

    def source(self, topic: str) -> Source:
        require(topic not in [s.topic for s in self._sources], "a topic is a source only once", topic=topic)
        self._sources.append(Source(topic, len(self._sources)))
        return self._sources[-1]

    def join(self, step_id: str, operator: OrderJoin, orders: Source, *observations: Source) -> Join:
        """Observations see the orders in force; orders must have been the first source, so that they rank before."""
        self._new(step_id)
        require(self._join is None, "a topology has at most one join with orders", step=step_id)
        require(all(orders.rank < s.rank for s in observations), "orders rank before observations", step=step_id)
        self._join = Join(step_id, operator, orders, observations)
        return self._join

    def apply(self, step_id: str, sources: Sequence[Source], make: Callable[[tuple[int, ...]], Operator[Any]]) -> Step:
        """A step over sources; `make` gets their ranks. Behind the join when all of them go through it."""
        self._new(step_id)
        joined = self._join is not None and all(s in self._join.observations for s in sources)
        self._steps.append(Step(step_id, make(tuple(s.rank for s in sources)), tuple(sources), joined))
        return self._steps[-1]

    def sink(self, step: Step, output: str, topic: str, *, binding: str) -> None:
        self._sinks.append(Sink(step.id, output, topic, binding))

    def _new(self, step_id: str) -> None:
        require(_STEP_ID.fullmatch(step_id), "a step id is lower case words joined by hyphens", step=step_id)
        require(step_id not in [s.id for s in self._steps], "a step id names one step", step=step_id)

    def topology(self) -> Topology:
        """The value. A source that nothing reads and a step that nothing takes are errors."""
        read = {s for step in self._steps for s in step.sources} | ({self._join.orders} if self._join else set())
        idle = [s.topic for s in self._sources if s not in read] + [s.id for s in self._steps if s.id not in [k.step for k in self._sinks]]
        require(not idle, "a source or step leads nowhere", unused=idle)
        return Topology(self._name, tuple(self._sources), self._join, tuple(self._steps), tuple(self._sinks), self._reference)
