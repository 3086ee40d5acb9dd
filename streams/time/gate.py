"""The gate of one input partition: which samples are on time.

A pure sequential function of the partition alone. With A = running maximum of append time, the record included, and the
limits of the lane's class (limits.py), each sample of a message is judged in this order:

    known id (source, boot, sequence) within H     -> DUPLICATE; within the conflict stretch with another payload CONFLICT
    event time > A + B                             -> FUTURE; its lane's M does not move
    event time < W                                 -> LATE
    else                                           -> ACCEPTED; M = max(M, event time)

W is read once a message, before any of its samples moves M, so that the verdicts of a gateway that keeps each lane in time
order do not depend on where it cuts its messages. A record that is not DATA has no sample: BLANK moves A; HEARTBEAT moves M
of the lanes it names, unless its time is beyond A + B; CLAIM moves P to at most A. A record that could not be decoded moves
A only. Source: docs/architecture.md section 2; executable model in tests/twin/gate.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.errors import TaskError
from streams.kernel import B1, I8, I32, I64, NEG, U64, grown, inner, int64, kernel
from streams.time import contents, fingerprints, ranges
from streams.time.contents import Contents
from streams.time.fingerprints import Fingerprints
from streams.time.lanes import Clocks, Lanes, watermark
from streams.time.ranges import Ranges

DATA, BLANK, HEARTBEAT, CLAIM, DEAD = range(5)  # kinds of a record, as the gate sees them
ACCEPTED, DUPLICATE, CONFLICT, FUTURE, LATE = range(5)  # verdicts of a sample
FATES = ("accepted", "duplicate", "conflict", "future", "late")
UNNUMBERED = NEG  # `first` of a message whose samples are identified by their content

_DONE, _RANGES, _CONTENTS, _FINGERPRINTS = range(4)


class Messages(NamedTuple):
    """Records of one partition in offset order. Columns of one length n, `row` and `beat` of n + 1."""

    append: I64  # append time; NEG: unknown, A does not move
    kind: I8
    source: I32  # code of (source, boot)
    first: I64  # sequence number of its first sample, or UNNUMBERED
    through: I64  # HEARTBEAT, CLAIM
    row: I64  # its samples are rows row[k] .. row[k + 1] - 1
    beat: I64  # its heartbeat lanes are lanes beat[k] .. beat[k + 1] - 1 of `beats`
    beats: I32


class Samples(NamedTuple):
    """Samples of the messages, in order. `identity` has a row for each sample, or none where all are numbered."""

    lane: I32
    time: I64
    fingerprint: U64
    identity: U64  # [row, 2] 128-bit hash of the content


class Touched(NamedTuple):
    """Lanes whose own watermark moved or that got a sample, since the last time the list was emptied."""

    flag: I8  # [lane]
    lanes: I32
    counts: I64  # [lanes listed]


@inner
def touch(touched: Touched, lane: int) -> None:
    if not touched.flag[lane]:
        touched.flag[lane] = 1
        touched.lanes[touched.counts[0]] = lane
        touched.counts[0] += 1


@inner
def _known(
    clocks: Clocks, i: int, r: Ranges, c: Contents, messages: Messages, samples: Samples, m: int, known: B1
) -> None:
    row, end = messages.row[m], messages.row[m + 1]
    if messages.first[m] == UNNUMBERED:
        for k in range(row, end):
            known[k] = contents.see(c, samples.identity[k, 0], samples.identity[k, 1], clocks.append[i], clocks.horizon[i])
    else:
        ranges.see(r, messages.source[m], messages.first[m], end - row, clocks.append[i], clocks.horizon[i], known, row)


@inner
def _in_time(clocks: Clocks, lanes: Lanes, i: int, lane: int, time: int) -> tuple[int, int]:
    """Verdict of a sample that is new, and the bound it was held against."""
    highest = clocks.append[i] + clocks.future[i]
    if time > highest:
        return FUTURE, highest
    w = watermark(clocks, lanes, i, lane)
    return LATE if time < w else ACCEPTED, w


@inner
def _accept(lanes: Lanes, i: int, touched: Touched, samples: Samples, row: int, end: int, verdict: I8) -> None:
    """Behind a message: the accepted ones of its samples move their lanes' M."""
    for k in range(row, end):
        if verdict[k] == ACCEPTED:
            lane = samples.lane[k]
            lanes.latest[i, lane] = max(lanes.latest[i, lane], samples.time[k])
            touch(touched, lane)


