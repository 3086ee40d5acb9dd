"""andon mapping limits: the limits that came with measurements, as rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from streams.errors import PlatformError
from streams.shell.commands.ingest_progress import watched

if TYPE_CHECKING:
    from streams.shell.ingest.limits import Limits

Files = Annotated[list[Path], typer.Argument(help="Files of measurements, and of orders where event times come from them.")]
MappingFile = Annotated[Path, typer.Option("--mapping", help="The mapping (TOML): what the columns of the files mean.")]
Format = Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="JSON lines, or CSV with a header.")]
To = Annotated[Path | None, typer.Option("--to", help="Write the rows here.", show_default="standard output")]


def limits(files: Files, mapping: MappingFile, format_: Format = "jsonl", to: To = None) -> None:
    """Write nominal, lower and upper limit of each characteristic by asset and product that these files measure. Needs no Kafka.

    Rows come sorted; where there is no limit on a side there is none in the row (null, or an empty cell). Two limits for one
    characteristic of a product end it with exit code 3.

    Example: andon mapping limits --mapping plant.mapping.toml results/*.QIF orders.csv --format csv --to limits.csv
    """
    from streams.shell.ingest import mapping_file
    from streams.shell.ingest.limits import WRITERS, Limits
    from streams.shell.ingest.refusals import Refusals
    from streams.shell.ingest.scan import scan

    rules, found = mapping_file.load(mapping), Limits()
    screen = Console(stderr=True, soft_wrap=True, emoji=False)
    with Refusals() as refusals, watched(screen, "reading") as progress:
        scan(files, rules, [refusals, found, lambda _, entries: progress.advance(len(entries))])
    rows = found.rows
    try:
        if to is None:
            WRITERS[format_](rows, sys.stdout)
        else:
            with to.open("w", encoding="utf-8", newline="") as file:
                WRITERS[format_](rows, file)
    except OSError as error:
        raise PlatformError("the limits cannot be written", path=str(to or "standard output"), reason=error.strerror) from error
    screen.print(f"{len(rows):,} limits; {refusals.count:,} entries refused")


def print_limits(out: Console, found: Limits) -> None:
    """For `andon mapping check`; nothing where no file has limits."""
    if not found.verdicts:
        return
    columns = ("asset", "product", "characteristic", "unit", "nominal", "lower", "upper", "modifier")
    table = Table(*columns, title="limits", title_justify="left")
    for row in found.rows:
        numbers = ("" if number is None else repr(number) for number in (row.nominal, row.lsl, row.usl))
        table.add_row(row.asset, row.product, row.characteristic, row.unit, *numbers, row.modifier)
    out.print(table)
    said = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(found.verdicts.items()))
    out.print(f"verdicts held against value and limits: {said}\n")
