"""The ledger of a run: every entry of every file has one fate, and the sums are checked.

    entries  =  written (by input)  +  refused (by reason)  +  ignored (by rule)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from streams.shell.ingest import entries as e
from streams.shell.ingest.mapping import INPUTS
from streams.shell.ingest.records import Source


@dataclass(slots=True)
class FileLedger:
    """One file. In layout wide a line has as many entries as there are value columns, else one."""

    lines: int = 0
    entries: int = 0
    written: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        fates = sum(self.written.values()) + sum(self.refused.values()) + sum(self.ignored.values())
        assert fates == self.entries, f"{self.entries} entries have {fates} fates"

    def merge(self, other: FileLedger) -> None:
        self.lines += other.lines
        self.entries += other.entries
        self.written += other.written
        self.refused += other.refused
        self.ignored += other.ignored

    def description(self) -> dict[str, Any]:
        return {
            "lines": self.lines, "entries": self.entries, "written": dict(self.written), "refused": dict(self.refused),
            "ignored": dict(self.ignored),
        }  # fmt: skip


class Ledger:
    """By file, as the first pass goes over it."""

    def __init__(self) -> None:
        self.files: dict[str, FileLedger] = {}

    def of(self, source: Source) -> FileLedger:
        """The file's own ledger; an empty file has one too."""
        return self.files.setdefault(str(source.identity.path), FileLedger())

    def add(self, source: Source, entries: pl.DataFrame) -> None:
        """Count a chunk of a file's entries."""
        file = self.of(source)
        file.entries += len(entries)
        file.lines += len(entries) // source.entries_a_line
        groups = entries.group_by("fate", "topic", "rule", "reason", "blank", "absent").len()
        for fate, topic, rule, reason, blank, absent, count in groups.iter_rows():
            if fate == e.WRITTEN:
                file.written[INPUTS[topic]] += count
            elif fate == e.REFUSED:
                file.refused[reason] += count
            else:
                file.ignored[e.BLANK_LINE if blank else e.ABSENT if absent else source.rules[rule]] += count

    @property
    def total(self) -> FileLedger:
        """All files together, each one checked."""
        total = FileLedger()
        for file in self.files.values():
            file.check()
            total.merge(file)
        total.check()
        return total
