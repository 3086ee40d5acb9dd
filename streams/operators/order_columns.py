"""The state of the join with orders as one JSON text, for snapshots. Bytes are written as Latin-1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from streams.model.hierarchy import AssetRow, Hierarchy
from streams.model.order import Coordinate, OrderEvent, OrderRef
from streams.operators.order_book import Base, Book, Segment
from streams.operators.order_contexts import Context, Contexts
from streams.operators.order_status import Status
from streams.operators.slice import Columns

Parts = tuple[dict[int, Book], dict[int, list[Segment]], Hierarchy, Contexts, dict[int, int], int]


def columns(
    books: Mapping[int, Book], timelines: Mapping[int, Sequence[Segment]], hierarchy: Hierarchy, contexts: Contexts,
    forced: Mapping[int, int], low_us: int,
) -> Columns:  # fmt: skip
    content = {
        "books": [[lane, b.work_center, b.horizon_us, _plain(b.base), _plain(b.history)] for lane, b in books.items()],
        "timelines": [[lane, _plain(timeline)] for lane, timeline in timelines.items()],
        "hierarchy": [_plain(row) for rows in hierarchy.rows.values() for row in rows],
        "contexts": _plain(contexts.items()), "forced": sorted(forced.items()), "low_us": low_us,
    }  # fmt: skip
    return {"json": np.frombuffer(json.dumps(content).encode(), np.uint8)}


def restored(columns: Columns) -> Parts:
    """What `columns` was made of, in the same order."""
    content = json.loads(columns["json"].tobytes())
    return (
        {lane: _book(*book) for lane, *book in content["books"]},
        {lane: [Segment(time_us, _refs(refs), _by(by)) for time_us, refs, by in timeline] for lane, timeline in content["timelines"]},
        Hierarchy.of(AssetRow(*row) for row in content["hierarchy"]),
        Contexts({code: Context(_refs(refs), _by(by)) for code, (refs, by) in content["contexts"]}),
        dict(map(tuple, content["forced"])),
        content["low_us"],
    )


def _plain(value: Any) -> Any:
    """Values as nested lists."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if is_dataclass(value):
        return [_plain(getattr(value, f.name)) for f in fields(value)]
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _refs(refs: list[Any]) -> tuple[OrderRef, ...]:
    return tuple(OrderRef(*ref) for ref in refs)


def _by(by: list[list[int]]) -> tuple[Coordinate, ...]:
    return tuple(Coordinate(*c) for c in by)


def _event(time_us: int, rank: list[Any], where: list[int], *rest: Any) -> OrderEvent:
    names = [f.name for f in fields(OrderEvent)][3:]
    values = dict(zip(names, rest, strict=True))
    values["split_into"] = tuple(values["split_into"])
    source = (rank[0].encode("latin-1"), *rank[1:])
    return OrderEvent(time_us=time_us, rank=source, at=Coordinate(*where), **values)


def _book(work_center: str, horizon_us: int, base: list[Any], history: list[Any]) -> Book:
    status, products = base
    stood = tuple((tuple(key), Status(runs, started_us, at_us, _by(by))) for key, (runs, started_us, at_us, by) in status)
    before = Base(stood, tuple((order, (product, at_us)) for order, (product, at_us) in products))
    return Book(work_center, horizon_us, before, [_event(*e) for e in history])
