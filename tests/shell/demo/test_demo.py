"""The demo as somebody runs it who has no terminal: it ends by itself, and every line of its proof holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ANDON = [sys.executable, "-c", "from streams.shell.cli import main; main()"]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_minute_finds_every_fault_and_ends_by_itself() -> None:
    command = [*ANDON, "demo", "--minutes", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380, check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, found["holds"], found["recall"]) == (0, True, 1.0), found["proof"]
    assert len({fault["kind"] for fault in found["faults"]}) >= 6 and len(found["proof"]) >= 9
    assert all(one["holds"] for one in found["proof"])


def test_without_its_configurations_it_says_what_is_missing(tmp_path: Path) -> None:
    command = [*ANDON, "demo", "--configurations", str(tmp_path), "--minutes", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5 and "demo-context.toml" in done.stderr
