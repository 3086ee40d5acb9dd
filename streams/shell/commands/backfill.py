"""andon backfill: history folded again, into files or topics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streams.errors import InvalidValue, require
from streams.shell.commands.ingest_progress import watched

if TYPE_CHECKING:
    from streams.shell.backfill.history import History
    from streams.shell.backfill.job import Done

TOPICS = "topics"

From = Annotated[list[Path], typer.Option("--from", help="Folder of an export; or files, once for each, with --mapping.")]
To = Annotated[str, typer.Option("--to", help="New or empty folder; or `topics`: Kafka topics under --prefix.")]
Format = Annotated[str, typer.Option("--format", help="parquet, avro, jsonl, or log: as Kafka would hold them, the layout of an export.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration (TOML). Of an export: its rules are tried on that history.", show_default="the export's"),
]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="The mapping (TOML) of files, as `andon ingest` takes it.")]
AsKnown = Annotated[bool, typer.Option("--as-known", help="Rules and reference data as they were then: the bytes that live wrote.")]
Through = Annotated[str | None, typer.Option(help="Files: end of what they hold.", show_default="the last event + 1 us", metavar="TIME")]
Prefix = Annotated[str | None, typer.Option(help="With `--to topics`: what their names begin with; not that of the deployment.")]
Cores = Annotated[int | None, typer.Option(min=1, help="Partitions folded at the same time.", show_default="all cores")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(backfill)


def backfill(
    topology: Annotated[str, typer.Argument(help="Which topology; it must be the configuration's.")],
    source: From, to: To, format: Format = "parquet", config: Config = None, mapping: MappingFile = None, as_known: AsKnown = False,
    through: Through = None, prefix: Prefix = None, cores: Cores = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Fold history again: the same rules as live, in large slices, on all cores.

    From an export, results are those of live over the same log: with --as-known byte for byte, without it under today's rules and
    reference data, while what was late is late again. From files, results are those of `andon ingest` and a worker, but evidence
    cites file and line. A folder without manifest.json was not finished.

    Exit codes: 0 done; 2 arguments or settings; 3 the history cannot be used; 5 files, Kafka or the registry.

    Example: andon backfill context --from day-1 --to results --as-known
    """
    from streams.shell.backfill.folder import FORMS

    require(format in FORMS, "no such format", format=format, known=FORMS)
    require((to == TOPICS) == (prefix is not None), "--prefix belongs to `--to topics`, and that needs it", to=to, prefix=prefix)
    screen, began_s = Console(stderr=True, soft_wrap=True, emoji=False), time.monotonic()
    with ExitStack() as stack:
        progress = _Progress()
        if mapping is None:
            require(len(source) == 1, "one export, or files with --mapping", given=[str(path) for path in source])
            require(through is None, "--through belongs to files: an export knows its end", through=through)
            history = _of_export(source[0], topology, config, progress, as_known)
        else:
            history = stack.enter_context(_of_files(source, mapping, topology, config, through, to, progress, screen, as_known, as_json))
        stack.enter_context(progress.shown(screen, history.total, quiet=as_json))
        done = _into_topics(history, prefix, cores) if prefix is not None else _into_folder(history, Path(to), format, cores)
    summary = _summary(history, done, to, time.monotonic() - began_s)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        _print(Console(soft_wrap=True, emoji=False), summary)


class _Progress:
    """Told of records before there is a bar, and from several threads."""

    def __init__(self) -> None:
        self._advance: Callable[[int], None] = lambda _: None

    def __call__(self, count: int) -> None:
        self._advance(count)

    @contextmanager
    def shown(self, screen: Console, total: int | None, *, quiet: bool) -> Iterator[None]:
        with watched(screen, "folding", total, quiet=quiet) as bar:
            self._advance = bar.advance
            yield


def _of_export(folder: Path, topology: str, config: Path | None, passed: Callable[[int], None], as_known: bool) -> History:
    from streams import configuration
    from streams.shell.backfill.history import ExportHistory
    from streams.shell.export import Export

    given = configuration.load(config) if config else None
    return ExportHistory(Export(folder), topology, given, passed, as_known=as_known)


