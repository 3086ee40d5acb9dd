"""Schema ids that a task meets for the first time: does the registry know them, and how long is it waited for?

A registry may be a replica that lags, and garbage may begin like a frame. So an id that the registry does not know is waited for, but
not for ever and not again and again; then its records are dead letters, and it is asked for again later. None of this decides what
comes out by itself: what is known is written into an epoch before the first record that is read by it (docs/adr/0015).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

POLL_S: Final = 0.25
MOST: Final = 100_000  # ids that are remembered as unknown


class Strangers:
    """writer: the schema of an id, None where the registry does not know it. clock: monotonic seconds.

    wait_s: how long an unknown id is waited for; again_s: after which it is asked for again, without waiting, and before which no other
    one is waited for either: a flood of garbage costs one wait.

    >>> now, known = [0.0], {1: {}}
    >>> strangers = Strangers(known.get, 5.0, 60.0, lambda: now[0], lambda s: now.__setitem__(0, now[0] + s))
    >>> strangers.known([1, 2, 3]), now[0]
    ({1}, 5.0)
    >>> known[2] = {}
    >>> strangers.known([2, 3, 4]), strangers.condemned, now[0]  # 4 is new, but nothing is waited for
    (set(), [2, 3, 4], 5.0)
    >>> now[0] = 66.0
    >>> strangers.known([2])
    {2}
    """

    def __init__(
        self, writer: Callable[[int], Mapping[str, Any] | None], wait_s: float, again_s: float, clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._writer, self._wait_s, self._again_s, self._clock, self._sleep = writer, wait_s, again_s, clock, sleep
        self._unknown: dict[int, float] = {}  # id -> when it was last asked for
        self._waited_s = -again_s

    @property
    def condemned(self) -> list[int]:
        """Ids whose records are dead letters for now, the last ones last."""
        return list(self._unknown)

    def known(self, ids: Iterable[int]) -> set[int]:
        """Those of the ids that the registry knows; PlatformError where it cannot be asked."""
        now, found = self._clock(), set[int]()
        asked = {one for one in ids if now - self._unknown.get(one, now - self._again_s) >= self._again_s}
        if not asked:
            return found
        patient = now - self._waited_s >= self._again_s and not asked & self._unknown.keys()
        while True:
            found |= {one for one in asked - found if self._writer(one) is not None}
            if found == asked or not patient or self._clock() - now >= self._wait_s:
                break
            self._sleep(POLL_S)
        if patient and found != asked:
            self._waited_s = self._clock()
        for one in sorted(asked):
            self._unknown.pop(one, None)
            if one not in found:
                self._unknown[one] = self._clock()
        while len(self._unknown) > MOST:
            del self._unknown[next(iter(self._unknown))]
        return found
