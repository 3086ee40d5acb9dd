"""make bench-quick: is the speed floor held? Ratios within one run, on an ephemeral Kafka, in under ten minutes on two idle cores.

    python -m bench.quick [--rounds 3] [--only b1 b2 context keys recovery pending lanes orders backfill]

Exit code 1: a floor was missed or an output was wrong. Figures go to bench/results/quick.json and quick.md; docs/performance.md says
how they are measured. Where ANDON_KAFKA__BOOTSTRAP_SERVERS and ANDON_REGISTRY__URL are set, that platform is used, under new topics.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import report, workloads
from bench.load import PARTITIONS
from bench.oracle import Expected
from bench.subjects import ROOT, Measured, Worker, peer
from bench.workloads import SAMPLE, Workload
from streams.shell.local import platform
from streams.shell.settings import Settings, settings

B1_EVENTS, B2_EVENTS, CONTEXT_EVENTS, KEYS_EVENTS, PENDING = 4_000_000, 20_000_000, 4_000_000, 4_000_000, 10_000_000
BACKFILL_SAMPLES, BACKFILL_MESSAGES = 8_000_000, 2_000_000
ORDER_DAYS = 90
FAUST_MESSAGES, DEFAULT_CONSUME = 20_000, 1_000_000
NO_SNAPSHOTS = {"ANDON_WORKER__SNAPSHOT_RECORDS": "1000000000", "ANDON_WORKER__SNAPSHOT_INTERVAL_S": "1000000"}

Subject = Callable[[int], Measured]


class Bench:
    """What all parts share: the platform, a folder for configurations, the results."""

    def __init__(self, own: Settings, folder: Path, rounds: int) -> None:
        self.own, self.folder, self.rounds, self.mark = own, folder, rounds, f"{time.time_ns() % 10**8}"
        self.results: dict[str, Any] = {}
        self.faults: list[str] = []

    def filled(self, workload: Workload) -> tuple[int, Expected]:
        began = time.monotonic()
        total, wanted = workload.fill(self.own), workload.expected()
        say(f"{workload.name}: {total:,} messages written and {len(wanted.windows):,} windows computed in {time.monotonic() - began:.0f} s")
        return total, wanted

    def worker(self, workload: Workload, total: int, wanted: Expected, number: int) -> Measured:
        """A run of ours from the start of the log, its output checked."""
        config, before = workload.applied(f"run{number}"), workload.written(self.own)
        run = Worker(workload.topology, config, workload.environment)
        run.finish()
        wrong = workload.faults(self.own, before, wanted)
        self.faults += [f"{workload.name}, round {number}: {one}" for one in wrong]
        return run.measured("andon", total)

    def play(self, name: str, subjects: dict[str, Subject], rounds: int | None = None) -> list[dict[str, Measured]]:
        """Rounds of all subjects, in rotating order."""
        played, names = list[dict[str, Measured]](), list(subjects)
        for number in range(rounds or self.rounds):
            turn = number % len(names)
            one = {subject: subjects[subject](number) for subject in names[turn:] + names[:turn]}
            played.append(one)
            say(f"{name}, round {number}: " + "; ".join(f"{s} {m.rate:,.0f}/s, {m.cpu_us:.2f} us CPU" for s, m in sorted(one.items())))
        return played


def say(text: str) -> None:
    print(text, flush=True)


def b1(bench: Bench) -> None:
    """One message a sample, against a Faust agent and a consumer that does nothing."""
    workload = workloads.b1(B1_EVENTS, f"b1-{bench.mark}.", bench.folder)
    total, wanted = bench.filled(workload)
    topic, servers = workload.prefix + SAMPLE, bench.own.kafka.bootstrap_servers

    def faust(number: int) -> Measured:
        environment = {"SERVERS": servers, "TOPIC": topic, "APPLICATION": f"faust-{bench.mark}-{number}", "PARTITIONS": str(PARTITIONS),
                       "TOTAL": str(FAUST_MESSAGES)}  # fmt: skip
        folder = tempfile.mkdtemp(dir=bench.folder)
        return peer("faust", ["bench/faust_agent.py", "--datadir", folder, "worker", "-l", "error"], environment)

    def bare(messages: int, how: str) -> Measured:
        return peer("consume", ["bench/bare_consume.py", servers, topic, str(PARTITIONS), str(messages), how], {})

    def ours(number: int) -> Measured:
        return bench.worker(workload, total, wanted, number)

    played = bench.play("b1", {"andon": ours, "consume": lambda _: bare(B1_EVENTS, "tuned"), "faust": faust})
    bench.results["b1"] = report.comparison(played, ("faust", "consume"))
    bench.results["b1"]["consume with default settings"] = report.summary([bare(DEFAULT_CONSUME, "default")])


def _alone(bench: Bench, workload: Workload, name: str, rounds: int | None = None) -> None:
    total, wanted = bench.filled(workload)
    played = bench.play(name, {"andon": lambda number: bench.worker(workload, total, wanted, number)}, rounds)
    bench.results[name] = report.comparison(played, (), workload.samples_a_message)


def b2(bench: Bench) -> None:
    """500 samples a message."""
    _alone(bench, workloads.b2(B2_EVENTS, f"b2-{bench.mark}.", bench.folder), "b2")


def context(bench: Bench) -> None:
    """B1's samples through the whole context topology, an order a minute at each machine."""
    _alone(bench, workloads.context(CONTEXT_EVENTS, f"context-{bench.mark}.", bench.folder), "context", 2)


