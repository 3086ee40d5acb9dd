"""The metrics of a worker: one typed list that /metrics, the Helm chart, alerts and docs read.

Values are taken from what the owners know between two slices; a scrape costs the hot path nothing. Names follow Prometheus:
base units, `_total` on counters. A published name never changes its meaning.

>>> [m.name for m in METRICS if m.kind == "counter"][:2]
['andon_messages_total', 'andon_samples_total']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


_TASK, _INPUT = ("partition",), ("partition", "input")

METRICS: Final = (
    Metric("andon_messages_total", "counter", "Messages read since the task's first record.", (*_INPUT, "fate")),
    Metric("andon_samples_total", "counter", "Samples since the task's first record, by fate.", (*_INPUT, "fate")),
    Metric("andon_lag_records", "gauge", "Offsets between the position and the last stable offset.", _INPUT),
    Metric("andon_frontier_delay_seconds", "gauge", "How far the input's completeness lies behind all inputs' newest append time.", _INPUT),
    Metric("andon_holds_time", "gauge", "1 on the input that keeps the furthest lane back.", _INPUT),
    Metric("andon_pending_samples", "gauge", "Accepted samples that are not complete yet.", _TASK),
    Metric("andon_lanes", "gauge", "Lanes the task knows.", _TASK),
    Metric("andon_epoch", "gauge", "Number of the epoch in force.", _TASK),
    Metric("andon_transactions_total", "counter", "Transactions committed by this process.", _TASK),
    Metric("andon_records_in_total", "counter", "Input records folded by this process.", _TASK),
    Metric("andon_records_out_total", "counter", "Output records committed by this process.", _TASK),
    Metric("andon_fold_seconds_total", "counter", "Time spent decoding, judging, folding and encoding.", _TASK),
    Metric("andon_commit_seconds_total", "counter", "Time spent in transactions.", _TASK),
    Metric("andon_cpu_seconds_total", "counter", "CPU of the task's own thread, by stage.", ("partition", "stage")),
    Metric("andon_snapshots_total", "counter", "Snapshots written by this process.", _TASK),
    Metric("andon_snapshot_bytes", "gauge", "Size of the last snapshot.", _TASK),
    Metric("andon_snapshot_age_seconds", "gauge", "Time since the last snapshot, or since the task was taken over.", _TASK),
    Metric("andon_snapshots_damaged_total", "counter", "Damaged snapshots that recovery passed over.", _TASK),
    Metric("andon_recovery_seconds", "gauge", "How long the task took to recover.", _TASK),
    Metric("andon_refolded_records", "gauge", "Records folded again at recovery.", _TASK),
    Metric("andon_recovering_partitions", "gauge", "Partitions that this worker is taking over now."),
    Metric("andon_ready", "gauge", "1 when every partition of this worker has recovered."),
)  # fmt: skip

Sample = tuple[str, tuple[str, ...], float]


def values(status: Mapping[str, Any]) -> Iterator[Sample]:
    """(metric, label values, value) of a worker's status, see runners/live/status.py."""
    yield "andon_ready", (), float(status["ready"])
    yield "andon_recovering_partitions", (), float(status["recovering"])
    for task in status["tasks"]:
        number = str(task["partition"])
        for metric in METRICS:
            field = metric.name.removeprefix("andon_").removesuffix("_total")
            if metric.labels == _TASK:
                yield metric.name, (number,), float(task[field])
        for stage, seconds in task["cpu_seconds"].items():
            yield "andon_cpu_seconds_total", (number, stage), seconds
        for one in task["inputs"]:
            where = (number, one["input"])
            for fate, count in one["messages"].items():
                yield "andon_messages_total", (*where, fate), float(count)
            for fate, count in one["samples"].items():
                yield "andon_samples_total", (*where, fate), float(count)
            yield "andon_holds_time", where, float(one["input"] == task["held_by"])
            if one["lag"] is not None:
                yield "andon_lag_records", where, float(one["lag"])
            if one["delay_us"] is not None:
                yield "andon_frontier_delay_seconds", where, one["delay_us"] / 1e6
