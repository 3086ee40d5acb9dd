"""The gate of one input partition, sample by sample, with dictionaries for everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streams.kernel import NEG
from streams.time.limits import TimeConfiguration


@dataclass(frozen=True)
class Sample:
    lane: str
    time: int
    value: Any = None  # what it says: a number here, a whole body in the tests of tasks


@dataclass(frozen=True)
class Message:
    """One record of the log. first None: samples are identified by their content."""

    kind: str  # data | blank | heartbeat | claim | dead
    append: int
    source: str = ""
    boot: int = 0
    first: int | None = None
    samples: tuple[Sample, ...] = ()
    through: int = NEG
    lanes: tuple[str, ...] = ()


@dataclass
class IdMap:
    """An id is known while A - mark <= H; each sighting renews the mark: A rounded up to H / 64."""

    marks: dict[object, int] = field(default_factory=dict)

    def see(self, ids: list[object], append: int, horizon: int) -> list[bool]:
        step = max(1, horizon // 64)
        known = []
        for one in ids:  # one after the other: a content that stands twice in a message is known the second time
            known.append(append - self.marks.get(one, NEG) <= horizon)
            self.marks[one] = -(-append // step) * step
        return known

    def forget(self, append: int, horizon: int) -> None:
        self.marks = {one: mark for one, mark in self.marks.items() if append - mark <= horizon}


class Gate:
    def __init__(self, topic: str, time: TimeConfiguration, mutant: str = "") -> None:
        self.topic, self.time, self.mutant = topic, time, mutant
        self.append, self.claim = NEG, NEG
        self.latest: dict[str, int] = {}
        self.ids = IdMap()
        self.prints: dict[object, tuple[int, Sample]] = {}
        self.carried: list[tuple[int, TimeConfiguration, dict[str, int]]] = []
        self.bounds: list[int] = []  # watermarks that the last message's samples were held against

    def watermark(self, lane: str) -> int:
        """The largest of what the configuration in force says now and what each earlier one said when its time ended."""
        views = [(self.append, self.time, self.latest)]
        if self.mutant != "epoch_lowers_watermark":
            views += self.carried
        own = [self.claim]
        for append, time, latest in views:
            limits, c = time.inputs[self.topic], time.classes.of(lane)
            own.append(latest.get(lane, NEG) - limits.lateness_us[c])
            if self.mutant != "no_floor":
                own.append(append - limits.silence_us[c])
        return max(*own, NEG)

    def push(self, m: Message) -> list[str]:
        limits = self.time.inputs[self.topic]
        self.append = m.append if self.mutant == "raw_append_time" else max(self.append, m.append)
        if m.kind == "claim":
            self.claim = max(self.claim, m.through if self.mutant == "claim_unclamped" else min(m.through, self.append))
        if m.kind == "heartbeat" and (m.through <= self.append + limits.future_us or self.mutant == "heartbeat_unbounded"):
            for lane in m.lanes:
                self.latest[lane] = max(self.latest.get(lane, NEG), m.through)
        if m.kind != "data":
            return []
        if m.first is None:
            ids: list[object] = [("content", m.source, s.lane, s.time, s.value) for s in m.samples]
        elif self.mutant == "boot_ignored":
            ids = [(m.source, m.first + k) for k in range(len(m.samples))]
        else:
            ids = [(m.source, m.boot, m.first + k) for k in range(len(m.samples))]
        known = self.ids.see(ids, self.append, limits.horizon_us)
        before = {s.lane: self.watermark(s.lane) for s in m.samples}  # once a message, its own append time included
        verdicts, self.bounds = [], [before[s.lane] for s in m.samples]
        for one, old, s in zip(ids, known, m.samples, strict=True):
            w = self.watermark(s.lane) if self.mutant == "watermark_inside_message" else before[s.lane]
            verdicts.append(self._verdict(one, old, s, w, m.first is not None))
            if self.mutant == "watermark_inside_message" and verdicts[-1] == "accepted":
                self.latest[s.lane] = max(self.latest.get(s.lane, NEG), s.time)
        for s, verdict in zip(m.samples, verdicts, strict=True):
            if verdict == "accepted" or (verdict == "future" and self.mutant == "future_moves_lane"):
                self.latest[s.lane] = max(self.latest.get(s.lane, NEG), s.time)
        return verdicts

    def _verdict(self, one: object, known: bool, s: Sample, w: int, numbered: bool) -> str:
        limits = self.time.inputs[self.topic]
        tick = self.append // max(1, limits.conflict_us // 64)
        if known:
            seen, content = self.prints.get(one, (NEG, s))
            return "conflict" if numbered and tick - seen <= 64 and content != s else "duplicate"
        self.prints[one] = (tick, s)  # of the first sighting
        if s.time > self.append + limits.future_us:
            return "future"
        return "late" if s.time < w or (self.mutant == "late_at_watermark" and s.time == w) else "accepted"

    def adopt(self, time: TimeConfiguration) -> None:
        old, new = self.time.inputs[self.topic], time.inputs[self.topic]
        if self.mutant != "horizon_resurrects":
            self.ids.forget(self.append, old.horizon_us)
        if new.conflict_us != old.conflict_us:
            self.prints = {}
        self.carried.append((self.append, self.time, dict(self.latest)))
        self.time = time
