"""Hashes against independent implementations."""

import mmh3
from aiokafka.partitioner import murmur2 as other_murmur2
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.codec.crc import crc32c
from streams.codec.murmur import murmur3, partition_of


@given(st.binary(max_size=100))
def test_murmur3(data: bytes) -> None:
    assert murmur3(data) == mmh3.hash_bytes(data)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 100))
def test_partition_is_that_of_kafkas_clients(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (other_murmur2(key) & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=300))
def test_crc32c(data: bytes) -> None:
    assert crc32c(data) == calc_crc32c(data)
