"""Every error that a plant, an operator of the product or a caller can cause.

    AndonError                  fact, then detail, then hint; `exit_code` for the command line
    ├── InvalidValue            an argument that breaks a contract (also a ValueError)
    ├── SettingsError           a setting or a configuration file; names the setting and the reason
    ├── DataError               input that cannot be used; names the record and the reason
    │   ├── SchemaError         a schema that is not accepted, or not compatible
    │   └── MappingError        a mapping file of `andon ingest`
    ├── TaskError               a task that cannot keep a promise and stops
    │   ├── GapError            records are missing between the state and the log
    │   ├── SnapshotError       a snapshot that cannot be used
    │   ├── FencedError         another owner has taken the task over
    │   └── BudgetError         a stated bound is reached
    └── PlatformError           Kafka, the registry, a file or a process that this program needs

Only a bug breaks an `assert`; whatever the world can do raises one of these.
"""

from __future__ import annotations

from typing import Any


class AndonError(Exception):
    """Fact first, then the values, then what to do about it.

    >>> str(AndonError("no such topic", hint="run `andon topics apply`", topic="ot.sample.v1"))
    "no such topic: topic='ot.sample.v1' (run `andon topics apply`)"
    """

    exit_code = 1

    def __init__(self, fact: str, /, *, hint: str = "", **values: Any) -> None:
        detail = ", ".join(f"{name}={value!r}" for name, value in values.items())
        super().__init__(fact + (f": {detail}" if detail else "") + (f" ({hint})" if hint else ""))
        self.fact, self.hint, self.values = fact, hint, values


class InvalidValue(AndonError, ValueError):
    exit_code = 2


class SettingsError(AndonError):
    exit_code = 2


class DataError(AndonError):
    exit_code = 3


class SchemaError(DataError):
    pass


class MappingError(DataError):
    exit_code = 2


class TaskError(AndonError):
    exit_code = 4


class GapError(TaskError):
    pass


class SnapshotError(TaskError):
    pass


class FencedError(TaskError):
    pass


class BudgetError(TaskError):
    pass


class PlatformError(AndonError):
    exit_code = 5


def require(condition: object, fact: str, /, *, hint: str = "", **values: Any) -> None:
    """Refuse a value of the caller's.

    >>> require(1 > 2, "size_us must be positive", size_us=-1)
    Traceback (most recent call last):
    streams.errors.InvalidValue: size_us must be positive: size_us=-1
    """
    if not condition:
        raise InvalidValue(fact, hint=hint, **values)
