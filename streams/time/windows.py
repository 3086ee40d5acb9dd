"""Windows: half-open stretches of event time, aligned to the epoch 1970-01-01T00:00:00Z.

    tumbling   [n * size, (n + 1) * size)
    hopping    [n * hop, n * hop + size); a sample lies in ceil(size / hop) of them or one fewer
    session    from a sample to `gap` after the last one that followed within `gap`

Source: Akidau et al., The Dataflow Model, PVLDB 8(12), 2015.

>>> WindowSpec.hopping(300, hop_us=60).starts(310)
(60, 120, 180, 240, 300)
>>> WindowSpec.tumbling(10).starts(-1)
(-10,)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streams.errors import require

Shape = Literal["TUMBLING", "HOPPING", "SESSION"]
TUMBLING, HOPPING, SESSION = range(3)
SHAPES: tuple[Shape, ...] = ("TUMBLING", "HOPPING", "SESSION")


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One way of laying windows. size_us: the length, of a session the gap that ends it; hop_us: distance of starts."""

    shape: Shape
    size_us: int
    hop_us: int

    def __post_init__(self) -> None:
        require(self.shape in SHAPES, "unknown window shape", shape=self.shape, known=SHAPES)
        require(self.size_us > 0, "size_us must be positive", size_us=self.size_us)
        require(0 < self.hop_us <= self.size_us, "hop_us must lie in (0, size_us]", hop_us=self.hop_us, size_us=self.size_us)

    @classmethod
    def tumbling(cls, size_us: int) -> WindowSpec:
        return cls("TUMBLING", size_us, size_us)

    @classmethod
    def hopping(cls, size_us: int, *, hop_us: int) -> WindowSpec:
        return cls("HOPPING", size_us, hop_us)

    @classmethod
    def session(cls, gap_us: int) -> WindowSpec:
        return cls("SESSION", gap_us, gap_us)

    @property
    def slots(self) -> int:
        """How many windows of one signal can be open at once."""
        return -(-self.size_us // self.hop_us)

    def starts(self, time_us: int) -> tuple[int, ...]:
        """Starts of the windows that hold an instant, in order; of a session: the one it would open."""
        if self.shape == "SESSION":
            return (time_us,)
        last = time_us // self.hop_us * self.hop_us
        first = last - (self.slots - 1) * self.hop_us
        return tuple(start for start in range(first, last + 1, self.hop_us) if start + self.size_us > time_us)
