"""andon fetch, up, down, status: Kafka and the registry on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from streams.shell.commands.progress import compiling, watched
from streams.shell.local import platform, warm
from streams.shell.local.platform import Health, Platform

Home = Annotated[
    Path | None,
    typer.Option(help="Folder of data and state.", show_default="$ANDON_HOME, else .andon in the current directory"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Throw the data away at `andon down`.")]

NOT_RUNNING = 1
HEALTH = ("alive", "answers", "memory_mb")


def register(app: typer.Typer) -> None:
    """Add the four commands to `app`."""
    for command in (fetch, up, down, status):
        app.command()(command)


def fetch(as_json: Json = False) -> None:
    """Fetch Kafka and the registry into the user's cache, verify every file, and compile the kernels.

    `andon up` fetches, and a worker compiles, when it has to. What is there is neither fetched nor compiled again.

    Example: ANDON_CACHE=/var/cache/andon andon fetch
    """
    with watched(Console(stderr=True), quiet=as_json) as progress:
        bundles = warm.prepare(progress)
    from streams.shell import kernels

    with compiling(Console(stderr=True), quiet=as_json) as told:
        kernels.compile_missing(told)
    if as_json:
        _print_json({name: {"version": each.version, "folder": str(each.folder)} for name, each in bundles.items()})
        return
    for name, bundle in bundles.items():
        typer.echo(f"{name} {bundle.version}: {len(bundle.artifacts)} files verified in {bundle.folder}")
    typer.echo(f"kernels: compiled in {kernels.folder()}")


def up(home: Home = None, ephemeral: Ephemeral = False, as_json: Json = False) -> None:
    """Start a real Kafka and schema registry on this machine; they go on running when this command ends.

    Runs already: says so. Half of it died: starts the other half anew. The printed lines name it to all other commands.

    Example: eval "$(andon up)"
    """
    with watched(Console(stderr=True), quiet=as_json) as progress:
        started = platform.up(home, ephemeral=ephemeral, progress=progress)
    running = started.platform
    if as_json:
        _print_json({**_description(running), "started": started.now})
        return
    person = Console(stderr=True, highlight=False, soft_wrap=True)
    person.print(f"started {' and '.join(started.now)}" if started.now else "already running")
    person.print(f"data: {running.folder}{', removed by `andon down`' if ephemeral else ''}")
    for name, value in running.environment.items():
        typer.echo(f"export {name}={value}")


def down(home: Home = None, as_json: Json = False) -> None:
    """End what `andon up` started, and nothing else. Kept data stay where they are, ephemeral data are removed.

    Example: andon down --home /var/lib/andon
    """
    ended = platform.down(home)
    if as_json:
        _print_json({"ended": ended})
        return
    typer.echo(f"ended {' and '.join(ended)}" if ended else "nothing was running")


def status(
    home: Home = None,
    worker: Annotated[str | None, typer.Option("--worker", help="Ask this worker instead, for example http://127.0.0.1:9464.")] = None,
    as_json: Json = False,
) -> None:
    """Say what runs, where, and whether it answers. Exit code 1 unless everything does.

    Of a worker: where each task stands, how far each input is behind, and which one holds time. Exit code 1 unless it is ready.

    Example: andon status || andon up
    """
    if worker is not None:
        _worker(worker, as_json)
        return
    found = platform.status(home)
    services = found[1] if found else ()
    well = len(services) == platform.SERVICES and all(health.answers for health in services)
    if as_json:
        _print_json({"running": well, **(_description(found[0], services) if found else {})})
    elif found is None:
        typer.echo("not running")
    else:
        _print_status(*found)
    if not well:
        raise typer.Exit(NOT_RUNNING)


def _worker(address: str, as_json: bool) -> None:
    from streams.shell.worker_status import ask, shown

    found = ask(address)
    if as_json:
        _print_json(found)
    else:
        Console(highlight=False).print(shown(found))
    if not found["ready"]:
        raise typer.Exit(NOT_RUNNING)


def _print_status(running: Platform, services: tuple[Health, ...]) -> None:
    person = Console(highlight=False, soft_wrap=True)
    for health in services:
        word = "[green]answers" if health.answers else "[yellow]is deaf" if health.alive else "[red]has ended"
        service = health.service
        use = f"  pid {service.pid}, {health.memory_mb} MB" if health.alive else f"  see {service.log}"
        person.print(f"{service.name:8} {service.version:6} {word:16}[/] {service.address}{use}")
    person.print(f"data and logs: {running.folder}{', removed by `andon down`' if running.ephemeral else ''}")


def _description(running: Platform, services: tuple[Health, ...] = ()) -> dict[str, Any]:
    now = {each.service.name: {name: getattr(each, name) for name in HEALTH} for each in services}
    return {
        **asdict(running),
        "environment": running.environment,
        "services": [asdict(service) | now.get(service.name, {}) for service in running.services],
    }


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=1, default=str))
