"""Late samples ask for the restatement of what they would have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.codec.reader import Read
from streams.kernel import I8
from streams.runners.records import Origin, Record, Restatement, chosen, restate_request
from streams.time.gate import LATE

if TYPE_CHECKING:
    from streams.runners.task import Task


def late_samples(task: Task, origin: Origin, read: Read, verdict: I8) -> list[Record]:
    """One request a message and lane: from its first late sample to behind its last."""
    late, names, rule = chosen(read, np.flatnonzero(verdict == LATE)), task.names, task.topology.name
    line = {lane: names.lines.decode(names.lanes.scope(lane))[0] for lane in set(late.lane)}
    asset = {lane: names.lanes.decode(lane)[0].decode() for lane in line}
    found = []
    for m, part in late.messages:
        lanes = late.lane[part]
        for lane in sorted(set(lanes), key=lambda lane: (line[lane], asset[lane])):
            time = [t for t, own in zip(late.time[part], lanes, strict=True) if own == lane]
            asked = Restatement(
                line=line[lane], lane=asset[lane], descendants=False, since_us=min(time), until_us=max(time) + 1, reason="LATE_SAMPLE",
                time_us=max(0, int(read.log.append[m])), at=(origin, int(read.log.offset[m]), late.index[part.start + lanes.index(lane)]),
            )  # fmt: skip
            found.append(restate_request(task.writer, rule, task.adopted.configuration.fingerprint, asked))
    return found
