"""The last points of charts and signals, each with the derived record that it is: rings of one depth, their bytes in one arena.

A point is a time, a value and a piece: the record's id and evidence as in a slice's arena (cited.py), from byte 5 on. While a
slice is folded its points stay where they are, in the slice's arena; `settle` copies those that are still remembered behind it.
So a large slice costs no more memory than a small one. When more than half of the arena is dead, what is alive moves together.

Bound: depth points a ring, each 28 bytes and its piece (16 bytes, and some 50 for each input partition cited).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import F64, I32, I64, U8, grown, inner, int64, kernel
from streams.operators.cited import ID_AT, SIZE_BITS, SIZE_MASK
from streams.operators.slice import Columns

_WASTEFUL = 1 << 16  # bytes below which nothing is moved


class Points(NamedTuple):
    time: I64  # [ring, slot]
    value: F64
    at: I64  # where its piece is: >= 0 in `arena`, < 0: -1 - position in the arena of the slice that is folded
    size: I64
    head: I32  # [ring] slot of the next point
    filled: I32  # [ring] points in it
    arena: U8
    used: I64  # [bytes used, bytes alive]


def new_points(depth: int) -> Points:
    number, nothing = np.zeros((0, depth), np.int64), np.zeros(0, np.int32)
    return Points(number, np.zeros((0, depth)), number, number, nothing, nothing, np.zeros(0, np.uint8), np.zeros(2, np.int64))


def with_rings(points: Points, rings: int) -> Points:
    """Room for that many rings."""
    if rings <= len(points.filled):
        return points
    return points._replace(
        time=grown(points.time, rings, 0), value=grown(points.value, rings, 0), at=grown(points.at, rings, 0),
        size=grown(points.size, rings, 0), head=grown(points.head, rings, 0), filled=grown(points.filled, rings, 0),
    )  # fmt: skip


@inner
def remember(points: Points, ring: int, time: int, value: float, extra: int) -> None:
    """Add a point to a ring; extra: of its row, see cited.py. The oldest one makes room."""
    slot, depth = points.head[ring], points.time.shape[1]
    if points.filled[ring] == depth and points.at[ring, slot] >= 0:
        points.used[1] -= points.size[ring, slot]
    points.time[ring, slot], points.value[ring, slot] = time, value
    points.at[ring, slot] = -1 - ((extra >> SIZE_BITS) + ID_AT)
    points.size[ring, slot] = (extra & SIZE_MASK) - ID_AT
    points.head[ring] = (slot + 1) % depth
    points.filled[ring] = min(depth, points.filled[ring] + 1)


@inner
def slot_of(points: Points, ring: int, back: int) -> int:
    """Slot of the point before the last `back` ones; 0 is the last one."""
    depth = points.time.shape[1]
    return int64((points.head[ring] - 1 - back + 2 * depth) % depth)


@kernel
def _unsettled(points: Points, rings: I64) -> int:
    total = 0
    for ring in rings:
        for slot in range(points.filled[ring]):
            if points.at[ring, slot] < 0:
                total += points.size[ring, slot]
    return int64(total)


@kernel
def _settle(points: Points, rings: I64, source: U8) -> None:
    for ring in rings:
        for slot in range(points.filled[ring]):
            if points.at[ring, slot] >= 0:
                continue
            place, at, size = points.used[0], -1 - points.at[ring, slot], points.size[ring, slot]
            for k in range(size):
                points.arena[place + k] = source[at + k]
            points.at[ring, slot] = place
            points.used[0] += size
            points.used[1] += size


@kernel
def _move(points: Points, target: U8) -> None:
    used = 0
    for ring in range(points.filled.shape[0]):
        for slot in range(points.filled[ring]):
            at, size = points.at[ring, slot], points.size[ring, slot]
            for k in range(size):
                target[used + k] = points.arena[at + k]
            points.at[ring, slot] = used
            used += size
    points.used[0] = used


def settled(points: Points, rings: I64, source: U8) -> Points:
    """Every point of these rings in the own arena; source: the arena of the slice that they came with."""
    more = int(_unsettled(points, rings))
    points = points._replace(arena=grown(points.arena, int(points.used[0]) + more))
    _settle(points, rings, source)
    used, alive = points.used.tolist()
    if used > _WASTEFUL and used > 2 * alive:
        points = compacted(points)
    return points


def compacted(points: Points) -> Points:
    """The same points with nothing between them in the arena."""
    target = np.empty(max(1, int(points.used[1])), np.uint8)
    _move(points, target)
    return points._replace(arena=target)


def points_to_columns(points: Points, rings: I64) -> Columns:
    """Points of some rings, oldest first; where they lay in the arena is not part of it."""
    count = points.filled[rings].astype(np.int64)
    ring = np.repeat(rings, count)
    back = np.repeat(np.cumsum(count), count) - 1 - np.arange(len(ring))
    slot = (points.head[ring] - 1 - back) % points.time.shape[1]
    at, size = points.at[ring, slot], points.size[ring, slot]
    pieces = np.empty(int(size.sum()), np.uint8)
    copy_pieces(points.arena, points.arena, at, size, pieces, np.cumsum(size) - size)
    return {"points": count, "point_time": points.time[ring, slot], "point_value": points.value[ring, slot], "point_size": size,
            "point_bytes": pieces}  # fmt: skip


def points_of_columns(columns: Columns, rings: I64, depth: int) -> Points:
    """What `points_to_columns` was made of."""
    points, count, size = with_rings(new_points(depth), int(rings.max(initial=-1)) + 1), columns["points"], columns["point_size"]
    ring = np.repeat(rings, count)
    slot = np.arange(len(ring)) - np.repeat(np.cumsum(count) - count, count)
    points.time[ring, slot], points.value[ring, slot] = columns["point_time"], columns["point_value"]
    points.at[ring, slot], points.size[ring, slot] = np.cumsum(size) - size, size
    points.filled[rings], points.head[rings] = count, count % depth
    points.used[:] = len(columns["point_bytes"])
    return points._replace(arena=columns["point_bytes"].copy())


@kernel
def copy_pieces(own: U8, source: U8, at: I64, size: I64, target: U8, to: I64) -> None:
    """Copy pieces to their places in the target; at: as in Points."""
    for n in range(at.shape[0]):
        for k in range(size[n]):
            target[to[n] + k] = own[at[n] + k] if at[n] >= 0 else source[-1 - at[n] + k]
