"""What the broker and the registry have in common: a folder, a process, a log, and when it counts as ready.

    with Broker(folder) as broker: ...      started and ready inside, ended after it, whatever happens

Without `detached=True` a server is on a leash as well: it ends with the Python process that started it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from streams.errors import PlatformError, require
from streams.shell.local import process
from streams.shell.local.ports import free
from streams.shell.local.process import Process


class Server(ABC):
    """One server process and its folder. `ports` and data stay the same over restarts."""

    name: ClassVar[str]
    ready_timeout_s: ClassVar[float] = 60.0

    def __init__(
        self, folder: Path, *, ports: tuple[int, ...], heap_mb: int, options: Sequence[str], detached: bool
    ) -> None:
        require(heap_mb >= 64, "a Java server needs some heap", heap_mb=heap_mb)
        self.folder = folder.resolve()
        self.ports, self.heap_mb, self.options, self.detached = ports, heap_mb, tuple(options), detached
        self.process: Process | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command line; the folder is prepared."""

    @abstractmethod
    def ready(self) -> bool:
        """Has the process that was started last come up?"""

    @abstractmethod
    def answers(self) -> bool:
        """Does a server speak its protocol on our port, whoever started it?"""

    def prepare(self) -> None:
        """Make the folder, ready for a start."""
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive()

    def spawn(self) -> Process:
        """Start the process and return at once."""
        require(not self.alive, f"this {self.name} runs already", pid=self.process and self.process.pid)
        taken = [port for port in self.ports if not free(port)]
        if taken:
            raise PlatformError(
                f"a port of the {self.name} is taken by another process", ports=taken, hint="end that process"
            )
        self.prepare()
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))  # the log holds this run; one earlier run is kept
        self.process = process.start(self.command(), log=self.log, folder=self.folder, detached=self.detached)
        return self.process

    def wait_ready(self, timeout_s: float | None = None) -> Self:
        """Return when the server takes requests; end it and raise if it does not in time."""
        assert self.process is not None, "spawn first"
        process.wait_ready(
            self.process,
            self.ready,
            name=f"the {self.name}",
            log=self.log,
            timeout_s=timeout_s or self.ready_timeout_s,
        )
        return self

    def start(self) -> Self:
        """Start and wait until ready."""
        self.spawn()
        return self.wait_ready()

    def stop(self, timeout_s: float = 20.0) -> None:
        """An orderly end (SIGTERM), killed if it takes longer; nothing if it does not run."""
        if self.process is not None:
            self.process.stop(timeout_s)

    def kill9(self) -> None:
        """End it as a crash would, without any clean-up of its own."""
        if self.process is not None:
            self.process.kill()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def memory_mb(self) -> int:
        return self.process.memory_mb() if self.process else 0

    def __enter__(self) -> Self:
        if not self.alive:
            try:
                self.start()
            except BaseException:
                self.kill9()  # Ctrl-C or a test's time limit while it starts
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
