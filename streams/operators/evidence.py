"""Evidence: which input records made a result, in six integers an input topic.

    (first offset, first index, last offset, last index, count, checksum)

smallest and largest coordinate, how many samples, and the sum modulo 2^64 of splitmix64(offset * 2^20 + index): the sum does
not depend on order, so whoever selects the same samples by any means gets the same number.
"""

from __future__ import annotations

import numpy as np

from streams.kernel import I64, inner, int64, kernel

FIRST_OFFSET, FIRST_INDEX, LAST_OFFSET, LAST_INDEX, COUNT, CHECKSUM = range(6)
WIDTH = 6


@kernel
def mixed(offset: int, index: int) -> np.uint64:
    """splitmix64 (Steele, Lea, Flood 2014) of a coordinate."""
    z = np.uint64(offset) * np.uint64(1 << 20) + np.uint64(index) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inner
def cite(evidence: I64, row: int, column: int, offset: int, index: int) -> None:
    """Add a sample to the evidence in evidence[row, 6 * column ...]."""
    at = WIDTH * column
    if evidence[row, at + COUNT] == 0 or (offset, index) < (evidence[row, at], evidence[row, at + FIRST_INDEX]):
        evidence[row, at + FIRST_OFFSET], evidence[row, at + FIRST_INDEX] = offset, index
    if evidence[row, at + COUNT] == 0 or (offset, index) > (evidence[row, at + LAST_OFFSET], evidence[row, at + LAST_INDEX]):
        evidence[row, at + LAST_OFFSET], evidence[row, at + LAST_INDEX] = offset, index
    evidence[row, at + COUNT] += 1
    total = np.uint64(evidence[row, at + CHECKSUM]) + mixed(offset, index)
    evidence[row, at + CHECKSUM] = int64(total)


def checksum(coordinates: list[tuple[int, int]]) -> int:
    """The checksum in plain Python, as a reader of a derived record would write it.

    >>> checksum([(7, 0), (9, 3)]) == checksum([(9, 3), (7, 0)])
    True
    """
    mask, total = (1 << 64) - 1, 0
    for offset, index in coordinates:
        z = ((offset << 20) + index + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        total = (total + (z ^ (z >> 31))) & mask
    return total - (1 << 64) if total >> 63 else total
