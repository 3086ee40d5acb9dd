"""XML is hostile input: what could fetch, expand or grow without end is refused, with file, line and element."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import DataError
from streams.shell.ingest import xml_events
from streams.shell.ingest.xml_events import DEPTH_MAX, TEXT_MAX, TOKEN_MAX, Event, events

LONG = b"y" * (4 * TOKEN_MAX)


def read(path: Path, content: bytes) -> list[Event]:
    path.write_bytes(content)
    return list(events(path, "urn:x"))


def test_begins_ends_texts_and_lines(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?>\n<a xmlns="urn:x" id="1">\n<b> t\u00e4 </b><o xmlns="urn:o"/><![CDATA[c]]></a>'
    found = read(tmp_path / "a.xml", text.encode())

    assert found == [
        Event(True, "a", {"id": "1"}, "", 2), Event(True, "b", {}, "", 3), Event(False, "b", {}, "t\u00e4", 3),
        Event(True, "{urn:o}o", {}, "", 3), Event(False, "{urn:o}o", {}, "", 3), Event(False, "a", {}, "", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), [
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a document type"),
    (b'<!DOCTYPE a [<!ENTITY b "1"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>', "has a document type"),
    (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type"),
    (b'<!DOCTYPE a PUBLIC "x" "http://nowhere.invalid/x.dtd"><a/>', "has a document type"),
    (b"<a>&b;</a>", "undefined entity"),
    (b"<a>" * (DEPTH_MAX + 1), "nested too deeply"),
    (b'<a b="' + LONG + b'"/>', "is too long"),
    (b"<a><!--" + LONG + b"--></a>", "is too long"),
    (b"<a><" + LONG + b"/></a>", "is too long"),
    (b"<?x " + LONG + b"?><a/>", "is too long"),
    (b"<a><b></a>", "mismatched tag"),
    (b"<a>", "no element found"),
    (b"", "no element found"),
    (b"<a>\x00</a>", "not well-formed"),
    (b"<a>\xff</a>", "not well-formed"),
    (b"<a/><a/>", "not well-formed"),
    (b"<x:a/>", "unbound prefix"),
    (b'<?xml version="1.0" encoding="none-such"?><a/>', "not well-formed"),
    (b"PK\x03\x04", "not well-formed"),
])  # fmt: skip
def test_what_is_not_plain_xml_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / "a.xml", content)

    assert said in str(error.value)
    assert error.value.values["file"].endswith("a.xml")
    assert error.value.values["line"] == 1


def test_the_deepest_and_the_longest_that_is_read(tmp_path: Path) -> None:
    deepest = read(tmp_path / "a.xml", b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX)
    assert len(deepest) == 2 * DEPTH_MAX
    for length, expected in ((TEXT_MAX, "y" * TEXT_MAX), (TEXT_MAX + 1, None), (len(LONG), None)):
        assert read(tmp_path / "a.xml", b"<a>" + LONG[:length] + b"</a>")[1].text == expected


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """30 times the file, many elements or one long text: the same peak but for what Python happens to hold."""

    def peak(content: bytes, count: int) -> int:
        path = tmp_path / "big.xml"
        path.write_bytes(content)
        tracemalloc.start()
        try:
            assert sum(1 for _ in events(path, "urn:x")) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def many(count: int) -> int:
        return peak(b"<a>" + (b'<b id="1"><c>' + b"y" * 400 + b"</c></b>\n") * count + b"</a>", 4 * count + 2)

    def long(count: int) -> int:
        return peak(b"<a>" + b"y" * 400 * count + b"</a>", 2)

    assert many(30_000) < many(1_000) + 1_000_000
    assert long(30_000) < long(1_000) + 1_000_000


tags = st.sampled_from(["a", "b", "long-name"])
texts = st.text(st.sampled_from("xy \u00e4&<"), max_size=5)
trees: st.SearchStrategy[Any] = st.recursive(st.builds(lambda tag, text: (tag, text, []), tags, texts),
                     lambda below: st.builds(lambda tag, of: (tag, "", of), tags, st.lists(below, max_size=4)), max_leaves=12)  # fmt: skip


def element(tree: tuple[str, str, list[object]]) -> ElementTree.Element:
    found = ElementTree.Element(tree[0])
    found.text = tree[1]
    found.extend(element(each) for each in tree[2])  # type: ignore[arg-type]
    return found


def by_tree(of: ElementTree.Element) -> list[tuple[bool, str, str]]:
    """The same, from the tree in memory."""
    inside = [each for child in of for each in by_tree(child)]
    text = "" if len(of) else (of.text or "").strip()
    return [(True, "{}" + of.tag, ""), *inside, (False, "{}" + of.tag, text)]


@given(tree=trees, block=st.integers(1, 40))
def test_any_tree_cut_into_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, tree: tuple[str, str, list[object]], block: int
) -> None:
    root, path = element(tree), tmp_path_factory.mktemp("xml") / "a.xml"
    path.write_bytes(ElementTree.tostring(root, "utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_events, "BLOCK", block)
        found = [(each.begins, each.name, each.text or "") for each in events(path, "urn:x")]

    assert found == by_tree(root)
