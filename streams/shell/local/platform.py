"""Kafka and the registry together, on this machine: up, down, status; and for tests, `running`.

    home/               $ANDON_HOME, else .andon in the current directory
      state.json        what runs: pids with start times, ports, addresses, versions, logs; gone when nothing runs
      layout.json       ports and cluster id, kept with the data
      kafka/ registry/  data and logs

With `ephemeral` the data folder is a temporary one and is removed by `down`. Only processes whose start time is the
recorded one are ever ended.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from streams.errors import PlatformError
from streams.shell.local import warm
from streams.shell.local.artifacts import Bundle, Progress, locked
from streams.shell.local.broker import Broker, new_cluster_id
from streams.shell.local.ports import free_ports
from streams.shell.local.process import Process
from streams.shell.local.registry import Registry
from streams.shell.local.server import Server

STATE, LAYOUT = "state.json", "layout.json"
SERVICES = 2  # the broker and the registry


@dataclass(frozen=True, slots=True)
class Service:
    """One server as it was started."""

    name: str
    version: str
    address: str
    ports: tuple[int, ...]
    pid: int
    started: str
    log: str

    @property
    def process(self) -> Process:
        return Process(self.pid, self.started)


@dataclass(frozen=True, slots=True)
class Platform:
    """What runs, and where. `services` holds only what was started: one while the other is missing is half dead."""

    home: Path
    folder: Path  # of the data: the home itself, or a temporary one
    ephemeral: bool
    cluster_id: str
    bootstrap_servers: str
    registry_url: str
    services: tuple[Service, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of Andon that name this platform."""
        return {
            "ANDON_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "ANDON_REGISTRY__URL": self.registry_url,
        }


@dataclass(frozen=True, slots=True)
class Health:
    """One service, looked at now: `alive` is its process, `answers` its protocol."""

    service: Service
    alive: bool
    answers: bool
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Started:
    """The result of `up`: the platform, and the names of the services that were started for it now."""

    platform: Platform
    now: tuple[str, ...]


def home_folder(home: Path | None = None) -> Path:
    """`home`, else `$ANDON_HOME`, else `.andon` here; read from the environment at each call."""
    return (home or Path(os.environ.get("ANDON_HOME") or ".andon")).expanduser().resolve()


def up(
    home: Path | None = None,
    *,
    ephemeral: bool = False,
    detached: bool = True,
    progress: Progress | None = None,
) -> Started:
    """Have Kafka and the registry run and answer: what does stays as it is, what is dead or deaf is replaced."""
    home = home_folder(home)
    bundles = warm.prepare(progress)
    with locked(home, progress):
        (home / ".gitignore").write_text("*\n")  # the folder lies in somebody's project
        before = _usable(_read_state(home), ephemeral)
        folder = before.folder if before else Path(tempfile.mkdtemp(prefix="andon-")) if ephemeral else home
        broker_ports, registry_port, cluster_id = _layout(folder)
        broker = Broker(folder / "kafka", ports=broker_ports, cluster_id=cluster_id, detached=detached)
        registry = Registry(folder / "registry", port=registry_port, kept=not ephemeral, detached=detached)
        platform = Platform(home, folder, ephemeral, cluster_id, broker.bootstrap_servers, registry.url, services=())
        # the registry takes longer: it starts while the broker's folder is formatted
        return _have_running(platform, before, {registry: bundles["registry"], broker: bundles["kafka"]})


def down(home: Path | None = None) -> tuple[str, ...]:
    """End what `up` started here; the names of what was running. Kept data stay, ephemeral data go."""
    home = home_folder(home)
    if not (home / STATE).exists():
        return ()
    with locked(home):
        platform = _read_state(home)
        if platform is None:
            return ()
        running = [service for service in platform.services if service.process.alive()]
        for service in reversed(running):  # the registry first: it asks nothing of anybody
            service.process.stop()
        _forget(platform)
        return tuple(service.name for service in running)


def status(home: Path | None = None) -> tuple[Platform, tuple[Health, ...]] | None:
    """What is recorded as running here and how it is; None if nothing is."""
    platform = _read_state(home_folder(home))
    if platform is None:
        return None
    return platform, tuple(_health(service, platform.folder) for service in platform.services)


@contextmanager
def running(*, ephemeral: bool = True, home: Path | None = None) -> Iterator[Platform]:
    """A platform for the length of a block, on a leash: it also ends if this process is killed.

    By default its data are thrown away. With `ephemeral=False` they are those of `home`, and a platform that runs
    there already is used and left running.
    """
    with tempfile.TemporaryDirectory(prefix="andon-") as temporary:
        place = Path(temporary) if ephemeral else home_folder(home)
        started = up(place, detached=False)
        try:
            yield started.platform
        finally:
            if started.now:
                down(place)


