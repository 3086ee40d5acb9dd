"""A hostile XML file as events: no document type, no entities, nothing fetched, bounded memory, every error with its line.

A file is read a block at a time, so its size does not matter. What could grow without end is bounded: depth, the length of one
token (a tag with its attributes, a comment), the text of an element that is kept. A document type is refused where it begins: without
one there is no entity that could expand or reach for another file. Reading 100 MB takes about 20 s on one core, twice that where a
reader goes over a file twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn
from xml.parsers import expat

from streams.errors import DataError

BLOCK: Final = 1 << 16  # bytes read at a time
DEPTH_MAX: Final = 64
TOKEN_MAX: Final = 1 << 20  # bytes that the parser may hold back until a tag or a comment is complete
TEXT_MAX: Final = 4_096  # letters kept of an element's text


class Event(NamedTuple):
    """The begin or the end of an element. name: local name in the namespace asked for, else `{namespace}name`.

    text: at the end of an element without children its text without blanks around, None where it is longer than TEXT_MAX;
    else empty. line: where the tag begins, from 1.
    """

    begins: bool
    name: str
    attributes: Mapping[str, str]
    text: str | None
    line: int


def refuse(path: Path, line: int, element: str, fact: str, /, *, hint: str = "", **values: Any) -> NoReturn:
    """DataError with file, line and element."""
    raise DataError(fact, hint=hint, file=str(path), line=line, element=element, **values)


def events(path: Path, namespace: str) -> Iterator[Event]:
    """The elements of a file in their order; DataError where it is not well-formed XML, or more than is bounded here."""
    handler = _Handler(path, namespace)
    parser, fed = handler.parser, 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                parser.Parse(block, False)
                fed += len(block)
                yield from handler.taken()
                if fed - max(parser.CurrentByteIndex, 0) > TOKEN_MAX:
                    handler.refuse("a tag or a comment is too long", bytes_max=TOKEN_MAX)
            parser.Parse(b"", True)
            yield from handler.taken()
    except expat.ExpatError as error:
        raise DataError(
            "a file is not well-formed XML", file=str(path), line=error.lineno, element=handler.element,
            reason=expat.ErrorString(error.code),
        ) from error  # fmt: skip
    except OSError as error:
        raise DataError("a file cannot be read", file=str(path), reason=error.strerror) from error
    except (ValueError, LookupError) as error:  # what Python's parser says of an encoding that it does not know
        raise DataError("a file is not well-formed XML", file=str(path), line=parser.CurrentLineNumber, reason=str(error)) from error


class _Handler:
    """Collects the events of one block."""

    def __init__(self, path: Path, namespace: str) -> None:
        self._path, self._prefix = path, namespace + "}"
        self._open: list[tuple[str, int]] = []
        self._events: list[Event] = []
        self._text: list[str] = []
        self._letters, self._leaf = 0, False
        parser = self.parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._characters, self._document_type
        parser.EntityDeclHandler = self._entity

    @property
    def element(self) -> str:
        return "/".join(name for name, _ in self._open)

    def taken(self) -> list[Event]:
        found, self._events = self._events, []
        return found

    def refuse(self, fact: str, **values: Any) -> NoReturn:
        refuse(self._path, self.parser.CurrentLineNumber, self.element, fact, **values)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        local = name.removeprefix(self._prefix) if name.startswith(self._prefix) else f"{{{name}" if "}" in name else f"{{}}{name}"
        line = self.parser.CurrentLineNumber
        self._open.append((local, line))
        if len(self._open) > DEPTH_MAX:
            self.refuse("elements are nested too deeply", depth_max=DEPTH_MAX)
        self._text, self._letters, self._leaf = [], 0, True
        self._events.append(Event(True, local, attributes, "", line))

    def _end(self, _: str) -> None:
        name, line = self._open.pop()
        text = "" if not self._leaf else None if self._letters > TEXT_MAX else "".join(self._text).strip()
        self._leaf = False
        self._events.append(Event(False, name, {}, text, line))

    def _characters(self, text: str) -> None:
        self._letters += len(text)
        if self._leaf and self._letters <= TEXT_MAX:
            self._text.append(text)

    def _document_type(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        self.refuse("a file has a document type, which may name entities and other files", document_type=name)

    def _entity(self, name: str, *_: Any) -> None:
        self.refuse("a file declares an entity", entity=name)
