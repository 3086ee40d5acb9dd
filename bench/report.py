"""From runs to figures: medians with their range, ratios within a round, floors, tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.subjects import STAGES, Measured

FLOOR_FAUST, FLOOR_CONSUME, FLOOR_SAMPLES, CEILING_IDLE, FLOOR_BACKFILL = 60.0, 0.2, 2_000_000.0, 1.5, 1_500_000.0
FLOOR_ORDERS = 5_000.0  # events a second; the aim is 20,000
CEILING_HISTORY = 2.5  # cost of an event with a full history, where for each that comes one leaves, over the first ones'
Figures = dict[str, Any]


def middle(values: Iterable[float]) -> dict[str, float]:
    found = sorted(values)
    return {"median": median(found), "min": found[0], "max": found[-1]}


def summary(runs: Sequence[Measured], samples: int = 1) -> Figures:
    """Figures of one subject. samples: a message."""
    found: Figures = {"rate": middle(samples * run.rate for run in runs), "cpu_us": middle(run.cpu_us / samples for run in runs)}
    if runs[0].stages:
        found["rss_mb"] = max(run.rss_mb for run in runs)
        found["ns"] = {stage: median(1e9 * run.stages[stage] / run.messages / samples for run in runs) for stage in ("fetch", *STAGES)}
    return found


def comparison(rounds: Sequence[Mapping[str, Measured]], peers: Sequence[str], samples: int = 1) -> Figures:
    """Figures of every subject, and ours over each peer's in the same round."""
    found: Figures = {subject: summary([one[subject] for one in rounds], samples) for subject in rounds[0]}
    for other in peers:
        found[f"andon / {other}"] = middle(one["andon"].rate / one[other].rate for one in rounds)
        found[f"andon / {other}, by CPU"] = middle(one[other].cpu_us / one["andon"].cpu_us for one in rounds)
    return found


def missed(results: Figures) -> list[str]:
    """Floors of the issue that were not held."""
    found = []
    if "b1" in results:
        for other, floor in (("faust", FLOOR_FAUST), ("consume", FLOOR_CONSUME)):
            ratio = results["b1"][f"andon / {other}"]["median"]
            if ratio < floor:
                found.append(f"B1 is {ratio:.2f} of {other}, the floor is {floor}")
    if "b2" in results and results["b2"]["andon"]["rate"]["median"] < FLOOR_SAMPLES:
        found.append(f"B2 does {results['b2']['andon']['rate']['median']:,.0f} samples/s, the floor is {FLOOR_SAMPLES:,.0f}")
    if "backfill" in results and results["backfill"]["table"]["median"] < FLOOR_BACKFILL:
        found.append(f"a backfill does {results['backfill']['table']['median']:,.0f} samples/s, the floor is {FLOOR_BACKFILL:,.0f}")
    for kind in ("samples", "with_orders"):
        if "lanes" in results and (ratio := median(results["lanes"][kind]["ratios"])) > CEILING_IDLE:
            found.append(f"a slice costs {ratio:.2f} times as much with idle lanes ({kind})")
    if "orders" in results:
        one = results["orders"]
        if one["rate"] < FLOOR_ORDERS:
            found.append(f"{one['rate']:,.0f} order events a second are folded, the floor is {FLOOR_ORDERS:,.0f}")
        if one["rate_early"] / one["rate_late"] > CEILING_HISTORY:
            found.append(f"an order event costs {one['rate_early'] / one['rate_late']:.2f} times as much with a full history")
    return found


