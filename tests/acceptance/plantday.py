"""A plant's files through the memory runner: files and mapping -> logs by partition -> a task's outputs -> decoded rows.

    records(files, mapping, ...)      what `andon ingest` writes, in its order
    logs(records, catalogue)          the same as each partition's log, offsets from 0; an export of Kafka gives such logs too
    run(configuration, logs, p)       one task over them: everything that it puts out, and its ledger
    rows(outcome)                     records decoded by fastavro

Numbers of schemas are those of a registry, or the positions in our catalogue where there is none.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import fastavro

from streams.catalogue import TOPICS, Catalogue, schema_of
from streams.codec.log import Log, log_of, pack_headers
from streams.codec.outputs import Headers, avro_bytes
from streams.configuration import Configuration, parse
from streams.model.hierarchy import Hierarchy
from streams.runners import memory
from streams.runners.epoch import Adopted, Epoch
from streams.runners.task import Environment, Task
from streams.shell.ingest import mapping_file
from streams.shell.ingest.encoding import Message, encoded
from streams.shell.ingest.mapping import INPUTS, IngestMapping
from streams.shell.ingest.merge import log
from streams.shell.ingest.scan import Scan
from topologies import NAMED

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA_IDS: Mapping[str, int] = {topic.name: number for number, topic in enumerate(TOPICS, 1)}
RESULTS = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1")

Order = memory.Order
in_turn = memory.in_turn


class Out(NamedTuple):
    """A record that a task wrote: what Kafka would hold."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class Outcome:
    """All that one task put out, in order, and how it ended. ledger: fates by input."""

    partition: int
    results: list[Out] = field(default_factory=list)
    aside: list[Out] = field(default_factory=list)
    ledger: dict[str, dict[str, int]] = field(default_factory=dict)
    pending: int = 0
    frontiers: dict[str, int] = field(default_factory=dict)  # of each lane that it met, by line path/asset id


def example(name: str) -> Path:
    return EXAMPLES / name


def configuration(changes: Mapping[str, str] | None = None) -> Configuration:
    """examples/context.toml; changes: pieces of its text and what stands there instead."""
    text = example("context.toml").read_text("utf-8")
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    return parse(text)


def mapped(name: str) -> IngestMapping:
    return mapping_file.load(example(name))


def records(
    found: Scan, catalogue: Catalogue, through: int | None = None, claim_interval: int | None = None, ids: Mapping[str, int] = SCHEMA_IDS
) -> list[Message]:
    """What an ingest run writes."""
    run = log(found, lambda name: catalogue.of(name).partitions, through, claim_interval)
    return list(encoded(run, {name: ids[name] for name in INPUTS}))


def logs(messages: Iterable[Message], catalogue: Catalogue) -> list[dict[str, Log]]:
    """By partition and topic, every input of it."""
    count = catalogue.of(INPUTS[0]).partitions
    rows: list[dict[str, list[Any]]] = [{name: [] for name in INPUTS} for _ in range(count)]
    for m in messages:
        home = rows[m.partition][m.topic]
        home.append((len(home), m.append_us, m.key, m.value, pack_headers(m.headers)))
    return [{name: log_of(of) for name, of in each.items()} for each in rows]


def environment(configuration: Configuration, partition: int, ids: Mapping[str, int] = SCHEMA_IDS, prefix: str = "") -> Environment:
    numbers = {ids[topic.name]: schema_of(topic.schema) for topic in TOPICS if topic.name in ids}
    return Environment(configuration.application, partition, configuration.catalogue(prefix), numbers.get, ids.__getitem__)


