"""The mapping file of `andon ingest`, TOML. docs/mapping.md explains it with examples; this is the whole of it.

    claims = ["mes.order.v1"]         inputs that a run alone writes, also without data in the files
    claim_interval = "1 min"          of append time; decides only when results appear

    [[files]]                         one block a kind of file; a file takes the first block that fits its name
    name = "machines"                 optional, for messages
    match = "*-2016*.txt"             pattern(s) of the file's name
    format = "delimited"              delimited, csv (a header, `,` and quotes unless said otherwise), parquet, jsonl, qif
    separator = "|"                   also: quote = '"' ("": none), header = true, encoding = "utf-8"
    columns = ["time", "tag", ...]    names of the columns where there is no header; jsonl wide: the value columns
    ragged = true                     a line may lack columns at its end, or have more
    trim = true                       blanks around cells and column names do not count
    decimal = ","                     of numbers
    layout = "long"                   long: one tag and value a line; wide: a column a tag; orders: an order event a line
    tag = "tag"                       long: column of the tag
    value = "value"                   long: column of the value
    line = { constant = "acme/hamburg/press/line-1" }          or { column = "l" } or { file_name = "^(\\w+)-" },
    asset = { file_name = "^(\\w+)-" }                         with values = { a = "b" } and template = "acme/x/y/{}"
    time = { column = "time", format = "iso8601", zone = "UTC", fold = 0, truncate = true }
                                      or { from = "order-end", order = { column = "part" }, operation = ... } or "order-start"
    packing = 500                     samples a message (ot.telemetry.v1); 1: a message a sample (ot.sample.v1)
    packing_span = "1 s"              longest stretch of event time in a message

    [files.quality]
    bad = ["UNAVAILABLE"]             cells that mean it, in any case; also uncertain = [...]
    column = "q"                      column of codes, and what they mean:
    codes = { "192" = "GOOD", "0" = "BAD" }

    [[files.tags]]                    the first rule that fits a tag decides; a tag without a rule is refused
    match = ["*load", "Fact"]         exact names or patterns
    kind = "sample"                   sample (unit, scale), state (reason = ["code", "text"], empty = "keep"), count (mode,
    unit = "%"                        device), measurement (characteristic, unit, scale, product, serial, subgroup, gauge, result,
                                      nominal, lsl, usl, modifier as texts; contradiction = "refuse" or "keep"), ignore
                                      unit of a measurement also as a text: { column = "unit", values = { mm = "mm" } }

    [files.order]                     layout orders: event, order, operation, product, work_center, unit, corrects as texts like
    event = { column = "e", values = { Start = "STARTED" } }   `line`; quantity_planned, quantity_good, quantity_scrap,
    planned_start = "ps"              planned_start, planned_end, split_into (split_separator), corrects_time, corrected_time as columns
"""

from __future__ import annotations

import re
import tomllib
from math import isfinite
from pathlib import Path

from streams.errors import AndonError, MappingError
from streams.model.order import EVENTS
from streams.model.path import line_path
from streams.shell.ingest import instants
from streams.shell.ingest.mapping import (
    CONTRADICTIONS,
    FORMATS,
    INPUTS,
    LAYOUTS,
    MOMENTS,
    QIF_COLUMNS,
    QUALITIES,
    RESULTS,
    TARGETS,
    FileMapping,
    IngestMapping,
    OrderColumns,
    OrderMoment,
    QualityRules,
    TagRule,
    Text,
    TimeFormat,
)  # fmt: skip
from streams.shell.ingest.tables import Table

PACKING_MAX = 10_000  # samples; far below the largest message of the broker


