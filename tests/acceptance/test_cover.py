"""Parts 1 to 6 of NIST's Cover, a production order each: results carry the order that ran, also where orders come late or change."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from streams.model.hierarchy import AssetRow, Hierarchy
from streams.shell.ingest import mapping_file
from streams.shell.ingest.mapping import IngestMapping
from tests.acceptance import agreement, byhand, orders_by_hand, plantday, sent
from tests.acceptance.byhand import Line
from tests.acceptance.conftest import Ran, ran
from tests.acceptance.orders_by_hand import Event, Ref, Spans
from tests.acceptance.plantday import Order, Outcome

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

MACHINE, LINE = "Hurco04", "nist/gaithersburg/shop/line-d"
END = byhand.instant("2017-02-10T20:00:00Z")
LATENESS = 30 * 60_000_000  # of orders, in the configuration
MAPPING = "nist-cover.mapping.toml"
Row = dict[str, str]
CORRECTIONS = """
corrects = { column = "corrects" }
corrects_time = "corrects_time"
corrected_time = "corrected_time"
"""


@pytest.fixture(scope="module")
def lines(nist: Path) -> list[list[Line]]:
    block = byhand.block_of(plantday.example(MAPPING), "long")
    return [byhand.lines_of(path, block, MACHINE) for path in files(nist)]


def files(nist: Path) -> list[Path]:
    return sorted((nist / "cover").glob("Cover-Hurco04-*of20.txt"))


@pytest.fixture(scope="module")
def cover(nist: Path, lines: list[list[Line]]) -> Ran:
    return ran([*files(nist), plantday.example("nist-cover-orders.csv")], plantday.mapped(MAPPING), lines, END)


def with_corrections() -> IngestMapping:
    text, event = plantday.example(MAPPING).read_text("utf-8"), 'event = { column = "event" }\n'
    assert text.count(event) == 1
    return mapping_file.parse(text.replace(event, event + CORRECTIONS), MAPPING)


def written(path: Path, rows: Iterable[Row]) -> Path:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def order_rows() -> list[Row]:
    with plantday.example("nist-cover-orders.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def outcome_of(run: Ran) -> Outcome:
    """Of the machine's partition; there is nothing in the other one."""
    (found,) = (outcome for outcome in run.outcomes if outcome.results)
    return found


def check_against_hand(run: Ran, events: list[Event], work_center: str = MACHINE) -> None:
    """Every window, interval and piece of the run, each with its orders, is what files and events say."""
    outcome, every = outcome_of(run), [line for of in run.lines for line in of]
    assert check_results(outcome, every, events, END, work_center) > 5_000
    fates = [outcome.ledger[topic] for topic in ("ot.telemetry.v1", "ot.state.v1", "ot.count.v1")]
    assert sum(of["applied"] for of in fates) == len(every) == 67_655
    assert outcome.pending == 0


def check_results(outcome: Outcome, lines: list[Line], events: list[Event], until: int, work_center: str = MACHINE) -> int:
    every, cuts = [line for line in lines if line.time < until], {MACHINE: orders_by_hand.changes(events)}
    windows = agreement.check_windows(outcome, agreement.windows_by_hand(every, until, cuts))
    agreement.check_intervals(outcome, agreement.intervals_by_hand(every, until, cuts))
    pieces = []
    for row in plantday.rows(outcome.results, *plantday.RESULTS):
        at = row.get("since_us", row.get("start_us", row.get("event_time_us")))
        assert at is not None
        assert [tuple(ref.values()) for ref in row["orders"]] == [(*ref, work_center) for ref in orders_by_hand.told(events, at)]
        if "increment" in row:
            pieces.append((row["event_time_us"], row["cause"], row["increment"], row["total"]))
    counters = byhand.signals(every, "count")
    assert pieces == byhand.increments(counters.get((MACHINE, "Part_Count"), []), until)
    return windows


def test_results_carry_the_order_that_ran(cover: Ran) -> None:
    check_against_hand(cover, orders_by_hand.read(plantday.example("nist-cover-orders.csv"), LATENESS))
    assert outcome_of(cover).aside == []


