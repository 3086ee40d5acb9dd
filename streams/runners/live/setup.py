"""What a worker was told: connection, application, configuration, bounds."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.catalogue import Catalogue, Topic
from streams.configuration import Configuration
from streams.runners.live.bounds import Bounds
from streams.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How Faust's consumer reaches the brokers that `client` (librdkafka's settings) reaches."""

    bootstrap_servers: str
    client: Mapping[str, Any]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str | None = None
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """application: consumer group and transactional ids, under the deployment's prefix. epochs, snapshots: its homes.

    build: the topology of a configuration. writer: the schema of an id; schema_id: of a topic's value, by its catalogue name,
    and of the two homes by theirs. until_end: stop once everything that was there at start is folded.
    """

    application: str
    configuration: Configuration
    catalogue: Catalogue
    epochs: Topic
    snapshots: Topic
    build: Callable[[Configuration], Topology]
    connection: Connection
    writer: Callable[[int], Mapping[str, Any] | None]
    schema_id: Callable[[str], int]
    code: str
    bounds: Bounds = Bounds()
    instance: str | None = None
    until_end: bool = False

    @property
    def topology(self) -> Topology:
        return self.build(self.configuration)

    @property
    def inputs(self) -> tuple[Topic, ...]:
        return tuple(self.catalogue.of(name) for name in self.topology.inputs)

    @property
    def partitions(self) -> int:
        return self.epochs.partitions