def load(path: Path) -> IngestMapping:
    """A mapping from its file; MappingError names the key that is wrong."""
    try:
        return parse(path.read_text("utf-8"), path.name)
    except OSError as error:
        raise MappingError("the mapping file cannot be read", path=str(path), reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise MappingError("the mapping file is not UTF-8", path=str(path)) from error


def parse(text: str, file: str = "mapping") -> IngestMapping:
    """A mapping from TOML.

    >>> parse("[[files]]\\nmatch = 'a'", "m.toml")
    Traceback (most recent call last):
    streams.errors.MappingError: m.toml lacks a key: key='files[0].format'
    """
    try:
        root = Table(tomllib.loads(text), file)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file} is not TOML", reason=str(error)) from error
    claims = root.texts("claims")
    for n, claim in enumerate(claims):
        root.one_of(f"claims[{n}]", claim, INPUTS)
    interval = root.duration("claim_interval")
    files = tuple(_file(table, n) for n, table in enumerate(root.tables("files")))
    root.end()
    return IngestMapping(files=files, claims=tuple(dict.fromkeys(claims)), claim_interval_us=interval)


def _file(table: Table, number: int) -> FileMapping:
    match = table.texts("match", required=True, or_one=True)
    format_ = table.choice("format", FORMATS)
    layout = table.choice("layout", LAYOUTS)
    time_column, time, moment = _time(table.table("time"), orders=layout == "orders")
    text_format = format_ in ("csv", "delimited")
    asset = table.table("asset", required=layout != "orders")
    order = table.table("order", required=layout == "orders")
    found = FileMapping(
        name=table.text("name", f"files[{number}]"), match=match, format=format_, layout=layout, time_column=time_column, time=time,
        line=_text(table.table("line"), is_line=True), asset=_text(asset) if asset else None,
        encoding=_encoding(table) if format_ in ("csv", "delimited", "jsonl") else "utf-8",
        separator=_one(table, "separator", ",") if text_format else ",",
        quote=_one(table, "quote", '"' if format_ == "csv" else "", empty=True) if text_format else "",
        header=table.flag("header", format_ == "csv") if text_format else True,
        columns=table.texts("columns"), ragged=table.flag("ragged") if text_format else False, trim=table.flag("trim"),
        decimal=table.choice("decimal", (".", ","), "."),
        packing=table.whole("packing", 1, 1, PACKING_MAX) if layout != "orders" else 1,
        packing_span_us=(table.duration("packing_span") if layout != "orders" else None) or 1_000_000,
        tag=table.text("tag") if layout == "long" else "", value=table.text("value") if layout == "long" else "",
        quality=_quality(table.table("quality", required=False)) if layout != "orders" else QualityRules(),
        tags=_tags(table) if layout != "orders" else (), order=_order(order) if order else None, moment=moment,
    )  # fmt: skip
    table.end()
    _consistent(table, found)
    return found


def _consistent(table: Table, found: FileMapping) -> None:
    """What single keys cannot show."""
    if len(set(found.columns)) != len(found.columns):
        table.fail("names a column twice", "columns", given=list(found.columns))
    if found.format == "csv" or found.header:
        if found.columns and found.format != "jsonl":
            table.fail("gives names of columns, but the file has its own", "columns", hint="header = false, or leave `columns` out")
    elif not found.columns:
        table.fail("lacks the names of the columns, and there is no header", "columns")
    if found.format == "jsonl" and found.layout == "wide" and not found.columns:
        table.fail("lacks the value columns: JSON lines need not all have the same ones", "columns")
    if found.columns and found.format != "jsonl":
        missing = [name for name in found.read if name not in found.columns]
        if missing:
            table.fail("reads columns that `columns` does not name", "columns", missing=missing)
    if found.format == "qif":
        unknown = [name for name in found.read if name not in QIF_COLUMNS]
        if unknown or found.columns or found.layout != "long":
            fact = "must read a QIF file in layout long, by the columns that such a file has"
            table.fail(fact, "", unknown=unknown, known=list(QIF_COLUMNS))
    if found.format in ("csv", "delimited") and found.separator == found.quote:
        table.fail("has the same character as separator and as quote", "separator", given=found.separator)