def test_each_part_has_its_time_on_the_machine(cover: Ran) -> None:
    """The time of the windows' stretches that carry an order lies within the order's own events; and every order has some."""
    seen: dict[Ref, list[dict[str, Any]]] = {}
    for row in plantday.rows(outcome_of(cover).results, "ctx.window.v1", "ctx.state-interval.v1"):
        for ref in row["orders"]:
            seen.setdefault((ref["order"], ref["operation"], ref["product"]), []).append(row)
    events = orders_by_hand.read(plantday.example("nist-cover-orders.csv"), LATENESS)
    assert set(seen) == {(event.order, event.operation, event.product) for event in events}
    assert len(seen) == 18
    for ref, of in seen.items():
        own = [event.time for event in events if (event.order, event.operation, event.product) == ref]
        assert min(own) <= min(row.get("since_us", row["start_us"]) for row in of)
        assert max(row.get("until_us", row["end_us"]) for row in of) <= max(own)


def test_evidence_names_the_event_that_set_the_order(cover: Ran) -> None:
    log = next(inputs["mes.order.v1"] for inputs, outcome in zip(cover.logs, cover.outcomes, strict=True) if outcome.results)
    events = {n: samples[0] for n, _, samples in sent.records("mes.order.v1", log) if samples}
    with_order = 0
    for row in plantday.rows(outcome_of(cover).results, *plantday.RESULTS):
        cited = [each for each in row["evidence"] if each["topic"] == "mes.order.v1"]
        assert len(cited) == bool(row["orders"])
        if cited:
            event = events[cited[0]["first_offset"]]
            assert (event.value, event.tag in ("STARTED", "RESUMED")) == (row["orders"][0]["order"], True)
            with_order += 1
    assert with_order > 3_000


@pytest.mark.parametrize("seed", range(2))
def test_orders_in_any_order_that_is_on_time_give_the_same(cover: Ran, nist: Path, tmp_path: Path, seed: int) -> None:
    """Each order event is written down up to half an hour after later ones: all but evidence is the same."""
    random, rows = Random(seed), order_rows()
    shuffled = sorted(rows, key=lambda row: byhand.instant(row["time"]) + random.randrange(LATENESS))
    assert shuffled != rows
    again = ran([*files(nist), written(tmp_path / "shuffled-orders.csv", shuffled)], plantday.mapped(MAPPING), cover.lines, END)

    assert plantday.without_evidence(outcome_of(again).results) == plantday.without_evidence(outcome_of(cover).results)
    assert outcome_of(again).aside == []
    assert outcome_of(again).ledger["mes.order.v1"]["applied"] == len(rows) == 40


def behind(rows: list[Row], at: str) -> int:
    """Where a row is written that comes right after the events of a time."""
    return 1 + max(n for n, row in enumerate(rows) if row["time"].startswith(at))


def one(rows: list[Row], at: str, event: str) -> Row:
    (row,) = (row for row in rows if row["time"].startswith(at) and row["event"] == event)
    return row


def moved(rows: list[Row], at: str, event: str, after: str) -> None:
    """Write an event behind a later one."""
    row = one(rows, at, event)
    rows.remove(row)
    rows.insert(behind(rows, after), row)


def misreported(rows: list[Row], at: str, event: str, wrong: str, noticed: str, after: str) -> None:
    """Write an event with a wrong time; at `noticed`, written behind a later event, give it the right one."""
    row = one(rows, at, event)
    corrected = {**row, "time": noticed, "event": "CORRECTED", "quantity_good": ""}
    rows.insert(behind(rows, after), corrected | {"corrects": event, "corrects_time": wrong, "corrected_time": row["time"]})
    row["time"] = wrong


def invented(rows: list[Row], like: str, event: str, at: str, noticed: str, after: str) -> None:
    """Write an event that did not happen; at `noticed` say so."""
    named = {name: one(rows, like, "STARTED")[name] for name in ("order", "operation", "product", "work_center")}
    rows.insert(behind(rows, after), {**named, "time": at, "event": event})
    rows.insert(behind(rows, at), {**named, "time": noticed, "event": "CORRECTED", "corrects": event, "corrects_time": at})


def a_bad_week(rows: list[Row]) -> None:
    """The same orders, two of their events half an hour and more late, three wrong at first, of which one is corrected too late."""
    moved(rows, "2017-02-07T17:24:08", "ENDED", after="2017-02-07T18:01:14")
    moved(rows, "2017-02-10T10:07:42", "STARTED", after="2017-02-10T10:44:06")
    misreported(rows, "2017-02-10T10:46:45", "STARTED", "2017-02-10T10:40:00Z", noticed="2017-02-10T11:02:00Z", after="2017-02-10T11:01:05")
    invented(rows, "2017-02-10T11:31:13", "PAUSED", "2017-02-10T11:36:00Z", noticed="2017-02-10T11:42:00Z", after="2017-02-10T11:31:13")
    misreported(rows, "2017-02-10T12:09:04", "ENDED", "2017-02-10T12:05:00Z", noticed="2017-02-10T12:30:00Z", after="2017-02-10T18:33:01")


