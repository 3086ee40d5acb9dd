"""Every command of the documentation runs as it stands there, and what is only mentioned exists.

A fenced block `sh` is run: the blocks of a page one after the other, in one shell. What cannot run here, such as kubectl, stands in
a block `console`; of that and of commands within a sentence it is checked that our program has the command and its options. The
README's blocks are run by tests/test_readme.py.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from streams.shell.cli import app
from streams.shell.local.platform import Platform
from tests.docs.commands import ROOT, blocks, commands, environment

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/**/*.md")])
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
RUN = [name for name, text in TEXTS.items() if commands(text) and name != "README.md"]
LANGUAGES = {"sh", "console", "text", "toml", "csv", "mermaid", "yaml", "json", "python"}


@pytest.mark.timeout(300)  # the first one starts the platform, and may have to compile
@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_page_run_as_they_stand_there(name: str, platform: Platform, topic_prefix: str, tmp_path: Path) -> None:
    """In a folder with the repository's examples, on a broker that it shares with other tests."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "examples").symlink_to(ROOT / "examples")
    given = environment(tmp_path) | {
        "ANDON_KAFKA__BOOTSTRAP_SERVERS": platform.bootstrap_servers, "ANDON_REGISTRY__URL": platform.registry_url,
        "ANDON_TOPIC_PREFIX": topic_prefix, "TMPDIR": str(tmp_path),
    }  # fmt: skip
    shell = ["bash", "-e", "-u", "-o", "pipefail"]
    done = subprocess.run(shell, input=commands(TEXTS[name]), env=given, cwd=here, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout


@pytest.mark.parametrize("name", TEXTS)
def test_a_block_says_what_it_is(name: str) -> None:
    """A block without a language, or indented, would be neither run nor looked at."""
    outside = re.sub(r"^```.*?^```$", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)

    assert {language for language, _ in blocks(TEXTS[name])} <= LANGUAGES
    assert re.findall(r"^ {4}(?:\$ )?(?:andon|make|kubectl|helm|docker|pip|python)\b.*$", outside, re.MULTILINE) == []


def test_no_command_hides_in_a_block_that_is_not_run() -> None:
    hidden = [
        (name, line) for name, text in TEXTS.items() for language, content in blocks(text) if language in ("text", "python", "csv")
        for line in content.splitlines() if re.match(r"(?:\$ )?andon [a-z]", line)
    ]  # fmt: skip
    assert hidden == []


def mentioned() -> Iterator[list[str]]:
    """Words of each command of `andon` in code within sentences and in blocks `console`."""
    for text in TEXTS.values():
        spans = re.findall(r"`(andon [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines = [line.removeprefix("$ ") for language, content in blocks(text) if language == "console" for line in content.splitlines()]
        for said in (*spans, *(line for line in lines if line.startswith("andon "))):
            yield re.split(r"[\s=]+", said)[1:]


def test_what_is_mentioned_exists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    @cache
    def told(*command: str) -> str:
        """What --help says of a command."""
        with pytest.raises(SystemExit) as ended:
            app()([*command, "--help"])
        said = capsys.readouterr().out
        assert ended.value.code == 0, command
        return said

    found = list(mentioned())
    assert {"run", "verify", "topics", "mapping"} <= {words[0] for words in found}
    for words in found:
        length = 2 if "COMMAND [ARGS]" in told(words[0]) and len(words) > 1 else 1
        said = told(*words[:length])
        assert {word for word in words if word.startswith("--") and word not in said} == set(), words


def test_the_readmes_blocks_are_those_that_its_own_test_runs() -> None:
    headings = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```sh$", TEXTS["README.md"], re.MULTILINE | re.DOTALL)
    assert headings == ["On a fresh machine", "The main job"]
    assert len([language for language, _ in blocks(TEXTS["README.md"]) if language == "sh"]) == len(headings)
