"""Event times from the orders of a run: what they are, against a slow twin that steps through time; and when there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import DataError, MappingError
from streams.shell.ingest import mapping_file
from streams.shell.ingest.mapping import Moment, OrderMoment, Text
from streams.shell.ingest.order_times import OrderTimes
from streams.shell.ingest.scan import scan
from tests.shell.ingest.inspection import ENDED, MAPPING, ORDERS, changed, files, scanned

PATH = "acme/hamburg/press/line-1"
Row = tuple[str, str, str, int, str, int | None, int | None]  # order, operation, event, time, corrects, before, after


def moments(rows: list[Row], moment: Moment, asked: str, operation: str | None = None) -> tuple[int | None, str]:
    """(the time of one asked order, or None and why)."""
    names = ("tag", "operation", "text", "time", "corrects", "corrects_time_us", "corrected_time_us")
    types = {"time": pl.Int64, "corrects_time_us": pl.Int64, "corrected_time_us": pl.Int64}
    chunk = pl.DataFrame(rows, schema={name: types.get(name, pl.String) for name in names}, orient="row").with_columns(
        path=pl.lit(PATH), asset=pl.lit("mill-1"), fate=pl.lit(0)
    )
    rule = OrderMoment(moment=moment, order=Text(column="o"), operation=None if operation is None else Text(constant=operation))
    times, missing, detail = OrderTimes([[chunk]]).of(rule, pl.DataFrame({"o": [asked]}), pl.Series([PATH]))
    return None if missing[0] else int(times[0]), detail[0]


def row(
    order: str, operation: str, event: str, time: int, corrects: str = "UNKNOWN", before: int | None = None, after: int | None = None
) -> Row:
    return order, operation, event, time, corrects, before, after


def slow(rows: list[Row], moment: Moment, order: str) -> int | None:
    """Step by step from 0 to 30: at which instants did an operation of the order run, and has each come to an end."""
    ran, last_instants, closed = set[int](), set[int](), []
    for operation in {each[1] for each in rows if each[0] == order}:
        events: list[tuple[int, str]] = []
        for _, of, event, time, *_ in (each for each in rows if each[0] == order):
            if of != operation or event == "CORRECTED":
                continue
            said = [after for o, p, e, _, c, b, after in rows if (o, p, e, c, b) == (order, operation, "CORRECTED", event, time)]
            if not said or said[-1] is not None:
                events.append((said[-1] if said else time, event))  # type: ignore[arg-type]
        state, last, at, own = False, "", 0, set[int]()
        for instant in range(31):
            for event in (event for time, event in events if time == instant):  # in the order of the file
                if event not in ("CREATED", "SPLIT"):
                    state, last, at = event in ("STARTED", "RESUMED"), event, instant
            if state:
                own.add(instant)
        ran |= own
        last_instants |= own or ({at - 1} if last == "ENDED" else set())
        if last:
            closed.append(last in ("ENDED", "CANCELLED"))
    if moment == "order-start":
        return min(ran, default=None)
    return max(last_instants, default=None) if all(closed) else None


times = st.integers(0, 30)
kinds = st.sampled_from(["STARTED", "PAUSED", "RESUMED", "ENDED", "CANCELLED", "CREATED", "SPLIT"])
plain = st.builds(row, st.sampled_from(["A", "B"]), st.sampled_from(["10", "20"]), kinds, times)
corrections = st.builds(
    row, st.sampled_from(["A", "B"]), st.sampled_from(["10", "20"]), st.just("CORRECTED"), times, kinds, times, st.none() | times
)


@given(rows=st.lists(plain | corrections, max_size=12), moment=st.sampled_from(["order-start", "order-end"]))
def test_as_the_slow_twin_says(rows: list[Row], moment: Moment) -> None:
    for order in ("A", "B"):
        found, detail = moments(rows, moment, order)
        assert found == slow(rows, moment, order)
        assert (found is None) == bool(detail)


@pytest.mark.parametrize(("rows", "end", "detail"), [
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9)], 8, ""),
    ([row("A", "10", "STARTED", 5), row("A", "10", "PAUSED", 7), row("A", "10", "ENDED", 9)], 6, ""),
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "20", "STARTED", 12), row("A", "20", "ENDED", 15)], 14, ""),
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "20", "STARTED", 12)], None, "order A has not ended"),
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "20", "STARTED", 12), row("A", "20", "CANCELLED", 13)], 12, ""),
    ([row("A", "10", "ENDED", 9)], 8, ""),
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "10", "CORRECTED", 20, "ENDED", 9, 11)], 10, ""),
    ([row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "10", "CORRECTED", 20, "ENDED", 9, None)], None,
     "order A has not ended"),
    ([row("B", "10", "STARTED", 5), row("B", "10", "ENDED", 9)], None, "no file of the run has order A"),
])  # fmt: skip
def test_the_end_of_an_order(rows: list[Row], end: int | None, detail: str) -> None:
    assert moments(rows, "order-end", "A") == (end, detail)


def test_what_starts_and_ends_at_one_instant_never_ran() -> None:
    at_once = [row("A", "20", "STARTED", 12), row("A", "20", "ENDED", 12)]

    assert moments(at_once, "order-start", "A") == (None, "order A never started")
    assert moments([row("A", "20", "STARTED", 5), row("A", "20", "PAUSED", 9), *at_once], "order-end", "A") == (8, "")


def test_one_operation_of_an_order() -> None:
    rows = [row("A", "10", "STARTED", 5), row("A", "10", "ENDED", 9), row("A", "20", "STARTED", 12)]

    assert moments(rows, "order-end", "A", "10") == (8, "")
    assert moments(rows, "order-start", "A", "20") == (12, "")
    assert moments(rows, "order-end", "A", "30") == (None, "order A has no operation 30")
    assert moments([row("A", "10", "ENDED", 9)], "order-start", "A") == (None, "order A never started")


def test_a_part_that_the_mapping_does_not_name_has_no_operation(tmp_path: Path) -> None:
    _, refusals, _ = scanned(tmp_path, mapping=changed(', "#72" = "A2"', "", MAPPING))

    assert [(each.sequence, each.reason, each.detail) for each in refusals.first] == [
        (3, "no operation", "the mapping names no order for '#72'")
    ]


def test_orders_of_another_line_are_not_those(tmp_path: Path) -> None:
    here = 'match = "*.qif"\nformat = "qif"\nlayout = "long"\nline = { constant = "acme/hamburg/press/line-1" }'
    _, refusals, _ = scanned(tmp_path, mapping=changed(here, here.replace("line-1", "line-2"), MAPPING))

    assert {each.reason for each in refusals.first} == {"no operation"}


def test_without_files_of_orders_the_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file of the run has any"):
        scan(files(tmp_path)[:1], mapping_file.parse(MAPPING))


def test_the_same_file_twice_is_still_refused(tmp_path: Path) -> None:
    document, orders = files(tmp_path)
    with pytest.raises(DataError, match="a file is named twice"):
        scan([document, orders, document], mapping_file.parse(MAPPING))


def test_refused_orders_do_not_count(tmp_path: Path) -> None:
    _, refusals, _ = scanned(tmp_path, orders=ENDED.replace("200,A1,10,ENDED", "never,A1,10,ENDED"))

    assert [each.detail for each in refusals.first if each.reason == "no operation"] == ["order A1 has not ended"] * 3


def test_event_times_from_orders_in_a_csv(tmp_path: Path) -> None:
    """Any layout of values may take its times from orders."""
    text = MAPPING.partition("[[files.tags]]")[0].replace('format = "qif"', 'format = "csv"').replace('column = "part"', 'column = "p"')
    text = text.replace('layout = "long"', 'layout = "wide"').replace('tag = "characteristic"\nvalue = "value"\n', "")
    rule = '[[files.tags]]\nmatch = "*"\nkind = "measurement"\n\n[[files]]' + MAPPING.split("[[files]]")[2]
    found: dict[str, Any] = {}

    def keep(_: object, entries: pl.DataFrame) -> None:
        found.update({each["tag"]: each["time"] for each in entries.iter_rows(named=True)} if "number" in entries.columns else {})

    (tmp_path / "gauge.qif").write_text("p,bore,flat\nS-1,9.9,0.1\n")
    (tmp_path / "orders.csv").write_text(ORDERS + "100,A1,10,STARTED,,,\n200,A1,10,ENDED,,,\n")
    scan([tmp_path / "gauge.qif", tmp_path / "orders.csv"], mapping_file.parse(text + rule), [keep])
    assert {tag: time for tag, time in found.items() if tag in ("bore", "flat")} == {"bore": 199, "flat": 199}


@pytest.mark.parametrize(("old", "new", "said"), [
    ('from = "order-end"', 'from = "order-middle"', "known words"),
    (', order = { column = "part", values = { S-1 = "A1", "#72" = "A2" } }', "", "lacks a key"),
    ('from = "order-end", ', 'from = "order-end", column = "created", ', "not known"),
])  # fmt: skip
def test_mappings_that_cannot_be_meant(old: str, new: str, said: str) -> None:
    with pytest.raises(MappingError, match=said):
        mapping_file.parse(changed(old, new, MAPPING))
