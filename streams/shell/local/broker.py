"""A real Apache Kafka broker (KRaft, broker and controller in one process) on the loopback, and clusters of them.

    with Broker(folder) as broker:
        Producer({"bootstrap.servers": broker.bootstrap_servers, **broker.security.client()})

    with cluster(folder, 3) as brokers: ...

Its data stay in the folder; a Broker made anew with the same folder and ports goes on with them.
"""

from __future__ import annotations

import base64
import re
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from streams.errors import PlatformError, require
from streams.shell.local import jvm
from streams.shell.local.ports import HOST, free_ports
from streams.shell.local.security import CLIENT_LISTENER, CONTROLLER_LISTENER, Security
from streams.shell.local.server import Server

_STARTED = b"Kafka Server started"
_STDERR_LOG = {  # slf4j-simple writes to the process's log
    "org.slf4j.simpleLogger.showDateTime": "true",
    "org.slf4j.simpleLogger.dateTimeFormat": "HH:mm:ss.SSS",
    "org.slf4j.simpleLogger.showThreadName": "false",
}


class Broker(Server):
    """One broker. `properties` override what is set here; `brokers` is the size of the cluster it belongs to."""

    name: ClassVar[str] = "broker"

    def __init__(
        self,
        folder: Path,
        *,
        node: int = 1,
        ports: tuple[int, int] | None = None,
        cluster_id: str | None = None,
        voters: str | None = None,
        brokers: int = 1,
        security: Security | None = None,
        properties: Mapping[str, object] | None = None,
        heap_mb: int = 512,
        options: Sequence[str] = (),
        detached: bool = False,
    ) -> None:
        super().__init__(
            folder, ports=ports or free_ports(2), heap_mb=heap_mb, options=options, detached=detached
        )
        self.port, self.controller_port = self.ports
        self.node, self.brokers, self.security = node, brokers, security or Security()
        self.properties = dict(properties or {})
        self.voters = voters or f"{node}@{HOST}:{self.controller_port}"
        self.cluster_id = self._formatted_id() or cluster_id or new_cluster_id()
        require(
            cluster_id in (None, self.cluster_id),
            "this folder belongs to another cluster",
            folder=str(self.folder),
            formatted=self.cluster_id,
            wanted=cluster_id,
        )

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    def client(self, user: str | None = None, password: str | None = None) -> dict[str, str]:
        """All settings a librdkafka client needs to connect."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.security.client(user, password)}

    def prepare(self) -> None:
        """Write server.properties; format the data folder if it is new."""
        super().prepare()
        path = self.folder / "server.properties"
        path.touch(mode=0o600)  # it may hold passwords
        path.write_text("".join(f"{name}={value}\n" for name, value in self._all_properties().items()))
        if self._formatted_id() is None:
            arguments = ["format", "-t", self.cluster_id, "-c", str(path), *self.security.format_arguments()]
            formatted = subprocess.run(
                self._java("kafka.tools.StorageTool", arguments), capture_output=True, text=True, check=False
            )
            if formatted.returncode:
                raise PlatformError(
                    "cannot format the broker's folder", folder=str(self.folder), hint=_reason(formatted.stderr)
                )

    def command(self) -> list[str]:
        return self._java("kafka.Kafka", [str(self.folder / "server.properties")], self.options)

    def ready(self) -> bool:
        return _STARTED in self.log.read_bytes()

    def answers(self) -> bool:
        """Ask which requests it knows, the one request that every broker answers before any log-in.

        A broker that only takes TLS closes the connection instead: then a connection taken is the answer.
        """
        request = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions, version 0, correlation 1, no client id
        try:
            with socket.create_connection((HOST, self.port), timeout=2.0) as connection:
                if self.security.certificates:
                    return True
                connection.sendall(struct.pack(">i", len(request)) + request)
                return connection.recv(8)[4:] == struct.pack(">i", 1)
        except OSError:
            return False

    def _java(self, main: str, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        kafka = jvm.installed("kafka")
        return jvm.command(
            kafka,
            ["-cp", ":".join(map(str, kafka.paths)), main, *arguments],
            heap_mb=self.heap_mb,
            temporary=self.folder / "tmp",
            properties=_STDERR_LOG,
            options=options,
        )

    def _formatted_id(self) -> str | None:
        meta = self.folder / "data" / "meta.properties"
        found = re.search(r"^cluster\.id=(\S+)$", meta.read_text(), re.MULTILINE) if meta.exists() else None
        return found[1] if found else None

    def _all_properties(self) -> dict[str, object]:
        copies, in_sync = min(3, self.brokers), max(1, min(3, self.brokers) - 1)
        single = self.brokers == 1
        return {
            "process.roles": "broker,controller",
            "node.id": self.node,
            # static voters: no voter set is stored in the log, so a formatted folder can go on with other ports
            "controller.quorum.voters": self.voters,
            "listeners": f"{CLIENT_LISTENER}://{HOST}:{self.port},{CONTROLLER_LISTENER}://{HOST}:{self.controller_port}",
            "advertised.listeners": f"{CLIENT_LISTENER}://{HOST}:{self.port}",
            "controller.listener.names": CONTROLLER_LISTENER,
            "inter.broker.listener.name": CLIENT_LISTENER,
            **self.security.broker_properties(),
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "message.max.bytes": 4 << 20,
            "num.partitions": 1,
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 8 << 20,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            # after kill -9 the same node cannot register again before its old session has timed out
            "broker.session.timeout.ms": 2000 if single else 4000,
            "broker.heartbeat.interval.ms": 400 if single else 800,
            **self.properties,
        }


def _reason(output: str) -> str:
    """The line of a Java program's output that says what went wrong."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("\tat ")]
    return next((line for line in lines if "Exception" in line), lines[-1] if lines else "it says nothing")


def new_cluster_id() -> str:
    """22 characters that Kafka takes for an id; a leading dash would read as an option of its format tool."""
    while (encoded := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return encoded


@contextmanager
def cluster(
    folder: Path,
    count: int = 3,
    *,
    security: Security | None = None,
    properties: Mapping[str, object] | None = None,
    heap_mb: int = 384,
) -> Iterator[list[Broker]]:
    """`count` brokers that are one new cluster, all ready; killed at the end. Join their bootstrap servers with commas.

    Killed, because the last ones could not end in good order: without a majority nobody takes over their partitions.
    """
    require(count >= 1, "a cluster has at least one broker", count=count)
    ports = free_ports(2 * count)
    voters = ",".join(f"{node + 1}@{HOST}:{ports[2 * node + 1]}" for node in range(count))
    cluster_id = new_cluster_id()
    brokers = [
        Broker(
            folder / f"node-{node + 1}",
            node=node + 1,
            ports=(ports[2 * node], ports[2 * node + 1]),
            cluster_id=cluster_id,
            voters=voters,
            brokers=count,
            security=security,
            properties=properties,
            heap_mb=heap_mb,
        )
        for node in range(count)
    ]
    with ExitStack() as running:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Broker.prepare, brokers))
        for broker in brokers:
            running.callback(broker.kill9)
            broker.spawn()  # none is ready before the others are there to vote
        for broker in brokers:
            broker.wait_ready()
        yield brokers