@contextmanager
def _of_files(
    paths: list[Path], mapping: Path, topology: str, config: Path | None, through: str | None, to: str, passed: Callable[[int], None],
    screen: Console, as_known: bool, quiet: bool,
) -> Iterator[History]:  # fmt: skip
    from streams import configuration
    from streams.shell.backfill import files
    from streams.shell.backfill.streamed import StreamedHistory
    from streams.shell.ingest import mapping_file
    from streams.shell.ingest.instants import instant_us
    from streams.shell.ingest.refusals import Refusals
    from streams.shell.ingest.scan import scan

    if config is None:
        raise InvalidValue("files do not say under which rules they are to be folded", hint="--config")
    require(not as_known, "files have no epochs: nothing says what was known then", hint="leave out --as-known")
    rules, own, end_us = mapping_file.load(mapping), configuration.load(config), instant_us(through) if through else None
    if files.samples_only(files.blocks_of(paths, rules)):
        yield StreamedHistory(paths, rules, own, topology, end_us, passed)
        return
    with files.aside(Path(to if to != TOPICS else "backfill")) as folder:
        with Refusals() as refusals, watched(screen, "reading", quiet=quiet) as bar:
            found = scan(paths, rules, [refusals, lambda _, entries: bar.advance(len(entries))])
        for each in refusals.first if not quiet else ():
            shown = f"{each.file}:{each.line}: {each.reason}" + (f": {each.detail!r}" if each.detail else "")
            screen.print(shown, style="yellow", highlight=False, markup=False)
        history = files.LogHistory(found, own, topology, end_us, folder, passed)
        with watched(screen, "sorting", sum(found.ledger.total.written.values()), quiet=quiet) as bar:
            history.spool(bar.advance)
        yield history


def _into_folder(history: History, folder: Path, form: Any, cores: int | None) -> Done:
    from streams.shell.backfill import job
    from streams.shell.backfill.folder import Folder

    sink = Folder(folder, form, history.schemas)
    done = job.run(history, sink, cores=cores)
    sink.finish(history.about, history.ids, history.partitions)
    return done


def _into_topics(history: History, prefix: str, cores: int | None) -> Done:
    from streams.shell.backfill.topics import into_topics
    from streams.shell.settings import settings

    return into_topics(history, settings(), prefix, cores)


def _summary(history: History, done: Done, to: str, seconds: float) -> dict[str, Any]:
    read = sum(row["messages"] for row in done.fates.values())
    found: dict[str, Any] = {
        "to": to, **history.about, "records": done.records, "inputs": done.fates, "waiting": done.waiting,
        "seconds": round(seconds, 3), "messages_per_second": round(read / seconds),
    }  # fmt: skip
    return {**found, **history.told()}


def _print(out: Console, summary: dict[str, Any]) -> None:
    for one in summary.get("first_refused", []):
        out.print(one, style="yellow", highlight=False, markup=False)
    inputs = Table("input", "messages", "samples", "late", "duplicate", "set aside", title="read", title_justify="left")
    for name, row in summary["inputs"].items():
        samples = sum(row[fate] for fate in ("accepted", "duplicate", "conflict", "future", "late"))
        numbers = (row["messages"], samples, row["late"], row["duplicate"], row["conflict"] + row["future"] + row["dead"])
        inputs.add_row(name, *(f"{number:,}" for number in numbers))
    out.print(inputs)
    results = Table("topic", "records", title=f"written to {summary['to']}", title_justify="left")
    for name, count in summary["records"].items():
        results.add_row(name, f"{count:,}")
    out.print(results)
    waiting = f"; {summary['waiting']:,} samples wait for what has not come" if summary["waiting"] else ""
    out.print(f"{summary['seconds']:.1f} s, {summary['messages_per_second']:,} messages/s{waiting}", highlight=False)
