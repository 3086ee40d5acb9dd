"""CPU time of a task's stages. A lap a slice, never a record; it decides nothing."""

from __future__ import annotations

import time

STAGES = ("decode", "gate", "operators", "encode", "commit")


class Meter:
    """Seconds of CPU of the calling thread, by stage.

    >>> meter = Meter()
    >>> meter.begin()
    >>> meter.lap("decode")
    >>> meter.seconds["decode"] >= 0, meter.seconds["commit"]
    (True, 0.0)
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = 0.0

    def begin(self) -> None:
        """The thread begins to work, or goes on: what others did since is not counted."""
        self._last = time.thread_time()

    def lap(self, stage: str) -> None:
        """What was done since the last lap belongs to this stage."""
        now = time.thread_time()
        self.seconds[stage] += now - self._last
        self._last = now
