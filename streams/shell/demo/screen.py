"""What people see while the demo runs: throughput, time, fates, deviations, faults; one page of a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.shell.demo.findings import Score
from streams.shell.demo.scene import Worker
from streams.time.durations import spoken

_SEVERITY = {"HIGH": "bold red", "MEDIUM": "yellow", "LOW": "dim"}
_ROWS = 8


@dataclass(frozen=True, slots=True)
class View:
    """stage: what happens now. now_us: the newest append time; None: nothing is written yet."""

    stage: str
    workers: Sequence[Worker]
    latest: Sequence[Mapping[str, Any]]
    truths: Sequence[Mapping[str, Any]]
    score: Score
    now_us: int | None


def clock(time_us: int | None) -> str:
    """
    >>> clock(1_772_431_200_000_000)
    '06:00:00'
    """
    return "" if time_us is None else datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%H:%M:%S")


def newest_us(workers: Sequence[Worker]) -> int | None:
    """The newest append time that any input has; None: none is known."""
    known = [one["append_us"] for w in workers[:1] for task in w.status["tasks"] for one in task["inputs"] if one["append_us"] is not None]
    return max(known, default=None)


def shown(view: View) -> RenderableType:
    head = Text.assemble((" andon ", "reverse bold"), "  ", view.stage, "   plant time ", (clock(view.now_us) or "-", "bold"))
    pages = "   ".join(f"{w.name}: {w.address}/metrics" for w in view.workers if w.address)
    return Group(head, _topologies(view), _fates(view), _deviations(view), _faults(view), Text(pages, style="dim", no_wrap=True))


def _topologies(view: View) -> Table:
    table = Table("topology", "records/s", "unread", "frontier behind", "held by", "waiting samples", expand=True)
    for worker in view.workers:
        tasks = worker.status["tasks"]
        if not tasks:
            table.add_row(worker.name, "starting" if worker.alive else "ended", "", "", "", "")
            continue
        held = min(tasks, key=lambda task: task["frontier_us"] if task["frontier_us"] is not None else -(1 << 62))
        known = held["frontier_us"] is not None and view.now_us is not None
        behind = spoken(max(0, view.now_us - held["frontier_us"]) // 100_000 * 100_000) if known else ""
        lane = "/".join(held["held_lane"].split("/")[-2:])
        lag = "" if worker.lag is None else f"{worker.lag:,}"
        waiting = f"{sum(task['pending_samples'] for task in tasks):,}"
        table.add_row(worker.name, f"{worker.rate:,.0f}", lag, behind, f"{held['held_by']}  {lane}", waiting)
    return table


def _fates(view: View) -> Text:
    fates = Counter[str]()
    for worker in view.workers[:1]:
        for task in worker.status["tasks"]:
            for one in task["inputs"]:
                fates.update(one["samples"])
                fates["dead messages"] += one["messages"]["dead"]
    return Text("samples: " + ", ".join(f"{count:,} {fate}" for fate, count in fates.items() if count))


def _deviations(view: View) -> Panel:
    names = ("at", "phase", "test", "severity", "machine", "characteristic", "value", "order", "evidence", "age")
    table = Table(*names, box=None, expand=True)
    for one in list(view.latest)[-_ROWS:]:
        samples = sum(e["count"] for point in one["points"] for e in point["evidence"])
        orders = ", ".join(order["order"] for order in one["orders"])
        age = "" if view.now_us is None else spoken(max(0, view.now_us - one["time_us"]) // 1_000_000 * 1_000_000)
        value = "" if one["value"] is None else f"{one['value']:.4g}"
        table.add_row(clock(one["time_us"]), one["phase"].lower(), one["test"].replace("_", " ").lower(),
                      Text(one["severity"].lower(), _SEVERITY.get(one["severity"], "")), one["asset"], one["characteristic"], value, orders,
                      f"{len(one['points'])} points of {samples} samples", age)  # fmt: skip
    return Panel(table, title="latest deviations", title_align="left")


def _faults(view: View) -> Panel:
    table = Table("injected", "fault", "machine", "names", "order", "found", box=None, expand=True)
    for truth in list(view.truths)[-_ROWS:]:
        finding = view.score.found.get(truth["id"])
        seen = Text("not yet", "dim")
        if finding:
            after = max(0, finding.said_us - truth["since_us"]) // 1_000_000 * 1_000_000
            seen = Text(f"{finding.test.replace('_', ' ').lower()} after {spoken(after)}", "green")
        names = ", ".join(truth["names"][:2]) + (" ..." if len(truth["names"]) > 2 else "")
        table.add_row(clock(truth["since_us"]), truth["kind"], truth["asset"], names, truth["order"], seen)
    title = f"faults: {len(view.truths)} injected, {len(view.score.found)} found, {len(view.score.false)} false alarms"
    return Panel(table, title=title, title_align="left")
