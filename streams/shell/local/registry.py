"""A schema registry with the Confluent interface on the loopback: Apicurio Registry on a database in its own process.

    with Registry(folder) as registry:                  in memory, gone at the end
        SchemaRegistryClient({"url": registry.url})
    Registry(folder, port=port, kept=True)              in a file; the same folder goes on with it

Compatibility is FULL_TRANSITIVE from the start: old readers and new ones read all records of a topic.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from streams.errors import PlatformError
from streams.shell.local import jvm
from streams.shell.local.ports import HOST, free_ports
from streams.shell.local.server import Server

COMPATIBILITY = "FULL_TRANSITIVE"
_PATH = "/apis/ccompat/v7"
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry(Server):
    """One registry."""

    name: ClassVar[str] = "registry"

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        kept: bool = False,
        heap_mb: int = 384,
        options: Sequence[str] = (),
        detached: bool = False,
    ) -> None:
        super().__init__(
            folder, ports=(port,) if port else free_ports(1), heap_mb=heap_mb, options=options, detached=detached
        )
        (self.port,) = self.ports
        self.kept = kept

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{_PATH}"

    def command(self) -> list[str]:
        bundle = jvm.installed("registry")
        [jar] = bundle.unpacked.glob("*-runner.jar")
        properties: dict[str, object] = {
            "quarkus.http.host": HOST,
            "quarkus.http.port": self.port,
            "java.util.logging.manager": "org.jboss.logmanager.LogManager",
            # without it, the same schema with other white space is a new version
            "apicurio.ccompat.use-canonical-hash": "true",
        }
        if self.kept:
            # WRITE_DELAY=0: else a crash loses the registrations of the last half second
            properties["apicurio.datasource.url"] = f"jdbc:h2:file:{self.folder / 'database'};WRITE_DELAY=0"
        return jvm.command(
            bundle,
            ["-jar", str(jar)],
            heap_mb=self.heap_mb,
            temporary=self.folder / "tmp",
            properties=properties,
            options=self.options,
        )

    def ready(self) -> bool:
        return self.answers()

    def answers(self) -> bool:
        try:
            status, _ = self._request("GET", "/subjects", timeout_s=2.0)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200

    def wait_ready(self, timeout_s: float | None = None) -> Self:
        """Return when it takes requests and its default compatibility is set: Apicurio's own is NONE."""
        super().wait_ready(timeout_s)
        status, body = self._request("PUT", "/config", {"compatibility": COMPATIBILITY})
        if status != 200:
            raise PlatformError("the registry does not take its compatibility", status=status, answer=body)
        return self

    def _request(
        self, method: str, path: str, content: object = None, *, timeout_s: float = 20.0
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout_s)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, _PATH + path, body, {"Content-Type": _MEDIA_TYPE})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()
