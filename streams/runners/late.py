"""Late samples ask for the restatement of what they would have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.codec.reader import Read
from streams.kernel import I8
from streams.runners.records import Origin, Record, Restatement, restate_request
from streams.time.gate import LATE

if TYPE_CHECKING:
    from streams.runners.task import Task


def late_samples(task: Task, origin: Origin, read: Read, verdict: I8) -> list[Record]:
    """One request a message and lane: from its first late sample to behind its last."""
    rows = np.flatnonzero(verdict == LATE)
    message = np.searchsorted(read.messages.row, rows, side="right") - 1
    lanes, times = read.samples.lane[rows], read.samples.time[rows]
    found = []
    for m, lane in sorted(set(zip(message.tolist(), lanes.tolist(), strict=True)), key=lambda x: (x[0], task.names.lane_path(x[1]))):
        own = (message == m) & (lanes == lane)
        first = int(rows[own][0] - read.messages.row[m])
        asked = Restatement(
            line=task.names.lines.decode(task.names.lanes.scope(lane))[0], lane=task.names.lanes.decode(lane)[0].decode(),
            descendants=False, since_us=int(times[own].min()), until_us=int(times[own].max()) + 1, reason="LATE_SAMPLE",
            time_us=max(0, int(read.log.append[m])), at=(origin, int(read.log.offset[m]), first),
        )  # fmt: skip
        found.append(restate_request(task.writer, task.topology.name, task.adopted.configuration.fingerprint, asked))
    return found
