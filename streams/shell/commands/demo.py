"""andon demo: a simulated factory on a real Kafka, deviations that name the order they hit, found faults against injected ones."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from streams.errors import PlatformError, require
from streams.shell.commands.progress import watched

if TYPE_CHECKING:
    from streams.shell.demo.findings import Score
    from streams.shell.demo.scene import Running, Worker
    from streams.shell.demo.watch import Watch

FAILED: Final = 1
PREFIX: Final = "demo."
START: Final = "2026-03-02T06:00:00Z"
LIMITS_AFTER_US: Final = 30_000_000  # the first windows are pieces
SLACK_US: Final = 120_000_000  # a part that a fault has spoilt is measured later, an episode ends later
LOOK_S: Final = 0.25
TELL_S: Final = 10.0
READY_S, DRAINED_S = 180.0, 120.0
ENDLESS_MINUTES: Final = 24 * 60.0


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="End after so many minutes by the clock.", show_default="until Ctrl-C")
    ] = None,
    plant: Annotated[str, typer.Option("--plant", help="S: 10 machines, 500 tags. M: 50 machines, 10,000 tags.")] = "S",
    speed: Annotated[float, typer.Option("--speed", min=0.1, help="Simulated seconds a second.")] = 20.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same factory, same faults.")] = 1,
    examples: Annotated[
        Path, typer.Option("--configurations", help="Folder with demo-context.toml and demo-quality.toml.")
    ] = Path("examples"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> None:
    """Show it all: a factory that is simulated, a real Kafka, faults that are put in and found.

    Kafka and the registry run on this machine and their data are thrown away. With --minutes, or where the output is no terminal (then
    2 minutes), it ends by itself, drains, and prints what holds: exit code 0 only if every kind of fault was found, false
    alarms are no more than chance explains, the ledgers add up, and the results are the same bytes again in memory.

    Example: andon demo --minutes 2
    """
    from streams.shell.local import platform

    require(minutes is None or minutes > 0, "--minutes must be positive", minutes=minutes)
    screen = Console(stderr=as_json, highlight=False)
    alive = screen.is_terminal and not as_json
    length = minutes if minutes is not None else (ENDLESS_MINUTES if alive else 2.0)
    configs = [examples / f"demo-{name}.toml" for name in ("context", "quality")]
    for config in configs:
        if not config.is_file():
            hint = "run it where the folder `examples` is, or name it: --configurations"
            raise PlatformError("the demo's configuration is not there", file=str(config), hint=hint)
    began_s = time.monotonic()
    with ExitStack() as stack:
        from streams.shell import kernels
        from streams.shell.local import warm

        with watched(Console(stderr=True), quiet=as_json) as progress:
            warm.prepare(progress)
        screen.print("starting Kafka, the registry and the workers")
        kernels.compile_missing(lambda _: None)
        here = stack.enter_context(platform.running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-demo-")))
        show = _Show(screen, alive, configs, {**here.environment, "ANDON_TOPIC_PREFIX": PREFIX}, folder)
        stack.callback(show.close)
        found = show.run(plant, seed, speed, length, began_s)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    if not found["holds"]:
        raise typer.Exit(FAILED)


class _Show:
    """One demo, from topics to proof."""

    def __init__(self, screen: Console, alive: bool, configs: list[Path], environment: Mapping[str, str], folder: Path) -> None:
        self.screen, self.alive, self.configs, self.environment, self.folder = screen, alive, configs, environment, folder
        self.truth = folder / "truth.jsonl"
        self.workers: list[Worker] = []
        self.processes: list[Running] = []
        self.watch: Watch | None = None
        self.asked_to_end = False
        self.stage, self._told_s = "", 0.0

    def close(self) -> None:
        if self.watch:
            self.watch.close()
        for process in reversed(self.processes):
            process.stop()

    def run(self, plant: str, seed: int, speed: float, minutes: float, began_s: float) -> dict[str, Any]:
        from streams.shell.demo.scene import Running

        self._prepare(plant)
        with self._heeding_ctrl_c(), self._picture() as draw:
            self._wait(draw, "workers start", READY_S, lambda: all(worker.ready for worker in self.workers))
            ready_s = time.monotonic() - began_s
            self.screen.print(f"ready after {ready_s:.0f} s")
            simulator = Running("simulator", [
                "simulate", "--plant", plant, "--seed", str(seed), "--speed", f"{speed:g}", "--minutes", f"{minutes:g}", "--start", START,
                "--truth", str(self.truth), "--config", str(self.configs[0]), "--json",
            ], self.environment, self.folder)  # fmt: skip
            self.processes.append(simulator)
            while simulator.alive:
                if self.asked_to_end:
                    simulator.stop()
                self._look(draw, f"plant {plant} at {speed:g} times real time")
            simulator.check()
            self._wait(draw, "what was written is folded", DRAINED_S, self._drained)
        return self._proof(simulator.result(), ready_s, plant)

    def _prepare(self, plant: str) -> None:
        """Topics, contracts, limits; then a worker for each topology, and an eye on what they write."""
        from streams import configuration
        from streams.shell.demo.scene import Worker, step
        from streams.shell.demo.watch import Watch
        from streams.shell.registry import Registry
        from streams.shell.settings import KafkaSettings, RegistrySettings

        for config in self.configs:
            for group in ("topics", "schemas"):
                step([group, "apply", "--config", str(config)], self.environment)
        kafka = KafkaSettings(bootstrap_servers=self.environment["ANDON_KAFKA__BOOTSTRAP_SERVERS"])
        self.registry = Registry(RegistrySettings(url=self.environment["ANDON_REGISTRY__URL"]))
        _write_limits(plant, configuration.load(self.configs[1]), kafka, self.registry)
        for config, topology in zip(self.configs, ("context", "quality"), strict=True):
            self.workers.append(Worker(topology, config, self.environment, self.folder))
            self.processes.append(self.workers[-1])
        self.watch = Watch(kafka, PREFIX, PREFIX + configuration.load(self.configs[0]).application, self.registry.schema)

    # ---- while it runs

    @contextmanager
    def _heeding_ctrl_c(self) -> Iterator[None]:
        def ask(_number: int, _frame: Any) -> None:
            self.asked_to_end = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def _picture(self) -> Iterator[Any]:
        from streams.shell.demo.screen import shown

        if not self.alive:
            yield self._line
            return
        with Live(console=self.screen, auto_refresh=False, transient=False) as live:
            yield lambda view: live.update(shown(view), refresh=True)

    def _line(self, view: Any) -> None:
        """For what is no terminal: a line now and then."""
        from streams.shell.demo.screen import clock

        if time.monotonic() - self._told_s >= TELL_S:
            self._told_s = time.monotonic()
            rates = ", ".join(f"{w.name} {w.rate:,.0f} records/s" for w in view.workers)
            faults = f"{len(view.truths)} faults, {len(view.score.found)} found"
            self.screen.print(f"{view.stage}; plant time {clock(view.now_us)}; {rates}; {faults}", soft_wrap=True)

    def _look(self, draw: Any, stage: str) -> None:
        from streams.shell.demo.screen import View, newest_us

        time.sleep(LOOK_S)
        for process in self.processes:
            process.check()
        assert self.watch is not None
        if self.watch.error:
            raise self.watch.error
        for worker in self.workers:
            worker.look()
        draw(View(stage, self.workers, list(self.watch.latest), self.truths(), self.score(), newest_us(self.workers)))

    def _wait(self, draw: Any, stage: str, patience_s: float, reached: Any) -> None:
        end_s = time.monotonic() + patience_s
        while not reached():
            if time.monotonic() > end_s:
                raise PlatformError("the demo waits in vain", stage=stage, for_s=patience_s)
            self._look(draw, stage)

    def _drained(self) -> bool:
        """Everything is read; the second stage twice in a row, since the first one writes while it reads."""
        done = all(worker.lag == 0 for worker in self.workers)
        self._done_before, before = done, getattr(self, "_done_before", False)
        return done and before

    # ---- what came of it

    def truths(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in self.truth.read_text("utf-8").splitlines() if line.endswith("}")]
        except FileNotFoundError:
            return []

    def score(self) -> Score:
        from streams.shell.demo.findings import score

        assert self.watch is not None
        return score(self.truths(), list(self.watch.findings), SLACK_US)

    def _proof(self, written: dict[str, Any], ready_s: float, plant: str) -> dict[str, Any]:
        from streams.shell.demo import proof as p
        from streams.shell.demo.findings import false_alarms_most
        from streams.shell.demo.watch import MEASUREMENTS

        assert self.watch is not None
        statuses = [worker.status for worker in self.workers]
        for worker in self.workers:
            worker.stop()
        self.watch.close()
        self.screen.print("folding everything again in memory")
        proof, score, truths = p.Proof(), self.score(), self.truths()
        p.faults(proof, truths, score, false_alarms_most(self.watch.read[MEASUREMENTS]))
        p.ledger(proof, written, statuses[0])
        p.same_bytes(proof, self.configs, self.environment, self.folder)
        self._print(proof, score, truths)
        return {
            "holds": proof.holds, "ready_s": round(ready_s, 1), "plant": plant, "faults": truths, "recall": score.recall,
            "found": {name: one.id for name, one in score.found.items()},
            "false_alarms": [f"{one.test} {one.asset} {one.name}" for one in score.false],
            "proof": [{"says": says, "holds": good} for says, good in proof.lines],
        }  # fmt: skip

    def _print(self, proof: Any, score: Score, truths: list[dict[str, Any]]) -> None:
        from streams.shell.demo.screen import clock

        table = Table("injected", Column("fault", no_wrap=True), Column("machine", no_wrap=True), "order", "found as", "after")
        for truth in truths:
            one = score.found.get(truth["id"])
            after = f"{max(0, one.said_us - truth['since_us']) / 1e6:.0f} s" if one else ""
            name = one.test.replace("_", " ").lower() if one else "MISSED"
            table.add_row(clock(truth["since_us"]), truth["id"], truth["asset"], truth["order"], name, after)
        self.screen.print(table)
        for finding in score.false:
            where = f"{finding.asset} {finding.name} order {finding.order or '-'}"
            self.screen.print(f"false alarm: {clock(finding.since_us)} {finding.test} {where}")
        for says, good in proof.lines:
            self.screen.print(f"[green]holds[/]  {says}" if good else f"[red]FAILS[/]  {says}", soft_wrap=True)


def _write_limits(plant: str, configuration: Any, kafka: Any, registry: Any) -> None:
    from streams.catalogue import LIMITS
    from streams.codec.out_record import OutRecord
    from streams.shell.demo.limits import limit_key, limit_rows
    from streams.shell.ingest import writer
    from streams.shell.ingest.encoding import encoded
    from streams.shell.ingest.instants import instant_us
    from streams.simulation.plant import Plant
    from streams.time.durations import microseconds

    catalogue = configuration.catalogue(PREFIX)
    valid_us = instant_us(START) + LIMITS_AFTER_US
    rows = limit_rows(Plant.named(plant), microseconds(configuration.rules["window"]), valid_us)
    from streams.catalogue import text_of
    from streams.shell.registry import subject_of

    ids = {LIMITS: registry.id_of(subject_of(catalogue.of(LIMITS).name), text_of(LIMITS))}
    records = [OutRecord(LIMITS, 0, limit_key(row), row, valid_us, "DATA") for row in rows]
    writer.write((m._replace(headers=[]) for m in encoded(records, ids)), kafka, catalogue)