def week(cover: Ran, nist: Path, folder: Path, change: Callable[[list[Row]], None]) -> tuple[Ran, list[Event]]:
    rows = order_rows()
    change(rows)
    path = written(folder / "changed-orders.csv", rows)
    return ran([*files(nist), path], with_corrections(), cover.lines, END), orders_by_hand.read(path, LATENESS)


@pytest.fixture(scope="module")
def bad_week(cover: Ran, nist: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, list[Event]]:
    return week(cover, nist, tmp_path_factory.mktemp("bad-week"), a_bad_week)


def test_late_and_corrected_orders_ask_for_restatement(cover: Ran, bad_week: tuple[Ran, list[Event]]) -> None:
    """In the end the same is known as in the plain run: what no request touches is the same."""
    again, events = bad_week
    outcome = outcome_of(again)
    assert sum(event.late for event in events) == outcome.ledger["mes.order.v1"]["late"] == 3

    check_against_hand(again, events)  # what is closed holds what was known, and never changes silently
    asked = list(plantday.rows(outcome.aside, "audit.restate-request.v1"))
    assert {(row["line"], *row["lanes"], row["descendants"]) for row in asked} == {(LINE, MACHINE, True)}
    assert sorted({row["reason"] for row in asked}) == ["CORRECTED_ORDER", "LATE_ORDER"]
    spans = orders_by_hand.joined((row["since_us"], row["until_us"]) for row in asked)
    assert spans == orders_by_hand.requested(events)
    assert len(spans) == 5
    assert outside(again, spans) == outside(cover, spans)
    assert plantday.without_evidence(outcome.results) != plantday.without_evidence(outcome_of(cover).results)
    assert sum(map(len, outside(cover, spans).values())) > 3_000


@pytest.mark.parametrize("order", [plantday.at_random(60, 60), plantday.one_by_one(range(5, -1, -1))], ids=["random", "backwards"])
def test_slices_of_any_size_give_the_same_bad_week(bad_week: tuple[Ran, list[Event]], order: Order) -> None:
    run, known = bad_week[0], outcome_of(bad_week[0])
    outcome = plantday.run(run.configuration, run.logs[known.partition], known.partition, order)
    assert plantday.by_lane(outcome.results) == plantday.by_lane(known.results)
    assert Counter(outcome.aside) == Counter(known.aside)


@pytest.mark.parametrize("seed", range(3))
def test_wherever_the_log_ends_for_now_results_are_those_below_the_frontier(bad_week: tuple[Ran, list[Event]], seed: int) -> None:
    """Each input is read up to some offset of its own. No line before the frontier is missing, and no order that was known by then."""
    (run, events), random = bad_week, Random(seed)
    partition = outcome_of(run).partition
    part = {topic: log.part(0, random.randint(len(log.offset) // 4, len(log.offset))) for topic, log in run.logs[partition].items()}
    outcome = plantday.run(run.configuration, part, partition)
    gates = [sent.judged(topic, log, run.configuration.time)[0] for topic, log in part.items()]
    reached = outcome.frontiers[f"{LINE}/{MACHINE}"]

    assert reached == sent.frontier(gates, f"{LINE}/{MACHINE}")
    assert check_results(outcome, [line for of in run.lines for line in of], events, reached) > 500


def outside(run: Ran, spans: Spans) -> dict[tuple[str, str], list[Any]]:
    """Results that no span touches."""

    def untouched(row: dict[str, Any]) -> bool:
        since, until = (row["event_time_us"],) * 2 if "increment" in row else (row["start_us"], row["end_us"])
        return all(until < low or high < since for low, high in spans)

    return plantday.without_evidence(outcome_of(run).results, untouched)


def test_orders_of_the_cell_above_count_for_the_machine(cover: Ran, nist: Path, tmp_path: Path) -> None:
    """By the hierarchy; without a row in it a machine stands below its line and knows nothing of the cell."""
    rows = [{**row, "work_center": "cell-1"} for row in order_rows()]
    paths = [*files(nist), written(tmp_path / "cell-orders.csv", rows)]
    plant = Hierarchy.of([AssetRow(LINE, MACHINE, "cell-1", 0, 1)])
    check_against_hand(
        ran(paths, plantday.mapped(MAPPING), cover.lines, END, plant), orders_by_hand.read(paths[-1], LATENESS), work_center="cell-1"
    )
    check_against_hand(ran(paths, plantday.mapped(MAPPING), cover.lines, END), [])
