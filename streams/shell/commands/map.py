"""andon map: a topology as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from streams import configuration as configurations
from streams.configuration import Configuration
from streams.errors import InvalidValue


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("map")(show)


def show(
    topology: Annotated[str, typer.Argument(help="Which of topologies/.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="Draw it as this configuration wires it.", show_default="the topology's example rules")
    ] = None,
    as_format: Annotated[
        Literal["terminal", "mermaid", "json"], typer.Option("--format", help="mermaid is for a page, json has every part.")
    ] = "terminal",
) -> None:
    """Draw a topology: its inputs, its steps, what it writes. Needs neither Kafka nor the registry.

    Example: andon map context --format mermaid
    """
    from streams.shell.deployment import topology_of
    from streams.shell.topology_page import description, example

    drawn = topology_of(_of(topology, config) if config else example(topology))
    if as_format == "json":
        typer.echo(json.dumps(description(drawn), indent=1))
    else:
        typer.echo(drawn.mermaid() if as_format == "mermaid" else drawn.terminal())


def _of(name: str, config: Path) -> Configuration:
    found = configurations.load(config)
    if found.topology != name:
        raise InvalidValue("the configuration is of another topology", asked=name, configuration=found.topology)
    return found
