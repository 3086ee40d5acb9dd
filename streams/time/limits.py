"""What the user decides about time: lateness, silence, future bound, horizon, for each input and lane class.

    lateness_us  L   how far a sample may come behind the latest accepted one of its lane and still be on time
    silence_us   D   how far behind append time a lane that says nothing is taken to be complete
    future_us    B   how far ahead of append time an event time is believed
    horizon_us   H   how long, in append time, a sample id is remembered
    conflict_us      how long a sample's payload is remembered to tell a conflict from a duplicate

A lane class names a pair (L, D) and is chosen by the lane's name, so it holds for lanes that nobody has seen yet. None of
these has a default. A configuration must keep B <= L and H >= D + B for every class, with the largest B that was ever in
force: else a claim or a clock could make a fresh sample late, or a redelivered sample count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from streams.errors import require


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTable:
    """Lane classes by name: the first pattern that fits `line path/asset id` decides, else `default`.

    >>> table = ClassTable(patterns=(("acme/*/gateway-*", "buffered"),), default="live")
    >>> table.of("acme/hamburg/press/line-1/gateway-7"), table.of("acme/hamburg/press/line-1/press-1")
    ('buffered', 'live')
    """

    patterns: tuple[tuple[str, str], ...]
    default: str

    def of(self, lane: str) -> str:
        return next((name for pattern, name in self.patterns if fnmatchcase(lane, pattern)), self.default)

    @property
    def names(self) -> tuple[str, ...]:
        """Every class, the default first, then in order of the patterns."""
        return tuple(dict.fromkeys([self.default, *(name for _, name in self.patterns)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """Limits of one input; lateness and silence by lane class."""

    lateness_us: Mapping[str, int]
    silence_us: Mapping[str, int]
    future_us: int
    horizon_us: int
    conflict_us: int

    def __post_init__(self) -> None:
        for field in ("lateness_us", "silence_us"):
            values = dict(getattr(self, field))
            for name, value in values.items():
                require(value >= 0, f"{field} must not be negative", lane_class=name, value=value)
            object.__setattr__(self, field, MappingProxyType(values))
        require(set(self.lateness_us) == set(self.silence_us), "lateness_us and silence_us must name the same lane classes",
                lateness_us=sorted(self.lateness_us), silence_us=sorted(self.silence_us))  # fmt: skip
        require(self.future_us >= 0, "future_us must not be negative", future_us=self.future_us)
        require(0 <= self.conflict_us <= self.horizon_us, "conflict_us must lie between 0 and horizon_us",
                conflict_us=self.conflict_us, horizon_us=self.horizon_us)  # fmt: skip

    def check(self, name: str, classes: tuple[str, ...], future_us_highest: int) -> None:
        """Refuse limits that would let a fresh sample be late or a redelivered one count twice.

        `future_us_highest`: the largest future_us this input ever had; lowering it frees neither horizon nor lateness.
        """
        missing = [c for c in classes if c not in self.lateness_us]
        require(not missing, "lateness_us and silence_us must be given for every lane class", input=name, missing=missing)
        bound = max(future_us_highest, self.future_us)
        for c in classes:
            require(bound <= self.lateness_us[c], "lateness_us must be at least the largest future_us ever in force",
                    input=name, lane_class=c, lateness_us=self.lateness_us[c], future_us=bound)  # fmt: skip
            require(self.horizon_us >= self.silence_us[c] + bound, "horizon_us must be at least silence_us + future_us",
                    input=name, lane_class=c, horizon_us=self.horizon_us, silence_us=self.silence_us[c], future_us=bound)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeConfiguration:
    """Lane classes and the limits of every input, by topic: what gates work by between two epochs."""

    classes: ClassTable
    inputs: Mapping[str, InputLimits]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))

    def check(self, future_us_highest: Mapping[str, int]) -> None:
        for name, limits in self.inputs.items():
            limits.check(name, self.classes.names, future_us_highest.get(name, 0))
