"""The chart as Helm renders it with the values files of helm/andon/ci, and the renders that are committed.

    python -m tests.helm.rendered          writes tests/helm/golden anew: look at the difference before you commit it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "andon"
GOLDEN = Path(__file__).parent / "golden"
VALUES = tuple(sorted(CHART.glob("ci/*-values.yaml")))
RELEASE, NAMESPACE = "plant", "streams"

Object = Mapping[str, Any]


def values(name: str) -> dict[str, Any]:
    """A values file of the chart, by the first part of its name."""
    found: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text("utf-8"))
    return found


@cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def render(given: Mapping[str, Any]) -> dict[str, str]:
    """Template -> text. As `helm template` does it: values are held against the schema first."""
    _chart().validate_schema(deepcopy(dict(given)))
    found = _chart().render(deepcopy(dict(given)), name=RELEASE, namespace=NAMESPACE)
    return {name.removeprefix("andon/templates/"): text for name, text in sorted(found.items())}


def objects(given: Mapping[str, Any]) -> list[Object]:
    """Every object of a release."""
    texts = (text for name, text in render(given).items() if name.endswith(".yaml"))
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def of_kind(found: list[Object], *kinds: str) -> list[Object]:
    return [one for one in found if one["kind"] in kinds]


def pods(found: list[Object]) -> Iterator[tuple[str, Object]]:
    """(kind/name, pod template) of everything that starts pods."""
    for one in of_kind(found, "StatefulSet", "Deployment", "Job"):
        yield f"{one['kind']}/{one['metadata']['name']}", one["spec"]["template"]


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def golden(path: Path) -> str:
    """What is committed for a values file."""
    return "".join(f"# {name}\n{text.strip()}\n" for name, text in render(yaml.safe_load(path.read_text("utf-8"))).items() if text.strip())


def main() -> None:
    """Write every render anew."""
    for path in VALUES:
        (GOLDEN / f"{path.stem.removesuffix('-values')}.yaml").write_text(golden(path), "utf-8")


if __name__ == "__main__":
    main()
