"""andon simulate: a factory with hidden truth writes the raw topics."""

from __future__ import annotations

import json
import math
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streams.errors import require
from streams.shell.commands.ingest_progress import watched

if TYPE_CHECKING:
    from streams.catalogue import Catalogue
    from streams.codec.out_record import OutRecord
    from streams.shell.settings import KafkaSettings
    from streams.simulation.factory import Simulation
    from streams.simulation.faults import Faults


class Stamp(StrEnum):
    """Where append time comes from."""

    HEADER = "header"
    LOG = "log"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(simulate)


def simulate(
    plant: Annotated[str, typer.Option("--plant", help="S: 500 tags, 400 samples/s. M: 10,000 tags, 8,000 samples/s.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same plant, seed, start and length: same bytes.")],
    speed: Annotated[float, typer.Option("--speed", min=0.0, help="Simulated seconds a second; 0: as fast as it goes.")],
    minutes: Annotated[float, typer.Option("--minutes", help="How long: minutes by the clock; with --speed 0 simulated minutes.")],
    config: Annotated[Path, typer.Option("--config", help="The deployment's configuration (TOML).")],
    start: Annotated[str | None, typer.Option("--start", metavar="TIME", help="Where simulated time begins.", show_default="now")] = None,
    truth: Annotated[Path | None, typer.Option("--truth", help="Write every fault here when it begins, as JSON lines.")] = None,
    faults: Annotated[bool, typer.Option("--faults/--no-faults", help="Whether faults are put in.")] = True,
    fault_every: Annotated[str, typer.Option("--fault-every", help="A fault of each kind in every such stretch, simulated.")] = "5 min",
    drain: Annotated[str, typer.Option("--drain", help="Last part of the run, simulated, in which no fault is left.")] = "2 min",
    stamp: Annotated[
        Stamp, typer.Option("--stamp", help="header: append time is simulated. log: the broker's; only with --speed 1, from now on.")
    ] = Stamp.HEADER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")] = False,
) -> None:  # fmt: skip
    """Write a simulated factory into the raw topics: telemetry, states, counts, measurements and orders, with faults put in.

    The run ends by itself, and on SIGTERM or Ctrl-C at the next simulated second; either way all that is on its way is written and
    every input is claimed through the end, as `andon ingest --through` does. It must be the only writer of these topics.

    Example: andon simulate --plant S --seed 1 --speed 20 --minutes 2 --truth truth.jsonl --config examples/demo-context.toml
    """
    from streams import configuration
    from streams.catalogue import HIERARCHY
    from streams.shell import simulated
    from streams.shell.ingest import writer
    from streams.shell.settings import settings
    from streams.simulation.factory import EVERY
    from streams.simulation.factory import simulate as made
    from streams.simulation.plant import Plant

    require(minutes > 0, "--minutes must be positive", minutes=minutes)
    by_the_clock = speed == 1 and start is None
    require(stamp == Stamp.HEADER or by_the_clock, "--stamp log needs --speed 1 and no --start: the broker stamps by its clock")
    simulated.check_stamp(configuration.load(config).catalogue(), stamp)
    wanted = _faults(fault_every, drain) if faults else None
    what = Plant.named(plant)
    place = settings()
    catalogue = configuration.load(config).catalogue(place.topic_prefix)
    writer.check_topics(place.kafka, catalogue, (*EVERY, HIERARCHY))
    ids = writer.schema_ids(place.registry, catalogue, (*EVERY, HIERARCHY))
    rows = simulated.new_rows(what, place.kafka, catalogue)
    writer.write(simulated.messages(rows, ids, Stamp.LOG), place.kafka, catalogue)
    start_us, began_s = _beginning(start)
    until_us = start_us + math.ceil(60 * minutes * (speed or 1)) * 1_000_000
    run = made(what, seed=seed, start_us=start_us, until_us=until_us, faults=wanted, catalogue=catalogue)
    screen = Console(stderr=True, soft_wrap=True, emoji=False)
    if wanted is not None and until_us - start_us < wanted.run_us_least and not as_json:
        least_s = wanted.run_us_least // 1_000_000
        screen.print(f"shorter than {least_s} simulated seconds: not every kind of fault finds room", style="yellow")
    counts, seconds = _write(run, catalogue, (place.kafka, ids), screen, Pace(speed, began_s, stamp, truth), quiet=as_json)
    found = simulated.summary(run, len(rows), counts, seconds)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print(Console(soft_wrap=True, emoji=False), found)


