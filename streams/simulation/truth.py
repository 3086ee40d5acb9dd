"""What is true, and hidden from the log: the faults put into the factory, and which order really ran where.

>>> fault = Truth(id="stuck-sensor-1", kind="stuck-sensor", line="a/b/c/d", asset="press-1", names=("pressure-1",), since_us=0,
...               until_us=60_000_000, order="o-1", operation="10", product="p-1", parameters={}, seen_in="qual.deviation.v1", sign="stuck")
>>> fault.json()[:60]
'{"id": "stuck-sensor-1", "kind": "stuck-sensor", "line": "a/'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One fault. Its effects lie in [since_us, until_us), true time.

    kind: one of faults.KINDS. asset: the machine, or for an outage the gateway. names: the tags or characteristics whose values it
    changes; empty: all that the asset says. order, operation, product: as it began at the asset's work center; empty: none ran.
    parameters: how large, in units that stand in their names. seen_in: the topic that ought to show it, or `frontier`: only later.
    sign: how.
    """

    id: str
    kind: str
    line: str
    asset: str
    names: tuple[str, ...]
    since_us: int
    until_us: int
    order: str
    operation: str
    product: str
    parameters: Mapping[str, float | int | str]
    seen_in: str
    sign: str

    def json(self) -> str:
        """One line of JSON, fields in their order."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRun:
    """An order really ran at a work center in [since_us, until_us); until_us None: it still does. A pause ends a run."""

    line: str
    work_center: str
    order: str
    operation: str
    product: str
    since_us: int
    until_us: int | None
