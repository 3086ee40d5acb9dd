"""Remembered points keep their bytes, whatever is moved."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given

from streams.kernel import kernel
from streams.operators.cited import ID_AT, SIZE_BITS
from streams.operators.points import Points, compacted, new_points, points_of_columns, points_to_columns, remember, settled, with_rings
from tests.seeds import randoms


@kernel
def _remember(points: Points, ring: int, time: int, value: float, extra: int) -> None:
    remember(points, ring, time, value, extra)


def ring_of(points: Points, ring: int) -> list[tuple[int, float, bytes]]:
    columns = points_to_columns(points, np.array([ring]))
    end = np.cumsum(columns["point_size"]).tolist()
    pieces = [columns["point_bytes"][b - a : b].tobytes() for a, b in zip(columns["point_size"].tolist(), end, strict=True)]
    return list(zip(columns["point_time"].tolist(), columns["point_value"].tolist(), pieces, strict=True))


@given(random=randoms())
def test_a_ring_holds_its_last_points(random: Random) -> None:
    """Over slices with arenas of their own, moves and snapshots."""
    depth, rings = random.choice([1, 3, 8]), random.randint(1, 5)
    points, wanted = with_rings(new_points(depth), rings), [list[tuple[int, float, bytes]]() for _ in range(rings)]
    for piece in range(random.randint(0, 6)):
        arena = bytearray(random.randbytes(random.randint(0, 9)))
        for n in range(random.randint(0, 20)):
            ring, content = random.randrange(rings), random.randbytes(random.randint(0, 30))
            extra = len(arena) << SIZE_BITS | ID_AT + len(content)
            arena += bytes(ID_AT) + content
            _remember(points, ring, 100 * piece + n, float(n), extra)
            wanted[ring].append((100 * piece + n, float(n), content))
        points = settled(points, np.arange(rings), np.frombuffer(bytes(arena) or b"\0", np.uint8))
        assert points.used[1] == sum(len(content) for own in wanted for _, _, content in own[-depth:])
        if random.random() < 0.4:
            points = compacted(points)
            assert points.used[0] == points.used[1]
        if random.random() < 0.4:
            points = with_rings(points_of_columns(points_to_columns(points, np.arange(rings)), np.arange(rings), depth), rings)
        assert [ring_of(points, ring) for ring in range(rings)] == [own[-depth:] for own in wanted]
