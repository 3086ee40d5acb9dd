"""Durations as people write them.

>>> microseconds("2 s"), microseconds("500ms"), microseconds("1.5 h"), microseconds(250)
(2000000, 500000, 5400000000, 250)
>>> spoken(90_000_000), spoken(2_000_000), spoken(1_500)
('1.5 min', '2 s', '1.5 ms')
"""

from __future__ import annotations

import re
from fractions import Fraction

from streams.errors import InvalidValue

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)\s*")


def microseconds(text: str | int) -> int:
    """A duration: a number with one of us, ms, s, min, h, d; a plain integer is microseconds."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    found = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise InvalidValue("not a duration", given=text, hint="write for example '500 ms', '2 s', '10 min', '1 h', '2 d'")
    value = Fraction(found[1]) * UNITS[found[2]]
    if value.denominator != 1:
        raise InvalidValue("a duration must be a whole number of microseconds", given=text)
    return int(value)


def spoken(duration_us: int) -> str:
    """A duration for people, three digits."""
    unit = next((u for u in ("d", "h", "min", "s", "ms") if abs(duration_us) >= UNITS[u]), "us")
    return f"{duration_us / UNITS[unit]:.3g} {unit}"
