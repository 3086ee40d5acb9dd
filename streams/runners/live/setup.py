"""What a worker was told: connection, application, configuration, bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.catalogue import Catalogue, Topic, epochs_of, snapshots_of
from streams.configuration import Configuration
from streams.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of a worker. Times in seconds are of the machine's clock: they decide when, never what."""

    commit_interval_s: float  # shortest time between two commits of a task
    transaction_timeout_s: float  # after which the broker aborts a transaction that its owner left open
    watchdog_s: float  # longest time that a commit may take before the process gives up
    session_timeout_s: float  # after which a silent worker loses its partitions
    snapshot_interval_s: float
    snapshot_records: int  # a snapshot at the latest after so many input records
    inbox_bytes: int  # fetched but not yet folded, of each input partition
    pending_samples: int  # accepted but not yet complete, of each task
    frontier_interval_s: float  # shortest time between two frontier records in one derived partition


DEFAULT_BOUNDS = Bounds(
    commit_interval_s=0.1, transaction_timeout_s=20.0, watchdog_s=20.0, session_timeout_s=10.0, snapshot_interval_s=60.0,
    snapshot_records=2_000_000, inbox_bytes=16 << 20, pending_samples=20_000_000, frontier_interval_s=0.25,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """build: the topology of a configuration. client: librdkafka's connection settings. writer: the schema of an id; schema_id: of a
    topic's value, by its name on the broker. until_end: stop once everything that was there at start is folded."""

    configuration: Configuration
    catalogue: Catalogue
    build: Callable[[Configuration], Topology]
    client: Mapping[str, Any]
    writer: Callable[[int], Mapping[str, Any] | None]
    schema_id: Callable[[str], int]
    bounds: Bounds = DEFAULT_BOUNDS
    instance: str | None = None
    until_end: bool = False
    code: str = ""

    @property
    def application(self) -> str:
        return self.catalogue.prefix + self.configuration.application

    @property
    def topology(self) -> Topology:
        return self.build(self.configuration)

    def input(self, name: str) -> Topic:
        return self.catalogue.of(name)

    @property
    def partitions(self) -> int:
        return self.catalogue.of(self.topology.inputs[0]).partitions

    @property
    def epochs(self) -> Topic:
        return epochs_of(self.application, self.partitions)

    @property
    def snapshots(self) -> Topic:
        return snapshots_of(self.application, self.partitions)
