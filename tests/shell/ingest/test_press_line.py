"""The example of the README: its files are those of its script, and every cell has the fate that the script intends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streams.shell.ingest import mapping_file
from streams.shell.ingest.checking import Check
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import scan

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = ("press-line.csv", "press-line-orders.csv")


def test_the_files_are_those_of_the_script(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make_press_line.py", tmp_path], check=True)

    for name in FILES:
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_its_dirt_has_names() -> None:
    """One cell is no number, one is empty; three lines were sent again 24 s late, two have changed places."""
    check = Check()
    with Refusals() as refusals:
        mapping = mapping_file.load(EXAMPLES / "press-line.mapping.toml")
        total = scan([EXAMPLES / name for name in FILES], mapping, [refusals, check]).ledger.total
    machines, orders = (check.files[str(EXAMPLES / name)] for name in FILES)

    assert (total.lines, total.entries) == (304 + 5, 3 * 304 + 5)
    assert dict(total.written) == {"mes.order.v1": 5, "ot.sample.v1": 303, "ot.state.v1": 304, "ot.count.v1": 304}
    assert [(Path(each.file).name, each.line, each.reason, each.detail) for each in refusals.first] == [
        ("press-line.csv", 100, "the value is not a number", "18O.3")
    ]
    assert machines.qualities == {"GOOD": 910, "BAD": 1}
    assert (machines.out_of_order, machines.lane_disorder_us) == (5, 24_000_000)  # the other press spoke between the two
    assert (orders.out_of_order, orders.lane_disorder_us) == (0, 0)
