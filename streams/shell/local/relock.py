"""Write artifacts.lock anew: `python -m streams.shell.local.relock`, or `make lock-artifacts`.

Takes the roots of each bundle from the lock itself (to upgrade, edit a version there), resolves what they need at run
time, downloads everything into a folder that is then thrown away, and writes coordinates, sizes and checksums.
"""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streams.shell.local.artifacts import DOWNLOADS_AT_ONCE, LOCK, Silent, maven, maven_artifact, sha256


def relock(roots_by_bundle: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """The content of the lock for these roots."""
    with tempfile.TemporaryDirectory() as cache:
        return {
            name: {"roots": roots, "artifacts": _resolve(roots, Path(cache))}
            for name, roots in roots_by_bundle.items()
        }


def _resolve(roots: list[str], cache: Path) -> list[dict[str, Any]]:
    context = maven(cache, Silent())
    archives = [root for root in roots if root.count(":") > 2]  # an archive carries what it needs
    jars = [root for root in roots if root not in archives]
    coordinates = archives.copy()
    if jars:
        inputs, needed = context.resolver.resolve([context.create_dependency(jar) for jar in jars])
        coordinates += [f"{each.groupId}:{each.artifactId}:{each.version}" for each in inputs + needed]
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        paths = list(pool.map(lambda coordinate: maven_artifact(context, coordinate).resolve(), coordinates))
    return [
        {"coordinate": coordinate, "file": path.name, "size": path.stat().st_size, "sha256": sha256(path)}
        for coordinate, path in sorted(zip(coordinates, paths, strict=True))
    ]


def write(content: dict[str, dict[str, Any]], lock: Path) -> None:
    """One line a file, so that a change reads as a change."""
    bundles = []
    for name, entry in content.items():
        lines = ",\n".join("   " + json.dumps(artifact) for artifact in entry["artifacts"])
        bundles.append(f' "{name}": {{\n  "roots": {json.dumps(entry["roots"])},\n  "artifacts": [\n{lines}\n  ]\n }}')
    lock.write_text("{\n" + ",\n".join(bundles) + "\n}\n")


def main() -> None:
    roots = {name: entry["roots"] for name, entry in json.loads(LOCK.read_text()).items()}
    write(relock(roots), LOCK)
    print(f"wrote {LOCK}", file=sys.stderr)


if __name__ == "__main__":
    main()
