"""NIST's machine day and the Cover parts, ingested and run once a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.codec.log import Log
from streams.configuration import Configuration
from streams.model.hierarchy import Hierarchy
from streams.shell.ingest.encoding import Message
from streams.shell.ingest.mapping import IngestMapping
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import Scan, scan
from tests.acceptance import byhand, plantday
from tests.acceptance.plantday import Outcome

DAY_END = byhand.instant("2016-10-21T00:00:00Z")


@dataclass(frozen=True)
class Ran:
    """Files as a run of ingest wrote them and as the memory runner read them; lines: the files by hand, each in its order."""

    lines: list[list[byhand.Line]]
    found: Scan
    refused: int
    configuration: Configuration
    messages: list[Message]
    logs: list[dict[str, Log]]
    outcomes: list[Outcome]


def ran(
    files: list[Path], mapping: IngestMapping, lines: list[list[byhand.Line]], through: int | None, plant: Hierarchy | None = None
) -> Ran:  # fmt: skip
    configuration = plantday.configuration()
    with Refusals() as refusals:
        found = scan(files, mapping, [refusals])
    messages = plantday.records(found, configuration.catalogue(), through)
    logs = plantday.logs(messages, configuration.catalogue())
    outcomes = [plantday.run(configuration, inputs, partition, plant=plant) for partition, inputs in enumerate(logs)]
    return Ran(lines, found, refusals.count, configuration, messages, logs, outcomes)


@pytest.fixture(scope="session")
def day(nist: Path) -> Ran:
    """Three machines of 2016-10-20, through midnight."""
    files = sorted((nist / "raw").glob("*.txt"))
    block = byhand.block_of(plantday.example("nist-day.mapping.toml"), "long")
    lines = [byhand.lines_of(path, block, path.name.split("-")[0]) for path in files]
    return ran(files, plantday.mapped("nist-day.mapping.toml"), lines, DAY_END)