def run(
    configuration: Configuration, inputs: Mapping[str, Log], partition: int, order: Order | None = None,
    plant: Hierarchy | None = None, around: Environment | None = None,
) -> Outcome:  # fmt: skip
    """One task over its whole logs, under one configuration. order: which slices, in which order."""
    build = NAMED[configuration.topology]
    topics = build(configuration).inputs
    starts = tuple(int(inputs[t].offset[0]) if len(inputs[t].offset) else 0 for t in topics)
    first = Adopted(Epoch(0, starts, {}, configuration.fingerprint), configuration, plant or Hierarchy())
    outcome, tasks = Outcome(partition), set[Task]()
    for task, part in memory.run(build, [first], around or environment(configuration, partition), inputs, order or in_turn(20_000)):
        tasks.add(task)
        for each in part.results:
            outcome.results += [Out(each.topic, key, value, tuple(headers)) for key, value, headers in each.records()]
        outcome.aside += [Out(each.topic, each.key, each.value, tuple(each.headers)) for each in part.records]
    (task,) = tasks
    _ended(task, outcome)
    return outcome


def _ended(task: Task, outcome: Outcome) -> None:
    outcome.ledger = {topic: task.ledger.row(rank) for rank, topic in enumerate(task.topology.inputs)}
    outcome.pending = len(task.release.pending) + len(task.release_orders.pending)
    lanes = range(task.book.count)
    outcome.frontiers = {task.names.lane_path(n): int(f) for n, f in zip(lanes, task.frontiers(list(lanes)), strict=True)}


def at_random(seed: int, most: int) -> Order:
    """Inputs in any order, slices of any size up to `most`."""
    random = Random(seed)

    def choose(left: Sequence[int]) -> tuple[int, int]:
        return random.choice([rank for rank, n in enumerate(left) if n]), random.randint(1, most)

    return choose


def one_by_one(ranks: Sequence[int]) -> Order:
    """Each input to its end before the next."""
    return lambda left: (next((rank, left[rank]) for rank in ranks if left[rank]))


# ---- decoded


@functools.cache
def _plain_schema(topic: str) -> Any:
    """A contract with instants as plain numbers: we compare microseconds."""
    schema = next(each.schema for each in TOPICS if each.name == topic)
    return fastavro.parse_schema(json.loads(json.dumps(dict(schema_of(schema))).replace('"logicalType"', '"instant"')), _force=True)


def decoded(topic: str, value: bytes) -> dict[str, Any]:
    """A framed value as a dictionary."""
    found = fastavro.schemaless_reader(io.BytesIO(value[5:]), _plain_schema(topic), None)
    assert isinstance(found, dict)
    return found


def framed(topic: str, record: Mapping[str, Any], ids: Mapping[str, int] = SCHEMA_IDS) -> bytes:
    """The opposite of `decoded`."""
    return b"\0" + ids[topic].to_bytes(4, "big") + avro_bytes(_plain_schema(topic), record)


def rows(records: Iterable[Out], *topics: str) -> Iterator[dict[str, Any]]:
    """Records of these topics decoded, with `line` of their key."""
    for each in records:
        if each.topic in topics:
            yield {**decoded(each.topic, each.value), "line": (each.key or b"").decode()}


def by_lane(records: Iterable[Out]) -> dict[tuple[str, str], list[tuple[bytes, bytes, Headers]]]:
    """Results of each topic and lane in order, as bytes: (key, value, headers). What runs of one log must have alike."""
    found: dict[tuple[str, str], list[tuple[bytes, bytes, Headers]]] = {}
    for each in records:
        assert each.key is not None
        lane = f"{each.key.decode()}/{decoded(each.topic, each.value)['asset']}"
        found.setdefault((each.topic, lane), []).append((each.key, each.value, list(each.headers)))
    return found


def without_evidence(records: Iterable[Out], keep: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[tuple[str, str], list[Any]]:
    """Results of each topic and lane in order, all but their evidence: what logs of the same records must have alike."""
    found: dict[tuple[str, str], list[Any]] = {}
    for each in records:
        assert each.key is not None
        row = decoded(each.topic, each.value)
        if keep(row):
            row.pop("evidence")
            found.setdefault((each.topic, f"{each.key.decode()}/{row['asset']}"), []).append((row, each.headers))
    return found
