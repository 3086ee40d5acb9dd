"""What the chart starts, started: the hook's job, the pacemaker and a worker, with rendered arguments and variables, on a real Kafka.

Instead of Kubernetes this test runs the containers' commands as processes, asks the probes' pages, and ends them as a pod is ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.shell.local.platform import Platform
from tests.helm.rendered import ROOT, Object, containers, objects, of_kind, pods, values

PROGRAM = [sys.executable, "-c", "from streams.shell.cli import main; main()"]


def released(platform: Platform, prefix: str, port: int) -> list[Object]:
    given = values("minimal")
    given["kafka"] |= {"bootstrapServers": platform.bootstrap_servers, "schemaRegistryUrl": platform.registry_url, "topicPrefix": prefix}
    given |= {"metrics": {"port": port}, "pacemaker": {"interval": "100 ms", "silent": "200 ms"}, "topics": {"replication": 1}}
    return objects(given)


def command(container: Object, pod_name: str, config: Path) -> tuple[list[str], dict[str, str]]:
    """What the kubelet would start: arguments with variables filled in, and the environment. Kernels stay where they are kept here."""
    told = {one["name"]: one.get("value", pod_name) for one in container["env"]}
    told.pop("ANDON_CACHE")
    folder = str(config)
    arguments = [word.replace("$(POD_NAME)", pod_name).replace("/etc/andon/config", folder) for word in container["args"]]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_") or name == "ANDON_CACHE"}
    return [*PROGRAM, *arguments], inherited | told | {"PYTHONPATH": str(ROOT)}


class Started:
    """A container's command as a process; what it says goes to a file."""

    def __init__(self, given: tuple[list[str], dict[str, str]], folder: Path, name: str) -> None:
        self._path = folder / f"{name}.log"
        arguments, environment = given
        with self._path.open("w") as log:
            self.process = subprocess.Popen(arguments, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self._path.read_text("utf-8")

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def answer(port: int, probe: Mapping[str, Any]) -> int:
    """Status code of a probe's page; 0 where nobody listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=probe["timeoutSeconds"]) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_for(port: int, probe: Mapping[str, Any], working: Started) -> None:
    """As long as the startup probe would."""
    end = time.monotonic() + 180
    while answer(port, probe) != 200:
        assert working.process.poll() is None, working.said()
        assert time.monotonic() < end, "the page never answered 200"
        time.sleep(0.1)


@pytest.mark.timeout(300)  # where kernels have to be compiled first
def test_a_release_applies_topics_paces_and_folds_until_it_is_asked_to_stop(
    platform: Platform, topic_prefix: str, tmp_path: Path
) -> None:  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    release = released(platform, topic_prefix, port)
    for name, text in of_kind(release, "ConfigMap")[0]["data"].items():
        (tmp_path / name).write_text(text, "utf-8")
    found = {at.partition("/")[0]: pod for at, pod in pods(release)}
    for container in containers(found["Job"]):
        arguments, environment = command(container, "", tmp_path)
        done = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    [worker], [pacemaker] = found["StatefulSet"]["spec"]["containers"], found["Deployment"]["spec"]["containers"]

    grace_s = found["StatefulSet"]["spec"]["terminationGracePeriodSeconds"]

    with (
        Started(command(pacemaker, "", tmp_path), tmp_path, "pacemaker") as pacing,
        Started(command(worker, "plant-0", tmp_path), tmp_path, "worker") as working,
    ):
        wait_for(port, worker["livenessProbe"], working)
        wait_for(port, worker["readinessProbe"], working)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            assert "andon_ready 1.0" in response.read().decode().splitlines()
        end = time.monotonic() + 20
        while '"event": "blanks"' not in pacing.said() and time.monotonic() < end:
            time.sleep(0.1)
        for one in (working, pacing):
            one.process.send_signal(signal.SIGTERM)
        assert working.process.wait(grace_s) == 0, working.said()
        assert pacing.process.wait(grace_s) == 0, pacing.said()
    assert '"event": "blanks"' in pacing.said()
    assert '"event": "stopped"' in working.said()
