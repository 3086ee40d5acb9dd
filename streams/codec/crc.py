"""CRC-32C (Castagnoli), as Kafka uses it for record batches, eight bytes a step.

Source: RFC 3720 appendix B.4; slicing-by-8 of Kounavis and Berry, ISCC 2005.

>>> hex(crc32c(b"123456789"))
'0xe3069283'
"""

from __future__ import annotations

import numpy as np

from streams.kernel import U8, U32, int64, kernel


def _tables() -> U32:
    tables = np.zeros((8, 256), np.uint32)
    for n in range(256):
        c = n
        for _ in range(8):
            c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
        tables[0, n] = c
    for k in range(1, 8):
        before = tables[k - 1]
        tables[k] = (before >> 8) ^ tables[0][before & 255]
    return tables.reshape(-1)


_TABLES = _tables()


@kernel
def _crc32c(data: U8, t: U32) -> int:
    crc, i, n = np.uint32(0xFFFFFFFF), 0, data.shape[0]
    while n - i >= 8:
        low = np.uint32(data[i]) | np.uint32(data[i + 1]) << np.uint32(8)
        a = crc ^ (low | np.uint32(data[i + 2]) << np.uint32(16) | np.uint32(data[i + 3]) << np.uint32(24))
        crc = (
            t[1792 + (a & 255)] ^ t[1536 + (a >> np.uint32(8) & 255)]
            ^ t[1280 + (a >> np.uint32(16) & 255)] ^ t[1024 + (a >> np.uint32(24))]
            ^ t[768 + data[i + 4]] ^ t[512 + data[i + 5]] ^ t[256 + data[i + 6]] ^ t[data[i + 7]]
        )  # fmt: skip
        i += 8
    while i < n:
        crc = t[(crc ^ data[i]) & 255] ^ (crc >> np.uint32(8))
        i += 1
    return int64(crc ^ np.uint32(0xFFFFFFFF))


def crc32c(data: bytes | memoryview) -> int:
    return int(_crc32c(np.frombuffer(data, np.uint8), _TABLES)) & 0xFFFFFFFF
