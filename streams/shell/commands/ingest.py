"""andon ingest, andon mapping check: files of a plant into the raw topics."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streams.errors import DataError
from streams.shell.commands.ingest_progress import watched
from streams.shell.commands.limits import limits, print_limits

if TYPE_CHECKING:
    from streams.codec.out_record import OutRecord
    from streams.shell.ingest.checking import FileCheck
    from streams.shell.ingest.encoding import Message
    from streams.shell.ingest.ledger import Ledger
    from streams.shell.ingest.refusals import Refusals

Files = Annotated[list[Path], typer.Argument(help="Files; the mapping tells them apart by their names.")]
MappingFile = Annotated[Path, typer.Option("--mapping", help="The mapping (TOML): what the columns of the files mean.")]
Config = Annotated[Path, typer.Option("--config", help="The deployment's configuration (TOML).")]
Through = Annotated[str | None, typer.Option(help="End of what the run claims.", show_default="the last event + 1 us", metavar="TIME")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything but write; needs no Kafka.")]
RefusedFile = Annotated[Path | None, typer.Option("--refused", help="Write every refused line here, as JSON lines.")]
Again = Annotated[bool, typer.Option("--again", help="Write everything, also what stands in the topics already.")]
Strict = Annotated[bool, typer.Option("--strict", help="Write nothing if a line is refused; exit code 3.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
Rows = Annotated[int, typer.Option(min=1, help="Entries shown of each file.")]


def register(app: typer.Typer) -> None:
    """Add `ingest` and the group `mapping` to `app`."""
    app.command()(ingest)
    group = typer.Typer(name="mapping", help="Mappings of `andon ingest`.", no_args_is_help=True)
    group.callback()(_mapping_group)
    group.command()(check)
    group.command()(limits)
    app.add_typer(group)


def _mapping_group() -> None:
    """A mapping says what the columns of a plant's files mean; docs/mapping.md explains it."""


