"""The README is true: its main job runs as it stands there, and its numbers are those of the files."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.shell.ingest.scan import scan
from tests.acceptance import plantday
from tests.docs.commands import environment

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def block(heading: str) -> str:
    """The commands under a heading."""
    found = re.search(rf"^## {heading}\n.*?^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of a person who has just activated .venv; what `andon up` started is ended in any case."""
    given = environment(tmp_path) | {"ANDON_HOME": str(tmp_path / "home")}
    yield given
    subprocess.run(["andon", "down"], env=given, cwd=ROOT, capture_output=True, check=False)


@pytest.mark.timeout(600)  # where nothing is there yet it fetches Kafka and compiles
def test_the_main_job_runs_as_it_stands_there(shell: dict[str, str]) -> None:
    done = subprocess.run(["bash", "-e"], input=block("The main job"), env=shell, cwd=ROOT, capture_output=True, text=True, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"topic"')]
    intervals, window, late = (
        [one["value"] for one in records if one["topic"] == name] for name in ("ctx.state-interval.v1", "ctx.window.v1", "dq.late.v1")
    )

    assert done.returncode == 0, done.stderr
    assert "press-line.csv:100: the value is not a number: '18O.3'" in done.stderr
    assert "everything that was there is folded and committed" in done.stderr
    first = [one for one in intervals if one["asset"] == "press-1"]
    assert [(one["value"], one["duration_us"], [each["order"] for each in one["orders"]]) for one in first] == [
        ("IDLE", 20_000_000, []), ("RUNNING", 4_000_000, []), ("RUNNING", 102_000_000, ["PO-1001"]), ("FAULT", 40_000_000, []),
        ("RUNNING", 55_000_000, ["PO-1001"]), ("RUNNING", 14_000_000, []),
    ]  # fmt: skip
    assert len(intervals) == 12
    assert (len(window), len(late)) == (1, 1)
    assert late[0]["lateness_us"] == [22_000_000]  # 24 s behind, 2 s of them on time
    assert "the same bytes" in done.stdout.splitlines()
    assert "ended broker and registry" in done.stdout


def test_what_comes_out_of_the_example_is_what_the_table_says() -> None:
    """The same in memory; and once more with every record sent twice, as by a second `andon ingest`."""
    files = [plantday.example(name) for name in ("press-line.csv", "press-line-orders.csv")]
    own = plantday.configuration()
    sent = plantday.records(scan(files, plantday.mapped("press-line.mapping.toml")), own.catalogue())
    told = {topic: int(count) for topic, count in re.findall(r"^\| `(\S+)` \| (\d+) \|", README, re.MULTILINE)}
    results = []
    for messages in (sent, sent * 2):
        outcomes = [plantday.run(own, inputs, partition) for partition, inputs in enumerate(plantday.logs(messages, own.catalogue()))]
        records = [record for outcome in outcomes for record in (*outcome.results, *outcome.aside)]
        assert Counter(record.topic for record in records) == told
        results.append([record for outcome in outcomes for record in outcome.results])

    assert results[0] == results[1]
    counts = [row for row in plantday.rows(results[0], "ctx.count.v1") if row["cause"] == "RESET"]
    assert [(row["asset"], row["increment"], row["orders"][0]["order"]) for row in counts] == [("press-2", 1, "PO-1002")]


def test_the_commands_of_a_fresh_machine_are_there() -> None:
    make, activate = (line.split("#")[0].strip() for line in block("On a fresh machine").splitlines())

    assert make == "make test"
    assert re.search(r"^test: env ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert activate == ". .venv/bin/activate"
    assert "exec make test" in (ROOT / ".ci" / "run").read_text("utf-8")
