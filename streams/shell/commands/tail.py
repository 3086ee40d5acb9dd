"""andon tail: the records of a topic, decoded, a JSON object a line."""

from __future__ import annotations

import io
import json
import os
import select
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from streams import configuration as configurations
from streams.catalogue import Append
from streams.configuration import Configuration
from streams.errors import InvalidValue, require

BEGINNING, END = "beginning", "end"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(tail)


def tail(
    topic: Annotated[str, typer.Argument(help="Name in the catalogue, or any topic of the cluster.")],
    config: Annotated[Path | None, typer.Option("--config", help="Configuration: says which topics bear append time in a header.")] = None,
    partition: Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition.")] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="beginning, end, an offset of the --partition, or -N: the last N offsets of each partition.",
                     show_default="end; with --until-end: beginning"),
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at what is there now: committed, at the time of the call.")] = False,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Stop after so many printed records.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Decode nothing: key, headers and value in base64, frontier records too.")] = False,
    frontiers: Annotated[bool, typer.Option("--frontiers", help="Also frontier records, which hold no result.")] = False,
    pretty: Annotated[bool, typer.Option("--pretty", help="Lines for people instead of JSON.")] = False,
) -> None:  # fmt: skip
    """Print the committed records of a topic, a JSON object a line, in offset order within each partition.

    Instants are integers (microseconds), bytes base64, NaN and infinities strings. What cannot be decoded is shown with an
    `error`. Ctrl-C ends it.

    Example: andon tail ctx.window.v1 --until-end | head
    """
    from streams.shell.settings import settings

    own = settings()
    configuration = configurations.load(config) if config else None
    asked = _Asked(topic, partition, start or (BEGINNING if until_end else END), until_end, raw, frontiers)
    shown = _shown(asked, own, configuration)
    with suppress(KeyboardInterrupt):
        _print(shown, most, pretty)


class _Asked(NamedTuple):
    """What to read of which topic."""

    topic: str
    partition: int | None
    start: str
    until_end: bool
    raw: bool
    frontiers: bool


def _print(shown: Iterator[list[dict[str, Any]]], most: int | None, pretty: bool) -> None:
    """Write batch by batch; a reader that has gone away, such as `head`, ends it like Ctrl-C."""
    left = most
    try:
        for batch in shown:
            lines = [_line(one) if pretty else json.dumps(one, ensure_ascii=False, allow_nan=False) for one in batch[:left]]
            if lines:
                sys.stdout.write("\n".join(lines) + "\n")
                sys.stdout.flush()
            elif _unread():
                return
            if left is not None:
                left -= len(lines)
                if left == 0:
                    return
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains when it flushes at its end


def _unread() -> bool:
    """Has the reader of our output gone? A topic where nothing happens would not let us find out by writing."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except io.UnsupportedOperation:  # output is kept in memory: nobody can go away
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _shown(asked: _Asked, own: Any, configuration: Configuration | None) -> Iterator[list[dict[str, Any]]]:
    from streams.kafka.reader import KafkaReader, Span
    from streams.shell.deployment import on_broker
    from streams.shell.kafka_connection import Admin
    from streams.shell.record_json import Decoder, described, frontier
    from streams.shell.registry import Registry

    with Admin(own.kafka) as admin, KafkaReader(own.kafka.librdkafka()) as reader, Registry(own.registry) as registry:
        name = on_broker(admin, asked.topic, own.topic_prefix)
        there = _chosen(admin.spans([name]), asked.partition)
        wanted = {place: Span(_first(asked.start, span, len(there)), span.end) for place, span in there.items()}
        decoder, append = None if asked.raw else Decoder(registry.schema), _append(asked.topic, configuration)
        parts = ([part] for part in reader.read(wanted)) if asked.until_end else reader.follow({p: s.start for p, s in wanted.items()})
        for batch in parts:
            found = [described(part.topic, part.partition, record, append, decoder) for part in batch for record in part.records]
            yield found if asked.raw or asked.frontiers else [one for one in found if not frontier(one)]


def _append(name: str, configuration: Configuration | None) -> Append:
    """Where a topic's append time is; a topic that is not in the catalogue has that of the log."""
    topics = configuration.catalogue().topics if configuration else {}
    return topics[name].append if name in topics else "log"


def _chosen(there: Mapping[Any, Any], partition: int | None) -> dict[Any, Any]:
    if partition is None:
        return dict(there)
    require(partition < len(there), "the topic does not have this partition", partition=partition, partitions=len(there))
    return {place: span for place, span in there.items() if place[1] == partition}


def _first(start: str, span: Any, partitions: int) -> int:
    """The offset to begin at.

    >>> from streams.kafka.reader import Span
    >>> [_first(start, Span(10, 50), 1) for start in ("beginning", "end", "20", "-5", "-100")]
    [10, 50, 20, 45, 10]
    """
    if start in (BEGINNING, END):
        return int(span.start if start == BEGINNING else span.end)
    try:
        offset = int(start)
    except ValueError as error:
        raise InvalidValue("--from takes beginning, end, an offset or -N", given=start) from error
    if start.startswith("-"):
        return int(max(span.start, span.end + offset))
    require(partitions == 1, "an offset belongs to one partition", hint="add --partition", offset=offset, partitions=partitions)
    require(span.start <= offset <= span.end, "the partition does not have this offset", offset=offset, first=span.start, end=span.end)
    return offset


def _line(shown: Mapping[str, Any]) -> str:
    """A record for people.

    >>> _line({"partition": 1, "offset": 7, "append_us": 1, "key": "a/b/c/d", "value": {"kind": "DATA"}})
    '1970-01-01T00:00:00.000001Z  1:7  a/b/c/d  {"kind": "DATA"}'
    """
    at_us = shown["append_us"]
    at = "append time unknown" if at_us is None else f"{(_EPOCH + timedelta(microseconds=at_us)).isoformat()[:-6]}Z"
    key = shown["key"] if isinstance(shown["key"], str) else json.dumps(shown["key"])
    content = f"{shown['error']}  " if "error" in shown else ""
    return f"{at}  {shown['partition']}:{shown['offset']}  {key}  {content}{json.dumps(shown['value'], ensure_ascii=False)}"