def ingest(
    files: Files, mapping: MappingFile, config: Config, through: Through = None, dry_run: DryRun = False, refused: RefusedFile = None,
    strict: Strict = False, again: Again = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Write files into the raw topics, all of them as one log in the order of their event times.

    Lines that cannot be read are listed and counted; every line is written, refused or ignored by a rule of the mapping. A run over
    the same files writes only what is not in the topics yet: one that broke goes on where it stopped.

    Example: andon ingest day/*.txt --mapping plant.mapping.toml --config context.toml --through 2016-10-21T00:00Z
    """
    from streams import configuration
    from streams.shell.ingest import mapping_file, merge, standing, writer
    from streams.shell.ingest.instants import instant_us
    from streams.shell.ingest.refusals import Refusals
    from streams.shell.ingest.scan import scan

    through_us = instant_us(through) if through else None
    rules, catalogue = mapping_file.load(mapping), configuration.load(config).catalogue()
    writer.check_append(catalogue, rules.claims)
    screen, started_s = Console(stderr=True, soft_wrap=True, emoji=False), time.monotonic()
    with Refusals(refused) as refusals, watched(screen, "reading", quiet=as_json) as progress:
        found = scan(files, rules, [refusals, lambda _, entries: progress.advance(len(entries))])
    total = found.ledger.total
    inputs = tuple(dict.fromkeys((*found.written, *rules.claims)))
    writer.check_append(catalogue, inputs)
    end_us = merge.end_of(found, through_us)
    if not as_json:
        _print_refusals(screen, refusals)
        _print_ledger(Console(soft_wrap=True, emoji=False), found.ledger)
    if strict and refusals.count:
        raise DataError("lines are refused, and with --strict nothing is written then", refused=refusals.count, reasons=dict(total.refused))
    counts: Counter[tuple[str, str]] = Counter()

    def log() -> Iterator[OutRecord]:
        return merge.log(found, lambda name: catalogue.of(name).partitions, end_us)

    passed, there = Counter[str](), dict[tuple[str, int], int]()
    if not (dry_run or again):
        with watched(screen, "comparing", sum(total.written.values()), quiet=as_json) as progress:
            there = _standing(_counted(log(), Counter(), progress.advance), found.first_us, inputs, config)
    with watched(screen, "dry run" if dry_run else "writing", sum(total.written.values()), quiet=as_json) as progress:
        written = _write(_counted(standing.without(log(), there, passed), counts, progress.advance), inputs, config, dry_run=dry_run)
    assert written == sum(counts.values()), f"{written} of {sum(counts.values())} records"
    seconds = time.monotonic() - started_s
    summary = {
        "files": {name: file.description() for name, file in found.ledger.files.items()}, "total": total.description(),
        "records": {name: {kind: n for (topic, kind), n in sorted(counts.items()) if topic == name} for name in inputs},
        "first_us": found.first_us if found.written else None, "last_us": found.last_us if found.written else None,
        "already_there": dict(passed),
        "through_us": end_us, "claim_interval_us": rules.claim_interval_us or merge.interval_of(found), "dry_run": dry_run,
        "seconds": round(seconds, 3), "entries_per_second": round(total.entries / seconds),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        _print_records(Console(soft_wrap=True, emoji=False), summary)


def _counted(log: Iterable[OutRecord], counts: Counter[tuple[str, str]], advance: Any) -> Iterator[OutRecord]:
    for record in log:
        yield record
        counts[record.topic, record.kind] += 1
        advance(record.entries)


def _standing(log: Iterable[OutRecord], first_us: int, inputs: tuple[str, ...], config: Path) -> dict[tuple[str, int], int]:
    """How many of the run's records each partition holds already. The log is only gone through where a topic reaches into its time."""
    from streams import configuration
    from streams.shell.ingest import encoding, standing, writer
    from streams.shell.settings import settings

    place = settings()
    catalogue = configuration.load(config).catalogue(place.topic_prefix)
    writer.check_topics(place.kafka, catalogue, inputs)
    ends = {at: end for at, end in standing.ends(place.kafka, catalogue, inputs).items() if end[-1][0] >= first_us}
    return standing.standing(ends, encoding.encoded(log, dict.fromkeys(inputs, 0))) if ends else {}


def _write(log: Iterable[OutRecord], inputs: tuple[str, ...], config: Path, *, dry_run: bool) -> int:
    """Encode and write the log; how many records."""
    from streams import configuration
    from streams.shell.ingest import encoding, writer
    from streams.shell.settings import settings

    if dry_run:
        return sum(1 for _ in encoding.encoded(log, dict.fromkeys(inputs, 0)))
    place = settings()
    catalogue = configuration.load(config).catalogue(place.topic_prefix)
    writer.check_topics(place.kafka, catalogue, inputs)
    ids = writer.schema_ids(place.registry, catalogue, inputs)
    messages: Iterator[Message] = encoding.encoded(log, ids)
    return sum(writer.write(messages, place.kafka, catalogue).values())


def check(files: Files, mapping: MappingFile, rows: Rows = 10, as_json: Json = False) -> None:
    """Show what a mapping makes of files: the first rows, the fate of every tag, limits, how far times go back. Needs no Kafka.

    Example: andon mapping check --mapping plant.mapping.toml day/*.txt
    """
    from streams.shell.ingest import mapping_file
    from streams.shell.ingest.checking import Check
    from streams.shell.ingest.limits import Limits
    from streams.shell.ingest.refusals import Refusals
    from streams.shell.ingest.scan import scan

    rules, found, bounds = mapping_file.load(mapping), Check(rows), Limits()
    screen = Console(stderr=True, soft_wrap=True, emoji=False)
    with Refusals() as refusals, watched(screen, "reading", quiet=as_json) as progress:
        scanned = scan(files, rules, [refusals, found, bounds, lambda _, entries: progress.advance(len(entries))])
    total = scanned.ledger.total
    if as_json:
        files_ = {name: {**scanned.ledger.files[name].description(), **each.description()} for name, each in found.files.items()}
        time_limits = {"lateness_us": found.lateness_us, "silence_us": found.silence_us}
        measured = {"limits": [row._asdict() for row in bounds.rows], "verdicts": dict(bounds.verdicts)}
        typer.echo(json.dumps({"files": files_, "total": total.description(), **time_limits, **measured}, indent=1))
        return
    out = Console(soft_wrap=True, emoji=False)
    for name, each in found.files.items():
        _print_check(out, name, each)
    print_limits(out, bounds)
    _print_refusals(screen, refusals)
    _print_ledger(out, scanned.ledger)
    out.print(f"no record is late with a lateness of {found.lateness_us:,} us and a silence of {found.silence_us:,} us, or more")


def _print_check(out: Console, name: str, found: FileCheck) -> None:
    from streams.kernel import NEG
    from streams.shell.ingest.instants import spoken
    from streams.time.durations import spoken as duration

    table = Table(title=f"{Path(name).name}, read by {found.block}", title_justify="left")
    for column in ("line", "topic", "line path / asset / tag", "event time", "value", "quality or why not"):
        table.add_column(column, overflow="fold")
    for row in found.shown:
        place = " / ".join(part for part in (row.path, row.asset, row.tag) if part)
        at = spoken(row.time_us) if row.time_us is not None else ""
        value = "" if row.value is None else str(row.value)
        table.add_row(str(row.line), row.topic or row.fate, place, at, value, row.quality or row.why)
    out.print(table)
    tags = Table("tag", "rule", "fate", "entries", title="tags", title_justify="left")
    for (tag, rule, fate), count in sorted(found.tags.items()):
        tags.add_row(tag or "(none)", rule, fate, f"{count:,}", style="red" if fate == "refused" else None)
    out.print(tags)
    if found.last_us > NEG:
        qualities = ", ".join(f"{count:,} {quality}" for quality, count in sorted(found.qualities.items()))
        out.print(f"event times {spoken(found.first_us)} to {spoken(found.last_us)}; {qualities}")
    lane, file = found.lane_disorder_us, found.file_disorder_us
    out.print(f"{found.out_of_order:,} lines come after a later one; a record lies at most {duration(lane)} behind its lane, ", end="")
    out.print(f"{duration(file)} behind its file\n")


def _print_refusals(screen: Console, refusals: Refusals) -> None:
    for each in refusals.first:
        shown = f"{each.file}:{each.line}: {each.reason}" + (f": {each.detail!r}" if each.detail else "")
        screen.print(shown, style="yellow", highlight=False, markup=False)
    if refusals.count > len(refusals.first):
        screen.print(f"... and {refusals.count - len(refusals.first):,} more refused; --refused FILE writes all of them", style="yellow")


def _print_ledger(out: Console, ledger: Ledger) -> None:
    table = Table("file", "lines", "entries", "written", "refused", "ignored", title="fate of every line", title_justify="left")
    everything = ledger.total
    for name, file in [*ledger.files.items(), ("all", everything)]:
        sums = (file.lines, file.entries, sum(file.written.values()), sum(file.refused.values()), sum(file.ignored.values()))
        table.add_row(Path(name).name, *(f"{number:,}" for number in sums), end_section=name == list(ledger.files)[-1])
    out.print(table)
    for word, counts in (("written to", everything.written), ("refused:", everything.refused), ("ignored by", everything.ignored)):
        for what, count in sorted(counts.items()):
            out.print(f"{count:>12,} {word} {what}", highlight=False, markup=False)


def _print_records(out: Console, summary: dict[str, Any]) -> None:
    from streams.shell.ingest.instants import spoken
    from streams.time.durations import spoken as duration

    title = "not written: a dry run" if summary["dry_run"] else "records"
    table = Table("topic", "DATA", "CLAIM", "BLANK", title=title, title_justify="left")
    for name, kinds in summary["records"].items():
        table.add_row(name, *(f"{kinds.get(kind, 0):,}" for kind in ("DATA", "CLAIM", "BLANK")))
    out.print(table)
    if there := sum(summary["already_there"].values()):
        out.print(f"{there:,} records of this run were in the topics already and were not written again")
    out.print(
        f"through {spoken(summary['through_us'])}, a claim every {duration(summary['claim_interval_us'])} of append time; "
        f"{summary['seconds']:.1f} s, {summary['entries_per_second']:,} entries/s"
    )
