"""What derived topics say of faults, and which fault each of them is.

A finding explains a fault if it is of its line and machine, of a name that the fault changes, and told while the fault lasted or
`slack_us` after. A fault is found if a finding of the kind that ought to show it explains it. A finding that explains no fault is
a false alarm. Faults never overlap on one machine, so there is nothing to choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final

from streams.simulation import faults as f

COUNTER, FUTURE, HELD = "RESET", "FUTURE", "HELD"  # findings that are no deviation
OUT = frozenset({"BEYOND_LIMITS", "TOLERANCE", "RUN_OF_EIGHT"})
OUGHT: Final[Mapping[str, frozenset[str]]] = {  # which findings show a kind of fault
    f.WEAR: OUT, f.OFFSET: OUT, f.STEP: OUT, f.RECIPE: OUT, f.STUCK: frozenset({"STUCK"}), f.RESET: frozenset({COUNTER}),
    f.CLOCK: frozenset({FUTURE}), f.OUTAGE: frozenset({HELD}),
}  # fmt: skip
RUN_LENGTH: Final = 255.0  # points in control between two rows of eight on one side: 2^8 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """test: of a deviation, or one of the three above. name: tag or characteristic; empty: the whole asset. id: of the record."""

    test: str
    line: str
    asset: str
    name: str
    since_us: int
    said_us: int
    severity: str = ""
    order: str = ""
    product: str = ""
    id: str = ""


@dataclass(slots=True)
class Score:
    """found: by id of the fault, the finding that was first; missed: faults; false: findings that no fault explains."""

    found: dict[str, Finding] = field(default_factory=dict)
    missed: list[Mapping[str, Any]] = field(default_factory=list)
    false: list[Finding] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Found faults of all; 1 where there were none."""
        every = len(self.found) + len(self.missed)
        return len(self.found) / every if every else 1.0


def explains(finding: Finding, truth: Mapping[str, Any], slack_us: int) -> bool:
    """Is this finding an effect of that fault?"""
    if finding.line != truth["line"]:
        return False
    machines = str(truth["parameters"]["lanes"]).split() if truth["kind"] == f.OUTAGE else [truth["asset"]]
    names = truth["names"] if finding.test not in (COUNTER, FUTURE, HELD) else []  # a controller that starts anew resets all it counts
    return (
        finding.asset in machines and (not names or finding.name in names)
        and finding.since_us < truth["until_us"] + slack_us and finding.said_us >= truth["since_us"]
    )  # fmt: skip


def score(truths: Sequence[Mapping[str, Any]], findings: Iterable[Finding], slack_us: int) -> Score:
    """truths: lines of the simulator's truth, see simulation/truth.py."""
    found, every = Score(), list(findings)
    explained: set[int] = set()
    for truth in truths:
        own = [n for n, one in enumerate(every) if explains(one, truth, slack_us)]
        explained.update(own)
        showing = [every[n] for n in own if every[n].test in OUGHT[truth["kind"]]]
        if showing:
            found.found[truth["id"]] = min(showing, key=lambda one: one.said_us)
        else:
            found.missed.append(truth)
    found.false = [one for n, one in enumerate(every) if n not in explained and one.test != HELD]
    return found


def false_alarms_most(parts: int) -> int:
    """How many false alarms chance explains: rows of eight among so many measured parts, and four standard deviations of a Poisson
    count beyond that; limits at 4 sigma and more add next to nothing.

    >>> false_alarms_most(0), false_alarms_most(2550)
    (1, 24)
    """
    expected = parts / RUN_LENGTH
    return int(expected + 4 * sqrt(expected)) + 2 if parts else 1
