"""Only the locked bytes come into the cache: from a repository on the loopback, without the network."""

from __future__ import annotations

import gc
import hashlib
import http.server
import json
import subprocess
import sys
import tarfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from streams.errors import PlatformError
from streams.shell.local import artifacts
from streams.shell.local.artifacts import Silent, fetch, read_lock

JAR, ARCHIVE = "org.example:tool:1.0", "org.example:service:2.0:all:tar.gz"
FETCH = """
import pathlib, sys
from streams.shell.local import artifacts
artifacts.fetch(lock=pathlib.Path(sys.argv[1]))
"""


@dataclass
class Repository:
    """A Maven repository on the loopback, with a lock of what it holds."""

    folder: Path
    lock: Path
    requests: list[str] = field(default_factory=list)

    def put(self, coordinate: str, content: bytes) -> dict[str, object]:
        group, name, version, *rest = coordinate.split(":")
        file = f"{name}-{version}" + (f"-{rest[0]}.{rest[1]}" if rest else ".jar")
        path = self.folder.joinpath(*group.split("."), name, version, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return {"coordinate": coordinate, "file": file, "size": len(content), "sha256": digest}


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, seen: list[str], directory: str) -> None:
        self.seen = seen
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        self.seen.append(self.path)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Named in jgo's configuration file, as a company names its mirror."""
    made = Repository(tmp_path / "repository", tmp_path / "artifacts.lock")
    made.folder.mkdir()
    whole = tmp_path / "service"
    whole.mkdir()
    (whole / "service-runner.jar").write_bytes(b"runs")
    with tarfile.open(tmp_path / "service.tar.gz", "w:gz") as archive:
        archive.add(whole / "service-runner.jar", "service-runner.jar")
    content = {
        "tool": {"roots": [JAR], "artifacts": [made.put(JAR, b"a jar" * 1000)]},
        "service": {
            "roots": [ARCHIVE],
            "artifacts": [made.put(ARCHIVE, (tmp_path / "service.tar.gz").read_bytes())],
        },
    }
    made.lock.write_text(json.dumps(content))
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, seen=made.requests, directory=str(made.folder))
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\nours = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
        monkeypatch.setenv("ANDON_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(artifacts, "ATTEMPTS", 1)
        yield made
        server.shutdown()
    with warnings.catch_warnings():  # jgo leaves unwanted answers open: collect them here, not in some other test
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Watcher(Silent):
    def __init__(self) -> None:
        self.files: list[str] = []
        self.size = 0

    def received(self, size: int) -> None:
        self.size += size

    def file_done(self, file: str) -> None:
        self.files.append(file)


def test_everything_locked_arrives_from_the_configured_repository(repository: Repository) -> None:
    watcher = Watcher()
    bundles = fetch(watcher, repository.lock)
    assert bundles["tool"].paths[0].read_bytes() == b"a jar" * 1000
    assert (bundles["service"].unpacked / "service-runner.jar").read_bytes() == b"runs"
    assert sorted(watcher.files) == ["service-2.0-all.tar.gz", "tool-1.0.jar"]
    assert watcher.size == sum(artifact.size for bundle in bundles.values() for artifact in bundle.artifacts)


def test_what_is_there_is_not_fetched_again(repository: Repository) -> None:
    fetch(lock=repository.lock)
    repository.requests.clear()
    fetch(lock=repository.lock)
    assert repository.requests == []


def test_a_download_with_another_checksum_is_refused(repository: Repository) -> None:
    """Whoever changed it, on the server or on the way: it never reaches the cache."""
    locked = read_lock(repository.lock)["tool"].artifacts[0].sha256
    found = repository.put(JAR, b"something else")["sha256"]
    with pytest.raises(PlatformError, match=f"org.example:tool:1.0.*{locked}.*{found}"):
        fetch(lock=repository.lock)
    assert not read_lock(repository.lock)["tool"].paths[0].exists()


def test_a_file_that_changed_in_the_cache_is_refused_and_removed(repository: Repository) -> None:
    [path] = fetch(lock=repository.lock)["tool"].paths
    path.write_bytes(b"tampered with")
    with pytest.raises(PlatformError, match=r"removed: file='.*tool-1\.0\.jar'"):
        fetch(lock=repository.lock)
    assert not path.exists()
    fetch(lock=repository.lock)
    assert path.read_bytes() == b"a jar" * 1000


def test_what_maven_has_already_is_taken_from_there(repository: Repository, tmp_path: Path) -> None:
    """A machine without a network can be given its files this way."""
    repository.folder.rename(tmp_path / "maven")
    repository.folder.mkdir()
    fetch(lock=repository.lock)
    assert repository.requests == []


def test_a_wrong_file_of_mavens_is_passed_over_and_left_there(repository: Repository, tmp_path: Path) -> None:
    wrong = tmp_path / "maven/org/example/tool/1.0/tool-1.0.jar"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"half a down")
    assert fetch(lock=repository.lock)["tool"].paths[0].read_bytes() == b"a jar" * 1000
    assert wrong.read_bytes() == b"half a down"


def test_processes_that_fetch_at_the_same_time_fetch_each_file_once(repository: Repository) -> None:
    command = [sys.executable, "-c", FETCH, str(repository.lock)]
    fetching = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [one.wait(60) for one in fetching] == [0, 0, 0]
    assert sorted(name for name in repository.requests if name.endswith((".jar", ".gz"))) == [
        "/org/example/service/2.0/service-2.0-all.tar.gz",
        "/org/example/tool/1.0/tool-1.0.jar",
    ]


def test_a_file_that_is_nowhere_is_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jgo.constants.MAVEN_CENTRAL_URL", "http://127.0.0.1:9")  # the public one, out of reach
    (repository.folder / "org/example/tool/1.0/tool-1.0.jar").unlink()
    with pytest.raises(PlatformError, match=r"cannot fetch a file: coordinate='org\.example:tool:1\.0'.*mirror"):
        fetch(lock=repository.lock)


def test_without_the_extra_the_error_says_what_to_install(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(PlatformError, match=r"pip install 'andon\[local\]'"):
        fetch(lock=repository.lock)


def test_the_lock_names_every_file_of_kafka_and_the_registry_once() -> None:
    bundles = read_lock()
    assert bundles["kafka"].roots == ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
    assert bundles["registry"].roots == ("io.apicurio:apicurio-registry-app:3.0.9:all:tar.gz",)
    for bundle in bundles.values():
        files = [artifact.file for artifact in bundle.artifacts]
        assert len(set(files)) == len(files)
        assert set(bundle.roots) <= {artifact.coordinate for artifact in bundle.artifacts}
        assert all(len(artifact.sha256) == 64 for artifact in bundle.artifacts)
