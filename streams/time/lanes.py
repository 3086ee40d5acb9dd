"""Lanes of a task: what each input's gate knows of each lane, and how far each lane has been released.

A lane is the key for which time is kept: an asset of a line. Its watermark on input i, with A the largest append time and P
the largest claim of that input partition, M the largest event time accepted of the lane, L and D of the lane's class:

    W[i, lane] = max(M[i, lane] - L, P[i], A[i] - D, C[i, lane])

C carries what earlier configurations said when their time ended, so that a watermark never goes back. Defined for every
lane, seen or not. All lanes of a task share these arrays: one row an input, one column a lane.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import I16, I64, NEG, inner, int64, kernel
from streams.time.limits import TimeConfiguration


class Clocks(NamedTuple):
    """Registers of the gates, by input; limits by input and lane class."""

    append: I64  # A
    claim: I64  # P
    lateness: I64  # L [input, class]
    silence: I64  # D [input, class]
    future: I64  # B
    horizon: I64  # H
    conflict: I64


class Lanes(NamedTuple):
    latest: I64  # M [input, lane]
    carried: I64  # C [input, lane]
    lane_class: I16  # [input, lane], index into the class table in force on the input


@inner
def watermark(clocks: Clocks, lanes: Lanes, i: int, lane: int) -> int:
    """W of a lane on one input: records below it are complete."""
    c = lanes.lane_class[i, lane]
    w = max(clocks.claim[i], clocks.append[i] - clocks.silence[i, c])
    return int64(max(w, lanes.carried[i, lane], lanes.latest[i, lane] - clocks.lateness[i, c]))


@inner
def floor_of(clocks: Clocks, i: int, lane_class: int) -> int:
    """What a lane of the class is complete through on an input that never saw it, under the configuration in force."""
    return int64(max(clocks.claim[i], clocks.append[i] - clocks.silence[i, lane_class]))


def new_clocks(inputs: int) -> Clocks:
    def none() -> I64:
        return np.zeros((inputs, 1), np.int64)

    def zero() -> I64:
        return np.zeros(inputs, np.int64)

    return Clocks(np.full(inputs, NEG, np.int64), np.full(inputs, NEG, np.int64), none(), none(), zero(), zero(), zero())


def configured(clocks: Clocks, topics: tuple[str, ...], time: TimeConfiguration) -> Clocks:
    """The same clocks under a configuration."""
    names = time.classes.names
    limits = [time.inputs[topic] for topic in topics]
    return Clocks(
        clocks.append, clocks.claim,
        np.array([[x.lateness_us[c] for c in names] for x in limits], np.int64).reshape(len(topics), len(names)),
        np.array([[x.silence_us[c] for c in names] for x in limits], np.int64).reshape(len(topics), len(names)),
        np.array([x.future_us for x in limits], np.int64),
        np.array([x.horizon_us for x in limits], np.int64),
        np.array([x.conflict_us for x in limits], np.int64),
    )  # fmt: skip


def new_lanes(inputs: int, capacity: int = 16) -> Lanes:
    return Lanes(
        np.full((inputs, capacity), NEG, np.int64), np.full((inputs, capacity), NEG, np.int64), np.zeros((inputs, capacity), np.int16)
    )


def with_lanes(lanes: Lanes, count: int) -> Lanes:
    """Columns for lane codes below `count`; new ones know nothing."""
    if count <= lanes.lane_class.shape[1]:
        return lanes
    capacity = max(count, 2 * lanes.lane_class.shape[1])

    def wide(matrix: I64) -> I64:
        wider = np.full((matrix.shape[0], capacity), NEG, np.int64)
        wider[:, : matrix.shape[1]] = matrix
        return wider

    classes = np.zeros((lanes.lane_class.shape[0], capacity), np.int16)
    classes[:, : lanes.lane_class.shape[1]] = lanes.lane_class
    return Lanes(wide(lanes.latest), wide(lanes.carried), classes)


@kernel
def carry(clocks: Clocks, lanes: Lanes, i: int, count: int) -> None:
    """Before new limits of an input: freeze what those in force say of every lane."""
    for lane in range(count):
        lanes.carried[i, lane] = watermark(clocks, lanes, i, lane)
