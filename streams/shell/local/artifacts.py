"""The jars of Apache Kafka and of the registry: which ones, their checksums, and how they come into the user's cache.

`artifacts.lock` names every file with its Maven coordinate, size and SHA-256; relock.py writes it. A file that is not
exactly the locked one is refused and removed, whether it came from the network or lay in the cache. Downloads go
through jgo's Maven resolver, so the repositories of its configuration file (a company's mirror, say) are used, before
the public one.

The cache is `$ANDON_CACHE`, else `$XDG_CACHE_HOME/andon`, else `~/.cache/andon`. Any number of processes may fetch at
the same time: one works, the others wait, and every file appears complete or not at all.

>>> kafka = read_lock()["kafka"]
>>> kafka.roots[0], kafka.artifacts[0].coordinate.count(":")
('org.apache.kafka:kafka_2.13:4.4.0', 2)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from streams.errors import PlatformError

if TYPE_CHECKING:
    from jgo.maven import Artifact as MavenArtifact
    from jgo.maven import MavenContext

LOCK = Path(__file__).with_name("artifacts.lock")
INSTALL_HINT = "pip install 'andon[local]'"
DOWNLOADS_AT_ONCE = 4
ATTEMPTS = 3
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Artifact:
    """One locked file. `coordinate` is group:artifact:version, or group:artifact:version:classifier:packaging."""

    coordinate: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one program. Its folder in the cache is named after their checksums: two locks never mix."""

    name: str
    roots: tuple[str, ...]
    artifacts: tuple[Artifact, ...]

    @property
    def version(self) -> str:
        return self.roots[0].split(":")[2]

    @property
    def folder(self) -> Path:
        digest = hashlib.sha256("".join(artifact.sha256 for artifact in self.artifacts).encode()).hexdigest()
        return cache_folder() / f"{self.name}-{self.version}-{digest[:12]}"

    @property
    def paths(self) -> list[Path]:
        return [self.folder / artifact.file for artifact in self.artifacts]

    @property
    def unpacked(self) -> Path:
        """Where the archive of a bundle that is one archive lies unpacked."""
        return self.folder / "unpacked"


class Progress(Protocol):
    """Who watches a fetch. Called from several threads."""

    def begin(self, files: int, size: int) -> None: ...
    def received(self, size: int) -> None: ...
    def file_done(self, file: str) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    """Nobody watches."""

    def begin(self, files: int, size: int) -> None: ...
    def received(self, size: int) -> None: ...
    def file_done(self, file: str) -> None: ...
    def note(self, text: str) -> None: ...