def _usable(before: Platform | None, ephemeral: bool) -> Platform | None:
    """What is recorded, if `up` can go on from it; refuses to mix kept and ephemeral data."""
    if before is None:
        return None
    alive = [service.process for service in before.services if service.process.alive()]
    if before.ephemeral != ephemeral and alive:
        kind = "ephemeral" if before.ephemeral else "kept"
        raise PlatformError(f"a platform with {kind} data runs here", home=str(before.home), hint="andon down")
    if before.ephemeral == ephemeral and (before.folder / LAYOUT).exists():
        return before
    for process in alive:
        process.stop()  # its folder is gone: somebody cleaned up the temporary ones
    _forget(before)
    return None


def _layout(folder: Path) -> tuple[tuple[int, int], int, str]:
    """Ports of the broker, port of the registry and cluster id of a data folder: drawn once, then the same for ever."""
    path = folder / LAYOUT
    if not path.exists():
        ports = free_ports(3)
        _write_json(path, {"broker": ports[:2], "registry": ports[2], "cluster_id": new_cluster_id()})
    layout = json.loads(path.read_text())
    port, controller_port = layout["broker"]
    return (port, controller_port), layout["registry"], layout["cluster_id"]


def _have_running(platform: Platform, before: Platform | None, servers: dict[Server, Bundle]) -> Started:
    services = _healthy(before.services if before else (), servers)
    missing = [server for server in servers if server.name not in services]

    def recorded() -> Platform:
        now = replace(platform, services=tuple(services[name] for name in sorted(services)))
        _write_state(now)
        return now

    try:
        for server in missing:
            services[server.name] = _service(server, servers[server], server.spawn())
            recorded()  # before it is ready: from here on `down` can end it, whatever happens to us
        for server in missing:
            server.wait_ready()
    except BaseException:  # Ctrl-C too: what never came up leaves nothing behind
        for server in missing:
            server.kill9()
            services.pop(server.name, None)
        if services:
            recorded()
        else:
            _forget(platform)
        raise
    return Started(recorded(), tuple(sorted(server.name for server in missing)))


def _healthy(services: tuple[Service, ...], servers: dict[Server, Bundle]) -> dict[str, Service]:
    """Those that answer, by name. A deaf one would not hear SIGTERM either: it is killed, for its port and folder."""
    alive = {service.name: service for service in services if service.process.alive()}
    for server in servers:
        if server.name in alive and not server.answers():
            alive.pop(server.name).process.kill()
    return alive


def _service(server: Server, bundle: Bundle, process: Process) -> Service:
    address = server.url if isinstance(server, Registry) else f"127.0.0.1:{server.ports[0]}"
    return Service(
        server.name, bundle.version, address, server.ports, process.pid, process.started, str(server.log)
    )


def _health(service: Service, folder: Path) -> Health:
    server: Server
    if service.name == Broker.name:
        port, controller_port = service.ports
        server = Broker(folder / "kafka", ports=(port, controller_port))
    else:
        (port,) = service.ports
        server = Registry(folder / "registry", port=port)
    alive = service.process.alive()
    return Health(service, alive, alive and server.answers(), service.process.memory_mb() if alive else 0)


def _read_state(home: Path) -> Platform | None:
    path = home / STATE
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text())
        services = tuple(Service(**{**each, "ports": tuple(each["ports"])}) for each in state.pop("services"))
        folder = Path(state.pop("folder"))
        return Platform(home=home, folder=folder, services=services, **{k: v for k, v in state.items() if k != "home"})
    except (ValueError, KeyError, TypeError) as error:
        raise PlatformError(
            "the record of what runs cannot be read",
            file=str(path),
            reason=str(error),
            hint="end the java processes that it names by hand, then remove it",
        ) from error


def _write_state(platform: Platform) -> None:
    _write_json(platform.home / STATE, asdict(platform))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    written = path.with_suffix(".new")
    written.write_text(json.dumps(content, indent=1, default=str) + "\n")
    written.replace(path)  # a reader sees the old one or the new one


def _forget(platform: Platform) -> None:
    (platform.home / STATE).unlink(missing_ok=True)
    if platform.ephemeral and (platform.folder / LAYOUT).exists():  # ours for certain: never remove another folder
        shutil.rmtree(platform.folder)
