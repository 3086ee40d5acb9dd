"""The orders of a derived record, read from the Avro array that `names.contexts` keeps of them.

    array   blocks of (count, items), ended by a count of 0; a negative count is followed by the block's size in bytes
    item    OrderRef: order, operation, product, work_center, each a string of (size, bytes)
    number  zigzag, seven bits a byte, lowest first

Source: Apache Avro 1.12, Specification, binary encoding.

>>> refs = order_refs(bytes([2, 6]) + b"A-1" + bytes([4]) + b"10" + bytes([2]) + b"P" + bytes([0, 0]))
>>> refs
(OrderRef(order='A-1', operation='10', product='P', work_center=''),)
>>> product_of(refs), product_of((*refs, OrderRef("B", "", "Q", ""))), product_of(())
('P', '', '')
"""

from __future__ import annotations

import numpy as np

from streams.errors import DataError
from streams.kernel import I32, grown
from streams.model.order import OrderRef
from streams.operators.slice import Names

NO_PRODUCT = ""


class _Bytes:
    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def number(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.raw):
            raise self.refused()
        self.at += size
        return self.raw[self.at - size : self.at]

    def text(self) -> str:
        try:
            return self.take(self.number()).decode()
        except UnicodeDecodeError as error:
            raise self.refused() from error

    def refused(self) -> DataError:
        return DataError("the orders of a derived record are no Avro array of orders", bytes=self.raw.hex(), at=self.at)


def order_refs(raw: bytes) -> tuple[OrderRef, ...]:
    """The orders of a context, nearest work center first; DataError where the bytes are no array of orders."""
    source, found = _Bytes(raw or b"\0"), list[OrderRef]()
    while count := source.number():
        if count < 0:
            source.number()
        found += [OrderRef(source.text(), source.text(), source.text(), source.text()) for _ in range(abs(count))]
    if source.at != len(source.raw):
        raise source.refused()
    return tuple(found)


def product_of(refs: tuple[OrderRef, ...]) -> str:
    """The product that all orders agree on; empty without an order, and where they are of several products."""
    products = {ref.product for ref in refs}
    return products.pop() if len(products) == 1 else NO_PRODUCT


class Products:
    """Product of each context, as a code of names.texts; every context is read once. Nothing of it goes into a snapshot."""

    def __init__(self) -> None:
        self._names: Names | None = None
        self._code = np.zeros(0, np.int32)
        self._known = 0

    def of(self, names: Names, contexts: I32) -> I32:
        """Product of each of these contexts."""
        if names is not self._names:
            self._names, self._known = names, 0
        count = len(names.contexts)
        self._code = grown(self._code, count)
        for context in range(self._known, count):
            product = product_of(order_refs(names.contexts.decode(context)[0]))
            self._code[context] = names.texts.encode(0, product.encode())
        self._known = count
        return self._code[contexts]
