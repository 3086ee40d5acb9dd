"""The command line `andon`: each group of commands is a module of `commands` with `register(app)`."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from streams.errors import AndonError
from streams.shell.commands import admin, backfill, demo, export, ingest, local, map, pace, run, simulate, tail, verify

# In the order of `andon --help`. A module imports what is slow to import inside its functions.
COMMANDS = (demo, local, admin, map, ingest, simulate, run, tail, export, verify, backfill, pace)


def app() -> typer.Typer:
    """The program with all its commands."""
    root = typer.Typer(
        name="andon",
        help="Join a factory's machines with its business systems: one fold, live, replayed and recomputed.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # errors of ours are one line; a bug shows its plain traceback
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_options)
    for module in COMMANDS:
        module.register(root)
    return root


def main() -> None:
    """Run `andon`. An error of ours becomes one line and its exit code; with ANDON_DEBUG=1 also its traceback."""
    try:
        app()()
    except AndonError as error:
        if os.environ.get("ANDON_DEBUG") == "1":
            raise
        Console(stderr=True, soft_wrap=True).print(Text(f"andon: {error}", style="red"))
        raise SystemExit(error.exit_code) from None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("andon"))
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Options of the program itself; each command has its own."""