def machine() -> Figures:
    """What the figures were taken on; nothing that names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)
    return {"processor": processor, "cores": os.cpu_count(), "memory_gb": memory_gb, "python": platform.python_version()}


def _range(of: Mapping[str, float], form: str = "{:,.0f}") -> str:
    low, high = form.format(of["min"]), form.format(of["max"])
    return form.format(of["median"]) + (f" ({low} - {high})" if low != high else "")


def _rates(results: Figures) -> list[str]:
    rows = ["| | a second | CPU, us each | peak memory |", "| --- | --- | --- | --- |"]
    names = {"b1": "B1, messages", "b2": "B2, samples", "context": "`context`, messages", "keys": "B1 with 200,000 signals, messages"}
    for part, name in names.items():
        for subject, found in results.get(part, {}).items():
            if "rate" in found:
                memory = f"{found['rss_mb']:,.0f} MB" if "rss_mb" in found else ""
                rows.append(f"| {name}: {subject} | {_range(found['rate'])} | {_range(found['cpu_us'], '{:.2f}')} | {memory} |")
    return rows


def _backfill(results: Figures) -> list[str]:
    found = results["backfill"]
    words = {"table": "samples of a Parquet table", "export": "messages of an export", "polars": "plain polars group_by, no gate"}
    rows = [f"| {text} | {_range(found[name])} |" for name, text in words.items()]
    rows.append(f"| table / polars within a round | {_range(found['table / polars'], '{:.2f}')} |")
    return ["| backfill of B1's windows | a second |", "| --- | --- |", *rows]


def _ratios(results: Figures) -> list[str]:
    found = {name: ratio for name, ratio in results.get("b1", {}).items() if " / " in name}
    rows = [f"| {name} | {_range(ratio, '{:.2f}')} |" for name, ratio in found.items()]
    return ["| ratio within a round | median (range) |", "| --- | --- |", *rows]


def _stages(results: Figures) -> list[str]:
    stages = ("fetch", *STAGES)
    rows = [f"| ns of CPU | {' | '.join(stages)} | all |", f"| --- |{' --- |' * (len(stages) + 1)}"]
    for part, what in (("b1", "a message"), ("b2", "a sample"), ("context", "a message"), ("keys", "a message")):
        if part in results:
            ns = results[part]["andon"]["ns"]
            rows.append(f"| {part}, {what} | {' | '.join(f'{ns[s]:,.0f}' for s in stages)} | {sum(ns.values()):,.0f} |")
    return rows


def _state(results: Figures) -> list[str]:
    rows = ["| state | |", "| --- | --- |"]
    if "lanes" in results:
        found = results["lanes"]
        for kind, words in (("samples", "100 samples"), ("with_orders", "100 samples and an order")):
            one = found[kind]
            times = f"{one['ms_few']:.2f} ms with 2,000 lanes, {one['ms_many']:.2f} ms with 200,000"
            rows.append(f"| slice of {words}: CPU | {times}, ratio {median(one['ratios']):.2f} |")
        rows.append(f"| a lane: memory; CPU when first met | {found['bytes_a_lane']:,.0f} bytes; {found['meet_us']:.0f} us |")
        rows.append(f"| 200,000 lanes: snapshot to task | {found['recovery_s']:.1f} s |")
    if "orders" in results:
        one = results["orders"]
        rows += [
            f"| {one['events']:,} order events, {one['late']:,} late; {one['results']:,} results | {one['rate']:,.0f} a second; "
            f"{one['rate_early']:,.0f} in the first tenth, {one['rate_late']:,.0f} in the last |",
            f"| their state: {one['in_history']:,} events in the history | snapshot {one['snapshot_mb']:.1f} MB, taken in "
            f"{one['snapshot_s']:.1f} s, a task again in {one['load_s']:.1f} s; peak {one['peak_mb']:,.0f} MB with the load |",
        ]  # fmt: skip
    if "pending" in results:
        live, memory = results["pending"]["live"], results["pending"]["memory"]
        rows += [
            f"| {memory['pending']:,} samples that wait: memory | {memory['held_mb']:,.0f} MB, {memory['bytes_a_sample']:.0f} bytes each |",
            f"| their snapshot | {memory['snapshot_mb']:,.0f} MB, {memory['state_mb']:,.0f} MB before compression |",
            f"| taking it | {memory['dump_s']:.2f} s columns, {memory['pack_s']:.2f} s packing; peak {memory['peak_mb']:,.0f} MB |",
            f"| making the task again | {memory['unpack_s']:.2f} s unpacking, {memory['load_s']:.2f} s loading |",
            f"| live: {live['pending']:,} wait, worker restarted | {live['start_to_assigned_s']:.1f} s from start to work, "
            f"{live['assigned_s']:.1f} s of it recovery; {live['folded_again']:,} records folded again; peak {live['rss_mb']:,.0f} MB |",
            f"| live: until they waited, snapshot written | {live['fold_s']:.1f} s; peak {live['fold_rss_mb']:,.0f} MB |",
        ]  # fmt: skip
    if "recovery" in results:
        found = results["recovery"]
        told = f"{found['records']:,} records in {found['seconds']:.1f} s: {found['rate']:,.0f} a second"
        rows.append(f"| recovery without a snapshot, B1 | {told} |")
    return rows


def markdown(results: Figures) -> str:
    where, parts = results["machine"], [_rates(results)]
    parts += [_ratios(results)] if "b1" in results else []
    parts += [_stages(results)] if {"b1", "b2", "context", "keys"} & results.keys() else []
    parts += [_state(results)] if {"lanes", "orders", "pending", "recovery"} & results.keys() else []
    parts += [_backfill(results)] if "backfill" in results else []
    head = f"{where['cores']} cores ({where['processor']}), {where['memory_gb']} GB, Python {where['python']}; "
    head += f"load before {results['load_before']:.1f}; {results['seconds']:.0f} s in all."
    verdict = "Every floor is held." if not results["missed"] else "Missed: " + "; ".join(results["missed"]) + "."
    return "\n\n".join([head, *("\n".join(rows) for rows in parts), verdict]) + "\n"
