"""A book of orders equals its twin whatever comes when, and what it is written down as is all that it is."""

from __future__ import annotations

import sys
from random import Random
from types import FrameType

from hypothesis import given

from streams.model.order import EVENTS, Coordinate, OrderEvent
from streams.operators.order_book import Base, Book
from streams.operators.order_status import Standing
from tests.seeds import randoms
from tests.twin.order_book import BookTwin

DAY, LOW = 86_400_000_000, -200


def event(kind: str, time: int, order: str = "A", n: int = 0, **more: object) -> OrderEvent:
    return OrderEvent(time_us=time, rank=(b"mes", 0, n, n, 0), at=Coordinate(0, n, 0), event=kind, order=order, **more)  # type: ignore[arg-type]


def random_event(random: Random, now: int, n: int, past: list[OrderEvent]) -> OrderEvent:
    """On time or late, by little or by more than any history; corrections of corrected, withdrawn and unknown events."""
    time = now - random.choice([0, 0, 0, 0, 2, 9, 60])
    kind, order, operation = random.choice(EVENTS[1:]), random.choice("ABC"), random.choice(["", "10"])
    if kind != "CORRECTED" or not past:
        product, split = random.choice(["", "", "P1", "P2"]), tuple(random.sample("BCD", random.randint(1, 2))) if kind == "SPLIT" else ()
        return event(kind, time, order, n, operation=operation, product=product, split_into=split)
    about = random.choice(past[-6:])
    to = random.choice([None, about.time_us - 4, about.time_us - 40, about.time_us + 3, now + 5, now + 40, now])
    return event(kind, time, about.order, n, operation=about.operation, corrects=about.event,
                 corrects_time_us=about.time_us + random.choice([0, 0, 0, 0, 1]), corrected_time_us=to)  # fmt: skip


@given(random=randoms())
def test_equals_its_twin(random: Random) -> None:
    history = random.choice([1, 5, 12, 30, 1000])
    book, twin = Book("c1"), BookTwin("c1", history)
    now, past = 0, list[OrderEvent]()
    for n in range(random.randint(1, 40)):
        now += random.choice([0, 0, 1, 2, 7])
        past.append(random_event(random, now, n, past))
        folded, (changed, segments) = book.fold(past[-1], now, history), twin.fold(past[-1], now, LOW)
        assert {t for since, until in folded.changed for t in range(since, until)} == changed
        assert all(a[1] < b[0] for a, b in zip(folded.changed, folded.changed[1:], strict=False)), "stretches are not maximal"
        assert [tuple(s) for s in folded.segments] == segments
        assert [tuple(s) for s in book.view] == twin.view()
        assert set(book.history) == set(twin.history)
        assert (book.base, book.horizon_us) == (
            Base(tuple(sorted(twin.status.items())), tuple(sorted(twin.products.items()))), twin.horizon)  # fmt: skip
        if random.random() < 0.2:
            book = Book(book.work_center, book.horizon_us, book.base, book.history)


def test_the_cases_reach_further_than_the_history() -> None:
    """The law above is about events that leave, come late, are corrected, withdrawn, and moved to and fro."""
    met = dict.fromkeys(("left", "older", "withdrawn", "future", "waits"), 0)
    for seed in range(300):
        random, book, past, now = Random(seed), Book("c1"), list[OrderEvent](), 0
        for n in range(40):
            now += random.choice([0, 0, 1, 2, 7])
            past.append(random_event(random, now, n, past))
            met["older"] += past[-1].time_us < book.horizon_us and past[-1].event != "CORRECTED"
            book.fold(past[-1], now, 12)
            met["left"] += len(book.history) < len(past)
            met["withdrawn"] += past[-1].event == "CORRECTED" and past[-1].corrected_time_us is None
            met["future"] += any(s.time_us > now for s in book.view)
            met["waits"] += any(s.time_us < now - 12 for s in book.view[1:])
    assert all(count > 100 for count in met.values()), met


def test_a_start_holds_from_the_watermark_it_missed_whatever_its_age() -> None:
    """Orders of every day before it; the history is 30 days, the start comes 34, 29 and 400 days late."""
    for late in (34, 29, 400):
        book, now = Book("c1"), 40 * DAY
        for day in range(1, 40):
            book.fold(event("STARTED", day * DAY, f"X{day}", day), day * DAY, 30 * DAY)
            book.fold(event("ENDED", day * DAY + 1000, f"X{day}", 1000 + day), day * DAY + 1000, 30 * DAY)
        start = event("STARTED", now - late * DAY, "LATE", 3000, product="P")
        folded = book.fold(start, now, 30 * DAY)
        assert [(r.order, r.product) for s in folded.segments for r in s.refs] == [("LATE", "P")]
        assert folded.changed == ((now - late * DAY, now),)
        again = Book(book.work_center, book.horizon_us, book.base, book.history)
        folded = again.fold(event("STARTED", now + 5, "B", 3001), now + 5, 30 * DAY)
        assert [r.order for r in folded.segments[-1].refs] == ["LATE", "B"]
        folded = again.fold(event("ENDED", now + 9, "LATE", 3002), now + 9, 30 * DAY)
        assert [r.order for r in folded.segments[-1].refs] == ["B"]


def test_what_is_older_than_the_base_knows_changes_nothing_from_now_on() -> None:
    """An order paused 35 days ago was started 40 days ago, which is told now; the same product was renamed since."""
    book, now = Book("c1"), 40 * DAY
    book.fold(event("PAUSED", 5 * DAY, n=1, product="new"), 5 * DAY, 30 * DAY)
    book.fold(event("CREATED", 39 * DAY, "B", n=2), 39 * DAY, 30 * DAY)
    folded = book.fold(event("STARTED", 1 * DAY, n=3, product="old"), now, 30 * DAY)
    assert [s.refs for s in folded.segments] == [()]
    assert folded.changed == ((1 * DAY, now),)
    folded = book.fold(event("RESUMED", now + 1, n=4), now + 1, 30 * DAY)
    assert [(r.order, r.product) for r in folded.segments[-1].refs] == [("A", "new")]


def test_an_event_costs_what_takes_effect_after_it_however_long_the_history_is() -> None:
    """Counted, not timed: with 100 and with 3,000 orders in the history, the same number of events is applied again."""
    calls = list[int]()

    def count(frame: FrameType, what: str, _: object) -> None:
        if what == "call" and frame.f_code is Standing.apply.__code__:
            calls[-1] += 1

    for orders in (100, 3000):
        book = Book("c1")
        calls.append(0)
        for n in range(orders):
            book.fold(event("STARTED" if n % 2 == 0 else "ENDED", n, f"O{n // 2}", n), n, 10**9)
        sys.setprofile(count)
        try:
            book.fold(event("STARTED", orders, "X", orders), orders, 10**9)
            book.fold(event("PAUSED", orders - 5, "X", orders + 1), orders + 1, 10**9)
        finally:
            sys.setprofile(None)
    assert calls == [8, 8]


def test_a_correction_stays_as_long_as_what_it_corrects() -> None:
    """A start that a correction moved to the future: the correction is old before the start takes effect."""
    book = Book("c1")
    book.fold(event("STARTED", 5), 5, 10)
    correction = event("CORRECTED", 6, n=1, corrects="STARTED", corrects_time_us=5, corrected_time_us=40)
    book.fold(correction, 6, 10)
    folded = book.fold(event("CREATED", 30, "B", 2), 30, 10)
    assert correction in book.history
    assert [(s.time_us, [r.order for r in s.refs]) for s in folded.segments] == [(30, []), (40, ["A"])]