def cache_folder() -> Path:
    """The user's cache; read from the environment at each call."""
    if chosen := os.environ.get("ANDON_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "andon"


def read_lock(lock: Path = LOCK) -> dict[str, Bundle]:
    """The bundles by name."""
    return {
        name: Bundle(name, tuple(entry["roots"]), tuple(Artifact(**artifact) for artifact in entry["artifacts"]))
        for name, entry in json.loads(lock.read_text()).items()
    }


def fetch(progress: Progress | None = None, lock: Path = LOCK) -> dict[str, Bundle]:
    """Have every locked file in the cache, verified, and every archive unpacked; what is there is not fetched again."""
    progress = progress or Silent()
    bundles = read_lock(lock)
    with locked(cache_folder(), progress):
        missing = [
            (artifact, bundle.folder)
            for bundle in bundles.values()
            for artifact in bundle.artifacts
            if not _present(artifact, bundle.folder)
        ]
        if missing:
            _download_all(missing, progress)
        for bundle in bundles.values():
            _unpack(bundle)
    return bundles


@contextmanager
def locked(folder: Path, progress: Progress | None = None) -> Iterator[None]:
    """Hold `folder` against other processes; the system lets go of it even if this process is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (progress or Silent()).note(f"waiting for another process that works in {folder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def maven(cache: Path, progress: Progress) -> MavenContext:
    """jgo's resolver with the repositories of its configuration, those first, and a download folder of our own."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise PlatformError("the Maven resolver jgo is not installed", hint=INSTALL_HINT) from error

    @contextmanager
    def watch(_file: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield progress.received

    repositories = dict(GlobalSettings.load().repositories)
    repositories.setdefault("central", MAVEN_CENTRAL_URL)  # last, unless a mirror took its name
    resolver = PythonResolver(progress_callback=watch)
    return MavenContext(resolver=resolver, repo_cache=cache, remote_repos=repositories, timeout=TIMEOUT_S)


def maven_artifact(context: MavenContext, coordinate: str) -> MavenArtifact:
    group, name, version, *rest = coordinate.split(":")
    classifier, packaging = rest or ("", "jar")
    return context.project(group, name).at_version(version).artifact(classifier, packaging)


def _present(artifact: Artifact, folder: Path) -> bool:
    path = folder / artifact.file
    if not path.exists():
        return False
    _verify(artifact, path)
    return True


def _verify(artifact: Artifact, path: Path) -> None:
    found = sha256(path)
    if found != artifact.sha256:
        path.unlink()
        raise PlatformError(
            "a file does not have the locked checksum and was removed",
            file=str(path),
            coordinate=artifact.coordinate,
            locked=artifact.sha256,
            found=found,
            hint="fetch again; if it stays so, somebody changed the file at its source or on its way here",
        )


def _download_all(missing: list[tuple[Artifact, Path]], progress: Progress) -> None:
    progress.begin(len(missing), sum(artifact.size for artifact, _ in missing))
    incoming = cache_folder() / "incoming"
    shutil.rmtree(incoming, ignore_errors=True)  # left by a fetch that was killed; we hold the lock
    incoming.mkdir()
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        waiting = [pool.submit(_download, artifact, folder, incoming, progress) for artifact, folder in missing]
        try:
            for download in waiting:
                download.result()
        finally:
            pool.shutdown(cancel_futures=True)  # the first failure ends the fetch; what arrived stays
    shutil.rmtree(incoming)


def _download(artifact: Artifact, folder: Path, incoming: Path, progress: Progress) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with tempfile.TemporaryDirectory(dir=incoming) as mine:  # jgo writes in place: nobody else may look there
                path = _from_maven_cache(artifact) or maven_artifact(
                    maven(Path(mine), progress), artifact.coordinate
                ).resolve()
                arrived = Path(mine) / "arrived"
                shutil.copyfile(path, arrived)
                _verify(artifact, arrived)
                folder.mkdir(parents=True, exist_ok=True)
                arrived.replace(folder / artifact.file)
            break
        except PlatformError:
            raise
        except (OSError, RuntimeError) as error:  # jgo: RuntimeError; requests: its errors are OSErrors
            if attempt == ATTEMPTS:
                raise PlatformError(
                    "cannot fetch a file",
                    coordinate=artifact.coordinate,
                    attempts=ATTEMPTS,
                    reason=str(error),
                    hint="check the network; a mirror is named under [repositories] in jgo's configuration file",
                ) from error
            time.sleep(attempt)
    progress.file_done(artifact.file)


def _from_maven_cache(artifact: Artifact) -> Path | None:
    """The same file, if Maven or another tool has it on this machine already."""
    from jgo.config import GlobalSettings

    resolved = maven_artifact(maven(GlobalSettings.load().repo_cache, Silent()), artifact.coordinate)
    path = resolved.cached_path
    return path if path and path.exists() and sha256(path) == artifact.sha256 else None


def _unpack(bundle: Bundle) -> None:
    archives = [path for path in bundle.paths if path.name.endswith(".tar.gz")]
    if not archives or bundle.unpacked.exists():
        return
    [archive] = archives
    with tempfile.TemporaryDirectory(dir=bundle.folder) as mine, tarfile.open(archive) as content:
        whole = Path(mine) / "whole"
        content.extractall(whole, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type]
        whole.rename(bundle.unpacked)  # complete or not at all
