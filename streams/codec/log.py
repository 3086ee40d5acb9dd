"""Records of one topic partition as columns: what a fetch, an export or a list of messages becomes before decoding.

A fetch holds Kafka record batches (message format v2). They are parsed where they lie: offsets, append times, keys and values
become positions in the buffer; no object a record. Append time is the log's (LogAppendTime) or, on topics catalogued
`append=header`, the header `andon-append-us`, microseconds as decimal digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cramjam
import numpy as np

from streams.codec.crc import crc32c
from streams.errors import DataError
from streams.kernel import I32, I64, NEG, U8, inner, int64, kernel

APPEND_HEADER = b"andon-append-us"
LOG_APPEND_TIME = 1  # timestamp type of a batch


class Log(NamedTuple):
    """Columns of n records in offset order; spans are positions in the buffer, size -1: null. append NEG: unknown."""

    buffer: U8
    offset: I64
    append: I64
    key_at: I64
    key_size: I32
    value_at: I64
    value_size: I32
    headers_at: I64  # from the header count on
    headers_size: I32

    def key(self, n: int) -> bytes | None:
        return self._span(int(self.key_at[n]), int(self.key_size[n]))

    def value(self, n: int) -> bytes | None:
        return self._span(int(self.value_at[n]), int(self.value_size[n]))

    def _span(self, at: int, size: int) -> bytes | None:
        return None if size < 0 else self.buffer[at : at + size].tobytes()

    def headers(self, n: int) -> list[tuple[str, bytes | None]]:
        return parse_headers(self.buffer[self.headers_at[n] : self.headers_at[n] + self.headers_size[n]].tobytes())

    def part(self, start: int, end: int) -> Log:
        return Log._make([self.buffer, *(column[start:end] for column in self[1:])])


def _read_varint(data: bytes, pos: int) -> tuple[int, int]:
    raw = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        raw |= (byte & 127) << shift
        if byte < 128:
            return (raw >> 1) ^ -(raw & 1), pos
        shift += 7


def parse_headers(data: bytes) -> list[tuple[str, bytes | None]]:
    """Headers of one record, from its header count on; nothing where there are none."""
    if not data:
        return []
    count, pos = _read_varint(data, 0)
    found: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        size, pos = _read_varint(data, pos)
        name, pos = data[pos : pos + size].decode("utf-8", "replace"), pos + size
        size, pos = _read_varint(data, pos)
        found.append((name, data[pos : pos + size] if size >= 0 else None))
        pos += max(0, size)
    return found


@lru_cache(4096)
def varint(value: int) -> bytes:
    """A zigzag varint, as records have them."""
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def pack_headers(headers: Sequence[tuple[str, bytes | None]]) -> bytes:
    """The inverse of `parse_headers`."""
    out = [varint(len(headers))]
    for name, value in headers:
        out += (_name(name), varint(-1 if value is None else len(value)), value or b"")
    return b"".join(out)


@lru_cache(1024)
def _name(name: str) -> bytes:
    raw = name.encode()
    return varint(len(raw)) + raw


def log_of(records: Sequence[tuple[int, int, bytes | None, bytes | None, bytes]]) -> Log:
    """Columns of (offset, append time or NEG, key, value, packed headers)."""
    offsets, appends, *spans = zip(*records, strict=True) if records else ((), (), (), (), ())
    columns, parts, at = list[I64 | I32](), list[bytes](), 0
    for column in spans:
        size = np.array([-1 if part is None else len(part) for part in column], np.int32)
        end = at + np.cumsum(size.clip(min=0), dtype=np.int64)
        columns += [end - size.clip(min=0), size]
        parts += filter(None, column)
        at = int(end[-1]) if len(end) else at
    buffer = np.frombuffer(b"".join(parts) or b"\0", np.uint8)
    return Log._make([buffer, np.array(offsets, np.int64), np.array(appends, np.int64), *columns])


@inner
def _signed(buffer: U8, pos: int, size: int) -> int:
    """Big-endian signed integer of 1 to 8 bytes."""
    value = int64(0)
    for k in range(size):
        value = (value << 8) | int64(buffer[pos + k])
    if size < 8 and buffer[pos] > 127:
        value -= int64(1) << int64(8 * size)
    return value


@kernel
def _zigzag(buffer: U8, pos: int, end: int) -> tuple[int, int]:
    """Varint of a record; a negative position where it does not fit."""
    raw, shift = np.uint64(0), 0
    while pos < end and shift < 64:
        byte = buffer[pos]
        pos += 1
        raw |= np.uint64(byte & 127) << np.uint64(shift)
        if byte < 128:
            return int64(raw >> np.uint64(1)) ^ -int64(raw & np.uint64(1)), pos
        shift += 7
    return 0, -1


@kernel
def header_number(buffer: U8, pos: int, end: int, wanted: U8) -> int:
    """Microseconds in the header `wanted` among the headers that begin at pos; NEG where it is missing or no number."""
    count, pos = _zigzag(buffer, pos, end)
    for _ in range(count):
        size, pos = _zigzag(buffer, pos, end)
        if pos < 0 or size < 0 or size > end - pos:
            return NEG
        same = size == wanted.shape[0]
        for k in range(min(size, wanted.shape[0])):
            same = same and buffer[pos + k] == wanted[k]
        pos += size
        size, pos = _zigzag(buffer, pos, end)
        if pos < 0 or size > end - pos:
            return NEG
        if same:
            negative = size > 0 and buffer[pos] == 45
            value, digits = int64(0), 0
            for k in range(1 if negative else 0, size):
                if buffer[pos + k] < 48 or buffer[pos + k] > 57 or digits > 17:
                    return NEG
                value, digits = 10 * value + int64(buffer[pos + k] - 48), digits + 1
            return NEG if digits == 0 else -value if negative else value
        pos += max(0, size)
    return NEG


@kernel
def _parse_batch(
    buffer: U8, pos: int, end: int, count: int, base_offset: int, batch_append: int, in_header: bool, wanted: U8, from_offset: int,
    n: int, out: Log,
) -> int:  # fmt: skip
    """Records of one batch into the columns from row n on; the next row, or -1 where the bytes make no sense."""
    for _ in range(count):
        length, pos = _zigzag(buffer, pos, end)
        if pos < 0 or length < 0 or length > end - pos:
            return -1
        stop = pos + length
        _, pos = _zigzag(buffer, pos + 1, stop)  # attributes; time delta
        if pos < 0:
            return -1
        delta, pos = _zigzag(buffer, pos, stop)
        if pos < 0:
            return -1
        out.offset[n] = base_offset + delta
        size, pos = _zigzag(buffer, pos, stop)
        if pos < 0 or size > stop - pos:
            return -1
        out.key_at[n], out.key_size[n] = pos, size
        size, pos = _zigzag(buffer, pos + max(0, size), stop)
        if pos < 0 or size > stop - pos:
            return -1
        out.value_at[n], out.value_size[n] = pos, size
        pos += max(0, size)
        out.headers_at[n], out.headers_size[n] = pos, stop - pos
        out.append[n] = header_number(buffer, pos, stop, wanted) if in_header else batch_append
        pos = stop
        if out.offset[n] >= from_offset:
            n += 1
    return n


class Batch(NamedTuple):
    """Header of a record batch at `at` of a fetch."""

    at: int
    end: int
    base_offset: int
    next_offset: int
    attributes: int
    max_timestamp_ms: int
    producer_id: int
    records: int

    @property
    def control(self) -> bool:
        return bool(self.attributes & 0x20)

    @property
    def transactional(self) -> bool:
        return bool(self.attributes & 0x10)


HEADER = 61  # bytes of a batch before its records


def batches(data: bytes) -> list[Batch]:
    """Headers of the whole batches of a fetch; a last one that was cut is left out. Checks format and CRC."""
    found, pos, view = [], 0, memoryview(data)
    while len(data) - pos >= HEADER:
        length = int.from_bytes(view[pos + 8 : pos + 12], "big", signed=True)
        end = pos + 12 + length
        if length < HEADER - 12 or end > len(data):
            break
        if data[pos + 16] != 2:
            raise DataError("record batches must have message format 2", magic=data[pos + 16])
        base = int.from_bytes(view[pos : pos + 8], "big", signed=True)
        if crc32c(view[pos + 21 : end]) != int.from_bytes(view[pos + 17 : pos + 21], "big"):
            raise DataError("a record batch is corrupt: its checksum differs", base_offset=base)
        last = int.from_bytes(view[pos + 23 : pos + 27], "big")
        found.append(Batch(
            pos, end, base, base + last + 1, int.from_bytes(view[pos + 21 : pos + 23], "big"),
            int.from_bytes(view[pos + 35 : pos + 43], "big", signed=True), int.from_bytes(view[pos + 43 : pos + 51], "big", signed=True),
            int.from_bytes(view[pos + 57 : pos + 61], "big"),
        ))  # fmt: skip
        pos = end
    return found


_DECOMPRESS = {1: cramjam.gzip.decompress, 3: cramjam.lz4.decompress, 4: cramjam.zstd.decompress}
_XERIAL = b"\x82SNAPPY\x00"  # the Java client cuts snappy into blocks of its own


def _uncompressed(data: memoryview, codec: int) -> bytes:
    try:
        if codec != 2:
            return bytes(_DECOMPRESS[codec](data))
        if bytes(data[:8]) != _XERIAL:
            return bytes(cramjam.snappy.decompress_raw(data))
        pos, parts = 16, []
        while pos < len(data):
            size = int.from_bytes(data[pos : pos + 4], "big")
            parts.append(bytes(cramjam.snappy.decompress_raw(data[pos + 4 : pos + 4 + size])))
            pos += 4 + size
        return b"".join(parts)
    except (KeyError, cramjam.DecompressionError) as error:
        raise DataError("a record batch cannot be decompressed", codec=codec, reason=str(error)) from error


def parse(data: bytes, kept: Sequence[Batch], from_offset: int, in_header: bool) -> Log:
    """Records of the kept batches of a fetch, from `from_offset` on. LogAppendTime is required where it is not in a header."""
    parts: list[bytes | memoryview] = [data]
    size, spans, rows = len(data), [], sum(b.records for b in kept)
    for batch in kept:
        if codec := batch.attributes & 7:
            raw = _uncompressed(memoryview(data)[batch.at + HEADER : batch.end], codec)
            parts.append(raw)
            spans.append((size, size + len(raw)))
            size += len(raw)
        else:
            spans.append((batch.at + HEADER, batch.end))
    buffer = np.frombuffer(data if len(parts) == 1 else b"".join(parts), np.uint8) if data else np.zeros(1, np.uint8)
    out = Log(
        buffer, np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int32),
        np.empty(rows, np.int64), np.empty(rows, np.int32), np.empty(rows, np.int64), np.empty(rows, np.int32),
    )  # fmt: skip
    n = 0
    for batch, (at, end) in zip(kept, spans, strict=True):
        if not in_header and not batch.attributes & 8:
            raise DataError("the topic has CreateTime: choose append=header or LogAppendTime for it", base_offset=batch.base_offset)
        append = 1000 * batch.max_timestamp_ms
        n = _parse_batch(buffer, at, end, batch.records, batch.base_offset, append, in_header, _WANTED, from_offset, n, out)
        if n < 0:
            raise DataError("a record batch cannot be parsed", base_offset=batch.base_offset)
    return out.part(0, n)


_WANTED = np.frombuffer(APPEND_HEADER, np.uint8)
