"""What shares a message: consecutive numbers, in file order, each lane in time order; and nothing else depends on packing."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec.out_record import OutRecord
from streams.shell.ingest.merge import merged
from tests.shell.ingest.material import LONG, SAMPLES, mapping, written

TEXT = (
    LONG.replace('{ constant = "press-1" }', '{ column = "asset" }').replace(
        '{ constant = "acme/hamburg/press/line-1" }', '{ column = "line" }'
    )
    + '[[files.tags]]\nmatch = "skip"\nkind = "ignore"\n[[files.tags]]\nmatch = "mode"\nkind = "state"\n'
    + SAMPLES
)


def records(path: Path, packing: int, span: str = "1 s") -> list[OutRecord]:
    text = TEXT.replace('layout = "long"', f'layout = "long"\npacking = {packing}\npacking_span = "{span}"')
    return [record for record in merged([path], mapping(text), lambda _: 2, 10**12) if record.kind == "DATA"]


def samples(record: OutRecord) -> list[tuple[object, ...]]:
    """(key, sequence, asset, tag, time, value, quality) of each sample."""
    v = record.value
    assert not isinstance(v, bytes)
    if "signals" not in v:
        return [
            (
                record.key,
                v["sequence"],
                v["asset"],
                v["tag"],
                v["event_time_us"],
                repr(v["value"]),
                ("GOOD", "UNCERTAIN", "BAD").index(v["quality"]),
            )
        ]
    qualities = v["qualities"] or [0] * len(v["signals"])
    return [
        (
            record.key,
            v["sequence"] + n,
            v["assets"][s],
            v["tags"][s],
            v["base_time_us"] + v["times_us"][n],
            repr(None if isnan(x) else x),
            qualities[n],
        )
        for n, (s, x) in enumerate(zip(v["signals"], v["values"], strict=True))
    ]


def random_file(random: Random, folder: Path) -> Path:
    time, lines = 1000, []
    for _ in range(random.randint(0, 60)):
        time += random.choice([0, 1, 5, 5, 5, -7, 300_000])
        tag = random.choice(["a", "a", "a", "b", "b", "skip", "mode"])
        value = random.choice(["1", "2.5", "", "x"])
        asset, line = random.choice(["m1", "m1", "m1", "m2"]), random.choice(["l1", "l1", "l1", "l1", "l2"])
        lines.append(f"{max(time, 0)},{tag},{value},{asset},acme/x/y/{line}")
    return written(folder, "day.csv", "time,tag,value,asset,line", *lines)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 12), st.sampled_from([4, 9, 16_384]), st.sampled_from([1, 7, 2_048]))
def test_messages_one_after_the_other_are_the_samples_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, packing: int, chunk: int, piece: int
) -> None:
    path = random_file(Random(seed), tmp_path_factory.mktemp("packing"))
    single = [record for record in records(path, 1) if record.topic == "ot.sample.v1"]
    with pytest.MonkeyPatch.context() as patch:  # neither how the file is read nor how much of it are objects decides anything
        patch.setattr("streams.shell.ingest.delimited.LINES_MAX", chunk)
        patch.setattr("streams.shell.ingest.records.PIECE", piece)
        packed = [record for record in records(path, packing, "301 ms") if record.topic == "ot.telemetry.v1"]

    assert repr(packed) == repr([record for record in records(path, packing, "301 ms") if record.topic == "ot.telemetry.v1"])
    assert [sample for record in packed for sample in samples(record)] == [sample for record in single for sample in samples(record)]
    for record in packed:
        inside = samples(record)
        assert len(inside) == record.entries <= packing
        assert [sample[1] for sample in inside] == list(range(int(str(inside[0][1])), int(str(inside[0][1])) + len(inside)))
        assert len({sample[0] for sample in inside}) == 1
        times = [int(str(sample[4])) for sample in inside]
        assert max(times) - min(times) <= 301_000
        for asset in {sample[2] for sample in inside}:
            own = [int(str(sample[4])) for sample in inside if sample[2] == asset]
            assert own == sorted(own)
    appended = {sample[1]: record.append_us for record in single for sample in samples(record)}
    for record in packed:  # append time of a message: of its last sample, had each been sent alone
        assert record.append_us == appended[samples(record)[-1][1]]


def cut(tmp_path: Path, *lines: str, packing: int = 100) -> list[int]:
    """Sizes of the messages."""
    path = written(tmp_path, "day.csv", "time,tag,value,asset,line", *lines)
    return [record.entries for record in records(path, packing) if record.topic == "ot.telemetry.v1"]


HERE = "m1,acme/x/y/l1"


def test_what_goes_elsewhere_or_nowhere_ends_a_message(tmp_path: Path) -> None:
    sample = f"5,a,1,{HERE}"

    assert cut(tmp_path, *[sample] * 5) == [5]
    assert cut(tmp_path, *[sample] * 5, packing=2) == [2, 2, 1]
    assert cut(tmp_path, sample, sample, f"5,mode,x,{HERE}", sample) == [2, 1]
    assert cut(tmp_path, sample, sample, f"5,skip,x,{HERE}", sample) == [2, 1]
    assert cut(tmp_path, sample, sample, f"5,a,oops,{HERE}", sample) == [2, 1]
    assert cut(tmp_path, sample, sample, "", sample) == [2, 1]
    assert cut(tmp_path, sample, sample, "5,a,1,m1,acme/x/y/l2", sample) == [2, 1, 1]
    assert cut(tmp_path, sample, "5,a,1,m2,acme/x/y/l1", sample) == [3]


def test_a_lane_that_goes_back_in_time_and_a_stretch_that_is_too_long_end_a_message(tmp_path: Path) -> None:
    assert cut(tmp_path, f"5,a,1,{HERE}", f"7,b,1,{HERE}", f"6,a,1,{HERE}", f"6,a,1,{HERE}") == [2, 2]
    assert cut(tmp_path, f"5,a,1,{HERE}", "3,a,1,m2,acme/x/y/l1", f"6,a,1,{HERE}") == [3]
    assert cut(tmp_path, f"5,a,1,{HERE}", f"1000005,a,1,{HERE}", f"1000006,a,1,{HERE}") == [2, 1]
