"""The shop floor obeys its own rules, whatever the seed: parts, buffers, orders."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulation.floor import Floor
from streams.simulation.orders import Booking
from streams.simulation.plant import EXECUTION, TOTAL, Plant
from streams.simulation.told import CountTold, MeasuredTold, StateTold, Told
from tests.simulation.material import S

PLANT = Plant.named("S")


def happened(seed: int, seconds: int) -> tuple[Floor, list[Told]]:
    told: list[Told] = []
    floor = Floor(PLANT, seed, 0, told.append)
    for second in range(1, seconds + 1):
        floor.run(second * S)
    return floor, told


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**40))
def test_parts_go_through_every_machine_in_order_and_buffers_hold_what_they_can(seed: int) -> None:
    _, told = happened(seed, 1500)
    line = PLANT.lines[0]
    place = {(c, m): n for n, (c, m) in enumerate((c, m) for c, cell in enumerate(line.cells) for m in range(len(cell.machines)))}
    serials: dict[int, list[str]] = defaultdict(list)
    made = [0] * len(place)
    for one in told:
        if isinstance(one, MeasuredTold) and one.characteristic == "diameter":
            serials[place[one.cell, one.machine]].append(one.serial)
        elif isinstance(one, CountTold) and one.tag == TOTAL:
            n = place[one.cell, one.machine]
            made[n] = one.value
            if n:  # what the machine before has made and this one has not: in the buffer, and one in each of the two machines
                assert 0 <= made[n - 1] - made[n] <= line.buffer + 2
    for n in range(1, len(place)):
        assert serials[n] == serials[n - 1][: len(serials[n])]
    assert len(serials[len(place) - 1]) > 50


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**40))
def test_orders_never_overlap_in_a_cell_and_what_is_booked_is_what_ran(seed: int) -> None:
    """Corrections applied, the bookings of a cell give exactly the runs; what was made adds up to what was planned."""
    floor, told = happened(seed, 1500)
    for cell in floor.cells:
        runs = [run for run in floor.runs if run.work_center == cell.cell.id]
        for run, after in zip(runs, runs[1:], strict=False):
            assert run.until_us is not None and run.until_us <= after.since_us
        booked = [one for one in told if isinstance(one, Booking) and one.work_center == cell.cell.id]
        corrected = {(one.order.number, one.corrects_us): one.corrected_us for one in booked if one.event == "CORRECTED"}
        over = {one.order.number for one in booked if one.event == "ENDED"}  # the start of the last one may still be corrected
        begins = [
            (corrected.get((one.order.number, one.event_us), one.event_us), one.order.number)
            for one in booked if one.event in ("STARTED", "RESUMED") and one.order.number in over
        ]  # fmt: skip
        assert begins == [(run.since_us, run.order) for run in runs if run.order in over]
        ends = [(one.event_us, one.order.number) for one in booked if one.event in ("ENDED", "PAUSED")]
        assert ends == [(run.until_us, run.order) for run in runs if run.until_us is not None]
        for ended in (one for one in booked if one.event == "ENDED"):
            assert ended.good is not None and ended.scrap is not None and ended.good + ended.scrap == ended.order.quantity


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**40))
def test_a_state_is_told_when_it_changes_and_every_minute(seed: int) -> None:
    _, told = happened(seed, 900)
    last: dict[tuple[int, int, int], tuple[str, int]] = {}
    seen = set()
    for one in told:
        if isinstance(one, StateTold) and one.tag == EXECUTION:
            key = one.line, one.cell, one.machine
            if key in last and last[key][0] == one.value:
                assert one.time_us % (60 * S) == 0, "the same state again is a confirmation"
            if key in last:
                assert one.time_us - last[key][1] <= 60 * S
            last[key] = one.value, one.time_us
            seen.add(one.value)
    assert len(last) == 10 and {"RUNNING", "STARVED", "SETUP"} <= seen
