"""The log of a run: append order, honest claims, and results that do not depend on when claims are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec.out_record import OutRecord
from streams.errors import InvalidValue
from streams.kernel import NEG
from streams.model.path import line_path
from streams.shell.ingest.chunks import identify
from streams.shell.ingest.mapping import INPUTS, IngestMapping
from streams.shell.ingest.merge import RUN_KEY, interval_of, log, merged
from streams.shell.ingest.records import Source
from streams.shell.ingest.scan import scan
from streams.time.limits import ClassTable, InputLimits, TimeConfiguration
from tests.shell.ingest.material import LONG, ORDERS, SAMPLES, mapping, written
from tests.shell.ingest.test_packing import samples
from tests.twin.gate import Gate, Message, Sample

CLAIMED = 'claims = ["mes.order.v1", "ot.measurement.v1", "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1"]\n'
LINES = LONG.replace('match = "*"', 'match = "day*"').replace('{ constant = "acme/hamburg/press/line-1" }', '{ column = "line" }')
RULES = '[[files.tags]]\nmatch = "mode"\nkind = "state"\n' + SAMPLES
S = 1_000_000
HEADER = "time,event,order,operation,product,work_center,good,planned,split,corrects,reported,true_time"


def run_mapping(packing: int, claims: str = CLAIMED) -> IngestMapping:
    return mapping(claims + LINES.replace('layout = "long"', f'layout = "long"\npacking = {packing}') + RULES + ORDERS)


def random_run(random: Random, folder: Path) -> list[Path]:
    """Up to three machine files and an order file, in some disorder, with time jumping now and then."""
    files = []
    for n in range(random.randint(1, 3)):
        time, lines = random.randint(0, 20) * S, [f"{n},mode,x,acme/x/y/l{n}"]
        for _ in range(random.randint(0, 25)):
            time += random.choice([0, S // 10, S // 10, S, -2 * S, 30 * S])
            lines.append(f"{max(time, 0)},{random.choice(['a', 'a', 'mode'])},1,acme/x/y/l{random.randint(0, 2)}")
        files.append(written(folder, f"day{n}.csv", "time,tag,value,line", *lines))
    time, lines = random.randint(0, 20) * S, []
    for _ in range(random.randint(0, 8)):
        time = max(0, time + random.choice([0, S, 20 * S, -5 * S]))
        lines.append(f"{time},Start,o-{random.randint(1, 3)},,,press-1,,,,,,")
    return [*files, written(folder, "orders.csv", HEADER, *lines)]


def times(record: OutRecord) -> list[int]:
    """Event times in a record."""
    if record.topic == "ot.telemetry.v1":
        return [int(str(sample[4])) for sample in samples(record)]
    assert not isinstance(record.value, bytes)
    return [record.value["event_time_us"]]


runs = [st.integers(0, 2**32), st.sampled_from([1, 3, 50]), st.sampled_from([1, S, 7 * S, 10_000 * S]), st.sampled_from([3, 8, 16_384])]


@settings(deadline=None, max_examples=50)
@given(*runs)
def test_a_claim_is_never_broken_and_append_time_never_goes_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, packing: int, interval: int, chunk: int
) -> None:
    files = random_run(Random(seed), tmp_path_factory.mktemp("claims"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.shell.ingest.delimited.LINES_MAX", chunk)
        found = list(merged(files, run_mapping(packing), lambda _: 3, None, interval))
    append, claimed = NEG, defaultdict[tuple[str, int], int](lambda: NEG)
    last = max(t for record in found if record.kind == "DATA" for t in times(record))

    for record in found:
        assert record.append_us >= append
        append = record.append_us
        if record.kind == "DATA":
            assert min(times(record)) >= claimed[record.topic, record.partition]
            assert max(times(record)) <= record.append_us
        elif record.kind == "CLAIM":
            assert not isinstance(record.value, bytes)
            assert claimed[record.topic, record.partition] <= record.value["through_us"] <= record.append_us
            claimed[record.topic, record.partition] = record.value["through_us"]
    for topic in ("mes.order.v1", "ot.measurement.v1", "ot.telemetry.v1", "ot.state.v1"):  # also those without data
        assert [claimed[topic, partition] for partition in range(3)] == [last + 1] * 3


LIMITS = InputLimits(lateness_us={"x": S}, silence_us={"x": 4 * S}, future_us=0, horizon_us=20 * S, conflict_us=S)
TIME = TimeConfiguration(classes=ClassTable(patterns=(), default="x"), inputs=dict.fromkeys(INPUTS, LIMITS))


def judged(found: list[OutRecord]) -> tuple[dict[tuple[str, object, int], str], dict[str, int]]:
    """What the gate of each partition says of each sample, by its id; and the claims at the end, by input and partition."""
    gates: dict[tuple[str, int], Gate] = {}
    verdicts: dict[tuple[str, object, int], str] = {}
    for record in found:
        gate = gates.setdefault((record.topic, record.partition), Gate(record.topic, TIME))
        v = record.value
        assert not isinstance(v, bytes)
        if record.kind != "DATA":
            gate.push(Message(record.kind.lower(), record.append_us, through=v["through_us"] or NEG))
            continue
        lane = record.key.decode() + "/press-1"
        inside = tuple(Sample(lane, t) for t in times(record))
        said = gate.push(Message("data", record.append_us, v["source"], 0, v["sequence"], inside))
        verdicts.update({(v["source"], v["sequence"] + n, record.partition): verdict for n, verdict in enumerate(said)})
    return verdicts, {f"{topic} {partition}": gate.claim for (topic, partition), gate in gates.items()}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 50]))
def test_the_claim_interval_decides_nothing_that_a_gate_says(tmp_path_factory: pytest.TempPathFactory, seed: int, packing: int) -> None:
    """Verdicts on every sample are those of a run without any claim; only the last claim is always there."""
    files = random_run(Random(seed), tmp_path_factory.mktemp("interval"))
    claiming, blank = scan(files, run_mapping(packing)), scan(files, run_mapping(packing, ""))
    without = judged([record for record in log(blank, lambda _: 2) if record.kind == "DATA"])[0]

    for interval in (1, 2 * S // 3, 11 * S, 10**15):
        verdicts, claims = judged(list(log(claiming, lambda _: 2, None, interval)))
        assert verdicts == without
        assert len(set(claims.values())) == 1
    assert judged(list(log(blank, lambda _: 2, None, S)))[0] == without


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_packing_does_not_decide_who_is_late(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """As long as silence is longer than a message and its disorder: append time is then no reason."""
    files = random_run(Random(seed), tmp_path_factory.mktemp("late"))
    patient = InputLimits(lateness_us={"x": S}, silence_us={"x": 10_000 * S}, future_us=0, horizon_us=10_000 * S, conflict_us=S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.shell.ingest.test_merge.TIME", TimeConfiguration(classes=TIME.classes, inputs=dict.fromkeys(INPUTS, patient)))
        single, three, many = (judged(list(merged(files, run_mapping(packing), lambda _: 2)))[0] for packing in (1, 3, 50))

    assert single == three == many


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([1, 50]))
def test_files_are_merged_by_their_running_maximum_and_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, packing: int
) -> None:
    files = random_run(Random(seed), tmp_path_factory.mktemp("order"))
    found = [record for record in merged(files, run_mapping(packing), lambda _: 2) if record.kind == "DATA"]
    alone = [record for file in files if file.read_text().count("\n") > 1
             for record in merged([file], run_mapping(packing), lambda _: 2) if record.kind == "DATA"]  # fmt: skip

    def source(record: OutRecord) -> bytes:
        assert not isinstance(record.value, bytes)
        return str(record.value["source"]).encode()

    assert repr(sorted(alone, key=lambda record: (record.append_us, source(record)))) == repr(found)
    reversed_ = list(merged(reversed(files), run_mapping(packing), lambda _: 2))
    assert repr([record for record in reversed_ if record.kind == "DATA"]) == repr(found)


def test_a_claim_knows_of_an_early_event_that_comes_late_in_another_file(tmp_path: Path) -> None:
    """The order of 5 s stands behind the one of 100 s: until it has come, nothing after 5 s is claimed, however far A is."""
    orders = written(tmp_path, "orders.csv", HEADER, f"{100 * S},Start,o-1,,,,,,,,,", f"{5 * S},Start,o-2,,,,,,,,,")
    day = written(tmp_path, "day.csv", "time,tag,value,line", *(f"{n * S},a,1,acme/x/y/l1" for n in (0, 50, 99, 101, 200)))
    found = merged([day, orders], run_mapping(1), lambda _: 1, 300 * S, S)

    claims = [(r.append_us // S, r.value["through_us"] / S) for r in found if r.kind == "CLAIM" and r.topic == "mes.order.v1"]  # type: ignore[call-overload]
    assert claims == [(50, 5), (99, 5), (100, 5), (101, 101), (200, 200), (300, 300)]


def test_inputs_that_are_written_but_not_claimed_get_blanks_at_the_same_pace(tmp_path: Path) -> None:
    day = written(tmp_path, "day.csv", "time,tag,value,line", *(f"{n * S},a,1,acme/x/y/l1" for n in range(4)))
    found = list(merged([day], run_mapping(1, 'claims = ["mes.order.v1"]\n'), lambda _: 2, 10 * S, 2 * S))

    assert [(r.topic, r.partition, r.append_us // S) for r in found if r.kind == "BLANK"] == [
        ("ot.sample.v1", p, at) for at in (2, 3) for p in (0, 1)
    ]
    assert [(r.partition, r.append_us // S) for r in found if r.kind == "CLAIM"] == [(p, at) for at in (2, 10) for p in (0, 1)]
    assert line_path(RUN_KEY.decode())


def test_the_end_of_a_run(tmp_path: Path) -> None:
    day = written(tmp_path, "day.csv", "time,tag,value,line", "0,a,1,acme/x/y/l1", f"{5 * S},a,1,acme/x/y/l1", f"{3 * S},a,1,acme/x/y/l1")
    files, rules = [day], run_mapping(1, 'claims = ["mes.order.v1"]\n')

    def ends(through: int | None) -> list[tuple[int, int]]:
        last = [record for record in merged(files, rules, lambda _: 1, through) if record.kind == "CLAIM"][-1]
        assert not isinstance(last.value, bytes)
        return [(last.append_us, last.value["through_us"])]

    assert ends(None) == [(5 * S + 1, 5 * S + 1)]
    assert ends(60 * S) == [(60 * S, 60 * S)]
    assert ends(5 * S) == [(5 * S, 5 * S)]
    with pytest.raises(InvalidValue, match="cannot end before its last event"):
        merged(files, rules, lambda _: 1, 5 * S - 1)


def test_a_run_without_any_data_claims_what_it_is_told(tmp_path: Path) -> None:
    """A day without orders is a day whose orders are complete."""
    day, rules = written(tmp_path, "day.csv", "time,tag,value,line"), run_mapping(1, 'claims = ["mes.order.v1"]\n')

    assert [(r.kind, r.append_us, r.partition) for r in merged([day], rules, lambda _: 2, 7)] == [("CLAIM", 7, 0), ("CLAIM", 7, 1)]
    with pytest.raises(InvalidValue, match="no entry of the files is written"):
        merged([day], rules, lambda _: 2)


def test_the_interval_of_claims_is_a_thousandth_of_the_span_but_never_below_a_second(tmp_path: Path) -> None:
    def interval(span_s: int) -> int:
        day = written(tmp_path, "day.csv", "time,tag,value,line", "0,a,1,acme/x/y/l1", f"{span_s * S},a,1,acme/x/y/l1")
        return interval_of(scan([day], run_mapping(1)))

    assert (interval(5), interval(86_400)) == (S, 86_400_000)


def test_ties_are_broken_by_source_and_a_file_is_opened_when_its_time_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        written(tmp_path, f"day{n}.csv", "time,tag,value,line", *(f"{at},a,{n},acme/x/y/l1" for at in range(n * 10, n * 10 + 11)))
        for n in range(3)
    ]
    opened: list[str] = []
    found = scan(files, run_mapping(1))
    reading = Source.entries

    def entries(source: Source) -> Iterator[pl.DataFrame]:
        opened.append(source.identity.path.name)
        yield from reading(source)

    monkeypatch.setattr(Source, "entries", entries)
    seen = []
    for record in log(found, lambda _: 1):
        if record.kind == "DATA":
            assert not isinstance(record.value, bytes)
            seen.append((record.append_us, record.value["source"]))
            assert len(opened) <= record.append_us // 10 + 1

    assert seen == sorted(seen)
    assert opened == ["day0.csv", "day1.csv", "day2.csv"]
    assert {source for _, source in seen} == {identify(file).source for file in files}
