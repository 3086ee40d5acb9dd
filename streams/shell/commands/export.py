"""andon export: topics as Parquet files, with all that a replay needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams import configuration as configurations
from streams.configuration import Configuration


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(export)


def export(
    topics: Annotated[list[str] | None, typer.Argument(help="Names in the catalogue.", show_default="the application's inputs")] = None,
    *,
    to: Annotated[Path, typer.Option("--to", help="New or empty folder.")],
    config: Annotated[Path, typer.Option("--config", help="Configuration file of the application (TOML).")],
    application: Annotated[
        bool, typer.Option("--application", help="Also what a replay applies: epochs, configurations, reference data.")
    ] = False,
    outputs: Annotated[bool, typer.Option("--outputs", help="Also derived, dq and audit topics, to compare a replay with.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> None:
    """Write the committed records that are there now as Parquet, a file a partition, and a manifest with offsets and schemas.

    Byte for byte: keys, values, headers, offsets and append times. The memory runner reads the folder.

    Example: andon export --config examples/context.toml --application --outputs --to day-1
    """
    from streams.kafka.reader import KafkaReader
    from streams.shell.export_writer import export as write
    from streams.shell.export_writer import measure
    from streams.shell.kafka_connection import Admin
    from streams.shell.registry import Registry
    from streams.shell.settings import settings

    own, configuration = settings(), configurations.load(config)
    about = {
        "application": configuration.application, "topology": configuration.topology, "configuration": configuration.fingerprint,
        "prefix": own.topic_prefix,
    }  # fmt: skip
    with Admin(own.kafka) as admin, KafkaReader(own.kafka.librdkafka()) as reader, Registry(own.registry) as registry:
        wanted = _wanted(admin, configuration, own.topic_prefix, topics or [], application, outputs)
        there = measure(admin, wanted)
        size = sum(span.end - span.start for span in there.values())
        with _watched(size, quiet=as_json) as progress:
            done = write(
                wanted, there, to, reader=reader, registry=registry, cluster_id=admin.cluster()[0], about=about, progress=progress
            )
    if as_json:
        typer.echo(json.dumps({"folder": str(to), "topics": {name: asdict(topic) for name, topic in done.items()}}, indent=1))
        return
    for name, topic in done.items():
        typer.echo(f"{name}: {sum(p.records for p in topic.partitions)} records in {len(topic.partitions)} partitions")


def _wanted(admin: Any, configuration: Configuration, prefix: str, names: list[str], application: bool, outputs: bool) -> list[Any]:
    """The topics asked for, each once: what a task writes is measured first, see export_writer."""
    from streams.shell.deployment import EVERY_TOPOLOGY, epochs, on_broker, topics_of, topology_of, whole_of
    from streams.shell.export_writer import Wanted

    known, topology = topics_of(configuration, prefix) | dict(configuration.catalogue(prefix).topics), topology_of(configuration)
    homes = epochs(configuration).name
    written = {*topology.outputs, *EVERY_TOPOLOGY, homes}
    asked = list(names or topology.inputs)
    asked += [homes, *whole_of(configuration)] if application else []
    asked += [*topology.outputs, *EVERY_TOPOLOGY] if outputs else []
    return [
        Wanted(
            name=name, topic=known[name].name if name in known else on_broker(admin, name, prefix),
            append=known[name].append if name in known else "log", role="result" if name in written else "input",
        )
        for name in dict.fromkeys(asked)
    ]  # fmt: skip


@contextmanager
def _watched(size: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A moving bar on a terminal, a line for each tenth elsewhere."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    if console.is_terminal and not quiet:
        with Progress(TextColumn("offsets read"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=size)
            yield lambda passed: bar.advance(task, passed)
        return
    done = 0

    def line(passed: int) -> None:
        nonlocal done
        before, done = done, done + passed
        if done * 10 // max(1, size) > before * 10 // max(1, size):
            console.print(f"read {done} of {size} offsets")

    yield line
