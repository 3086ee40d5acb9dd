"""The picture of a topology shows all of it: each node once, each edge, nothing over anything else."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from streams.catalogue import DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS
from streams.shell.deployment import topology_of
from streams.shell.topology_page import example
from streams.shell.topology_picture import GATE, svg
from topologies import NAMED

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_node_and_edge_is_drawn(name: str) -> None:
    topology = topology_of(example(name))
    picture = ElementTree.fromstring(svg(topology))
    steps = [step.id for step in topology.steps] + ([topology.join.id] if topology.join else [])
    nodes = {*topology.inputs, *topology.outputs, *steps, GATE, DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS}
    said = [text.text for text in picture.iter(f"{SVG}text") if text.get("fill") is None]
    edges = [path for path in picture.findall(f"{SVG}path") if path.get("marker-end")]
    dashed = [path for path in edges if path.get("stroke-dasharray")]

    assert sorted(filter(None, said)) == sorted(nodes)
    assert len(edges) - len(dashed) == len(topology.edges())
    assert len(dashed) == 4 + bool(topology.join)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_boxes_hold_their_text_and_lie_apart_within_the_picture(name: str) -> None:
    picture = ElementTree.fromstring(svg(topology_of(example(name))))
    _, *rects = picture.findall(f"{SVG}rect")
    boxes = [[float(rect.get(key) or 0) for key in ("x", "y", "width", "height")] for rect in rects]
    wide, high = (float(size) for size in re.findall(r"\d+", picture.get("viewBox") or "")[2:])

    assert all(x >= 0 and y >= 0 and x + w <= wide and y + h <= high for x, y, w, h in boxes)
    for (x, y, w, h), (u, v, a, b) in combinations(boxes, 2):
        assert x + w <= u or u + a <= x or y + h <= v or v + b <= y
    for text in picture.iter(f"{SVG}text"):
        middle, line = float(text.get("x") or 0), float(text.get("y") or 0)
        assert any(abs(middle - (x + w / 2)) < 0.1 and y < line < y + h and len(text.text or "") * 7.3 < w for x, y, w, h in boxes)
