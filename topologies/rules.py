"""Reads the [rules] part of a configuration: every rule a topology asks for must be there, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.errors import SettingsError
from streams.time.durations import microseconds
from streams.time.windows import WindowSpec


class Rules:
    """Takes rules one by one; `done` refuses what nobody took."""

    def __init__(self, rules: Mapping[str, Any], part: str = "rules") -> None:
        self._rules, self._part, self._taken = rules, part, set[str]()

    def value(self, name: str) -> Any:
        self._taken.add(name)
        if name not in self._rules:
            raise SettingsError(f"[{self._part}] lacks {name}; it has no default")
        return self._rules[name]

    def duration(self, name: str) -> int:
        return microseconds(self.value(name))

    def whole(self, name: str) -> int:
        """A whole number."""
        return self._whole(name, self.value(name))

    def patterns(self, name: str, *, durations: bool) -> tuple[tuple[str, int], ...]:
        """A list of [pattern, whole number], or of [pattern, duration]."""
        return tuple((str(tag), microseconds(number) if durations else self._whole(name, number)) for tag, number in self.value(name))

    def _whole(self, name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise SettingsError(f"[{self._part}] {name} must be a whole number: {value!r}")
        return value

    def windows(self, name: str) -> tuple[WindowSpec, ...]:
        """A list of { tumbling = "10 s" }, { hopping = "5 min", hop = "1 min" }, { session = "30 s" }."""
        return tuple(self._window(one) for one in self.value(name))

    def _window(self, one: Mapping[str, Any]) -> WindowSpec:
        given = set(one)
        if given == {"tumbling"}:
            return WindowSpec.tumbling(microseconds(one["tumbling"]))
        if given == {"hopping", "hop"}:
            return WindowSpec.hopping(microseconds(one["hopping"]), hop_us=microseconds(one["hop"]))
        if given == {"session"}:
            return WindowSpec.session(microseconds(one["session"]))
        raise SettingsError(f"[{self._part}] has a window that is none of tumbling, hopping with hop, session: {dict(one)}")

    def done(self) -> None:
        left = sorted(set(self._rules) - self._taken)
        if left:
            raise SettingsError(f"[{self._part}] has rules that the topology does not know: {', '.join(left)}")
