"""Drives the compiled gate with the values of the twins: names to codes, messages to columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.time import gate as g
from streams.time.lanes import carry, configured, new_clocks, new_lanes, watermark, with_lanes
from streams.time.limits import TimeConfiguration
from tests.twin.gate import Message

KINDS = {"data": g.DATA, "blank": g.BLANK, "heartbeat": g.HEARTBEAT, "claim": g.CLAIM, "dead": g.DEAD}


class ColumnarGate:
    """The compiled gate behind the twin's interface, judging a whole slice of messages in one call."""

    def __init__(self, topic: str, time: TimeConfiguration) -> None:
        self.topic, self.time = topic, time
        self.gate, self.clocks, self.lanes = g.Gate(0), configured(new_clocks(1), (topic,), time), new_lanes(1)
        self.touched = g.new_touched()
        self.codes: dict[str, int] = {}
        self.sources: dict[tuple[str, int], int] = {}
        self.epochs: list[tuple[int, TimeConfiguration]] = []

    def _lane(self, name: str) -> int:
        if name not in self.codes:
            code = self.codes[name] = len(self.codes)
            self.lanes = with_lanes(self.lanes, code + 1)
            self.touched = g.touched_with_lanes(self.touched, code + 1)
            self._classify(name, code)
            for append, time in self.epochs:
                silence = time.inputs[self.topic].silence_us[time.classes.of(name)]
                self.lanes.carried[0, code] = max(self.lanes.carried[0, code], append - silence)
        return self.codes[name]

    def _classify(self, name: str, code: int) -> None:
        self.lanes.lane_class[:, code] = self.time.classes.names.index(self.time.classes.of(name))

    def push(self, log: Sequence[Message], increasing: bool = False) -> list[list[str]]:
        """increasing: the messages keep what `judge_increasing` asks for."""
        samples = [s for m in log for s in m.samples]
        row, beat = np.cumsum([0, *(len(m.samples) for m in log)]), np.cumsum([0, *(len(m.lanes) for m in log)])
        messages = g.Messages(
            np.array([m.append for m in log], np.int64), np.array([KINDS[m.kind] for m in log], np.int8),
            np.array([self.sources.setdefault((m.source, m.boot), len(self.sources)) for m in log], np.int32),
            np.array([g.UNNUMBERED if m.first is None else m.first for m in log], np.int64),
            np.array([m.through for m in log], np.int64), row, beat,
            np.array([self._lane(lane) for m in log for lane in m.lanes], np.int32),
        )  # fmt: skip
        content = [(hash((m.source, s)) & 0xFFFFFFFFFFFFFFFF, hash((s, m.source, 1)) & 0xFFFFFFFFFFFFFFFF) for m in log for s in m.samples]
        columns = g.Samples(
            np.array([self._lane(s.lane) for s in samples], np.int32), np.array([s.time for s in samples], np.int64),
            np.array([hash(s) & 0xFFFFFFFFFFFFFFFF for s in samples], np.uint64), np.array(content, np.uint64).reshape(-1, 2),
        )  # fmt: skip
        judge = self.gate.judge_increasing if increasing else self.gate.judge
        verdict, _ = judge(self.clocks, self.lanes, self.touched, messages, columns)
        return [[g.FATES[v] for v in verdict[a:b]] for a, b in zip(row, row[1:], strict=False)]

    def adopt(self, time: TimeConfiguration) -> None:
        carry(self.clocks, self.lanes, 0, len(self.codes))
        self.gate.adopt(self.clocks, time.inputs[self.topic].conflict_us)
        self.epochs.append((int(self.clocks.append[0]), self.time))
        self.clocks, self.time = configured(self.clocks, (self.topic,), time), time
        for name, code in self.codes.items():
            self._classify(name, code)

    def watermark(self, lane: str) -> int:
        return watermark(self.clocks, self.lanes, 0, self._lane(lane))
