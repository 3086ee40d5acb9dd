"""MurmurHash: version 2 places a key in a partition as Kafka's own clients do, version 3 makes ids.

Source: Appleby, SMHasher; org.apache.kafka.common.utils.Utils.murmur2. Both are published and in common use, so that anybody
can compute the partition of a key (librdkafka: partitioner=murmur2_random) and the id of a result (PyPI mmh3).

>>> partition_of(b"acme/hamburg/pressing/line-1", 8)
3
>>> murmur3(b"hello").hex()
'029bbd41b3a7d8cb191dae486a901e5b'
"""

from __future__ import annotations

import struct

import numpy as np

from streams.kernel import U8, int64, kernel

_M = 0x5BD1E995
_HALVES = struct.Struct("<QQ")


@kernel
def _murmur2(data: U8) -> int:
    length, mask = data.shape[0], 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    i = 0
    while length - i >= 4:
        k = int64(data[i]) | int64(data[i + 1]) << 8 | int64(data[i + 2]) << 16 | int64(data[i + 3]) << 24
        k = k * _M & mask
        k ^= k >> 24
        k = k * _M & mask
        h = (h * _M & mask) ^ k
        i += 4
    if length - i == 3:
        h ^= int64(data[i + 2]) << 16
    if length - i >= 2:
        h ^= int64(data[i + 1]) << 8
    if length - i >= 1:
        h = (h ^ int64(data[i])) * _M & mask
    h ^= h >> 13
    h = h * _M & mask
    return int64(h ^ h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key: murmur2, positive, modulo the number of partitions."""
    return int(_murmur2(np.frombuffer(key, np.uint8)) & 0x7FFFFFFF) % partitions


@kernel
def _rotated(x: np.uint64, r: int) -> np.uint64:
    return (x << np.uint64(r)) | (x >> np.uint64(64 - r))


@kernel
def _final(k: np.uint64) -> np.uint64:
    k ^= k >> np.uint64(33)
    k *= np.uint64(0xFF51AFD7ED558CCD)
    k ^= k >> np.uint64(33)
    k *= np.uint64(0xC4CEB9FE1A85EC53)
    return k ^ (k >> np.uint64(33))


@kernel
def _word(data: U8, at: int, size: int) -> np.uint64:
    value = np.uint64(0)
    for k in range(size):
        value |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return value


@kernel
def hash128(data: U8, at: int, size: int) -> tuple[np.uint64, np.uint64]:
    """MurmurHash3 x64 128, seed 0, of a span."""
    c1, c2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
    h1, h2 = np.uint64(0), np.uint64(0)
    i, end = at, at + size
    while end - i >= 16:
        k1, k2 = _word(data, i, 8), _word(data, i + 8, 8)
        h1 ^= _rotated(k1 * c1, 31) * c2
        h1 = (_rotated(h1, 27) + h2) * np.uint64(5) + np.uint64(0x52DCE729)
        h2 ^= _rotated(k2 * c2, 33) * c1
        h2 = (_rotated(h2, 31) + h1) * np.uint64(5) + np.uint64(0x38495AB5)
        i += 16
    rest = end - i
    if rest > 8:
        h2 ^= _rotated(_word(data, i + 8, rest - 8) * c2, 33) * c1
    if rest > 0:
        h1 ^= _rotated(_word(data, i, min(8, rest)) * c1, 31) * c2
    h1 ^= np.uint64(size)
    h2 ^= np.uint64(size)
    h1 += h2
    h2 += h1
    h1, h2 = _final(h1), _final(h2)
    h1 += h2
    h2 += h1
    return h1, h2


@kernel
def _murmur3(data: U8) -> tuple[np.uint64, np.uint64]:
    return hash128(data, 0, data.shape[0])


def murmur3(data: bytes) -> bytes:
    """16 bytes: the two halves, each little-endian, as mmh3.hash_bytes gives them."""
    return _HALVES.pack(*_murmur3(np.frombuffer(data, np.uint8)))
