"""The site of docs/: it builds without a warning, every page stands in its navigation once, and nothing in it is fetched from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """As `make site` does it, of a copy: the site must lie below its settings."""
    program = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(tmp_path_factory.mktemp("site"))
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / str(SETTINGS["site_dir"])


class Loaded(HTMLParser):
    """What a page asks a browser to load, where its links lead, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.loads.append(given.get("href") or "")
        elif tag in ("script", "img", "iframe", "source"):
            self.loads.append(given.get("src") or "")


def of_navigation(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from of_navigation(value) if isinstance(value, list) else [value]


def test_every_page_stands_in_the_navigation_once() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    listed = list(of_navigation(SETTINGS["nav"]))
    assert (set(listed), len(listed)) == (pages, len(pages))


def test_the_build_refuses_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    page = folder / "docs" / "index.md"
    page.write_text(page.read_text("utf-8") + "\n[away](no-such-page.md)\n", "utf-8")
    assert build(folder).returncode != 0


def test_every_page_is_built_and_every_link_and_picture_is_there(site: Path) -> None:
    pages = {path: Loaded(path.read_text("utf-8")) for path in site.glob("**/*.html") if path.name != "404.html"}
    assert len(pages) == len(list(ROOT.glob("docs/**/*.md")))
    missing = []
    for path, page in pages.items():
        for link in (*page.links, *filter(None, page.loads)):
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            if re.match(r"[a-z]+:", link):
                continue
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                missing.append(f"{path.relative_to(site)}: {link}")
    assert missing == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """A plant's network has no way out. The theme would fetch fonts, and a script for Mermaid, where a page had such a picture."""
    for path in site.glob("**/*.html"):
        text = path.read_text("utf-8")
        assert [load for load in Loaded(text).loads if re.match(r"(?:[a-z]+:)?//", load)] == [], path.name
        assert 'class="mermaid"' not in text and "language-mermaid" not in text, path.name
    for path in site.glob("assets/stylesheets/**/*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?https?:", path.read_text("utf-8")) == [], path.name
