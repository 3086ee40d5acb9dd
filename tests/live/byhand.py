"""Owners by hand on a real Kafka: no group and no process, the test says who fetches, folds and commits, and when.

    Hands       a plant's setup, and owners of its partitions, each with what a worker of its own would know
    Hand        one of them: `fetch` as a worker's consumer does, `cycle`
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition

from streams.configuration import load
from streams.kafka.reader import KafkaReader
from streams.runners.live import private
from streams.runners.live.owner import Owner
from streams.runners.live.reference import Reference
from streams.runners.live.setup import Setup
from streams.shell.live_setup import setup_of
from streams.shell.registry import Registry
from streams.shell.settings import settings
from tests.live.plant import Plant


class Hand:
    """An owner, and what it knows of reference data: `reference` was last refreshed when the test said so."""

    def __init__(self, setup: Setup, reference: Reference, partition: int) -> None:
        self.setup, self.partition, self.told = setup, partition, list[tuple[str, Mapping[str, Any]]]()
        self.owner = Owner(setup, reference, partition, lambda event, values: self.told.append((event, values)))

    def fetch(self) -> None:
        """Everything that is committed now and was not fetched yet, into the inbox."""
        asyncio.run(self._fetch())

    async def _fetch(self) -> None:
        inbox, names = self.owner.inbox, [t.name for t in self.setup.inputs]
        with KafkaReader(self.setup.connection.client) as reader:
            ends = [reader.span(name, self.partition).end for name in names]
        behind = {TopicPartition(names[rank], self.partition): rank for rank in range(len(names)) if inbox.position[rank] < ends[rank]}
        if not behind:
            return
        consumer = AIOKafkaConsumer(bootstrap_servers=self.setup.connection.bootstrap_servers, isolation_level="read_committed",
                                    enable_auto_commit=False)  # fmt: skip
        await consumer.start()
        try:
            consumer.assign(list(behind))
            for place, rank in behind.items():
                consumer.seek(place, inbox.position[rank])
            while any(inbox.position[rank] < ends[rank] for rank in behind.values()):
                for fetches in (await consumer.getmany(timeout_ms=1000)).values():
                    for found in fetches:
                        inbox.put(found)
        finally:
            await consumer.stop()

    def cycle(self, last: bool = False) -> bool:
        """Fold what was fetched and commit it."""
        inbox = self.owner.inbox
        return self.owner.cycle(inbox.take(range(len(self.setup.inputs))), last=last)

    def work(self) -> bool:
        self.fetch()
        return self.cycle()


class Hands:
    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def reference(self) -> Reference:
        """What a worker knows of reference data at its start."""
        found = Reference(self.setup)
        found.refresh()
        return found

    def take(self, reference: Reference | None = None, partition: int = 0, **bounds: Any) -> Hand:
        """A new owner of the partition: it fences every other one."""
        return Hand(replace(self.setup, bounds=replace(self.setup.bounds, **bounds)), reference or self.reference(), partition)


@contextmanager
def by_hand(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    """Consumers of this process fetch as those of a worker do."""
    for name, value in plant.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(fetcher, "MemoryRecords", private._Records)
    monkeypatch.setattr(fetcher, "PartitionRecords", private._Partition)
    with Registry(settings().registry) as registry:
        yield Hands(setup_of(settings(), load(plant.config), registry))


def partition_of(plant: Plant, line: str) -> int:
    """Where Kafka puts records of a line."""
    where: list[int] = []
    blank = plant.framed("ot.sample.v1", {"kind": "BLANK", "source": ""})
    plant.producer.produce(f"{plant.prefix}ot.sample.v1", blank, line.encode(), on_delivery=lambda _, told: where.append(told.partition()))
    plant.producer.flush()
    return where[0]
