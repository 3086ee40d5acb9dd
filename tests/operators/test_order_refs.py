"""Orders read from a derived record are those that fastavro reads, in whatever blocks they stand; other bytes are refused."""

from __future__ import annotations

import io
from dataclasses import asdict
from random import Random

import fastavro
import numpy as np
import pytest
from hypothesis import given

from streams.errors import DataError
from streams.model.order import OrderRef
from streams.operators.order_refs import Products, order_refs
from streams.operators.slice import Names
from tests.operators.later import ORDERS_SCHEMA, LaterPlant
from tests.operators.test_laws_of_later_stages import ORDERS
from tests.seeds import randoms
from tests.twin.deviations import Point, product_of


def number(value: int) -> bytes:
    value, found = (value << 1) ^ (value >> 63), bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def in_blocks(refs: list[OrderRef], random: Random) -> bytes:
    """The array cut into blocks, some of them with their size, as any writer may."""
    found, left = b"", refs
    while left:
        count = random.randint(1, len(left))
        items = b"".join(number(len(text.encode())) + text.encode() for ref in left[:count] for text in asdict(ref).values())
        found += number(-count) + number(len(items)) + items if random.random() < 0.5 else number(count) + items
        left = left[count:]
    return found + b"\0"


@given(random=randoms())
def test_any_blocks_are_read_as_fastavro_reads_them(random: Random) -> None:
    texts = ["", "A-1", "Größe", "x" * 200]
    refs = [OrderRef(*(random.choice(texts) for _ in range(4))) for _ in range(random.randint(0, 5))]
    raw = in_blocks(refs, random)
    read = fastavro.schemaless_reader(io.BytesIO(raw), ORDERS_SCHEMA, None)
    assert [asdict(ref) for ref in order_refs(raw)] == read == [asdict(ref) for ref in refs]


@given(random=randoms())
def test_what_is_cut_or_changed_is_read_alike_or_refused(random: Random) -> None:
    raw = bytearray(in_blocks([OrderRef("A", "10", "P", "c1"), OrderRef("B", "", "Größe", "")], random))
    raw[random.randrange(len(raw))] = random.randint(0, 255)
    hostile = bytes(raw[: random.randint(1, len(raw))])
    try:
        found = [asdict(ref) for ref in order_refs(hostile)]
    except DataError:
        return
    assert found == fastavro.schemaless_reader(io.BytesIO(hostile), ORDERS_SCHEMA, None)


def test_bytes_behind_the_array_are_refused() -> None:
    with pytest.raises(DataError, match="no Avro array"):
        order_refs(b"\0\0")


def test_a_product_is_that_of_all_orders_whenever_it_is_asked_for() -> None:
    plant, products = LaterPlant(Random(1), {"m1": [Point(0, "x", 1.0, bytes(16))]}), Products()
    names: Names = plant.names
    for orders in ORDERS:
        code = plant.context(orders)
        for _ in range(2):
            [product] = products.of(names, np.array([code], np.int32)).tolist()
            assert names.texts.decode(product)[0].decode() == product_of(orders)
