"""The schema registry: ids of our contracts, contracts of any id.

    with Registry(settings().registry) as registry:
        registry.schema(7)                                   {"type": "record", ...}, or None: there is no such id
        registry.id_of("ot.sample.v1-value", schema)         7

Subjects are named after the topic of whose values they are the contract (Confluent's TOPIC strategy). Schemas are registered
exactly as committed; they are found again whatever their white space, order of attributes or documentation, because those
change nothing in the bytes. Where the registry does not answer, PlatformError: nothing is known, and nothing is assumed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from streams.errors import PlatformError, SchemaError
from streams.shell.settings import RegistrySettings

COMPATIBILITY: Final = "FULL_TRANSITIVE"  # old readers read new records, new readers read old ones, over all versions
V = TypeVar("V")

_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA, _NO_LEVEL = 40401, 40402, 40403, 40408  # Confluent's codes under HTTP 404
_NOT_JSON = -1


def subject_of(topic: str) -> str:
    """The subject of a topic's values.

    >>> subject_of("ot.sample.v1")
    'ot.sample.v1-value'
    """
    return f"{topic}-value"


def _library() -> Any:
    """confluent_kafka.schema_registry; slow to import, and authlib below it warns every user about its own future."""
    with warnings.catch_warnings():
        deprecate = import_module("authlib.deprecate")  # its own filter, `always`, must be there before ours
        warnings.simplefilter("ignore", deprecate.AuthlibDeprecationWarning)
        return import_module("confluent_kafka.schema_registry")


class Registry:
    """A connection to the registry; a context manager. What it has once answered about an id holds for ever."""

    def __init__(self, settings: RegistrySettings, *, timeout_s: float = 10.0) -> None:
        self.settings, self._library = settings, _library()
        self._schemas: dict[int, dict[str, Any]] = {}
        try:
            self._client = self._library.SchemaRegistryClient(
                {**settings.client(), "timeout": timeout_s, "max.retries": 2, "retries.wait.ms": 200, "retries.max.wait.ms": 1000}
            )
        except (ValueError, OSError) as error:
            raise PlatformError("these registry settings cannot be used", url=settings.url, reason=str(error)) from error

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.__exit__(kind, error, trace)

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """The Avro schema of an id, parsed; None: the registry answers that it has no Avro schema of that id."""
        if schema_id not in self._schemas:
            text = self.text(schema_id)
            if text is None:
                return None
            found = json.loads(text)
            self._schemas[schema_id] = found if isinstance(found, dict) else {"type": found}
        return self._schemas[schema_id]

    def text(self, schema_id: int) -> str | None:
        """The Avro schema of an id as the registry has it; None as for `schema`."""
        found = self._found("read a schema", lambda: self._client.get_schema(schema_id), schema_id=schema_id)
        return str(found.schema_str) if found is not None and found.schema_type in (None, "AVRO") else None

    def id_of(self, subject: str, schema: Mapping[str, Any] | str) -> int:
        """Id of one of our contracts under a subject. As text, letter by letter as committed, it is found in any registry; parsed,
        only where the registry sees that white space makes no difference."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        found = self.lookup(subject, text)
        if found is None:
            name = json.loads(text).get("name")
            raise PlatformError("a schema is not registered", subject=subject, name=name, hint="run `andon schemas apply`")
        return found

    def register(self, subject: str, text: str) -> int:
        """Id of the schema under the subject; registered now, as it is written, unless it was already."""
        known = self.lookup(subject, text)
        if known is not None:
            return known
        found = self._asked("register a schema", lambda: self._client.register_schema(subject, self._schema(text)), subject=subject)
        return int(found)

    def versions(self, subject: str) -> list[int]:
        """Versions of a subject, the first one first; none: there is no such subject."""
        found = self._found("list versions", lambda: self._client.get_versions(subject), subject=subject)
        return sorted(found or [])

    def version(self, subject: str, version: int) -> str:
        """Text of one version of a subject."""
        found = self._asked("read a version", lambda: self._client.get_version(subject, version), subject=subject, version=version)
        return str(found.schema.schema_str)

    def compatible(self, subject: str, text: str) -> list[int]:
        """The versions of the subject that the registry does not hold compatible with `text`, at the subject's level."""
        schema = self._schema(text)
        return [
            version
            for version in self.versions(subject)
            if not self._asked(
                "compare a schema",
                lambda version=version: self._client.test_compatibility(subject, schema, version),  # type: ignore[misc]
                subject=subject,
            )
        ]

    def compatibility(self, subject: str) -> str | None:
        """Level of a subject; None: nobody has set one."""
        return self._found("read a compatibility", lambda: self._client.get_compatibility(subject), subject=subject)

    def set_compatibility(self, subject: str, level: str = COMPATIBILITY) -> None:
        """Level of a subject, which need not exist yet."""
        self._asked("set a compatibility", lambda: self._client.set_compatibility(subject, level), subject=subject, level=level)

    def _schema(self, text: str) -> Any:
        return self._library.Schema(text, "AVRO")

    def lookup(self, subject: str, text: str) -> int | None:
        """Id of a schema under a subject; None: it is not registered there."""
        schema = self._schema(text)
        for normalize in (True, False):  # a registry that compares letter by letter finds it only as it was written
            found = self._found("look a schema up", lambda n=normalize: self._client.lookup_schema(subject, schema, n), subject=subject)  # type: ignore[misc]
            if found is not None:
                return int(found.schema_id)
        return None

    def _found(self, what: str, call: Callable[[], V], **values: Any) -> V | None:
        """The answer, or None where the registry itself says that it does not have it.

        Any other 404 comes from something else that listens there; to take it for an unknown schema would condemn records.
        """
        try:
            return self._asked(what, call, **values)
        except PlatformError as error:
            if error.values.get("code") in (_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA, _NO_LEVEL):
                return None
            raise

    def _asked(self, what: str, call: Callable[[], V], **values: Any) -> V:
        try:
            return call()
        except self._library.SchemaRegistryError as error:
            if error.http_status_code in (409, 422):
                raise SchemaError("the registry refuses a schema", **values, reason=error.error_message) from error
            code, message = error.error_code, error.error_message
            if code is None or code == _NOT_JSON:
                raise PlatformError(
                    f"what answers is no schema registry; asked it to {what}", url=self.settings.url, status=error.http_status_code,
                    hint="ANDON_REGISTRY__URL must have the path of its Confluent-compatible interface",
                ) from error  # fmt: skip
            raise PlatformError(
                f"the registry does not {what}", **values, url=self.settings.url, status=error.http_status_code, code=code, reason=message
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PlatformError("the registry cannot be reached", url=self.settings.url, asked=what, reason=reason) from error
