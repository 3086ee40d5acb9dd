"""What a worker says of itself: /status, /metrics and `andon status` show this."""

from __future__ import annotations

import time
from typing import Any

from streams.runners.ledger import DEAD, MESSAGES
from streams.runners.live import private
from streams.runners.live.owner import Owner
from streams.runners.live.worker import Worker


def status_of(worker: Worker) -> dict[str, Any]:
    """Plain values; instants in microseconds, None: not known yet. Takes no lock: each value is of some recent slice."""
    setup = worker.setup
    return {
        "application": setup.application, "topology": setup.topology.name, "code": setup.code, "instance": setup.instance,
        "configuration": setup.configuration.fingerprint,
        "process_cpu_seconds": time.process_time(), "reference_offsets": worker.reference.offsets(),
        "ready": worker.ready,
        "recovering": worker.recovering, "tasks": [_task(worker, part.owner) for _, part in sorted(worker.parts.items())],
    }  # fmt: skip


def _task(worker: Worker, owner: Owner) -> dict[str, Any]:
    setup, standing, counts = worker.setup, owner.standing, owner.counts
    inputs = []
    for rank, one in enumerate(standing.inputs):
        fates = dict(one.fates)
        messages, dead, applied = fates.pop(MESSAGES), fates.pop(DEAD), fates.pop("applied")
        accepted = fates.pop("accepted")
        end, position = private.last_stable(worker.app, setup.inputs[rank].name, owner.partition), owner.inbox.position[rank]
        inputs.append({
            "input": one.topic, "position": position, "lag": None if end is None else max(0, end - position),
            "append_us": one.append_us, "claim_us": one.claim_us, "through_us": one.through_us, "delay_us": one.delay_us,
            "messages": {"decoded": messages - dead, "dead": dead}, "samples": {"accepted": accepted, "applied": applied, **fates},
        })  # fmt: skip
    return {
        "partition": owner.partition, "vector": list(standing.vector), "epoch": standing.epoch, "fingerprint": standing.fingerprint,
        "frontier_us": standing.frontier_us, "held_by": standing.held_by, "held_lane": standing.held_lane, "lanes": standing.lanes,
        "pending_samples": standing.pending, "transactions": counts.transactions, "records_in": counts.records_in,
        "records_out": counts.records_out, "fold_seconds": counts.fold_s, "commit_seconds": counts.commit_s, "snapshots": counts.snapshots,
        "snapshot_bytes": counts.snapshot_bytes, "snapshot_age_seconds": owner.clock() - owner.snapshot_at,
        "unknown_schemas": owner.strangers.condemned[-20:],
        "pauses": counts.pauses, "snapshots_damaged": counts.snapshots_damaged, "cpu_seconds": dict(owner.task.meter.seconds),
        "recovery_seconds": counts.recovery_s, "refolded_records": counts.refolded, "inputs": inputs,
    }  # fmt: skip
