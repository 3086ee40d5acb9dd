"""Make press-line.csv and press-line-orders.csv: five minutes of an invented line of two presses, with the dirt of a real one.

    press-1 jams at 06:02:06 and runs again from 06:02:46; the order is paused meanwhile
    press-2 changes its tool between two orders, and its controller starts its stroke counter anew
    its gateway loses the line and then sends three lines of 20 s ago once more
    two lines of press-1 have changed places, one temperature is missing, one is not a number

    python examples/make_press_line.py examples
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)
SECONDS, EVERY_S = 300, 2
Cells = list[str]


def stamp(second: int) -> str:
    return f"{(BEGIN + timedelta(seconds=second)):%Y-%m-%dT%H:%M:%SZ}"


def state(press: int, second: int) -> str:
    if press == 1 and 126 <= second < 166:
        return "FAULT"
    if press == 2 and 221 <= second < 235:
        return "SETUP"
    return "RUNNING" if second >= 20 else "IDLE"


def press(number: int, random: Random) -> Iterator[Cells]:
    """Lines of one press: time, machine, temperature of the tool, state, strokes since the controller was switched on."""
    temperature, strokes = 172.0, 4_100 + 900 * number
    for second in range(number - 1, SECONDS + 1, EVERY_S):
        now = state(number, second)
        strokes += 1 if now == "RUNNING" else 0
        if number == 2 and second == 235:
            strokes = 1
        temperature += ((185.0 if now == "RUNNING" else 165.0) - temperature) / 25 + random.gauss(0, 0.3)
        yield [stamp(second), f"press-{number}", f"{temperature:.1f}", now, str(strokes)]


def lines() -> list[Cells]:
    random = Random(20260302)
    rows = sorted([*press(1, random), *press(2, random)])
    place = {(row[0], row[1]): n for n, row in enumerate(rows)}
    rows[place[stamp(48), "press-1"]][2] = ""
    rows[place[stamp(98), "press-1"]][2] = "18O.3"
    early, late = place[stamp(110), "press-1"], place[stamp(112), "press-1"]
    rows[early], rows[late] = rows[late], rows[early]
    again = [rows[place[stamp(second), "press-2"]] for second in (251, 253, 255)]
    behind = place[stamp(275), "press-2"] + 1
    return rows[:behind] + again + rows[behind:]


ORDERS = [
    (24, "STARTED", "PO-1001", "BRACKET-L"), (126, "PAUSED", "PO-1001", "BRACKET-L"), (166, "RESUMED", "PO-1001", "BRACKET-L"),
    (221, "ENDED", "PO-1001", "BRACKET-L"), (235, "STARTED", "PO-1002", "BRACKET-R"),
]  # fmt: skip


def write(path: Path, header: Cells, rows: list[Cells]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(folder: Path) -> None:
    write(folder / "press-line.csv", ["time", "machine", "temperature", "state", "strokes"], lines())
    orders = [[stamp(second), event, order, product] for second, event, order, product in ORDERS]
    write(folder / "press-line-orders.csv", ["time", "event", "order", "product"], orders)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
