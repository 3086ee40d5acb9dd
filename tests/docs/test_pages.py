"""The documentation: what is generated is what the code says now, and no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.errors import InvalidValue
from streams.shell import pages

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/**/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("page", pages.pages(ROOT), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_generated_is_what_the_code_says(page: Path) -> None:
    """`make docs` mends it."""
    assert page.read_text("utf-8") == pages.pages(ROOT)[page]


def test_a_part_that_nobody_generates_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no-such-part"):
        pages.renewed("<!-- generated: no-such-part -->\n<!-- end -->")


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    wrong = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            wrong.append(link)
    assert wrong == []


def test_every_page_of_the_documentation_is_linked_from_somewhere() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(page.read_text("utf-8"))
    }
    assert names([page for page in PAGES if page.parent != ROOT and page not in linked]) == []


def test_what_code_and_tests_say_of_pages_is_true() -> None:
    """A docstring that names a page of the documentation names one that is there; `docs/adr/0002` means the file that begins so."""
    missing = []
    for path in [*ROOT.glob("streams/**/*.py"), *ROOT.glob("topologies/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("schemas/*.avsc"),
                 *ROOT.glob("examples/*.toml"), ROOT / "pyproject.toml", ROOT / "Makefile"]:  # fmt: skip
        for name in re.findall(r"docs/[\w./-]+?(?=[^\w./-]|\.?\s|\.?$)", path.read_text("utf-8")):
            named = name.rstrip(".")
            if not (ROOT / named).exists() and not list(ROOT.glob(f"{named}-*.md")):
                missing.append(f"{path.relative_to(ROOT)}: {named}")
    assert missing == []
