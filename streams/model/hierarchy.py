"""The equipment hierarchy: which asset stands below which, and since when.

Rows are effective-dated reference data (`ref.asset.v1`): a row holds from `valid_from_us` in event time until the next row of
the asset; of two rows with one date the later revision holds. Without a row an asset stands below its line, the empty id.
Ancestors end at the line. Re-parenting is within a line; in another line an asset id is another lane.

>>> rows = [AssetRow("l", "press-1", "cell-1", 0, 1), AssetRow("l", "press-1", "cell-2", 100, 2)]
>>> plant = Hierarchy.of(rows)
>>> plant.chain("l", "press-1", 99), plant.chain("l", "press-1", 100)
(('press-1', 'cell-1', ''), ('press-1', 'cell-2', ''))
>>> plant.spans("l", "press-1")
((-4611686018427387904, 0, ('press-1', '')), (0, 100, ('press-1', 'cell-1', '')), (100, 4611686018427387904, ('press-1', 'cell-2', '')))
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streams.kernel import NEG, POS

LINE = ""  # asset id of the line itself


@dataclass(frozen=True, slots=True)
class AssetRow:
    line: str
    asset: str
    parent: str
    valid_from_us: int
    revision: int


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What is adopted of the reference data. Rows of each (line, asset), by (valid_from_us, revision)."""

    rows: Mapping[tuple[str, str], tuple[AssetRow, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[AssetRow]) -> Hierarchy:
        found: dict[tuple[str, str], list[AssetRow]] = {}
        for row in rows:
            found.setdefault((row.line, row.asset), []).append(row)
        return cls({key: tuple(sorted(of, key=lambda r: (r.valid_from_us, r.revision))) for key, of in found.items()})

    def parent(self, line: str, asset: str, time_us: int) -> str:
        rows = self.rows.get((line, asset), ())
        at = bisect_right([r.valid_from_us for r in rows], time_us)
        return rows[at - 1].parent if at else LINE

    def chain(self, line: str, asset: str, time_us: int) -> tuple[str, ...]:
        """The asset, its ancestors, the line. A circle ends where it closes."""
        chain = [asset]
        while chain[-1] != LINE:
            above = self.parent(line, chain[-1], time_us)
            if above in chain:
                above = LINE
            chain.append(above)
        return tuple(chain)

    def spans(self, line: str, asset: str) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
        """(since, until, chain): the stretches of event time in which the chain does not change."""
        met, cuts, todo = {LINE}, set(), [asset]
        while todo:
            name = todo.pop()
            if name in met:
                continue
            met.add(name)
            for row in self.rows.get((line, name), ()):
                cuts.add(row.valid_from_us)
                todo.append(row.parent)
        edges = [NEG, *sorted(cuts), POS]
        spans: list[tuple[int, int, tuple[str, ...]]] = []
        for since, until in zip(edges, edges[1:], strict=False):
            chain = self.chain(line, asset, since)
            start = spans.pop()[0] if spans and spans[-1][2] == chain else since
            spans.append((start, until, chain))
        return tuple(spans)
