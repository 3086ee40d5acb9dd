"""The pages that list codes and settings list exactly those that the code knows."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from streams import catalogue, configuration, errors
from streams.catalogue import schema_of
from streams.codec.reasons import BAD_REFERENCE, DETAILS, OUTPUT_TOO_LARGE, REASONS
from streams.configuration import parse
from streams.errors import AndonError
from streams.shell.deployment import topology_of
from streams.shell.ingest import (
    delimited,
    entries,
    instants,
    mapping_file,
    order_times,
    qif,
    qif_index,
    reading,
    tables,
    verdicts,
)
from streams.shell.settings import Settings
from streams.time.gate import FATES

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "examples" / "context.toml").read_text("utf-8")


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of its level."""
    level = heading.split(" ", maxsplit=1)[0]
    text = (ROOT / "docs" / page).read_text("utf-8")
    return text.partition(f"\n{heading}\n")[2].split(f"\n{level} ")[0]


def table(page: str, heading: str) -> dict[str, tuple[str, ...]]:
    """Rows of the table under a heading by their first cell, without code marks; a first cell stands only once."""
    found: dict[str, tuple[str, ...]] = {}
    for line in section(page, heading).splitlines():
        if not line.startswith("| ") or line.startswith("| ---"):
            continue
        first, *rest = (cell.strip() for cell in line.strip().strip("|").split(" | "))
        assert first not in found, f"{page} lists {first} twice"
        found[first.strip("`")] = tuple(rest)
    assert found, f"{page} has no table under {heading}"
    found.pop(next(iter(found)))  # the header
    return found


# ---- data-quality.md


def test_every_reason_of_a_dead_letter_is_explained_as_the_code_does() -> None:
    documented = {code: cells[0] for code, cells in table("data-quality.md", "## Dead letters").items()}
    assert documented.pop(BAD_REFERENCE)
    assert documented.pop(OUTPUT_TOO_LARGE)
    assert documented == DETAILS
    assert set(DETAILS) == set(REASONS) - {"ok"}


def test_no_record_is_set_aside_for_a_reason_that_is_not_listed() -> None:
    """Reasons that are written out where a record is made, beside those of the decoding."""
    texts = [path.read_text("utf-8") for path in ROOT.glob("streams/**/*.py")]
    literals = {reason for text in texts for reason in re.findall(r'"reason": "([a-z]+-[a-z-]+)"', text)}
    assert literals <= set(table("data-quality.md", "## Dead letters")), "a published reason is no constant of codec/reasons.py"


def test_every_verdict_of_the_gate_is_explained() -> None:
    assert set(table("data-quality.md", "## Verdicts of the gate")) == set(FATES)


def test_every_reason_for_which_ingest_refuses_is_explained() -> None:
    """Reasons are the sentences among the constants of the modules that read files."""
    known = set(instants.REASONS)
    for module in (entries, delimited, reading, order_times, verdicts, qif, qif_index):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and " " in value and not value.startswith("("):
                known.add(value)
    assert set(table("data-quality.md", "## Refused by `andon ingest`")) == known


def test_every_reason_of_a_restate_request_is_explained() -> None:
    [field] = [field for field in schema_of("audit.restate-request.v1")["fields"] if field["name"] == "reason"]
    assert set(table("data-quality.md", "## Restate requests")) == set(re.findall(r"[A-Z]+_?[A-Z]+", field["doc"]))


# ---- operations.md


def test_every_exit_code_is_explained() -> None:
    known = {value.exit_code for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.AndonError)}
    assert {int(code) for code in table("operations.md", "## A worker")} == (known - {1}) | {0}  # 1: what `diff`, `status`, `check` found


# ---- settings.md: the environment


def variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def test_every_environment_variable_is_explained() -> None:
    documented, of_settings = table("settings.md", "## Environment variables"), dict(variables(Settings, "ANDON_"))
    files = [*ROOT.glob("streams/**/*.py"), ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / "tests" / "acceptance" / "conftest.py"]
    said = {name for path in files for name in re.findall(r"ANDON_[A-Z]+(?:_[A-Z]+)*(?:__[A-Z_]+[A-Z])?\b", path.read_text("utf-8"))}
    groups = {name.split("__")[0] for name in of_settings if "__" in name}

    assert set(documented) == (said | set(of_settings)) - groups
    for name, field in of_settings.items():
        default = field.default.value if hasattr(field.default, "value") else field.default
        assert (documented[name][0] == "required") == field.is_required(), name
        if not field.is_required() and default not in (None, ""):
            assert documented[name][0] == f"`{default}`", name


