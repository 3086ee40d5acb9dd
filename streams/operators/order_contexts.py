"""Contexts, the orders in force for a sample with the records that say so, as codes that kernels carry.

A code is given when a context is met, and given anew when nobody names it any more. Bound: twice the contexts that were named
when it was last asked, or the least that asking is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.kernel import I32
from streams.model.order import Coordinate, OrderRef
from streams.operators.slice import NO_CONTEXT

LEAST = 256  # contexts that are kept without asking who names them


class Context(NamedTuple):
    refs: tuple[OrderRef, ...]
    evidence: tuple[Coordinate, ...]


NOTHING = Context((), ())


class Contexts:
    """Code NO_CONTEXT is "no order" and stays."""

    def __init__(self, known: Mapping[int, Context] | None = None) -> None:
        self._of = {NO_CONTEXT: NOTHING} | dict(known or {})
        self._code = {context: code for code, context in self._of.items()}
        size = max(self._of) + 1
        self._free = [code for code in range(size - 1, -1, -1) if code not in self._of]
        self._fresh = list(self._of)
        self.given = len(self._of)  # codes, ever; of one that is given anew each time counts
        self._most = max(LEAST, 2 * len(self._of))

    def __len__(self) -> int:
        return len(self._of)

    def __getitem__(self, code: int) -> Context:
        return self._of[code]

    def items(self) -> list[tuple[int, Context]]:
        """(code, context), by code."""
        return sorted(self._of.items())

    def code(self, context: Context) -> int:
        found = self._code.get(context)
        if found is None:
            found = self._free.pop() if self._free else len(self._of)
            self._of[found], self._code[context] = context, found
            self._fresh.append(found)
            self.given += 1
        return found

    def fresh(self) -> list[tuple[int, Context]]:
        """(code, context) of every code given since the last call: for the one table of encoded contexts."""
        found, self._fresh = self._fresh, []
        return [(code, self._of[code]) for code in found if code in self._of]

    @property
    def crowded(self) -> bool:
        """Is it worth to ask which contexts are named?"""
        return len(self._of) > self._most

    def keep(self, named: Iterable[I32]) -> None:
        """Forget all but these. The caller says every code that it may still hand in or out."""
        kept = {NO_CONTEXT}.union(*(codes.tolist() for codes in named))
        for code in [code for code in self._of if code not in kept]:
            del self._code[self._of.pop(code)]
            self._free.append(code)
        self._most = max(LEAST, 2 * len(self._of))
