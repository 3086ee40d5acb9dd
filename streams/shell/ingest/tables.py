"""Tables of a TOML file, read strictly: what is not asked for is refused, and every error names the file and the key.

>>> table = Table({"name": "press", "colour": "red"}, file="m.toml")
>>> table.text("name")
'press'
>>> table.end()
Traceback (most recent call last):
streams.errors.MappingError: m.toml has a key that is not known: key='colour', known=['name']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, Literal, NoReturn, TypeVar, overload

from streams.errors import AndonError, MappingError
from streams.time.durations import microseconds

T = TypeVar("T", bound=str)

NAMES = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}


class Table:
    """A table and where it stands. Each reading method takes one key; `end` refuses the keys that nobody has asked for."""

    def __init__(self, content: Mapping[str, Any], file: str, path: str = "") -> None:
        self.file, self.path = file, path
        self._content, self._asked = content, set[str]()

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def is_table(self, key: str) -> bool:
        return isinstance(self._content.get(key), dict)

    def key(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def fail(self, fact: str, key: str, /, *, hint: str = "", **values: Any) -> NoReturn:
        raise MappingError(f"{self.file} {fact}", hint=hint, key=self.key(key) if key else self.path, **values)

    def end(self) -> None:
        unknown = sorted(set(self._content) - self._asked)
        if unknown:
            self.fail("has a key that is not known", unknown[0], known=sorted(self._asked))

    def _value(self, key: str, kind: type, required: bool) -> Any:
        self._asked.add(key)
        if key not in self._content:
            if required:
                self.fail("lacks a key", key)
            return None
        value = self._content[key]
        whole = kind is float and isinstance(value, int) and not isinstance(value, bool)
        if not whole and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            self.fail(f"must have {NAMES[kind]} here", key, given=value)
        return value

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, default: str) -> str: ...
    @overload
    def text(self, key: str, default: None) -> str | None: ...
    def text(self, key: str, default: str | None | EllipsisType = ...) -> str | None:
        value = self._value(key, str, default is ...)
        return value if value is not None or default is ... else default

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._value(key, bool, required=False)
        return default if value is None else bool(value)

    def number(self, key: str) -> float | None:
        value = self._value(key, float, required=False)
        return None if value is None else float(value)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        value = self._value(key, int, required=False)
        if value is not None and not low <= value <= high:
            self.fail(f"must have a number from {low} to {high} here", key, given=value)
        return default if value is None else int(value)

    def choice(self, key: str, among: Sequence[T], default: T | None = None) -> T:
        value = self._value(key, str, default is None)
        return self.one_of(key, default if value is None else value, among)

    def one_of(self, key: str, value: Any, among: Sequence[T]) -> T:
        found = next((each for each in among if each == value), None)
        if found is None:
            self.fail("must have one of the known words here", key, given=value, known=list(among))
        return found

    def duration(self, key: str) -> int | None:
        self._asked.add(key)
        if key not in self._content:
            return None
        try:
            value = microseconds(self._content[key])
        except AndonError as error:
            self.fail("must have a duration here", key, hint=error.hint, given=self._content[key])
        if value <= 0:
            self.fail("must have a duration above 0 here", key, given=self._content[key])
        return value

    def texts(self, key: str, *, required: bool = False, or_one: bool = False) -> tuple[str, ...]:
        """A list of texts; `or_one`: a single text stands for a list of one."""
        if or_one and isinstance(self._content.get(key), str):
            return (self.text(key),)
        found = self._value(key, list, required) or []
        if not all(isinstance(each, str) for each in found) or (required and not found):
            self.fail("must have a list of texts here", key, given=found)
        return tuple(found)

    def words(self, key: str) -> dict[str, str] | None:
        """A table of texts."""
        found = self._value(key, dict, required=False)
        if found is not None and not all(isinstance(each, str) for each in found.values()):
            self.fail("must have a table of texts here", key, given=found)
        return None if found is None else dict(found)

    @overload
    def table(self, key: str, required: Literal[True] = ...) -> Table: ...
    @overload
    def table(self, key: str, required: bool) -> Table | None: ...
    def table(self, key: str, required: bool = True) -> Table | None:
        found = self._value(key, dict, required)
        return None if found is None else Table(found, self.file, self.key(key))

    def tables(self, key: str, *, required: bool = True) -> list[Table]:
        found = self._value(key, list, required) or []
        if not all(isinstance(each, dict) for each in found) or (required and not found):
            self.fail("must have a list of tables here", key)
        return [Table(each, self.file, f"{self.key(key)}[{n}]") for n, each in enumerate(found)]