@inner
def _judge_message(
    clocks: Clocks, lanes: Lanes, i: int, f: Fingerprints, touched: Touched, messages: Messages, samples: Samples, m: int,
    known: B1, verdict: I8, bound: I64,
) -> None:  # fmt: skip
    row, end, first = messages.row[m], messages.row[m + 1], messages.first[m]
    numbered, tick = first != UNNUMBERED, fingerprints.tick_of(clocks.append[i], clocks.conflict[i])
    for k in range(row, end):
        if known[k]:
            other = numbered and fingerprints.conflicts(
                f, messages.source[m], first + k - row, samples.fingerprint[k], tick
            )
            verdict[k], bound[k] = CONFLICT if other else DUPLICATE, 0
            continue
        if numbered:
            fingerprints.remember(f, messages.source[m], first + k - row, samples.fingerprint[k], tick)
        verdict[k], bound[k] = _in_time(clocks, lanes, i, samples.lane[k], samples.time[k])
    _accept(lanes, i, touched, samples, row, end, verdict)


@kernel
def _judge(
    clocks: Clocks, lanes: Lanes, i: int, r: Ranges, c: Contents, f: Fingerprints, touched: Touched, messages: Messages,
    samples: Samples, known: B1, verdict: I8, bound: I64, start: int,
) -> tuple[int, int]:  # fmt: skip
    """Judge messages from `start` on. Stops before a message for which an array has no room: (its index, which array)."""
    for m in range(start, messages.kind.shape[0]):
        kind, rows = messages.kind[m], messages.row[m + 1] - messages.row[m]
        if kind == DATA:
            if messages.first[m] == UNNUMBERED:
                if 2 * (c.counts[0] + rows) > c.mark.shape[0]:
                    return m, _CONTENTS
            elif ranges.room(r) < 2 or messages.source[m] >= r.head.shape[0]:
                return m, _RANGES
            elif fingerprints.room(f) < rows // fingerprints.PAGE + 2:
                return m, _FINGERPRINTS
        clocks.append[i] = max(clocks.append[i], messages.append[m])
        if kind == DATA:
            _known(clocks, i, r, c, messages, samples, m, known)
            _judge_message(clocks, lanes, i, f, touched, messages, samples, m, known, verdict, bound)
        elif kind == CLAIM:
            clocks.claim[i] = max(clocks.claim[i], min(messages.through[m], clocks.append[i]))
        elif kind == HEARTBEAT and messages.through[m] <= clocks.append[i] + clocks.future[i]:
            for b in range(messages.beat[m], messages.beat[m + 1]):
                lane = messages.beats[b]
                lanes.latest[i, lane] = max(lanes.latest[i, lane], messages.through[m])
                touch(touched, lane)
    return messages.kind.shape[0], _DONE


@kernel
def _judge_increasing(
    clocks: Clocks, lanes: Lanes, i: int, following: I64, touched: Touched, messages: Messages, samples: Samples, verdict: I8, bound: I64
) -> int:  # fmt: skip
    """Judge DATA messages whose numbers only grow: no id is known. The first message that is none such, else their count."""
    for m in range(messages.kind.shape[0]):
        row, end, source = messages.row[m], messages.row[m + 1], messages.source[m]
        if messages.kind[m] != DATA or messages.first[m] < following[source]:
            return m
        following[source] = messages.first[m] + end - row
        clocks.append[i] = max(clocks.append[i], messages.append[m])
        for k in range(row, end):
            verdict[k], bound[k] = _in_time(clocks, lanes, i, samples.lane[k], samples.time[k])
        _accept(lanes, i, touched, samples, row, end, verdict)
    return int64(messages.kind.shape[0])


