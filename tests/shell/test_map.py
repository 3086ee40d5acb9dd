"""`andon map`: the picture is that of the topology, whatever the format; nothing but the code is needed for it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.errors import InvalidValue, SettingsError
from streams.shell.cli import app
from streams.shell.topology_page import example
from topologies import NAMED, RULES


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app(), ["map", *arguments])


@pytest.mark.parametrize("name", NAMED)
def test_every_topology_can_be_drawn_without_a_configuration(name: str) -> None:
    """Its example rules are all that it asks for, and no other: building it refuses both."""
    assert set(RULES) == set(NAMED)
    topology = NAMED[name](example(name))

    assert call(name).stdout == topology.terminal() + "\n"
    assert call(name, "--format", "mermaid").stdout == topology.mermaid() + "\n"


@pytest.mark.parametrize("name", NAMED)
def test_every_edge_is_in_the_picture_and_every_name_is_declared(name: str) -> None:
    described = json.loads(call(name, "--format", "json").stdout)
    lines = call(name, "--format", "mermaid").stdout.splitlines()
    arrows = {tuple(line.strip().split(" --> ")) for line in lines if " --> " in line}

    def node(text: str) -> str:
        return text.replace(".", "_").replace("-", "_")

    assert lines[0] == "flowchart LR"
    assert arrows == {(node(a), node(b)) for a, b in described["edges"]}
    for one, other in (line.strip().replace("-.->", "-->").split(" --> ") for line in lines if "->" in line):
        assert any(line.strip().startswith((f"{one}[", f"{one}(")) for line in lines)
        assert any(line.strip().startswith(f"{other}[") for line in lines)


def test_the_parts_of_context() -> None:
    described = json.loads(call("context", "--format", "json").stdout)

    assert [source["topic"] for source in described["sources"]][0] == "mes.order.v1"  # orders rank before observations
    assert described["join"]["orders"] == "mes.order.v1"
    assert {(step["id"], step["joined"]) for step in described["steps"]} == {
        ("windows", True), ("state-windows", True), ("state-intervals", True), ("count-increments", True), ("measurements", True),
    }  # fmt: skip
    assert {sink["topic"] for sink in described["sinks"]} == {
        "ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1",
    }  # fmt: skip
    for before, after in pairwise(["mes.order.v1", "in-order", "windows", "ctx.window.v1"]):
        assert [before, after] in described["edges"]


def test_a_configuration_draws_what_it_wires(tmp_path: Path) -> None:
    text = example("downsample").content  # of the same rules, but another source
    rules = json.loads(text)["rules"] | {"source": "ot.telemetry.v1"}
    config = tmp_path / "c.toml"
    config.write_text(
        'application = "a"\ntopology = "downsample"\nlane_classes = { default = "live" }\ninputs = {}\n[rules]\n'
        + f'windows = [{{ tumbling = "10 s" }}]\nhold = "{rules["hold"]}"\ntreat_uncertain_as_bad = true\nsource = "{rules["source"]}"\n'
    )

    assert "ot.telemetry.v1 --> windows" in call("downsample", "--config", str(config)).stdout
    assert isinstance(call("context", "--config", str(config)).exception, InvalidValue)
    assert isinstance(call("context", "--config", str(tmp_path / "none.toml")).exception, SettingsError)


def test_a_topology_that_does_not_exist_is_named_with_those_that_do() -> None:
    refused = call("contxt").exception

    assert isinstance(refused, InvalidValue)
    assert "known=['context', 'downsample', 'quality']" in str(refused)


def test_the_command_has_an_example() -> None:
    assert "Example: andon map" in call("--help").output
