"""After the demo: do the ledgers add up, are the results the same bytes again in memory, was everything found?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.shell.demo.findings import Score
from streams.shell.demo.scene import andon, step

KINDS_LEAST = 6


@dataclass(slots=True)
class Proof:
    """lines: what was held against what, with whether it holds."""

    lines: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(good for _, good in self.lines)

    def add(self, sentence: str, good: bool) -> None:
        self.lines.append((sentence, good))


def sums(status: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """Ledger of a worker by input: messages and samples by fate, over all its tasks."""
    found: dict[str, Counter[str]] = {}
    for task in status["tasks"]:
        for one in task["inputs"]:
            mine = found.setdefault(one["input"], Counter())
            mine.update(one["samples"])
            mine.update(one["messages"])
    return found


def ledger(proof: Proof, written: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """What the simulator wrote against what the first stage says became of it. status: of its worker, when all was read."""
    of = sums(status)
    messages = {name: sum(kinds.values()) for name, kinds in written["records"].items()}
    read = {name: of[name]["decoded"] + of[name]["dead"] for name in messages}
    proof.add(f"messages: {sum(messages.values()):,} written, {sum(read.values()):,} read", messages == read)
    every = Counter[str]()
    for counts in of.values():
        every.update(counts)
    samples, again, ahead = (sum(written[name].values()) for name in ("samples", "duplicates", "future"))
    fates = sum(every[name] for name in ("accepted", "duplicate", "conflict", "future", "late"))
    proof.add(f"samples: {samples:,} written and {again:,} sent again; {fates:,} have a fate", fates == samples + again)
    proof.add(f"duplicates: {again:,} sent, {every['duplicate']:,} found", every["duplicate"] == again)
    proof.add(f"from the future: {ahead:,} sent, {every['future']:,} found", every["future"] == ahead)
    waiting = sum(task["pending_samples"] for task in status["tasks"])
    good = every["accepted"] + every["late"] >= every["applied"] + waiting >= every["accepted"]
    proof.add(f"accepted {every['accepted']:,} = applied {every['applied']:,} + waiting {waiting:,} (late orders are applied, too)", good)


def faults(proof: Proof, truths: Sequence[Mapping[str, Any]], score: Score, most_false: int) -> None:
    kinds = Counter(truth["kind"] for truth in truths)
    proof.add(f"faults: {len(truths)} injected, of {len(kinds)} kinds", len(kinds) >= KINDS_LEAST)
    missed = ", ".join(truth["id"] for truth in score.missed)
    proof.add(f"found: {len(score.found)}, recall {score.recall:.2f}" + (f"; missed: {missed}" if missed else ""), score.recall == 1.0)
    proof.add(f"false alarms: {len(score.false)}, chance explains {most_false}", len(score.false) <= most_false)


def same_bytes(proof: Proof, configs: Sequence[Path], environment: Mapping[str, str], folder: Path) -> None:
    """Each application's log, exported and folded again in memory."""
    for config in configs:
        there = folder / f"export-{config.stem}"
        step(["export", "--config", str(config), "--application", "--outputs", "--to", str(there), "--json"], environment)
        found = andon(["verify", str(there), "--json"], environment)
        equal = sum(found["equal"].values())
        proof.add(f"{config.stem}: {equal:,} records folded again in memory, {len(found['different'])} different", found["same"])