class Pace:
    """How a run is written."""

    def __init__(self, speed: float, began_s: float, stamp: Stamp, truth: Path | None) -> None:
        self.speed, self.began_s, self.stamp, self.truth = speed, began_s, stamp, truth
        self.ended = False

    @contextmanager
    def heeding_signals(self, run: Simulation) -> Iterator[None]:
        """Within, SIGTERM and Ctrl-C end the run; the second one ends the program."""
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def ended(number: int, _frame: Any) -> None:
            self.ended = True
            run.finish()
            signal.signal(number, before[signal.Signals(number)])

        for number in before:
            signal.signal(number, ended)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _faults(every: str, drain: str) -> Faults:
    from streams.simulation.faults import Faults
    from streams.time.durations import microseconds

    return Faults(every_us=microseconds(every), drain_us=microseconds(drain))


def _beginning(start: str | None) -> tuple[int, float]:
    """(simulated start, when that is on the monotonic clock): the next whole second, or the instant that was named, now."""
    from streams.shell.ingest.instants import instant_us

    if start is not None:
        return instant_us(start), time.monotonic()
    now_us = time.time_ns() // 1000
    start_us = -(-now_us // 1_000_000) * 1_000_000
    return start_us, time.monotonic() + (start_us - now_us) / 1e6


def _write(
    run: Simulation, catalogue: Catalogue, place: tuple[KafkaSettings, dict[str, int]], screen: Console, pace: Pace, *, quiet: bool
) -> tuple[dict[str, dict[str, int]], float]:  # fmt: skip
    """Write the log; records by topic and kind, seconds. place: Kafka, and the numbers of our contracts."""
    from streams.shell import simulated
    from streams.shell.ingest import writer
    from streams.simulation.factory import EVERY

    kafka, ids = place
    counts: dict[str, Counter[str]] = {name: Counter() for name in EVERY}
    expected = round(run.plant.samples_per_second * (run.until_us - run.start_us) / 1e6)
    began_s = time.monotonic()
    with pace.heeding_signals(run), watched(screen, "simulating", expected, quiet=quiet) as progress:
        log = simulated.paced(simulated.told(run, run, pace.truth), run.start_us, pace.speed, pace.began_s, lambda: pace.ended)
        writer.write(simulated.messages(_counted(log, counts, progress.advance), ids, pace.stamp), kafka, catalogue)
    return {name: dict(of) for name, of in counts.items()}, time.monotonic() - began_s


def _counted(log: Iterable[OutRecord], counts: dict[str, Counter[str]], advance: Any) -> Iterator[OutRecord]:
    for record in log:
        yield record
        counts[record.topic][record.kind] += 1
        advance(record.entries)


def _print(out: Console, found: dict[str, Any]) -> None:
    from streams.shell.ingest.instants import spoken

    kinds = ("DATA", "HEARTBEAT", "CLAIM", "BLANK")
    table = Table("topic", *kinds, title="records", title_justify="left")
    for name, counts in found["records"].items():
        table.add_row(name, *(f"{counts.get(kind, 0):,}" for kind in kinds))
    out.print(table)
    samples, again, ahead = (sum(found[name].values()) for name in ("samples", "duplicates", "future"))
    out.print(f"{samples:,} samples; beside them {again:,} duplicates; {ahead:,} from the future; {found['late_orders']} late bookings")
    out.print("faults: " + (", ".join(f"{count} {kind}" for kind, count in sorted(found["faults"].items())) or "none"))
    out.print(
        f"{found['reference_rows']} reference rows; from {spoken(found['start_us'])} through {spoken(found['through_us'])}; "
        f"{found['seconds']:.1f} s, {found['samples_per_second']:,} samples/s"
    )
