"""A topology as an SVG picture for pages, in docs/pictures: see pages.py. It needs no script and no network.

Columns from left to right: inputs, the join with orders if there is one, steps, outputs. Below, dashed: what every input's gate sets
aside. Text is in a font of fixed width, so that a box fits its text wherever it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from streams.catalogue import DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS
from streams.topology import Topology

CHARACTER: Final = 7.25  # width of one, at 12 px
PAD, GAP, ROW, MARGIN = 12.0, 70.0, 54.0, 16.0
TOPIC, STEP, SIDE = ("#eef3fb", "#4a6fa5"), ("#e9f5ec", "#3c7d4f"), ("#fbf3e6", "#a9782f")
GATE: Final = "every input's gate"
ASIDE: Final = (DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS)


@dataclass(frozen=True, slots=True)
class Box:
    """A node. lines: its text; x, y: its left end and the middle of its height, pixels."""

    lines: Sequence[str]
    x: float
    y: float
    width: float
    colours: tuple[str, str]

    @property
    def height(self) -> float:
        return 16.0 * len(self.lines) + 14.0


def file_name(name: str) -> str:
    """Of a topology's picture, in docs/pictures."""
    return f"topology-{name}.svg"


def svg(topology: Topology) -> str:
    """The picture as text.

    >>> from topologies import NAMED
    >>> from streams.shell.topology_page import example
    >>> svg(NAMED["downsample"](example("downsample"))).count("<rect")
    9
    """
    boxes = _boxes(topology)
    width = max(box.x + box.width for box in boxes.values()) + MARGIN
    height = max(box.y + box.height / 2 for box in boxes.values()) + MARGIN
    dashed = [(GATE, topic) for topic in ASIDE] + ([(topology.join.id, RESTATE_REQUESTS)] if topology.join else [])
    parts = [
        *(_edge(boxes[begin], boxes[end], False) for begin, end in topology.edges()),
        *(_edge(boxes[begin], boxes[end], True) for begin, end in dashed),
        *(part for box in boxes.values() for part in _box(box)),
    ]
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>Topology {escape(topology.name)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0.5 7.5 4 0 7.5z" fill="#666"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#fff"/>',
        *parts, "</svg>\n",
    ])  # fmt: skip


def _boxes(topology: Topology) -> Mapping[str, Box]:
    """Every node at its place."""
    operators = {step.id: type(step.operator).__name__ for step in topology.steps}
    columns: list[list[tuple[str, list[str]]]] = [[(topic, [topic]) for topic in topology.inputs]]
    if topology.join:
        columns.append([(topology.join.id, [topology.join.id, type(topology.join.operator).__name__])])
    columns.append([(name, [name, operator]) for name, operator in operators.items()])
    columns.append([(topic, [topic]) for topic in topology.outputs])
    names = {*topology.inputs, *topology.outputs}
    rows, found, x = max(len(column) for column in columns), dict[str, Box](), MARGIN
    aside = MARGIN + rows * ROW + ROW / 2
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        below = [GATE] if number == 0 else [*ASIDE] if last else []
        width = max(len(line) for line in [*(line for _, lines in column for line in lines), *below]) * CHARACTER + 2 * PAD
        first = MARGIN + (rows - len(column)) * ROW / 2 + ROW / 2
        for index, (name, lines) in enumerate(column):
            found[name] = Box(lines, x, first + index * ROW, width, TOPIC if name in names else STEP)
        middle = (len(ASIDE) - len(below)) * ROW / 2
        for index, name in enumerate(below):
            found[name] = Box([name], x, aside + middle + index * ROW, width, SIDE)
        x += width + GAP
    return found


def _edge(begin: Box, end: Box, dashed: bool) -> str:
    """From the right side of a box; from below one that has others between it and its end."""
    x, y, to = begin.x + begin.width, begin.y, end.x - 2
    bend = (to - x) / 2
    path = f"M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to - bend:.1f} {end.y:.1f} {to:.1f} {end.y:.1f}"
    if dashed and begin.colours != SIDE:
        x, y = begin.x + begin.width / 2, begin.y + begin.height / 2
        path = f"M{x:.1f} {y:.1f}C{x:.1f} {end.y:.1f} {x:.1f} {end.y:.1f} {to:.1f} {end.y:.1f}"
    style = 'stroke="#b08d57" stroke-dasharray="4 3"' if dashed else 'stroke="#888"'
    return f'<path d="{path}" fill="none" {style} marker-end="url(#tip)"/>'


def _box(box: Box) -> Iterator[str]:
    fill, stroke = box.colours
    top = box.y - box.height / 2
    yield (
        f'<rect x="{box.x:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5" fill="{fill}" stroke="{stroke}"/>'
    )
    for number, line in enumerate(box.lines):
        style = "" if number == 0 else ' fill="#667"'
        yield (
            f'<text x="{box.x + box.width / 2:.1f}" y="{top + 19 + 16 * number:.1f}" text-anchor="middle" font-size="12" '
            f'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"{style}>{escape(line)}</text>'
        )
