"""The worker's pages for machines: /metrics, /livez, /readyz, /status. Begins before Faust does and answers while it recovers.

    /livez    200 while the worker's loop beats and no slice is stuck; 503 and the reason otherwise: restart it
    /readyz   200 when every partition that the group gave it has recovered
    /metrics  Prometheus text format, see streams/metrics.py
    /status   JSON: where each task stands, and which input holds time
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streams.errors import PlatformError
from streams.metrics import METRICS, values

Status = Callable[[], Mapping[str, Any] | None]
Alive = Callable[[], str]  # empty: alive; else why not


class _Collector:
    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        families = {m.name: kinds[m.kind](m.name, m.help, labels=m.labels) for m in METRICS}
        status = self._status()
        for name, labels, value in values(status) if status is not None else ():
            families[name].add_metric(list(labels), value)
        return iter(families.values())


class WebServer:
    """A small server in threads of its own; a context manager. port 0: any free one, see `port`."""

    def __init__(self, host: str, port: int, status: Status, alive: Alive) -> None:
        registry = CollectorRegistry()
        registry.register(_Collector(status))  # it needs only `collect`

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802  the library's name
                code, kind, body = _answer(self.path.split("?")[0], registry, status, alive)
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Probes come every second; they are not news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise PlatformError("the worker's pages cannot be served here", host=host, port=port, reason=error.strerror,
                                hint="choose another ANDON_WEB__PORT; 0 takes any") from error  # fmt: skip
        self._server.daemon_threads = True
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="andon-web")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


_TEXT = "text/plain; charset=utf-8"


def _answer(path: str, registry: CollectorRegistry, status: Status, alive: Alive) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(registry)
    if path == "/livez":
        reason = alive()
        return (503, _TEXT, reason.encode()) if reason else (200, _TEXT, b"ok")
    found = status()
    if path == "/readyz":
        return (200, _TEXT, b"ok") if found and found["ready"] else (503, _TEXT, b"starting or recovering")
    if path == "/status":
        return 200, "application/json", json.dumps(found or {"ready": False, "tasks": []}, indent=1).encode()
    return 404, _TEXT, b"/metrics /livez /readyz /status"
