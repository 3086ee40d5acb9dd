"""Commands of a page, as a person would type them: the program on the path, the blocks, a shell to run them in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks of a page, in order.

    >>> blocks("text\\n```sh\\nls\\n```\\n")
    [('sh', 'ls\\n')]
    """
    return _BLOCK.findall(text)


def commands(text: str) -> str:
    """All commands of a page, in order, as one script."""
    return "".join(content for language, content in blocks(text) if language == "sh")


def environment(folder: Path) -> dict[str, str]:
    """That of a person who has just activated .venv: `andon` on the path, and no setting of ours but where kernels are kept."""
    program = folder / "bin" / "andon"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from streams.shell.cli import main; main()' \"$@\"\n")
    program.chmod(0o755)
    given = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_") or name == "ANDON_CACHE"}
    return given | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "ANDON_WEB__PORT": "0"}