def _one(table: Table, key: str, default: str, *, empty: bool = False) -> str:
    value = table.text(key, default)
    if len(value) != 1 and not (empty and not value):
        table.fail("must have one character here", key, given=value)
    if value in ("\n", "\r"):
        table.fail("cannot take the end of a line here", key, given=value)
    return value


def _encoding(table: Table) -> str:
    value = table.text("encoding", "utf-8")
    try:
        "a|0".encode(value)
    except LookupError:
        table.fail("names an encoding that is not known", "encoding", given=value)
    return value


def _text(table: Table, *, is_line: bool = False, words: tuple[str, ...] = ()) -> Text:
    """words: what the result must be one of."""
    sources = [key for key in ("constant", "column", "file_name") if key in table]
    if len(sources) != 1:
        table.fail("must have exactly one of constant, column and file_name here", "", given=sources)
    found = Text(
        constant=table.text("constant", None), column=table.text("column", None), file_name=_pattern(table, "file_name"),
        values=table.words("values"), template=table.text("template", "{}"),
    )  # fmt: skip
    if "template" in table and "{}" not in found.template:
        table.fail("must have {} where the text goes", "template", given=found.template)
    table.end()
    if found.constant is not None and (found.values is not None or "template" in table):
        table.fail("cannot translate a constant", "constant")
    known = [found.constant] if found.constant is not None else [found.of(each) for each in found.values or {}]
    for text in known:
        if words and text not in words:
            table.fail("must have one of the known words here", "values" if found.values else "constant", given=text, known=list(words))
        if is_line:
            try:
                line_path(text or "")
            except AndonError as error:
                key = "values" if found.values else "constant"
                table.fail("must have a line path here", key, given=text, levels=error.values["levels"])
    return found


def _pattern(table: Table, key: str) -> re.Pattern[str] | None:
    text = table.text(key, None)
    if text is None:
        return None
    try:
        found = re.compile(text)
    except re.error as error:
        table.fail("has a regular expression that does not work", key, given=text, reason=str(error))
    if found.groups != 1:
        table.fail("must have one group in the regular expression", key, given=text)
    return found


def _time(table: Table, *, orders: bool) -> tuple[str, TimeFormat, OrderMoment | None]:
    """orders: these are the orders themselves, whose times come from nowhere else."""
    if "from" in table and not orders:
        operation = table.table("operation", required=False)
        moment = OrderMoment(
            moment=table.choice("from", MOMENTS), order=_text(table.table("order")), operation=_text(operation) if operation else None
        )
        table.end()
        return "", TimeFormat(format="iso8601", zone="UTC"), moment
    column, format_ = table.text("column"), table.text("format")
    fold = table.whole("fold", -1, 0, 1)
    found = TimeFormat(
        format=format_, zone=table.text("zone", None), truncate=table.flag("truncate"), fold=None if fold < 0 else 1 if fold else 0
    )
    table.end()
    try:
        instants.check(found)
    except AndonError as error:
        table.fail(f"has a time format that cannot be used: {error.fact}", "", hint=error.hint, **error.values)
    return column, found, None


def _quality(table: Table | None) -> QualityRules:
    if table is None:
        return QualityRules()
    column, codes = table.text("column", None), table.words("codes") or {}
    found = QualityRules(
        bad=tuple(text.lower() for text in table.texts("bad")), uncertain=tuple(text.lower() for text in table.texts("uncertain")),
        column=column, codes={code: table.one_of(f"codes.{code}", word, QUALITIES) for code, word in codes.items()},
    )  # fmt: skip
    table.end()
    if bool(column) != bool(codes):
        table.fail("must have column and codes together", "codes" if column else "column")
    return found


_OF_KIND = {
    "sample": ("unit", "scale"), "state": ("reason", "empty"), "count": ("mode", "device"),
    "measurement": ("unit", "scale", "characteristic", "product", "serial", "subgroup", "gauge", "result", "nominal", "lsl", "usl",
                    "modifier", "contradiction"),
    "ignore": (),
}  # fmt: skip


