"""Make nist-cover-orders.csv: a production order for each of the parts 1 to 6 of NIST's "Cover", from the machine's own records.

The machine says when a program runs (Program_Status ACTIVE to PROGRAM_COMPLETED). Runs of one part less than an hour apart are one
operation: the three visits of a part to the machine are OP10, OP20 and OP30. Its first run starts the operation, its last one
ends it; between two runs of a visit the operation is paused. Times are written as the machine writes them.

    ANDON_DATA=... python examples/make_cover_orders.py > examples/nist-cover-orders.csv
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

VISIT_GAP = timedelta(hours=1)
Row = dict[str, str]


def runs(file: Path) -> Iterator[tuple[str, str]]:
    """(begin, end) of each run of a program."""
    begin = ""
    for line in file.read_text("ascii").splitlines():
        time, tag, value = line.split("|")
        if tag == "Program_Status" and value == "ACTIVE":
            begin = begin or time
        elif tag == "Program_Status" and value == "PROGRAM_COMPLETED" and begin:
            yield begin, time
            begin = ""


def instant(time: str) -> datetime:
    return datetime.fromisoformat(time[:26] + "+00:00")


def operations(file: Path) -> list[list[tuple[str, str]]]:
    """The runs of each visit of a part to the machine."""
    visits: list[list[tuple[str, str]]] = []
    for run in runs(file):
        if visits and instant(run[0]) - instant(visits[-1][-1][1]) < VISIT_GAP:
            visits[-1].append(run)
        else:
            visits.append([run])
    return visits


def events(file: Path) -> Iterator[Row]:
    part = file.name.removeprefix("Cover-Hurco04-")[:2]
    for number, visit in enumerate(operations(file), start=1):
        for n, (begin, end) in enumerate(visit):
            last = n == len(visit) - 1
            named = {"order": f"COVER-{part}", "operation": f"OP{number}0", "product": "COVER", "work_center": "Hurco04"}
            yield {"time": begin, "event": "RESUMED" if n else "STARTED", **named, "quantity_good": ""}
            yield {"time": end, "event": "ENDED" if last else "PAUSED", **named, "quantity_good": "1" if last else ""}


def main() -> None:
    folder = Path(os.environ["ANDON_DATA"]) / "nist-sms" / "cover"
    rows = [row for file in sorted(folder.glob("Cover-Hurco04-*of20.txt")) for row in events(file)]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["time"]))


if __name__ == "__main__":
    main()
