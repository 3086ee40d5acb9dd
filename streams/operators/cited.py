"""What a row of a later stage carries beside its columns: the derived record that it is, cited down to raw samples.

A row's `extra` is position * 2^24 + size of a piece of the slice's arena:

    bytes 0-3     code of its context in names.contexts, little-endian
    byte  4       flags: FLAT, the window holds one value only (min = max)
    bytes 5-20    the record's id
    from 21 on    its evidence, the Avro array as it is in the record

An operator that has to remember a point copies its piece (from byte 5 on) into its own state.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.kernel import I32, I64, U8, kernel

SIZE_BITS: Final = 24
SIZE_MASK: Final = (1 << SIZE_BITS) - 1
FLAGS_AT, ID_AT, EVIDENCE_AT = 4, 5, 21
FLAT: Final = 1


@kernel
def _contexts(arena: U8, extra: I64, found: I32) -> None:
    for k in range(extra.shape[0]):
        at = extra[k] >> SIZE_BITS
        found[k] = (
            np.int32(arena[at]) | np.int32(arena[at + 1]) << np.int32(8) | np.int32(arena[at + 2]) << np.int32(16)
            | np.int32(arena[at + 3]) << np.int32(24)
        )  # fmt: skip


def contexts(arena: U8, extra: I64) -> I32:
    """The context of each row."""
    found = np.empty(len(extra), np.int32)
    _contexts(arena, extra, found)
    return found
