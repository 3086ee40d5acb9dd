"""Record batches as Kafka's own clients write them come out as they went in."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streams.codec.log import batches, log_of, pack_headers, parse, parse_headers
from streams.errors import DataError
from streams.kernel import NEG
from tests.seeds import randoms


def batch(records: list[tuple[Any, Any, list[Any]]], codec: int, base: int, append_ms: int = 5000, log_append: bool = True) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    for n, (key, value, headers) in enumerate(records):
        assert builder.append(n, 123, key, value, headers)
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")
    if log_append:  # what the broker writes into a batch of a LogAppendTime topic
        raw[22] |= 8
        raw[35:43] = append_ms.to_bytes(8, "big")
        from streams.codec.crc import crc32c

        raw[17:21] = crc32c(bytes(raw[21:])).to_bytes(4, "big")
    return bytes(raw)


def random_records(random: Random) -> list[tuple[Any, Any, list[Any]]]:
    def blob() -> Any:
        return random.choice([None, b"", random.randbytes(random.randint(1, 300))])

    return [(blob(), blob(), [("h", blob()), ("andon-append-us", b"%d" % random.randint(-9, 10**15))][: random.randint(0, 2)])
            for _ in range(random.randint(1, 20))]  # fmt: skip


@given(random=randoms(), codec=st.sampled_from([0, 1, 2, 3, 4]))
def test_comes_out_as_it_went_in(random: Random, codec: int) -> None:
    groups, base, data, wanted = [random_records(random) for _ in range(random.randint(1, 4))], 7, b"", []
    for group in groups:
        data += batch(group, codec, base)
        wanted += [(base + n, *record) for n, record in enumerate(group)]
        base += len(group) + random.randint(0, 3)  # control markers leave gaps
    start = random.randint(0, base)
    headers = random.random() < 0.5
    log = parse(data + data[:40], batches(data + data[:40]), start, headers)  # the last batch of a fetch may be cut
    left = [w for w in wanted if w[0] >= start]
    assert [(int(log.offset[n]), log.key(n), log.value(n), log.headers(n)) for n in range(len(log.offset))] == left
    for n, (_, _, _, own) in enumerate(left):
        given_ = dict(own).get("andon-append-us")
        assert log.append[n] == ((NEG if given_ is None else int(given_)) if headers else 5_000_000)


def test_create_time_is_refused() -> None:
    data = batch([(b"k", b"v", [])], 0, 0, log_append=False)
    with pytest.raises(DataError, match="append=header or LogAppendTime"):
        parse(data, batches(data), 0, False)


def test_a_flipped_bit_is_found() -> None:
    data = bytearray(batch([(b"k", b"v" * 50, [])], 0, 0))
    data[90] ^= 1
    with pytest.raises(DataError, match="checksum"):
        batches(bytes(data))


def test_records_from_a_list() -> None:
    headers = [("a", b"1"), ("b", None)]
    log = log_of([(3, 10, b"key", None, pack_headers(headers)), (5, NEG, None, b"value", b"")])
    assert [(log.key(n), log.value(n), log.headers(n)) for n in (0, 1)] == [(b"key", None, headers), (None, b"value", [])]
    assert parse_headers(b"") == []
    assert np.array_equal(log.append, [10, NEG])
