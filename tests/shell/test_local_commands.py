"""The command line as a person or a script meets it: real processes, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.shell.cli import app
from streams.shell.local.ports import answers
from streams.shell.local.process import Process

ANDON = [sys.executable, "-c", "from streams.shell.cli import main; main()"]
ROOT = Path(__file__).parents[2]


def start(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ANDON, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "ANDON_HOME": str(home), **environment},
    )


def andon(home: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with start(home, *arguments, **environment) as running:
        out, err = running.communicate(timeout=90.0)
    return running.returncode, out, err


def test_a_platform_from_up_to_down(tmp_path: Path) -> None:
    """Two `up` at the same time: one starts it, the other finds it running; it outlives both."""
    home = tmp_path / "home"
    both = [start(home, "up", "--ephemeral", "--json") for _ in range(2)]
    try:
        described: list[dict[str, Any]] = [json.loads(each.communicate(timeout=90.0)[0]) for each in both]
        assert sorted(each.pop("started") for each in described) == [[], ["broker", "registry"]]
        running = described[0]
        assert described[1] == running
        assert all(answers(port) for each in running["services"] for port in each["ports"])

        code, out, err = andon(home, "up", "--ephemeral")
        assert code == 0
        assert "already running" in err
        assert out.splitlines() == [  # for eval "$(andon up)"
            f"export ANDON_KAFKA__BOOTSTRAP_SERVERS={running['bootstrap_servers']}",
            f"export ANDON_REGISTRY__URL={running['registry_url']}",
        ]

        code, out, err = andon(home, "up")
        assert (code, out) == (5, "")
        assert err == f"andon: a platform with ephemeral data runs here: home='{home}' (andon down)\n"
        assert "Traceback" in andon(home, "up", ANDON_DEBUG="1")[2]

        code, out, _ = andon(home, "status")
        assert (code, out.count("answers")) == (0, 2)
        code, out, _ = andon(home, "status", "--json")
        assert (code, json.loads(out)["running"]) == (0, True)
    finally:
        code, out, _ = andon(home, "down")
    assert (code, out) == (0, "ended broker and registry\n")
    assert not any(Process(each["pid"], each["started"]).alive() for each in running["services"])
    assert not Path(running["folder"]).exists()


def test_nothing_runs(tmp_path: Path) -> None:
    assert andon(tmp_path, "status") == (1, "not running\n", "")
    assert json.loads(andon(tmp_path, "status", "--json")[1]) == {"running": False}
    assert andon(tmp_path, "down") == (0, "nothing was running\n", "")


def test_fetch_says_what_is_in_the_cache(tmp_path: Path) -> None:
    code, out, _ = andon(tmp_path, "fetch")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["kafka 4.4.0", "registry 3.0.9", "kernels"]


@pytest.mark.parametrize("command", ["fetch", "up", "down", "status"])
def test_every_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app(), [command, "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert "--json" in shown.output
