"""What the gate and the operators want of each raw contract, and how its decoded columns give it.

Every contract has the same head (kind, source, boot, sequence, through_us, lanes). The body of a one-sample contract is an
asset, a name, a time, a value and a quality; a telemetry message holds many samples over a small table of signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streams.catalogue import InputKind
from streams.codec.plan import Column
from streams.kernel import NEG
from streams.model.order import EVENTS

KINDS: Final = ("DATA", "BLANK", "HEARTBEAT", "CLAIM")
QUALITIES: Final = ("GOOD", "UNCERTAIN", "BAD")

# positions of the columns that every contract has
KIND, BOOT, SEQUENCE, THROUGH, TIME, QUALITY, MODE = range(7)  # ints
SOURCE, ASSET, TAG, UNIT, TEXT, REASON = range(6)  # spans
LANES, ASSETS, TAGS, UNITS, SIGNALS, TIMES, VALUES, QUALITIES_OF = range(8)  # arrays

VALUE_FLOAT, VALUE_TEXT, VALUE_INT, VALUE_NONE = range(4)  # what a row's value holds
EXTRA_NONE, EXTRA_TEXT, EXTRA_COUNTER, EXTRA_BLOB = range(4)  # what a row's extra holds: nothing, a text, a device, the message


@dataclass(frozen=True, slots=True)
class InputShape:
    """How the columns of a contract are to be read. blob: rows keep their whole message for a later step.

    needed: fields without which a writer's schema is another contract, though each has a default. details: what the later step
    reads of kept messages; they are among the columns, so whatever is accepted can be read then.
    """

    columns: tuple[Column, ...]
    value: int
    extra: int
    named: bool  # has a tag; an order has none, and its asset may be the line itself
    needed: tuple[str, ...]
    details: tuple[Column, ...] = ()

    @property
    def blob(self) -> bool:
        return self.extra == EXTRA_BLOB


NAME_BYTES: Final = 1024  # longest name: source, asset, tag, unit, order, product, ..., and the key
STATE_BYTES: Final = 4096  # longest value or reason of a state

RESULTS: Final = ("UNKNOWN", "PASS", "FAIL")
MEASUREMENT_TEXTS: Final = ("product", "serial", "subgroup", "gauge")
MEASUREMENT_DETAILS: Final = (
    *(Column(name, "span", text=True, bytes_most=NAME_BYTES) for name in MEASUREMENT_TEXTS),
    Column("result", "int", symbols=RESULTS, fallback="UNKNOWN"),
)  # fmt: skip
ORDER_TEXTS: Final = ("order", "operation", "product")
ORDER_DETAILS: Final = (
    *(Column(name, "span", text=True, bytes_most=NAME_BYTES) for name in ORDER_TEXTS),
    Column("split_into", "spans", text=True, bytes_most=NAME_BYTES),
    *(Column(name, "int", default=EVENTS.index("UNKNOWN"), symbols=EVENTS, fallback="UNKNOWN") for name in ("event", "corrects")),
    *(Column(name, "int", default=NEG) for name in ("corrects_time_us", "corrected_time_us")), Column("event_time_us", "int"),
)  # fmt: skip


def _shape(
    spans: Mapping[str, str], value: int, extra: int, needed: tuple[str, ...], *, named: bool = True, details: tuple[Column, ...] = ()
) -> InputShape:
    """spans: column wanted -> field of the contract, for ASSET, TAG, UNIT, TEXT, REASON."""
    ints = [
        Column("kind", "int", symbols=KINDS), Column("boot", "int"), Column("sequence", "int", default=-(1 << 62)),
        Column("through_us", "int", default=-(1 << 62)), Column("event_time_us", "int"),
        Column("quality", "int", symbols=QUALITIES), Column("mode", "int", symbols=("TOTAL", "INCREMENT")),
    ]  # fmt: skip
    names = [spans.get(name, f"(no {name})") for name in ("asset", "tag", "unit", "text", "reason")]
    mosts = [NAME_BYTES] * 3 + [STATE_BYTES] * 2
    texts = [Column(name, "span", bytes_most=most) for name, most in zip(["source", *names], [NAME_BYTES, *mosts], strict=True)]
    floats = [Column("value", "float", default=float("nan"))] if value == VALUE_FLOAT else []
    if value == VALUE_INT:
        ints.append(Column("value", "int", default=-(1 << 62)))
    unread = () if named else (Column("unit", "span", text=True),)  # nobody reads the unit of an order here, others may
    own = (*ints, *floats, *texts, Column("lanes", "spans", bytes_most=NAME_BYTES))
    more = [column for column in (*details, *unread) if column.name not in {one.name for one in own}]
    return InputShape((*own, *more), value, extra, named, (*needed, "event_time_us"), details)


SHAPES: Final[Mapping[InputKind, InputShape]] = {
    "sample": _shape({"asset": "asset", "tag": "tag", "unit": "unit"}, VALUE_FLOAT, EXTRA_NONE, ("asset", "tag", "value")),
    "state": _shape({"asset": "asset", "tag": "tag", "text": "value", "reason": "reason"}, VALUE_TEXT, EXTRA_TEXT,
                    ("asset", "tag", "value")),
    "count": _shape({"asset": "asset", "tag": "tag", "reason": "device"}, VALUE_INT, EXTRA_COUNTER, ("asset", "tag", "value")),
    "measurement": _shape({"asset": "asset", "tag": "characteristic", "unit": "unit"}, VALUE_FLOAT, EXTRA_BLOB,
                          ("asset", "characteristic", "value"), details=MEASUREMENT_DETAILS),
    "order": _shape({"asset": "work_center"}, VALUE_NONE, EXTRA_BLOB, ("event", "order"), named=False, details=ORDER_DETAILS),
    "telemetry": InputShape(
        (
            Column("kind", "int", symbols=KINDS), Column("boot", "int"), Column("sequence", "int", default=-(1 << 62)),
            Column("through_us", "int", default=-(1 << 62)), Column("base_time_us", "int"), Column("source", "span", bytes_most=NAME_BYTES),
            *(Column(name, "spans", bytes_most=NAME_BYTES) for name in ("lanes", "assets", "tags", "units")),
            Column("signals", "ints"), Column("times_us", "ints"), Column("values", "floats"), Column("qualities", "ints"),
        ),
        VALUE_FLOAT, EXTRA_NONE, True, ("base_time_us", "assets", "tags", "units", "signals", "times_us", "values"),
    ),
}  # fmt: skip