def _tags(table: Table) -> tuple[TagRule, ...]:
    rules = tuple(_rule(each) for each in table.tables("tags"))
    names = [rule.name for rule in rules]
    for n, name in enumerate(names):
        if name in names[:n]:
            table.fail("has two rules of one name", f"tags[{n}]", given=name, hint="give them different `name`s")
    return rules


def _rule(table: Table) -> TagRule:
    match, kind = table.texts("match", required=True, or_one=True), table.choice("kind", TARGETS)
    name = table.text("name", " ".join(match))
    for key in sorted({key for keys in _OF_KIND.values() for key in keys} - set(_OF_KIND[kind])):
        if key in table:
            table.fail(f"has a key that a rule of kind {kind} does not take", key, known=list(_OF_KIND[kind]))

    def text(key: str, words: tuple[str, ...] = ()) -> Text | None:
        found = table.table(key, required=False)
        return _text(found, words=words) if found else None

    unit_of = text("unit") if kind == "measurement" and table.is_table("unit") else None
    rule = TagRule(
        name=name, match=match, kind=kind, unit="" if unit_of else table.text("unit", ""), unit_of=unit_of, scale=table.number("scale"),
        mode=table.choice("mode", ("TOTAL", "INCREMENT"), "TOTAL"), device=text("device"),
        keep_empty=table.choice("empty", ("bad", "keep"), "bad") == "keep", reason=table.texts("reason"),
        characteristic=text("characteristic"), product=text("product"), serial=text("serial"), subgroup=text("subgroup"),
        gauge=text("gauge"), result=text("result", RESULTS), nominal=text("nominal"), lsl=text("lsl"), usl=text("usl"),
        modifier=text("modifier"), contradiction=table.choice("contradiction", CONTRADICTIONS, "refuse"),
    )  # fmt: skip
    table.end()
    _limited(table, rule)
    return rule


def _limited(table: Table, rule: TagRule) -> None:
    """Limits without a verdict have nothing to contradict; with one the mapping must say what becomes of a contradiction."""
    judged = rule.limited and rule.result is not None
    if judged != ("contradiction" in table):
        fact = "must say what becomes of a verdict that contradicts its limits" if judged else "has no verdict and limits to compare"
        table.fail(fact, "contradiction", known=list(CONTRADICTIONS))
    if rule.modifier is not None and not rule.limited:
        table.fail("has a modifier, but no limit that it modifies", "modifier")
    if (rule.nominal or rule.limited) and rule.scale is not None and rule.scale <= 0:
        table.fail("must have a scale above 0 where there are limits", "scale", given=rule.scale)
    for key, of in (("nominal", rule.nominal), ("lsl", rule.lsl), ("usl", rule.usl)):
        if of is not None and of.constant is not None and not _finite(of.constant):
            table.fail("must have a finite number in this text", key, given=of.constant)


def _finite(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _order(table: Table) -> OrderColumns:
    def text(key: str, words: tuple[str, ...] = ()) -> Text | None:
        found = table.table(key, required=False)
        return _text(found, words=words) if found else None

    def column(key: str) -> str | None:
        return table.text(key, None)

    found = OrderColumns(
        event=_text(table.table("event"), words=EVENTS[1:]), order=_text(table.table("order")), operation=text("operation"),
        product=text("product"), work_center=text("work_center"), unit=text("unit"), corrects=text("corrects", EVENTS[1:]),
        quantity_planned=column("quantity_planned"), quantity_good=column("quantity_good"), quantity_scrap=column("quantity_scrap"),
        planned_start=column("planned_start"), planned_end=column("planned_end"), split_into=column("split_into"),
        split_separator=table.text("split_separator", ";"), corrects_time=column("corrects_time"), corrected_time=column("corrected_time"),
    )  # fmt: skip
    table.end()
    if not found.split_separator:
        table.fail("must have a separator here", "split_separator")
    return found
