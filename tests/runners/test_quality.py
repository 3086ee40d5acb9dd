"""From raw samples and orders over two stages to deviations; a stranger recomputes each from what it cites."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from random import Random
from typing import Any

import fastavro
import pytest

from streams.codec.log import Log, log_of, pack_headers
from streams.configuration import Configuration, parse
from streams.errors import SettingsError
from streams.model.characteristic import CharacteristicRow, Characteristics
from streams.model.hierarchy import Hierarchy
from streams.runners import memory, state
from streams.runners.epoch import Adopted, Epoch
from streams.runners.frontier_records import frontier_records
from streams.runners.task import Task
from tests.runners.plant import ENVIRONMENT, INPUTS, LINE, Body, columns, configuration
from tests.twin.gate import Message, Sample
from topologies import NAMED
from topologies.quality import RULES, quality

CONTEXT = configuration(windows="[{ tumbling = 10 }]")
SCHEMAS = Path(__file__).parents[2] / "schemas"
TEXT = 'application = "quality"\ntopology = "quality"\n[rules]\nwindow = 10\nclear_after = 3\nstuck = [["y", 4]]\nmissing = [["y", 45]]\n'
DERIVED = ("ctx.window.v1", "ctx.measurement.v1")
END = 900
ROW = CharacteristicRow(LINE, "m1", "x", "", "", 0, 1, 50.0, 1.0, 47.0, 53.0, 44.0, 56.0)
LIMITS = Characteristics.of([
    ROW, ROW._replace(product="P2", centre=60.0, lower=57.0, upper=63.0, lsl=nan, usl=nan),
    ROW._replace(tag="bore", centre=nan, lower=nan, upper=nan, lsl=9.9, usl=10.1),
])  # fmt: skip
Raw = dict[str, Log]


def value_at(tag: str, time: int, random: Random) -> float:
    if tag == "y":  # a sensor that hangs, is silent, and comes back
        return 7.1 if 300 <= time < 420 else random.uniform(6, 8)
    if time >= 495:
        return 60.0 + random.uniform(-1, 1)
    high = {130: 3.5, 140: 7.0, 150: 4.0}.get(time // 10 * 10, 0.9 if 300 <= time < 420 else 0.0)
    return 50.0 + high + (0.0 if high else (-1) ** (time // 10)) * random.uniform(0.1, 0.5)


def raw_logs(seed: int = 1) -> Raw:
    """Signals x and y of m1; orders A and B of product P1, then C of P2; a bore that is too wide once."""
    random = Random(seed)

    def order(time: int, event: str, name: str, product: str) -> Message:
        more = (("event", event), ("order", name), ("operation", "10"), ("product", product), ("split_into", ()))
        return Message("data", time, "mes", 0, None, (Sample("m1", time, Body(more=more)),))

    logs: dict[str, list[Message]] = {topic: [] for topic in INPUTS}
    logs["mes.order.v1"] = [order(5, "STARTED", "A", "P1"), order(140, "ENDED", "A", "P1"), order(140, "STARTED", "B", "P1"),
                            order(495, "ENDED", "B", "P1"), order(495, "STARTED", "C", "P2")]  # fmt: skip
    for time in range(10, END, 3):
        for tag in "xy" if not 600 <= time < 720 else "x":
            one = Sample("m1", time, Body(tag, value_at(tag, time, random)))
            logs["ot.sample.v1"].append(Message("data", time, "gw", 0, len(logs["ot.sample.v1"]), (one,)))
    for n, time in enumerate(range(20, END, 60)):
        one = Sample("m1", time, Body("bore", 10.2 if n == 4 else 10.0, 0, (("product", "P"), ("serial", f"S{n}"), ("result", "PASS"))))
        logs["ot.measurement.v1"].append(Message("data", time, "cmm", 0, n, (one,)))
    claims = [Message("claim", time, through=time - 5) for time in range(100, END, 100)]
    last = Message("claim", END + 50, through=END + 40)
    return {topic: columns(topic, sorted([*log, *claims, last], key=lambda m: m.append)) for topic, log in logs.items()}


def derived_logs(raw: Raw) -> Raw:
    """What the first stage makes of them."""
    adopted = Adopted(Epoch(0, (0,) * len(INPUTS), {}, CONTEXT.fingerprint), CONTEXT, Hierarchy())
    found: dict[str, list[Any]] = defaultdict(list)
    for task, transaction in memory.run(NAMED["context"], [adopted], ENVIRONMENT, raw, memory.in_turn(40)):
        for encoded in transaction.results:
            for key, value, headers in encoded.records():
                found[encoded.topic].append((key, value, headers))
        for topic in DERIVED:
            found[topic] += [(last.key, last.value, last.headers) for last in frontier_records(task, topic)]
    return {t: log_of([(n, END, k, v, pack_headers(h)) for n, (k, v, h) in enumerate(found[t])]) for t in DERIVED}


def new_task(configuration_: Configuration, limits: Characteristics) -> Task:
    adopted = Adopted(Epoch(0, (0, 0), {}, configuration_.fingerprint), configuration_, Hierarchy(), limits=limits)
    tables = {CONTEXT.fingerprint: CONTEXT.time.classes}
    return Task(quality, adopted, replace(ENVIRONMENT, application="quality", class_table=tables.__getitem__))


def deviations(
    logs: Raw, limits: Characteristics = LIMITS, piece: int = 1000, snapshots: bool = False, then: tuple[str, Characteristics] | None = None
) -> list[bytes]:
    """Values of all records, fed in pieces, measurements first. then: rules and limits that are adopted behind half of the windows."""
    task, found = new_task(parse(TEXT), limits), []
    windows, measurements = (logs[topic] for topic in DERIVED)
    count, half = len(windows.offset), len(windows.offset) // 2 if then else 0
    for rank, log, first, end in ((1, measurements, 0, len(measurements.offset)), (0, windows, 0, half), (0, windows, half, count)):
        if then and first:
            rules = parse(then[0])
            task.adopt(Adopted(Epoch(1, tuple(task.vector), {}, rules.fingerprint), rules, Hierarchy(), limits=then[1]))
        for start in range(first, end, piece):
            task.feed(rank, log.part(start, min(start + piece, end)))
            task.advance()
            for encoded in task.take().results:
                found += [value for _, value, _ in encoded.records()]
            if snapshots:
                task = state.load(task.build, task.adopted, task.environment, state.unpacked(state.packed(state.dump(task))))
    return found


# ---- the stranger: fastavro, the contracts' files, the records


def schema(name: str) -> Any:
    text = (SCHEMAS / f"{name}.avsc").read_text().replace('"logicalType"', '"was"')
    return fastavro.parse_schema(json.loads(text), _force=True)


def records_of(name: str, values: Sequence[bytes]) -> list[dict[str, Any]]:
    parsed = schema(name)
    return [fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed, None) for value in values]  # type: ignore[misc]


def splitmix64(offset: int, index: int) -> int:
    mask = 2**64 - 1
    z = ((offset << 20) + index + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def cited_values(raw: dict[str, list[dict[str, Any]]], about: dict[str, Any], point: dict[str, Any]) -> tuple[list[float], set[str]]:
    """Raw values of the signal, in time, and numbers of the orders that a point cites; each citation is proven by its checksum."""
    values, orders = [], set()
    for cited in point["evidence"]:
        first, last = cited["first_offset"], cited["last_offset"]
        own = [(n, r) for n, r in enumerate(raw[cited["topic"]]) if first <= n <= last]
        if cited["topic"] != "mes.order.v1":
            own = [(n, r) for n, r in own if r.get("tag", r.get("characteristic")) == about["characteristic"]]
            values += [r["value"] for _, r in sorted(own, key=lambda x: x[1]["event_time_us"])]
        else:
            names = {o["order"] for o in about["orders"]}
            own = [(n, r) for n, r in own if r["order"] in names and r["event"] == "STARTED"]
            orders |= {r["order"] for _, r in own}
        assert (cited["partition"], cited["count"]) == (0, len(own)), cited
        assert cited["checksum"] % 2**64 == sum(splitmix64(n, 0) for n, _ in own) % 2**64
    return values, orders


def recomputed(raw: dict[str, list[dict[str, Any]]], about: dict[str, Any]) -> None:
    """Is what a deviation says true of what it cites?"""
    found = [cited_values(raw, about, point) for point in about["points"]]
    for point, (values, orders) in zip(about["points"], found, strict=True):
        total = 0.0
        for value in values:
            total += value
        assert point["value"] == total / len(values)
        if about["phase"] != "END":
            assert orders == {o["order"] for o in about["orders"]}
    values = [point["value"] for point in about["points"]]
    assert about["value"] == values[-1]
    if about["phase"] == "END":
        return
    if about["test"] == "BEYOND_LIMITS":
        assert len(values) == 1 and not about["lower"] <= values[0] <= about["upper"]
    elif about["test"] == "RUN_OF_EIGHT":
        assert len(values) == 8 and (min(values) > about["centre"] or max(values) < about["centre"])
    elif about["test"] == "TOLERANCE":
        assert len(values) == 1 and not about["lsl"] <= values[0] <= about["usl"]
    elif about["test"] == "STUCK":
        assert len(values) == 4 and len({value for own, _ in found for value in own}) == 1
    else:
        assert about["test"] == "MISSING" and about["since_us"] == about["points"][0]["time_us"]


@pytest.fixture(scope="module")
def raw() -> Raw:
    return raw_logs()


@pytest.fixture(scope="module")
def derived(raw: Raw) -> Raw:
    return derived_logs(raw)


def test_a_stranger_recomputes_every_deviation_from_what_it_cites(raw: Raw, derived: Raw) -> None:
    """Nothing but fastavro, the contracts and the records."""
    names = {"ot.sample.v1", "ot.measurement.v1", "mes.order.v1"}
    plain = {name: records_of(name, [raw[name].value(m) or b"" for m in range(len(raw[name].offset))]) for name in names}
    told = records_of("qual.deviation.v1", deviations(derived))
    for about in told:
        recomputed(plain, about)
    seen = Counter((about["test"], about["phase"]) for about in told if about["characteristic"] != "bore")
    assert seen == {
        ("BEYOND_LIMITS", "BEGIN"): 1, ("BEYOND_LIMITS", "UPDATE"): 1, ("BEYOND_LIMITS", "END"): 1,
        ("TOLERANCE", "BEGIN"): 1, ("TOLERANCE", "END"): 1, ("RUN_OF_EIGHT", "BEGIN"): 1, ("RUN_OF_EIGHT", "END"): 1,
        ("STUCK", "BEGIN"): 1, ("STUCK", "END"): 1, ("MISSING", "BEGIN"): 1, ("MISSING", "END"): 1,
    }  # fmt: skip
    [bore] = [about for about in told if about["characteristic"] == "bore" and about["phase"] == "BEGIN"]
    assert (bore["test"], bore["value"], bore["usl"], bore["orders"][0]["order"]) == ("TOLERANCE", 10.2, 10.1, "B")
    begin, update, end = (about for about in told if about["test"] == "BEYOND_LIMITS")
    assert [[o["order"] for o in about["orders"]] for about in (begin, update, end)] == [["A"], ["B"], ["B"]]
    assert (begin["severity"], update["severity"]) == ("MEDIUM", "HIGH")
    assert {about["product"] for about in told} == {"P1", "P2"}
    assert all(about["limits_product"] == "" for about in told)


def test_pieces_and_snapshots_change_no_byte(derived: Raw) -> None:
    whole = deviations(derived)
    assert whole
    assert deviations(derived, piece=7) == whole
    assert deviations(derived, piece=31, snapshots=True) == whole


def test_an_epoch_of_limits_changes_what_comes_behind_it_whatever_the_pieces(derived: Raw) -> None:
    """The limits are dated back: what is folded already stays as it was told."""
    tight = ROW._replace(revision=2, valid_from_us=20, lower=49.95, upper=50.05)
    then = (TEXT, Characteristics.of([tight, *(row for rows in LIMITS.rows.values() for row in rows)]))
    whole = deviations(derived, then=then)
    told = records_of("qual.deviation.v1", whole)
    beyond = [(about["epoch"], about["limits_revision"]) for about in told if about["test"] == "BEYOND_LIMITS" and about["product"] == "P1"]
    assert set(beyond) == {(0, 1), (1, 2)}
    assert beyond == sorted(beyond)
    before = [value for value, about in zip(whole, told, strict=True) if about["epoch"] == 0]
    assert deviations(derived)[: len(before)] == before
    assert deviations(derived, piece=5, snapshots=True, then=then) == whole


def test_with_limits_that_hold_nothing_is_told_of_points(derived: Raw) -> None:
    wide = Characteristics.of([ROW._replace(centre=nan, lower=-1e9, upper=1e9, lsl=-1e9, usl=1e9)])
    told = records_of("qual.deviation.v1", deviations(derived, wide))
    assert {about["test"] for about in told} == {"STUCK", "MISSING"}


def test_the_rules_that_are_shown_are_those_that_it_asks_for() -> None:
    head = 'application = "quality"\ntopology = "quality"\n[rules]\n'
    found = quality(parse(head + RULES))
    assert [step.id for step in found.steps] == ["charts", "signals"]
    for line in RULES.splitlines():
        rule = line.split(" ")[0]
        with pytest.raises(SettingsError, match=f"lacks {rule}"):
            quality(parse(head + RULES.replace(line, "")))
    with pytest.raises(SettingsError, match="clear_after must be a whole number"):
        quality(parse(head + RULES.replace("clear_after = 3", "clear_after = 2.5")))
