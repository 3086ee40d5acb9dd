"""A mapping as a value: what the columns of a plant's files mean. How it is written down: see mapping_file.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from streams.errors import DataError

FileFormat = Literal["csv", "delimited", "parquet", "jsonl", "qif"]
Layout = Literal["long", "wide", "orders"]
Quality = Literal["GOOD", "UNCERTAIN", "BAD"]
TargetKind = Literal["sample", "state", "count", "measurement", "ignore"]
Moment = Literal["order-start", "order-end"]
Contradiction = Literal["refuse", "keep"]

FORMATS: Final[tuple[FileFormat, ...]] = ("csv", "delimited", "parquet", "jsonl", "qif")
LAYOUTS: Final[tuple[Layout, ...]] = ("long", "wide", "orders")
QUALITIES: Final[tuple[Quality, ...]] = ("GOOD", "UNCERTAIN", "BAD")
TARGETS: Final[tuple[TargetKind, ...]] = ("sample", "state", "count", "measurement", "ignore")
RESULTS: Final = ("UNKNOWN", "PASS", "FAIL")
MOMENTS: Final[tuple[Moment, ...]] = ("order-start", "order-end")
CONTRADICTIONS: Final[tuple[Contradiction, ...]] = ("refuse", "keep")
QIF_COLUMNS: Final = (
    "characteristic", "item", "designator", "type", "feature", "value", "status", "unit", "nominal", "lsl", "usl", "modifier", "part",
    "serial", "device", "created",
)  # fmt: skip

TELEMETRY, SAMPLES, STATES, COUNTS, MEASUREMENTS, ORDERS = (
    "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1", "mes.order.v1",
)  # fmt: skip
RULE_TEXTS: Final = (
    "device", "characteristic", "product", "serial", "subgroup", "gauge", "result", "nominal", "lsl", "usl", "modifier",
)  # fmt: skip
INPUTS: Final = (ORDERS, TELEMETRY, SAMPLES, STATES, COUNTS, MEASUREMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Where a text comes from: one of a constant, a column, a group of a regular expression over the file's name.

    `values` translates what was found, and what it does not name is refused; `template` is put around the result.
    """

    constant: str | None = None
    column: str | None = None
    file_name: re.Pattern[str] | None = None
    values: Mapping[str, str] | None = None
    template: str = "{}"

    def of(self, found: str) -> str | None:
        """The text made of what a column or a file name holds; None where the translation does not name it.

        >>> Text(column="m", values={"7": "line-a"}, template="acme/hamburg/press/{}").of("7")
        'acme/hamburg/press/line-a'
        """
        translated = found if self.values is None else self.values.get(found)
        return None if translated is None else self.template.replace("{}", translated)

    def of_file(self, name: str) -> Text:
        """The same text for one file: what its name says has become a constant."""
        if self.file_name is None:
            return self
        match = self.file_name.search(name)
        if match is None:
            raise DataError("a file's name does not fit the mapping", file=name, pattern=self.file_name.pattern)
        found = match[1] or ""
        text = self.of(found)
        if text is None:
            known = sorted(self.values or {})
            raise DataError("the mapping does not translate what a file's name says", file=name, found=found, known=known)
        return Text(constant=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFormat:
    """How times are written. format: iso8601, epoch_s, epoch_ms, epoch_us, or directives of strptime.

    zone: IANA name, for times without offset. fold: which of two local times is meant where clocks go back (PEP 495); None
    refuses them. truncate: digits beyond a microsecond are cut off instead of refused.
    """

    format: str
    zone: str | None = None
    fold: Literal[0, 1] | None = None
    truncate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoment:
    """Event times that come from the orders of the same run, for files that know the part but not the time.

    moment: order-start, the first instant at which the order ran; order-end, the last one, once all its operations have ended.
    operation: only that one of the order; None: all of them. See order_times.py.
    """

    moment: Moment
    order: Text
    operation: Text | None = None

    @property
    def texts(self) -> tuple[Text, ...]:
        return (self.order,) if self.operation is None else (self.order, self.operation)

    def of_file(self, name: str) -> OrderMoment:
        return replace(self, order=self.order.of_file(name), operation=self.operation and self.operation.of_file(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """bad, uncertain: cells that say so, compared without case. codes: what the cells of `column` mean."""

    bad: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    column: str | None = None
    codes: Mapping[str, Quality] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule:
    """What becomes of the tags that fit one of the patterns. The first rule that fits decides.

    nominal, lsl, usl: of a measurement, numbers in the unit of the cell; modifier: MAXIMUM or LEAST where the limit is not a hard
    one (see limits.py). contradiction: what becomes of a verdict that value and limits deny. unit_of: instead of `unit`.
    """

    name: str
    match: tuple[str, ...]
    kind: TargetKind
    unit: str = ""
    scale: float | None = None
    mode: Literal["TOTAL", "INCREMENT"] = "TOTAL"
    device: Text | None = None
    keep_empty: bool = False  # an empty cell is a value (a state may be an empty text), else a BAD one
    reason: tuple[str, ...] = ()
    characteristic: Text | None = None
    product: Text | None = None
    serial: Text | None = None
    subgroup: Text | None = None
    gauge: Text | None = None
    result: Text | None = None
    unit_of: Text | None = None
    nominal: Text | None = None
    lsl: Text | None = None
    usl: Text | None = None
    modifier: Text | None = None
    contradiction: Contradiction = "refuse"  # the mapping file says which where there are limits and a verdict

    def fits(self, tag: str) -> bool:
        """
        >>> TagRule(name="loads", match=("*load", "axis[1]"), kind="sample").fits("Xload")
        True
        """
        return any(tag == pattern or fnmatchcase(tag, pattern) for pattern in self.match)

    @property
    def texts(self) -> tuple[tuple[str, Text], ...]:
        """Texts of the record that come from elsewhere than the cell, by field of the contract."""
        found = [(name, getattr(self, name)) for name in RULE_TEXTS] + [("unit", self.unit_of)]
        return tuple((name, text) for name, text in found if text is not None)

    @property
    def limited(self) -> bool:
        return self.lsl is not None or self.usl is not None

    def of_file(self, name: str) -> TagRule:
        """The same rule for one file: what its name says has become constant."""
        found: dict[str, Any] = {"unit_of" if field == "unit" else field: text.of_file(name) for field, text in self.texts}
        return replace(self, **found)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderColumns:
    """Which column gives which field of `mes.order.v1`; times are written as the event time is."""

    event: Text
    order: Text
    operation: Text | None = None
    product: Text | None = None
    work_center: Text | None = None
    unit: Text | None = None
    quantity_planned: str | None = None
    quantity_good: str | None = None
    quantity_scrap: str | None = None
    planned_start: str | None = None
    planned_end: str | None = None
    split_into: str | None = None
    split_separator: str = ";"
    corrects: Text | None = None
    corrects_time: str | None = None
    corrected_time: str | None = None

    @property
    def texts(self) -> tuple[tuple[str, Text], ...]:
        names = ("event", "order", "operation", "product", "work_center", "unit", "corrects")
        return tuple((name, text) for name in names if (text := getattr(self, name)) is not None)

    def of_file(self, name: str) -> OrderColumns:
        found: dict[str, Any] = {field: text.of_file(name) for field, text in self.texts}
        return replace(self, **found)

    @property
    def quantities(self) -> tuple[tuple[str, str], ...]:
        names = ("quantity_planned", "quantity_good", "quantity_scrap")
        return tuple((name, column) for name in names if (column := getattr(self, name)) is not None)

    @property
    def times(self) -> tuple[tuple[str, str], ...]:
        """(field of the contract, column)."""
        names = ("planned_start", "planned_end", "corrects_time", "corrected_time")
        return tuple((f"{name}_us", column) for name in names if (column := getattr(self, name)) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMapping:
    """One block of a mapping: the files whose names fit `match`, and what their lines mean."""

    name: str
    match: tuple[str, ...]
    format: FileFormat
    layout: Layout
    line: Text
    time_column: str
    time: TimeFormat
    asset: Text | None = None
    encoding: str = "utf-8"
    separator: str = ","
    quote: str = '"'
    header: bool = True
    columns: tuple[str, ...] = ()
    ragged: bool = False
    trim: bool = False
    decimal: str = "."
    packing: int = 1
    packing_span_us: int = 1_000_000
    tag: str = ""
    value: str = ""
    quality: QualityRules = QualityRules()
    tags: tuple[TagRule, ...] = ()
    order: OrderColumns | None = None
    moment: OrderMoment | None = None  # instead of time_column

    @property
    def sample_topic(self) -> str:
        return TELEMETRY if self.packing > 1 else SAMPLES

    def topic_of(self, kind: TargetKind) -> str | None:
        """Where entries of a rule go; None: nowhere."""
        topics = {"sample": self.sample_topic, "state": STATES, "count": COUNTS, "measurement": MEASUREMENTS}
        return topics.get(kind)

    def rule_of(self, tag: str) -> int:
        """Index of the first rule that fits a tag, -1: none."""
        return next((n for n, rule in enumerate(self.tags) if rule.fits(tag)), -1)

    def of_file(self, name: str) -> FileMapping:
        """The same mapping for one file: what its name says has become constant."""
        return replace(
            self, line=self.line.of_file(name), asset=self.asset and self.asset.of_file(name),
            moment=self.moment and self.moment.of_file(name), tags=tuple(rule.of_file(name) for rule in self.tags),
            order=self.order and self.order.of_file(name),
        )  # fmt: skip

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that the mapping names, each once; in layout wide all others are value columns."""
        texts = [self.line, *([self.asset] if self.asset else []), *(t for rule in self.tags for _, t in rule.texts)]
        texts += self.moment.texts if self.moment else ()
        names = [self.time_column, self.tag, self.value, self.quality.column, *(c for rule in self.tags for c in rule.reason)]
        if self.order is not None:
            texts += [text for _, text in self.order.texts]
            names += [column for _, column in (*self.order.quantities, *self.order.times)] + [self.order.split_into]
        return tuple(dict.fromkeys(name for name in [*names, *(t.column for t in texts)] if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestMapping:
    """A whole mapping. claims: inputs that a run alone writes. claim_interval_us None: by the span of the run."""

    files: tuple[FileMapping, ...]
    claims: tuple[str, ...] = ()
    claim_interval_us: int | None = None

    def of(self, name: str) -> FileMapping:
        """The block for a file, by its name without folders; the first that fits."""
        for block in self.files:
            if any(fnmatchcase(name, pattern) for pattern in block.match):
                return block.of_file(name)
        raise DataError("no block of the mapping fits a file", file=name, patterns=[list(block.match) for block in self.files],
                        hint="add its pattern to `match` of a [[files]] block")  # fmt: skip