# ---- settings.md: the configuration file


def paths(content: Any, at: str = "") -> Iterator[str]:
    """Keys of a TOML document as settings.md writes them: topics and lane classes as names in brackets, rules as a whole."""
    for key, value in content.items():
        path = f"{at}.{key}" if at else key
        if at in ("topics", "inputs"):
            path = f"{at}.<topic>"
        if isinstance(value, dict) and path != "rules" and not re.fullmatch(r"inputs\.<topic>\.\w+", path):
            yield from paths(value, path)
        else:
            yield path


def sets_in(module: Any) -> set[str]:
    """Texts of all set displays in a module's source: the keys that it accepts."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    displays = [node for node in ast.walk(tree) if isinstance(node, ast.Set)]
    return {each.value for node in displays for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def test_every_key_of_the_configuration_is_explained() -> None:
    documented = set(table("settings.md", "## The configuration file"))
    used = set(paths(tomllib.loads(CONFIGURATION)))
    leaves = {key.split(".")[-1] for key in documented} | {"topics", "lane_classes", "inputs"}

    assert used <= documented
    assert sets_in(configuration) | sets_in(catalogue) <= leaves  # every key that is accepted somewhere


def test_every_key_that_is_explained_is_accepted_and_no_other() -> None:
    more = CONFIGURATION.replace('{ partitions = 2, append = "header" }', '{ partitions = 2, append = "log", retention = "2 d" }', 1)
    more = more.replace("{ partitions = 2 }", "{ retention_ms = -1 }", 1)
    more = more.replace('default = "live"', 'default = "live"\npatterns = [["*", "live"]]')
    found = parse(more)

    assert set(paths(tomllib.loads(more))) == set(table("settings.md", "## The configuration file"))
    assert found.topics["mes.order.v1"]["retention_ms"] == 2 * 86_400_000
    for wrong in (
        "colour = 1\n" + more, more.replace("future =", "colour = 1\nfuture =", 1), more.replace("patterns =", "colour = 1\npatterns ="),
        more.replace("hold =", "colour = 1\nhold ="),
    ):  # fmt: skip
        with pytest.raises(AndonError, match="colour"):
            topology_of(parse(wrong))


# ---- settings.md: the mapping file

EVERY_LAYOUT = """
claims = []
[[files]]
match = "*.csv"
format = "csv"
layout = "long"
tag = "t"
value = "v"
line = { column = "l", values = { a = "a/b/c/d" } }
asset = { column = "a" }
time = { column = "time", format = "iso8601", zone = "UTC" }
quality = { column = "q", codes = { "1" = "GOOD" } }
tags = [{ match = "*", kind = "measurement", product = { column = "p" } }]
[[files]]
match = "*.jsonl"
format = "jsonl"
layout = "orders"
line = { constant = "a/b/c/d" }
time = { column = "time", format = "iso8601", zone = "UTC" }
order = { event = { column = "e" }, order = { column = "o" } }
"""
TEXTS = {"constant", "column", "file_name", "values", "template"}


def test_every_key_of_a_mapping_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of mappings asks for every key that it knows, whether or not it is there."""
    asked: set[str] = set()
    end = tables.Table.end

    def noted(self: tables.Table) -> None:
        path = re.sub(r"\[\d+\]", "", self.path)
        keys = {f"{path}.{key}" if path else key for key in self._asked}
        asked.update({f"*.{key}" for key in self._asked} if self._asked >= TEXTS else keys)
        end(self)

    monkeypatch.setattr(tables.Table, "end", noted)
    for text in (EVERY_LAYOUT, *(path.read_text("utf-8") for path in ROOT.glob("examples/*.mapping.toml"))):
        mapping_file.parse(text)
    documented = set(table("settings.md", "## The mapping file"))
    inner = {key.rpartition(".")[0] for key in documented if key.count(".") >= 1 and not key.startswith("*")}

    assert asked - inner == documented
