"""The style that a program can check: sizes, names, and nothing in the repository that holds only on one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("streams", "topologies")
FILE_LINES, FUNCTION_LINES = 400, 70
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}

# Written in pieces, so that this file does not contain what it forbids.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "maven" + ".apache.org",
    "maven" + ".org",
    "npm" + "js.org",
    "docker" + ".io",
    "ghcr" + ".io",
    "quay" + ".io",
    "crates" + ".io",
]
MACHINE_PATHS = ["/work" + "/", "/root" + "/", "/tmp" + "/venv", "/opt" + "/wheels", "/Us" + "ers/"]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository; a file deleted but not yet committed is none."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file())


def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE]


def lines_with(pattern: str) -> list[str]:
    """Where `pattern` occurs in the tracked text files, as file:line."""
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a binary file names nothing
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if re.search(pattern, line)
        ]
    return found


def test_a_file_is_short_enough_to_be_read_in_one_go() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_a_function_fits_a_screen() -> None:
    too_long = {
        f"{path.relative_to(ROOT)}:{node.name}": lines
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert too_long == {}


def test_a_file_is_named_after_what_is_in_it() -> None:
    assert [str(path.relative_to(ROOT)) for path in modules() if path.stem in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_file_names_a_download_host(host: str) -> None:
    """Where packages come from is the business of the machine: its index, its mirror."""
    assert lines_with(re.escape(host)) == []


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_file_names_a_path_of_one_machine(path: str) -> None:
    assert lines_with(rf"(?<![\w.~}}-]){re.escape(path)}") == []


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_unfinished(word: str) -> None:
    assert lines_with(rf"\b{word}\b") == []
