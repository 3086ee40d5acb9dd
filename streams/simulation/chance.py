"""Chance from a seed: every part of the factory has a stream of its own, so that one part's draws do not move another's.

>>> [between(of(7, "line", place), 0, 1000) for place in (0, 0, 1)]
[848, 848, 625]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.errors import InvalidValue, require

PARTS: Final = ("line", "signals", "gateway", "faults", "orders")


def of(seed: int, part: str, *place: int) -> np.random.Generator:
    """The stream of a part (one of PARTS) at a place. seed: not negative. Depends on nothing else, hash seeds included."""
    require(seed >= 0, "the seed must not be negative", seed=seed)
    if part not in PARTS:
        raise InvalidValue("no such part of the factory", part=part, known=PARTS)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(PARTS.index(part), *place))))


def between(stream: np.random.Generator, low: int, high: int) -> int:
    """A whole number, low <= number < high, all alike."""
    return int(stream.integers(low, high))
