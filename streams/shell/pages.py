"""The generated parts of the documentation: `make docs` writes them anew, a test compares them with what is committed.

Some files are generated whole. In pages that people write, a generated part stands between two comments, and only that is replaced:

    <!-- generated: rules context -->
    ...
    <!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from streams.errors import require
from streams.metrics import METRICS
from streams.shell import asyncapi_page, catalogue_page, topology_page, topology_picture
from topologies import NAMED


def _metrics() -> str:
    rows = [f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help} |" for m in METRICS]
    return "\n".join(["| metric | kind | labels | means |", "| --- | --- | --- | --- |", *rows])


WHOLE: Final[Mapping[str, Callable[[], str]]] = {
    "docs/catalogue.md": catalogue_page.markdown, "docs/topologies.md": topology_page.markdown, "docs/asyncapi.yaml": asyncapi_page.yaml,
    **{f"docs/pictures/{topology_picture.file_name(name)}": partial(topology_page.drawn, name) for name in NAMED},
}  # fmt: skip
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    **{f"terminal {name}": partial(topology_page.terminal, name) for name in NAMED},
    **{f"rules {name}": partial(topology_page.rules, name) for name in NAMED},
    "metrics": _metrics,
}  # fmt: skip
_PART = re.compile(r"(<!-- generated: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """A page with its generated parts as the code says now.

    >>> renewed("before <!-- generated: rules downsample -->\\nold\\n<!-- end --> after").splitlines()[2]
    '[rules]'
    """

    def part(found: re.Match[str]) -> str:
        begin, name, _, end = found.groups()
        require(name in PARTS, "a page asks for a part that is not generated", part=name, known=sorted(PARTS))
        return f"{begin}{PARTS[name]()}\n{end}"

    return _PART.sub(part, text)


def pages(root: Path) -> dict[Path, str]:
    """Every page of the documentation, as it should be."""
    written = {root / name: make() for name, make in WHOLE.items()}
    by_hand = [path for path in [*root.glob("*.md"), *root.glob("docs/**/*.md")] if path not in written]
    return written | {path: renewed(path.read_text("utf-8")) for path in by_hand}


def main() -> None:
    """Write what differs; the current directory is the root of the repository."""
    for path, text in pages(Path()).items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path}")


if __name__ == "__main__":
    main()
