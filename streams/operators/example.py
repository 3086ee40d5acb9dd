"""One asset with one signal, for the examples in docstrings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streams.model.characteristic import NO_LIMITS, Characteristics
from streams.operators.cited import EVIDENCE_AT, FLAGS_AT, FLAT, SIZE_BITS
from streams.operators.slice import Names, Slice, plain_slice
from streams.time.pending import empty_rows


def example_slice(samples: Sequence[tuple[int, float | int | str]], until: int, since: int = 0, names: Names | None = None) -> Slice:
    """GOOD samples (event time, value) of signal `temperature` of asset press-1; texts become codes, as states do.

    >>> example_slice([(1, 2.0)], until=5).rows.time.tolist()
    [1]
    """
    names = names or Names()
    line = names.lines.encode(0, b"acme/hamburg/pressing/line-1")
    lane = names.lanes.encode(line, b"press-1")
    rows = empty_rows(len(samples))
    rows.time[:], rows.signal[:] = [t for t, _ in samples], names.signal(line, "press-1", "temperature", "Cel")
    rows.offset[:] = np.arange(len(samples))
    for n, (_, value) in enumerate(samples):
        if isinstance(value, float):
            rows.value[n : n + 1].view(np.float64)[0] = value
        else:
            rows.value[n] = names.texts.encode(0, value.encode()) if isinstance(value, str) else value
    low, high = np.array([since], np.int64), np.array([until], np.int64)
    return plain_slice(names, np.array([lane], np.int32), low, high, np.array([0, len(samples)]), rows)


def example_points(
    points: Sequence[tuple[int, float]], until: int, window_us: int = 0, limits: Characteristics = NO_LIMITS, since: int = 0,
    names: Names | None = None,
) -> Slice:  # fmt: skip
    """The same signal as a later stage sees it: means of flat windows of a size, or measured values, without orders or evidence.

    >>> example_points([(1, 2.0)], until=5).rows.sequence.tolist()
    [0]
    """
    found = example_slice(points, until, since, names)
    piece = np.zeros(EVIDENCE_AT + 1, np.uint8)
    piece[FLAGS_AT] = FLAT
    found.rows.extra[:], found.rows.sequence[:] = np.arange(len(points)) * len(piece) << SIZE_BITS | len(piece), window_us
    return replace(found, arena=np.tile(piece, max(1, len(points))), limits=limits)
