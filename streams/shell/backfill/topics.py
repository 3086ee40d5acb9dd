"""Results into Kafka topics under a prefix of their own: a trial beside a plant that goes on.

Never into the topics of the deployment: there the worker's transactions are the only writer, and records of a second one would be
doubled, or stand beside others of the same id. The topics must be there, as `andon topics apply` makes them, and empty. A run that
is broken off leaves them half full, and the next one refuses them: delete and apply them again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Any, cast

from streams.catalogue import Catalogue, text_of
from streams.codec.murmur import partition_of
from streams.errors import InvalidValue, PlatformError, require
from streams.shell.backfill import job
from streams.shell.backfill.history import History
from streams.shell.backfill.records import Out
from streams.shell.ingest.encoding import Message
from streams.shell.ingest.writer import write
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of
from streams.shell.settings import Settings

_WAITING, _WAIT_S = 20_000, 0.2


class _Queued:
    """A sink that hands records to the one thread that writes."""

    def __init__(self, derived: tuple[str, ...], counts: dict[str, int]) -> None:
        self._derived, self._counts = derived, counts
        self._queue: Queue[Message] = Queue(_WAITING)
        self.over = threading.Event()

    def write(self, topic: str, partition: int, found: Iterable[Out]) -> None:
        for key, value, headers in found:
            # what is set aside is placed by its key, as any writer does
            home = partition if topic in self._derived or key is None else partition_of(key, self._counts[topic])
            own = [(name, said or b"") for name, said in headers]
            self._put(Message(topic, home % self._counts[topic], 0, cast("bytes", key), value, own))

    def _put(self, message: Message) -> None:
        while not self.over.is_set():
            try:
                self._queue.put(message, timeout=_WAIT_S)
                return
            except Full:
                continue

    def messages(self, folding: threading.Thread) -> Iterator[Message]:
        while True:
            try:
                yield self._queue.get(timeout=_WAIT_S)
            except Empty:
                if not folding.is_alive() and self._queue.empty():
                    return


def into_topics(history: History, settings: Settings, prefix: str, cores: int | None) -> job.Done:
    """Fold into topics; PlatformError where one is missing or not empty."""
    live = {settings.topic_prefix, history.about["prefix"]}
    if prefix in live:
        raise InvalidValue("these are the topics of a deployment, which only its workers write", prefix=prefix, deployments=sorted(live),
                           hint="choose another --prefix, such as trial.")  # fmt: skip
    require(prefix.endswith("."), "a prefix ends with a dot", prefix=prefix)
    catalogue = Catalogue({}, prefix)
    counts = _empty_topics(history, settings, catalogue)
    with Registry(settings.registry) as registry:
        history.ids = {name: registry.id_of(subject_of(prefix + name), text_of(catalogue.of(name).schema)) for name in history.outputs}
    sink, outcome = _Queued(history.outputs[: len(history.outputs) - 4], counts), list[Any]()

    def fold() -> None:
        try:
            outcome.append(job.run(history, sink, cores=cores))
        except BaseException as error:  # noqa: BLE001  raised below, in the thread that waits
            outcome.append(error)

    folding = threading.Thread(target=fold, name="backfill")
    folding.start()
    try:
        write(sink.messages(folding), settings.kafka, catalogue)
    finally:
        sink.over.set()
        folding.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    done: job.Done = outcome[0]
    return done


def _empty_topics(history: History, settings: Settings, catalogue: Catalogue) -> dict[str, int]:
    """Partitions of each topic."""
    names = {name: catalogue.of(name).name for name in history.outputs}
    with Admin(settings.kafka) as admin:
        there = admin.topics(names.values())
        missing = [topic for topic in names.values() if there[topic] is None]
        if missing:
            raise PlatformError("topics are missing", missing=missing, hint=f"ANDON_TOPIC_PREFIX={catalogue.prefix} andon topics apply")
        spans = admin.spans(list(names.values()))
    full = sorted({topic for (topic, _), span in spans.items() if span.end > 0})
    if full:
        raise PlatformError("the topics of a backfill must be empty, or its records would stand there twice", not_empty=full)
    found = {name: len([1 for topic, _ in spans if topic == own]) for name, own in names.items()}
    few = {name: count for name, count in found.items() if name in history.outputs[:-4] and count != history.partitions}
    if few:
        raise PlatformError("derived topics have another number of partitions than the inputs", partitions=few, wanted=history.partitions)
    return found
