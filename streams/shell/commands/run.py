"""andon run: a worker of a topology."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from streams import configuration as configurations
from streams.errors import AndonError, require


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(run)


def run(
    topology: Annotated[str, typer.Argument(help="Which topology; it must be the configuration's.")],
    config: Annotated[Path, typer.Option("--config", help="Configuration file of the application (TOML).")],
    until_end: Annotated[bool, typer.Option("--until-end", help="Fold what is there now, commit, snapshot, exit 0.")] = False,
    instance: Annotated[
        str | None, typer.Option("--instance", help="Name of this worker, for static membership: a restart causes no rebalance.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Events as JSON lines on standard output.")] = False,
) -> None:
    """Fold a topology's inputs into its outputs, exactly once, until SIGTERM.

    Several workers share the partitions. Pages for machines (/metrics, /livez, /readyz, /status) are served on ANDON_WEB__HOST
    and ANDON_WEB__PORT. Exit codes: 0 asked to stop, or the end reached; 2 settings; 4 a promise could not be kept; 5 Kafka or
    the registry. Any failure ends the process: start it again, it goes on where it was.

    Example: andon run context --config examples/context.toml --until-end
    """
    from streams.shell.settings import settings

    own, configuration = settings(), configurations.load(config)
    other = configuration.topology
    require(other == topology, "the configuration is for another topology", given=topology, configuration=other)
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    report = _Report(as_json)
    code = 1
    try:
        code = _worker(own, configuration, report, until_end, instance)
    except AndonError as error:
        if os.environ.get("ANDON_DEBUG") == "1":
            raise
        report.died(error)
        code = error.exit_code
    except Exception:  # a bug: its traceback, and no less an end
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # crash-only: threads of Kafka clients are not waited for, everything that counts is committed


def _worker(own: Any, configuration: Any, report: _Report, until_end: bool, instance: str | None) -> int:
    from streams.runners.live.status import status_of
    from streams.runners.live.worker import Worker
    from streams.shell import kernels
    from streams.shell.live_setup import setup_of
    from streams.shell.registry import Registry
    from streams.shell.web import WebServer

    started: list[Worker] = []

    def alive() -> str:
        return started[0].unwell() if started else ""

    def status() -> Mapping[str, Any] | None:
        return status_of(started[0]) if started and started[0].begun else None

    with Registry(own.registry) as registry, WebServer(own.web.host, own.web.port, status, alive) as web:
        report("serving", {"host": web.host, "port": web.port})
        if missing := kernels.uncompiled():  # a minute in which records would wait and the group lose patience
            report("compiling", {"kernels": len(missing)})
            kernels.compile_missing()
        setup = setup_of(own, configuration, registry, instance=instance, until_end=until_end)

        async def work() -> int:
            started.append(Worker(setup, report))
            return await started[0].run()

        return asyncio.run(work())


class _Report:
    """Says what happens: lines for people on standard error, or JSON lines on standard output."""

    def __init__(self, as_json: bool) -> None:
        self._as_json, self._console = as_json, Console(stderr=True, highlight=False, soft_wrap=True)
        self._told_death = False

    def died(self, error: AndonError) -> None:
        """Say why it ends, unless the worker has."""
        if not self._told_death:
            self("died", {"error": str(error)})

    def __call__(self, event: str, values: Mapping[str, Any]) -> None:
        self._told_death = self._told_death or event == "died"
        if self._as_json:
            sys.stdout.write(json.dumps({"event": event, "at_s": round(time.time(), 3), **values}) + "\n")
            sys.stdout.flush()
            return
        said = {
            "serving": "metrics, health and status on http://{host}:{port}",
            "compiling": "compiling {kernels} kernels, once; `andon fetch` does it ahead",
            "assigned": "working on partitions {partitions}; {folded_again} records folded again in {seconds} s",
            "recovering": "partition {partition}: folded {folded} of {of} records again",
            "snapshot-damaged": "partition {partition}: snapshot {generation} cannot be used ({reason}); an older one or the log is",
            "revoked": "the group moves partitions; {partitions} wait",
            "stopped": "stopped; everything up to here is committed",
            "finished": "everything that was there is folded and committed",
            "died": "andon: {error}",
        }.get(event, event)
        self._console.print(said.format(**values), style="red" if event == "died" else None, markup=False)
