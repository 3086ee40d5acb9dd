"""Topologies as data and as a page of the documentation: docs/topologies.md, see pages.py."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from streams.catalogue import DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS
from streams.configuration import Configuration, parse
from streams.errors import InvalidValue
from streams.shell import topology_picture
from streams.shell.deployment import topology_of
from streams.topology import Topology
from topologies import NAMED, RULES

_EXAMPLE = """\
application  = "{name}"
topology     = "{name}"
lane_classes = {{ default = "all" }}
inputs       = {{}}
[rules]
{rules}"""

_INTRODUCTION = """\
# Topologies

Written by `make docs` from `topologies/`; do not edit.

A topology is a value: inputs, steps, outputs. One runs in one deployment, as many tasks as its inputs have partitions. These are
drawn by their example rules; `andon map <topology> --config FILE` draws yours, for a terminal or as Mermaid.
"""


def example(name: str) -> Configuration:
    """A topology's example rules as a configuration; it has no inputs, so it draws the topology and does not run it.

    >>> example("downsample").rules["source"]
    'ot.sample.v1'
    """
    if name not in RULES:
        raise InvalidValue("there is no such topology", topology=name, known=sorted(RULES))
    return parse(_EXAMPLE.format(name=name, rules=RULES[name]), f"the example of {name}")


def description(topology: Topology) -> dict[str, Any]:
    """Every part of a topology, as plain data."""
    join = topology.join
    return {
        "name": topology.name, "state_version": topology.state_version,
        "sources": [{"topic": source.topic, "rank": source.rank} for source in topology.sources],
        "join": None if join is None else {
            "id": join.id, "operator": type(join.operator).__name__, "orders": join.orders.topic,
            "observations": [source.topic for source in join.observations],
        },
        "steps": [
            {"id": s.id, "operator": type(s.operator).__name__, "sources": [source.topic for source in s.sources], "joined": s.joined}
            for s in topology.steps
        ],
        "sinks": [{"step": sink.step, "output": sink.output, "topic": sink.topic} for sink in topology.sinks],
        "every_input": [DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS],
        "edges": [list(edge) for edge in topology.edges()],
    }  # fmt: skip


def picture(name: str) -> str:
    """A topology as a picture in a page."""
    return f"![Topology {name}](pictures/{topology_picture.file_name(name)})"


def drawn(name: str) -> str:
    """That picture, as SVG."""
    return topology_picture.svg(topology_of(example(name)))


def terminal(name: str) -> str:
    """A topology as characters in a block of a page."""
    return f"```text\n{topology_of(example(name)).terminal()}\n```"


def rules(name: str) -> str:
    """A topology's example rules as a block of a page."""
    return f"```toml\n[rules]\n{RULES[name]}```"


def markdown() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_section(name) for name in NAMED)])


def _section(name: str) -> str:
    topology = topology_of(example(name))
    about = _first_line(NAMED[name]).partition(": ")[2]
    operators: list[tuple[str, Any]] = [(step.id, step.operator) for step in topology.steps]
    if topology.join:
        operators.insert(0, (topology.join.id, topology.join.operator))
    table = ["| step | what it does | state |", "| --- | --- | --- |"]
    for step, operator in operators:
        says = _first_line(type(operator)).partition(". ")[0].rstrip(".")
        table.append(f"| `{step}` | {says} | `{operator.state_version}` |")
    parts = [f"## {name}", about[:1].upper() + about[1:], picture(name), "\n".join(table), "Example rules:", rules(name)]
    return "\n\n".join(parts) + "\n"


def _first_line(of: Any) -> str:
    """What the module in which something is defined says of itself first."""
    return (inspect.getdoc(sys.modules[of.__module__]) or "").splitlines()[0]
