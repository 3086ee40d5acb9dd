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
    """One request a message and lane: from its first late sample to behind its last. Messages in order, lanes by name."""
    rows = np.flatnonzero(verdict == LATE)
    if not len(rows):
        return []
    names, rule, version = task.names, task.topology.name, task.adopted.configuration.fingerprint
    message = np.searchsorted(read.messages.row, rows, side="right") - 1
    grouped = np.lexsort((rows, read.samples.lane[rows], message))
    rows, message = rows[grouped], message[grouped]
    lane, time = read.samples.lane[rows], read.samples.time[rows]
    first = np.flatnonzero((np.diff(message, prepend=-1) != 0) | (np.diff(lane, prepend=-1) != 0))  # of each message and lane
    since, until = np.minimum.reduceat(time, first), np.maximum.reduceat(time, first) + 1
    index = rows[first] - read.messages.row[message[first]]
    line = {code: names.lines.decode(names.lanes.scope(code))[0] for code in set(lane[first].tolist())}
    asset = {code: names.lanes.decode(code)[0].decode() for code in line}
    found = zip(message[first].tolist(), lane[first].tolist(), since.tolist(), until.tolist(), index.tolist(), strict=True)
    return [
        restate_request(task.writer, rule, version, Restatement(
            line=line[code], lane=asset[code], descendants=False, since_us=start, until_us=end, reason="LATE_SAMPLE",
            time_us=max(0, int(read.log.append[m])), at=(origin, int(read.log.offset[m]), place),
        ))
        for m, code, start, end, place in sorted(found, key=lambda one: (one[0], line[one[1]], asset[one[1]]))
    ]  # fmt: skip
