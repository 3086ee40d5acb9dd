"""andon verify: recompute an export and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from streams.errors import DataError

DIFFERENT = 1
SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(verify)


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that `andon export --application --outputs` wrote.")],
    behind: Annotated[
        bool, typer.Option("--behind", help="The application was still behind: what it has not written yet is no difference.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> None:
    """Fold the exported inputs again, without Kafka, and compare with what was written live: key, value and headers, byte by byte.

    Exit code 0: the same bytes, nothing lost, nothing doubled; 1: not; 3: the folder is no such export.

    Example: andon export --config examples/context.toml --application --outputs --to day-1 && andon verify day-1
    """
    from streams.shell.export import Export
    from streams.shell.verification import verify as compare

    console = Console(stderr=True, highlight=False, quiet=as_json)
    export = Export(folder)
    if "application" not in export.manifest:
        raise DataError("the export does not say whose it is", folder=str(folder))
    found = compare(export, progress=lambda text: console.print(f"recomputing {text}"))
    good = found.holds if behind else found.complete
    if as_json:
        typer.echo(json.dumps({
            "same": good, "equal": dict(found.equal), "ahead": +found.ahead, "doubled": dict(found.doubled),
            "different": [d.sentence() for d in found.different],
        }, indent=1))  # fmt: skip
    else:
        table = Table(Column("topic", overflow="fold"), "same bytes", "not written yet", "doubled", "different")
        for topic in found.equal:
            different = sum(d.topic == topic for d in found.different)
            table.add_row(topic, *(str(n) for n in (found.equal[topic], found.ahead[topic], found.doubled[topic], different)))
        Console(highlight=False).print(table)
        for one in found.different[:SHOWN]:
            typer.echo(one.sentence())
        typer.echo("the same bytes" if good else "NOT the same")
    if not good:
        raise typer.Exit(DIFFERENT)