class Gate:
    """What one input partition's gate remembers beside the clocks and lanes it shares with the task's other inputs."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.ranges, self.contents, self.fingerprints = ranges.empty(), contents.empty(), fingerprints.empty()
        self._following: I64 = np.zeros(0, np.int64)  # of each source whose numbers only grow: the lowest that may come
        self._swept = 1024  # live ranges at which forgotten ones are looked for

    def judge(
        self, clocks: Clocks, lanes: Lanes, touched: Touched, messages: Messages, samples: Samples
    ) -> tuple[I8, I64]:
        """Verdict of each sample; and the bound it was held against: LATE its watermark, FUTURE the highest time believed.

        Moves the clocks and the lanes' M. Lane codes must be below the columns of `lanes` and `touched`.
        """
        rows, start, lack = len(samples.lane), 0, _DONE
        known, verdict, bound = np.zeros(rows, np.bool_), np.zeros(rows, np.int8), np.zeros(rows, np.int64)
        while True:
            start, lack = _judge(
                clocks, lanes, self.index, self.ranges, self.contents, self.fingerprints, touched, messages, samples, known,
                verdict, bound, start,
            )  # fmt: skip
            if lack == _DONE:
                return verdict, bound
            self._make_room(clocks, messages, start, lack)

    def judge_increasing(self, clocks: Clocks, lanes: Lanes, touched: Touched, messages: Messages, samples: Samples) -> tuple[I8, I64]:
        """As `judge`, of messages in which each source's numbers only grow, as the lines of a file do: nothing is remembered of ids
        and contents, so an input that was judged so once must always be. TaskError where a number comes again or goes back."""
        rows, sources = len(samples.lane), int(messages.source.max(initial=-1)) + 1
        self._following = grown(self._following, sources, 0)
        verdict, bound = np.zeros(rows, np.int8), np.zeros(rows, np.int64)
        done = _judge_increasing(clocks, lanes, self.index, self._following, touched, messages, samples, verdict, bound)
        if done < len(messages.kind):
            raise TaskError("numbers that were promised to grow do not", number=int(messages.first[done]))
        return verdict, bound

    def _make_room(self, clocks: Clocks, messages: Messages, start: int, lack: int) -> None:
        append_us, i = int(clocks.append[self.index]), self.index
        rows = int(messages.row[start + 1] - messages.row[start])
        if lack == _RANGES:
            live = int(self.ranges.counts[2])
            if live >= self._swept:
                ranges.forget(self.ranges, append_us, int(clocks.horizon[i]))
                self._swept = 2 * max(512, int(self.ranges.counts[2]))
            sources = max(int(messages.source.max()) + 1, self.ranges.head.shape[0])
            self.ranges = ranges.with_room(self.ranges, max(2, live), sources)
        elif lack == _CONTENTS:
            self.contents = contents.without_forgotten(self.contents, append_us, int(clocks.horizon[i]), rows)
        else:
            pages = rows // fingerprints.PAGE + 2
            self.fingerprints = fingerprints.without_forgotten(
                self.fingerprints, append_us, int(clocks.conflict[i]), max(pages, 16)
            )

    def forget(self, clocks: Clocks) -> None:
        """Drop what no verdict depends on any more, under the limits in force. Exact; called at an epoch and a snapshot."""
        append_us, i = int(clocks.append[self.index]), self.index
        ranges.forget(self.ranges, append_us, int(clocks.horizon[i]))
        self.contents = contents.without_forgotten(self.contents, append_us, int(clocks.horizon[i]))
        self.fingerprints = fingerprints.without_forgotten(self.fingerprints, append_us, int(clocks.conflict[i]))

    def adopt(self, clocks: Clocks, conflict_us: int) -> None:
        """Before new limits: what the old ones have forgotten stays forgotten. Another conflict stretch starts empty."""
        self.forget(clocks)
        if conflict_us != int(clocks.conflict[self.index]):
            self.fingerprints = fingerprints.empty()


def new_touched(capacity: int = 16) -> Touched:
    return Touched(np.zeros(capacity, np.int8), np.zeros(capacity, np.int32), np.zeros(1, np.int64))


def touched_with_lanes(touched: Touched, count: int) -> Touched:
    return Touched(grown(touched.flag, count, 0), grown(touched.lanes, count, 0), touched.counts)


def emptied(touched: Touched) -> I32:
    """The touched lanes; the list is empty afterwards."""
    lanes = touched.lanes[: int(touched.counts[0])].copy()
    touched.flag[lanes] = 0
    touched.counts[0] = 0
    return lanes


__all__ = [
    "ACCEPTED", "BLANK", "CLAIM", "CONFLICT", "DATA", "DEAD", "DUPLICATE", "FATES", "FUTURE", "HEARTBEAT", "LATE", "UNNUMBERED",
    "Gate", "Messages", "Samples", "Touched", "emptied", "new_touched", "touch", "touched_with_lanes",
]  # fmt: skip
