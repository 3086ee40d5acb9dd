"""A worker's /status for people: where each task stands, and which input holds time."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.errors import PlatformError, require
from streams.time.durations import spoken

TIMEOUT_S = 5.0


def ask(address: str) -> dict[str, Any]:
    """The /status of a worker at http://host:port; PlatformError where none answers."""
    require(address.startswith(("http://", "https://")), "a worker's address begins with http://", address=address)
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/status", timeout=TIMEOUT_S) as answer:
            found = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise PlatformError("no worker answers there", address=address, reason=str(error), hint="see ANDON_WEB__PORT") from error
    if not isinstance(found, dict) or "tasks" not in found:
        raise PlatformError("what answers there is no worker", address=address)
    return found


def _behind(delay_us: int | None) -> str:
    return "unknown" if delay_us is None else spoken(max(0, delay_us) // 1000 * 1000)


def shown(status: dict[str, Any]) -> RenderableType:
    """Tables: tasks, then their inputs. The input that holds time is marked."""
    if not status["tasks"]:
        return Text("ready, without partitions" if status["ready"] else "starting or recovering")
    tasks = Table("task", "epoch", "lanes", "waiting", "held by", "lane", title=f"{status['application']}: {status['topology']}")
    inputs = Table("task", "input", "lag", "behind", "samples by fate")
    for task in status["tasks"]:
        tasks.add_row(*(str(task[name]) for name in ("partition", "epoch", "lanes", "pending_samples", "held_by", "held_lane")))
        for one in task["inputs"]:
            counts = {**one["samples"], "dead messages": one["messages"]["dead"]}
            fates = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
            lag = "unknown" if one["lag"] is None else str(one["lag"])
            holds = one["input"] == task["held_by"]
            style = "bold yellow" if holds and one["delay_us"] else None
            inputs.add_row(str(task["partition"]), one["input"], lag, _behind(one["delay_us"]), fates, style=style)
    return Group(tasks, inputs)
