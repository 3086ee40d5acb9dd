"""What a mapping makes of files, without Kafka: the first entries, what became of each tag, and how far time goes back.

Two figures help to choose limits of time. A lane's disorder is how far one of its records lies behind the latest one before it: no
record is late with a lateness of at least that, or of its file's disorder where several files write the lane. A file's disorder is
how far a record lies behind the latest one of its file, which is its append time: silence must be at least that, and at least the
longest message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from streams.kernel import NEG, POS
from streams.shell.ingest import entries as e
from streams.shell.ingest.mapping import INPUTS, QUALITIES
from streams.shell.ingest.records import Source

LANE: Final = ["topic", "path", "asset"]
LANE_PEAKS: Final = {"topic": pl.Int64, "path": pl.String, "asset": pl.String, "peak": pl.Int64}


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the first entries of a file."""

    line: int
    sequence: int
    fate: str
    topic: str
    path: str
    asset: str
    tag: str
    time_us: int | None
    value: Any
    quality: str
    why: str


@dataclass(slots=True)
class FileCheck:
    """A file as its mapping reads it. tags: counts by (tag, rule, fate)."""

    block: str
    shown: list[Shown] = field(default_factory=list)
    tags: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    qualities: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0
    file_disorder_us: int = 0
    lane_disorder_us: int = 0
    first_us: int = POS
    last_us: int = NEG
    _peak: int = NEG
    _written_peak: int = NEG
    _lanes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LANE_PEAKS))

    @property
    def without_rule(self) -> dict[str, int]:
        """Tags that no rule fits, and how often each occurs."""
        return {tag: count for (tag, rule, fate), count in self.tags.items() if rule == e.NO_RULE_NAME and fate == "refused" and tag}

    @property
    def lanes(self) -> set[tuple[Any, ...]]:
        return set(self._lanes.select(LANE).iter_rows())

    def add(self, source: Source, entries: pl.DataFrame, shown_max: int) -> None:
        """A chunk of the file."""
        if len(self.shown) < shown_max:
            self.shown += [_shown(source, row) for row in entries.head(shown_max - len(self.shown)).iter_rows(named=True)]
        for tag, rule, fate, count in entries.filter(~pl.col("blank")).group_by("tag", "rule", "fate").len().iter_rows():
            self.tags[tag, source.rules[rule], e.FATES[fate]] += count
        lines = entries.gather_every(source.entries_a_line)  # the cells of a line have one time
        lines = lines.filter(pl.col("timed") & (pl.col("fate") != e.REFUSED) & ~pl.col("blank"))
        behind, self._peak = _behind(lines["time"].to_numpy(), self._peak)
        self.out_of_order += int((behind > 0).sum())
        self._written(entries.filter(pl.col("fate") == e.WRITTEN))

    def _written(self, rows: pl.DataFrame) -> None:
        if not len(rows):
            return
        times = rows["time"].to_numpy()
        self.first_us, self.last_us = min(self.first_us, int(times.min())), max(self.last_us, int(times.max()))
        behind, self._written_peak = _behind(times, self._written_peak)
        self.file_disorder_us = max(self.file_disorder_us, int(behind.max()))
        for quality, count in rows.group_by("quality").len().iter_rows():
            self.qualities[QUALITIES[quality]] += count
        lanes = rows.select(*LANE, "time").join(self._lanes, on=LANE, how="left", maintain_order="left")
        lanes = lanes.with_columns(peak=pl.max_horizontal(pl.col("time").cum_max().over(LANE), pl.col("peak").fill_null(NEG)))
        self.lane_disorder_us = max(self.lane_disorder_us, int((lanes["peak"] - lanes["time"]).to_numpy().max()))
        self._lanes = pl.concat([self._lanes, lanes.select(*LANE, "peak")]).group_by(LANE).agg(pl.col("peak").max())

    def description(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "block": self.block, "first_us": self.first_us if self.first_us < POS else None,
            "last_us": self.last_us if self.last_us > NEG else None, "out_of_order": self.out_of_order,
            "lane_disorder_us": self.lane_disorder_us, "file_disorder_us": self.file_disorder_us, "qualities": dict(self.qualities),
            "tags": [{"tag": tag, "rule": rule, "fate": fate, "count": count} for (tag, rule, fate), count in sorted(self.tags.items())],
            "without_rule": self.without_rule,
            "rows": [{name: getattr(row, name) for name in Shown.__slots__} for row in self.shown],
        }  # fmt: skip


class Check:
    """An observer of a scan (see scan.py): one FileCheck a file."""

    def __init__(self, shown_max: int = 10) -> None:
        self._shown_max = shown_max
        self.files: dict[str, FileCheck] = {}
        self._span_us = 0

    @property
    def lateness_us(self) -> int:
        """The smallest lateness with which no record of these files is late."""
        lanes = Counter(lane for file in self.files.values() for lane in file.lanes)
        shared = {name: any(lanes[lane] > 1 for lane in file.lanes) for name, file in self.files.items()}
        return max((f.file_disorder_us if shared[name] else f.lane_disorder_us for name, f in self.files.items()), default=0)

    @property
    def silence_us(self) -> int:
        """A silence with which append time makes no record of these files late."""
        return max(self._span_us, *(file.file_disorder_us for file in self.files.values()), 0)

    def __call__(self, source: Source, entries: pl.DataFrame) -> None:
        file = self.files.setdefault(str(source.identity.path), FileCheck(source.block.name))
        file.add(source, entries, self._shown_max)
        if source.block.packing > 1:
            self._span_us = max(self._span_us, source.block.packing_span_us)


def _behind(times: np.ndarray, peak: int) -> tuple[np.ndarray, int]:
    """How far each time lies behind the latest before it, and the latest one."""
    if not len(times):
        return times, peak
    latest = np.maximum.accumulate(np.maximum(times, peak))
    return latest - times, int(latest[-1])


def _shown(source: Source, row: dict[str, Any]) -> Shown:
    topic = INPUTS[row["topic"]] if row["topic"] >= 0 and row["fate"] == e.WRITTEN else ""
    value = {"ot.state.v1": row["text"], "ot.count.v1": row["whole"], "mes.order.v1": row["text"]}.get(topic, row["number"])
    rule = e.BLANK_LINE if row["blank"] else e.ABSENT if row["absent"] else source.rules[row["rule"]]
    why = {e.REFUSED: f"{row['reason']}: {row['detail']}" if row["detail"] else row["reason"], e.IGNORED: f"ignored by {rule}"}
    return Shown(
        line=row["at"], sequence=row["sequence"], fate=e.FATES[row["fate"]], topic=topic, path=row["path"], asset=row["asset"],
        tag=row["tag"], time_us=row["time"] if row["timed"] else None, value=value if topic else None,
        quality=QUALITIES[row["quality"]] if topic else "", why=why.get(row["fate"], ""),
    )  # fmt: skip
