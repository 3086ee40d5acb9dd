"""The examples in this repository on NIST's data, found through ANDON_DATA: every line has one fate, and the sums are right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from streams.codec.murmur import partition_of
from streams.codec.out_record import OutRecord
from streams.shell.ingest import mapping_file
from streams.shell.ingest.checking import Check
from streams.shell.ingest.mapping import INPUTS
from streams.shell.ingest.merge import log
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import Scan, scan

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
DAY_END = 1477008000000000  # 2016-10-21T00:00Z


@pytest.fixture(scope="module")
def day(nist: Path) -> tuple[Scan, Check]:
    check = Check()
    return scan(sorted((nist / "raw").glob("*.txt")), mapping_file.load(EXAMPLES / "nist-day.mapping.toml"), [check]), check


def test_every_line_of_the_machine_day_has_exactly_one_fate(day: tuple[Scan, Check]) -> None:
    ledger = day[0].ledger
    lines = {Path(name).name[:8].rstrip("-"): file.lines for name, file in ledger.files.items()}
    total = ledger.total  # checks each file's sum

    assert lines == {"GFAgie01": 17_018, "Mazak01": 73_263, "Mazak03": 68_571}
    assert (total.lines, sum(total.written.values()), sum(total.refused.values()), sum(total.ignored.values())) == (
        158_852,
        155_178,
        0,
        3_674,
    )
    assert dict(total.written) == {"ot.telemetry.v1": 147_208, "ot.state.v1": 7_852, "ot.count.v1": 118}
    assert dict(total.ignored) == {"path position, sent again by axis": 3_667, "asset changes, never sent": 7}


def test_the_day_in_numbers_that_were_counted_otherwise(day: tuple[Scan, Check], nist: Path) -> None:
    """The same figures from a few lines of plain Python over the texts."""
    check, by_name = day[1], {Path(name).name: file for name, file in day[1].files.items()}
    worst = 0
    for path in sorted((nist / "raw").glob("*.txt")):
        peak, late, tags = "", 0, Counter[str]()
        bad = 0
        for line in path.read_text("ascii").splitlines():
            time, tag, value = line.split("|")[:3]
            key = time.rstrip("Z").ljust(26, "0")  # sorts as the time does
            late += key < peak
            if key < peak:
                worst = max(worst, round((float(peak[17:]) - float(key[17:])) % 60 * 1_000_000))
            peak = max(peak, key)
            tags[tag] += 1
            ignored = tag in ("path_pos", "Mazak01-dtop_1") or tag.endswith(("_asset_chg", "_asset_rem"))
            bad += value.upper() == "UNAVAILABLE" and not ignored
        file = by_name[path.name]
        assert file.out_of_order == late
        assert sum(count for (tag, _, _), count in file.tags.items()) == sum(tags.values())
        assert {tag: count for (tag, _, _), count in file.tags.items()} == dict(tags)
        assert file.qualities["BAD"] == bad
        assert file.without_rule == {}
    assert sum(file.out_of_order for file in check.files.values()) == 633
    assert (check.lateness_us, check.silence_us) == (worst, worst)
    assert 500_000 < worst < 2_000_000


def test_the_log_of_the_day(day: tuple[Scan, Check]) -> None:
    kinds, samples = Counter[tuple[str, str]](), 0
    partitions: dict[bytes, set[int]] = {}
    ends: list[OutRecord] = []
    for record in log(day[0], lambda _: 2, DAY_END):
        kinds[record.topic, record.kind] += 1
        samples += record.entries
        if record.kind == "DATA":
            partitions.setdefault(record.key, set()).add(record.partition)
        elif record.kind == "CLAIM" and record.append_us == DAY_END:
            ends.append(record)

    assert samples == 155_178
    assert kinds["ot.state.v1", "DATA"] == 7_852
    assert {kinds[topic, "CLAIM"] for topic in INPUTS} == {kinds["mes.order.v1", "CLAIM"]}
    assert {kind for _, kind in kinds} == {"DATA", "CLAIM"}
    assert {key: {partition_of(key, 2)} for key in partitions} == partitions
    assert set().union(*partitions.values()) == {0, 1}  # the three machines are on lines of both
    assert [(record.topic, record.partition) for record in ends] == [
        (topic, p) for topic in INPUTS for p in (0, 1)
    ]


def test_the_orders_of_the_cover_parts_are_those_of_the_script(nist: Path) -> None:
    made = subprocess.run([sys.executable, EXAMPLES / "make_cover_orders.py"], env={**os.environ, "ANDON_DATA": str(nist.parent)},
                          capture_output=True, text=True, check=True).stdout  # fmt: skip

    assert made == (EXAMPLES / "nist-cover-orders.csv").read_text()


def test_machine_and_order_files_of_the_cover_parts_go_in_one_run(nist: Path) -> None:
    files = [*sorted((nist / "cover").glob("Cover-*.txt")), EXAMPLES / "nist-cover-orders.csv"]
    with Refusals() as refusals:
        found = scan(files, mapping_file.load(EXAMPLES / "nist-cover.mapping.toml"), [refusals])

    assert refusals.count == 0
    assert dict(found.ledger.total.written) == {"ot.telemetry.v1": 67_396, "ot.state.v1": 239, "ot.count.v1": 20, "mes.order.v1": 40}
    orders = [record.value for record in log(found, lambda _: 2) if record.topic == "mes.order.v1" and record.kind == "DATA"]
    events = Counter(str(dict(order)["event"]) for order in orders)  # type: ignore[arg-type]
    assert events == {
        "STARTED": 18,
        "ENDED": 18,
        "PAUSED": 2,
        "RESUMED": 2,
    }  # six parts, three operations each; OP10 of part 2 was interrupted
    assert json.dumps(orders[0]) and {str(dict(order)["order"]) for order in orders} == {f"COVER-0{n}" for n in range(1, 7)}  # type: ignore[arg-type]