def keys(bench: Bench) -> None:
    """B1 with 200,000 signals at 1 Hz: a window for every ten messages."""
    _alone(bench, workloads.keys(KEYS_EVENTS, f"keys-{bench.mark}.", bench.folder), "keys", 1)


def recovery(bench: Bench) -> None:
    """A worker without a snapshot folds B1's whole log again."""
    workload = workloads.b1(B1_EVENTS, f"recovery-{bench.mark}.", bench.folder)
    total = workload.fill(bench.own)
    config, environment = workload.applied("again"), workload.environment | NO_SNAPSHOTS
    first = Worker(workload.topology, config, environment, until_end=False)
    first.finish(total)
    again = Worker(workload.topology, config, environment)
    again.finish()
    told = again.events["assigned"]
    records, seconds = told["folded_again"], told["seconds"]
    bench.results["recovery"] = {"records": records, "seconds": seconds, "rate": records / seconds}
    say(f"recovery: {records:,} records folded again in {seconds:.1f} s")


def pending(bench: Bench) -> None:
    """10 M samples that wait: on Kafka with a restart, and the steps of it in memory."""
    workload = workloads.pending(PENDING, f"pending-{bench.mark}.", bench.folder)
    workload.fill(bench.own)
    config = workload.applied("held")
    first = Worker(workload.topology, config, workload.environment)
    first.finish()
    again = Worker(workload.topology, config, workload.environment)
    again.finish()
    live = {
        "pending": again.pending, "fold_s": first.events["finished"]["at_s"] - first.events["assigned"]["at_s"],
        "fold_rss_mb": first.rss_mb, "assigned_s": again.events["assigned"]["seconds"],
        "start_to_assigned_s": again.recovered_s, "rss_mb": again.rss_mb,
        "folded_again": again.events["assigned"]["folded_again"],
    }  # fmt: skip
    bench.results["pending"] = {"live": live, "memory": _memory("pending", str(PENDING))}
    say(f"pending: {bench.results['pending']}")


def lanes(bench: Bench) -> None:
    """200,000 lanes of which 100 are sent to, in memory."""
    bench.results["lanes"] = _memory("lanes")
    say(f"lanes: {bench.results['lanes']}")


def backfill(bench: Bench) -> None:
    """B1's windows from files, without Kafka."""
    sizes = [str(n) for n in (BACKFILL_SAMPLES, BACKFILL_MESSAGES, bench.rounds)]
    told = peer("backfill", ["-m", "bench.backfill", *sizes], {}, timeout_s=400).told
    bench.results["backfill"] = dict(told)
    bench.faults += told["wrong"]
    say(f"backfill: {told}")


def orders(bench: Bench) -> None:
    """90 days of order events with a history of 30, in memory."""
    bench.results["orders"] = dict(peer("orders", ["-m", "bench.orders", str(ORDER_DAYS)], {}, timeout_s=300).told)
    say(f"orders: {bench.results['orders']}")


def _memory(*arguments: str) -> dict[str, Any]:
    return dict(peer("memory", ["-m", "bench.memory", *arguments], {}, timeout_s=300).told)


PARTS: dict[str, Callable[[Bench], None]] = {
    "b1": b1, "b2": b2, "context": context, "keys": keys, "recovery": recovery, "pending": pending, "lanes": lanes, "orders": orders,
    "backfill": backfill,
}  # fmt: skip


@contextmanager
def kafka() -> Iterator[Settings]:
    """The platform of the environment, else one of our own."""
    if "ANDON_KAFKA__BOOTSTRAP_SERVERS" in os.environ:
        yield settings()
        return
    with platform.running() as here:
        os.environ.update(here.environment)
        yield settings()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    chosen, began = parser.parse_args(), time.monotonic()
    with kafka() as own, tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        bench = Bench(own, Path(folder), chosen.rounds)
        load_before = os.getloadavg()[0]
        for part in chosen.only:
            PARTS[part](bench)
    missed = bench.faults + report.missed(bench.results)
    taken_s = time.monotonic() - began
    whole = {"machine": report.machine(), "load_before": load_before, "seconds": taken_s, "missed": missed, **bench.results}
    folder_of_results = ROOT / "bench" / "results"
    folder_of_results.mkdir(exist_ok=True)
    (folder_of_results / "quick.json").write_text(json.dumps(whole, indent=1) + "\n")
    (folder_of_results / "quick.md").write_text(report.markdown(whole))
    say(report.markdown(whole))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
