"""What an epoch stands for: exactly the reference rows and the configuration that it names, or nothing."""

from __future__ import annotations

import pytest

from streams.codec.outputs import avro_bytes
from streams.errors import TaskError
from streams.runners.epoch import Epoch, Row
from streams.runners.reference import ReferenceData
from tests.runners.plant import IDS, LINE, SCHEMAS, configuration, plain_schema

ASSETS = "ref.asset.v1"


def row(offset: int, asset: str) -> Row:
    record = {"line": LINE, "asset": asset, "parent": "c1", "valid_from_us": 0, "revision": 1}
    value = b"\0" + IDS[ASSETS].to_bytes(4, "big") + avro_bytes(plain_schema(ASSETS), record)
    return Row(ASSETS, offset, 0, b"key", value)


def epoch(number: int, rows: int, fingerprint: str = configuration().fingerprint) -> Epoch:
    return Epoch(number, (0,) * 6, {ASSETS: rows}, fingerprint)


def test_an_epoch_is_refused_while_a_row_that_it_names_is_not_read() -> None:
    slow, one = ReferenceData("test", SCHEMAS.get), configuration()
    for read in ([], [row(0, "m1")]):
        slow.add(ASSETS, read)
        with pytest.raises(TaskError, match=f"not read yet.*read_up_to={len(read)}, named_up_to=2, epoch=1"):
            slow.adopted(epoch(1, 2), one)
    slow.add(ASSETS, [row(1, "m2")])
    hierarchy = slow.adopted(epoch(1, 2), one).hierarchy
    assert [hierarchy.chain(LINE, asset, 5) for asset in ("m1", "m2")] == [("m1", "c1", ""), ("m2", "c1", "")]


def test_an_epoch_sees_no_row_beyond_those_that_it_names() -> None:
    fast, one = ReferenceData("test", SCHEMAS.get), configuration()
    fast.add(ASSETS, [row(0, "m1"), row(1, "m2")])
    hierarchy = fast.adopted(epoch(1, 1), one).hierarchy
    assert [hierarchy.chain(LINE, asset, 5) for asset in ("m1", "m2")] == [("m1", "c1", ""), ("m2", "")]


def test_a_row_that_cannot_be_read_counts_as_read_and_is_told_once() -> None:
    data, one = ReferenceData("test", SCHEMAS.get), configuration()
    rubbish = Row(ASSETS, 1, 0, b"key", b"rubbish")
    data.add(ASSETS, [row(0, "m1"), rubbish])
    first, second = data.chain([epoch(0, 1), epoch(1, 2)], one)
    assert (first.refused, second.refused) == ((), ((rubbish, "bad-frame"),))


def test_an_epoch_of_a_configuration_that_is_not_kept_is_refused() -> None:
    with pytest.raises(TaskError, match="names a configuration that is not kept"):
        ReferenceData("test", SCHEMAS.get).adopted(epoch(1, 0, "another"), configuration())
