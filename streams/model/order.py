"""Production orders as a stream of events at work centers.

    created, released      not running
    started, resumed       running
    paused, ended, cancelled   not running
    split                  the old order goes on; the new ones begin as released, with its product
    corrected              an earlier event of the order had another time, or did not happen

Any event may follow any other: plants restart ended orders and end orders that never started; the last one decides. Several
orders may run at a work center at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

EVENTS = ("UNKNOWN", "CREATED", "RELEASED", "STARTED", "PAUSED", "RESUMED", "SPLIT", "ENDED", "CANCELLED", "CORRECTED")
RUNNING_AFTER = {"STARTED": True, "RESUMED": True, "CREATED": False, "RELEASED": False, "PAUSED": False, "ENDED": False, "CANCELLED": False}


class Coordinate(NamedTuple):
    """Where a sample stands in the task's inputs."""

    input: int  # rank of the input
    offset: int
    index: int  # type: ignore[assignment]  # it hides tuple.index, which nobody misses


@dataclass(frozen=True, slots=True, order=True)
class OrderRef:
    """An order in force at a work center."""

    order: str
    operation: str
    product: str
    work_center: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One record of `mes.order.v1`. `rank` orders events of one time: (source, boot, sequence, offset, index)."""

    time_us: int
    rank: tuple[bytes, int, int, int, int]
    at: Coordinate
    event: str
    order: str
    operation: str = ""
    product: str = ""
    split_into: tuple[str, ...] = ()
    corrects: str = "UNKNOWN"
    corrects_time_us: int | None = None
    corrected_time_us: int | None = None
