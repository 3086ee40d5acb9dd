"""`andon topics` and `andon schemas`: what they print, what they refuse, and their exit codes."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.errors import PlatformError, SchemaError, SettingsError
from streams.shell import catalogue_page, schema_rules
from streams.shell.cli import app
from tests.shell.deployed import ROOT, Deployed

TOPICS = {
    "ot.sample.v1", "ctx.window.v1", "dq.dead-letter.v1", "dq.late.v1", "dq.quarantine.v1", "audit.restate-request.v1", "ref.asset.v1",
    "ctl.configuration.v1", "down.epoch.v1", "down.snapshot.v1",
}  # fmt: skip


def test_topics_from_nothing_to_no_difference(deployed: Deployed) -> None:
    """What the application reads and writes, what every topology has, and its own two homes."""
    before = deployed.call("topics", "diff", "--json")
    assert (before.exit_code, json.loads(before.stdout)["same"]) == (1, False)
    assert {change["topic"] for change in json.loads(before.stdout)["changes"]} == {deployed.prefix + name for name in TOPICS}

    applied = deployed.call("topics", "apply")
    assert applied.exit_code == 0, applied.exception
    assert "made" in applied.stdout
    assert deployed.topic("down.snapshot.v1") in applied.stdout
    again = deployed.call("topics", "apply")
    assert again.stdout == "10 topics are as they should be\n"
    assert json.loads(deployed.call("topics", "apply", "--json").stdout)["changed"] == []

    after = deployed.call("topics", "diff")
    assert (after.exit_code, after.stdout) == (0, "10 topics are as they should be\n")


def test_a_difference_that_is_refused_says_what_to_do(deployed: Deployed) -> None:
    deployed.create("ot.sample.v1")
    deployed.admin().set(deployed.topic("ot.sample.v1"), {"message.timestamp.type": "CreateTime", "segment.ms": "1000000"})
    shown = deployed.call("topics", "diff")
    assert shown.exit_code == 1
    for words in ("CreateTime", "refused: its records bear", 'append = "log", or "header"', "segment.ms", "left as it is"):
        assert words in shown.stdout
    refused = deployed.call("topics", "apply")
    assert isinstance(refused.exception, PlatformError)
    assert deployed.admin().topics([deployed.topic("ref.asset.v1")]) == {deployed.topic("ref.asset.v1"): None}  # nothing was done
    chosen = deployed.configured(sample='append = "log"')
    assert "set message.timestamp.type" in chosen.call("topics", "apply").stdout
    assert chosen.call("topics", "diff").exit_code == 0


def test_inputs_and_outputs_must_share_their_partitions(deployed: Deployed) -> None:
    refused = deployed.configured(windows=3).call("topics", "diff")
    assert isinstance(refused.exception, SettingsError)
    assert "partitions={'ot.sample.v1': 2, 'ctx.window.v1': 3}" in str(refused.exception)


def test_limits_of_time_are_given_to_every_input_and_to_nothing_else(deployed: Deployed) -> None:
    """A name that is written wrong would else show itself as a task that dies, or not at all."""
    deployed.config.write_text(deployed.config.read_text().replace('[inputs."ot.sample.v1"]', '[inputs."ot.sampel.v1"]'))
    refused = deployed.call("topics", "diff")

    assert isinstance(refused.exception, SettingsError)
    assert "missing=['ot.sample.v1'], not_an_input=['ot.sampel.v1']" in str(refused.exception)


def test_schemas_from_nothing_to_registered(deployed: Deployed) -> None:
    applied = deployed.call("schemas", "apply", "--json")
    assert applied.exit_code == 0, applied.exception
    schemas = {one["subject"]: one for one in json.loads(applied.stdout)["schemas"]}
    assert set(schemas) == {f"{deployed.prefix}{name}-value" for name in TOPICS}
    assert not any(one["registered"] for one in schemas.values())
    with deployed.registry() as registry:
        for one in schemas.values():
            assert registry.text(one["id"]) == schema_rules.committed(one["schema"])
            assert registry.compatibility(one["subject"]) == "FULL_TRANSITIVE"
    again = {one["subject"]: one for one in json.loads(deployed.call("schemas", "apply", "--json").stdout)["schemas"]}
    assert {subject: one["id"] for subject, one in again.items()} == {subject: one["id"] for subject, one in schemas.items()}
    assert all(one["registered"] for one in again.values())
    checked = deployed.call("schemas", "check")
    assert (checked.exit_code, checked.stdout.count("compatible")) == (0, len(TOPICS))


def test_a_change_that_breaks_a_reader_is_found_and_not_registered(deployed: Deployed) -> None:
    """The registry has an earlier version, with a field that the committed one has lost and that had no default."""
    earlier = json.loads(schema_rules.committed("ot.sample.v1"))
    earlier["fields"].append({"name": "shift", "type": "string", "doc": "once needed"})
    subject = f"{deployed.topic('ot.sample.v1')}-value"
    with deployed.registry() as registry:
        registry.register(subject, json.dumps(earlier))
    checked = deployed.call("schemas", "check", "--json")
    assert checked.exit_code == 1
    [broken] = [one for one in json.loads(checked.stdout)["schemas"] if one["problems"]]
    assert broken["problems"] == [
        f"ot.sample.v1: {subject} version 1: new records, old readers: Sample.shift: "
        "the reader needs it, the writer has not got it, and it has no default"
    ]
    assert "Sample.shift" in deployed.call("schemas", "check").stdout
    refused = deployed.call("schemas", "apply")
    assert isinstance(refused.exception, SchemaError)
    with deployed.registry() as registry:
        assert registry.versions(f"{deployed.topic('ctx.window.v1')}-value") == []  # all are checked before one is registered


def test_releases_are_held_against_too(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the registry: what a build machine checks before anything is deployed."""
    folder = tmp_path / "schemas"
    shutil.copytree(str(resources.files("schemas")), folder)
    monkeypatch.setattr("streams.shell.schema_rules.resources.files", lambda package: folder)
    release = folder / "released" / "0.1"
    release.mkdir(parents=True)
    shutil.copy(folder / "ot.sample.v1.avsc", release)
    well = deployed.call("schemas", "check", "--offline", "--json")
    assert (well.exit_code, [one["releases"] for one in json.loads(well.stdout)["schemas"]][0]) == (0, ["0.1"])
    text = (release / "ot.sample.v1.avsc").read_text()
    (release / "ot.sample.v1.avsc").write_text(text.replace("timestamp-micros", "timestamp-millis"))
    broken = deployed.call("schemas", "check", "--offline")
    assert broken.exit_code == 1
    assert "written as timestamp-millis, read as timestamp-micros" in " ".join(broken.stdout.split())


def test_the_page_in_the_documentation_is_the_catalogue() -> None:
    """`andon topics list --markdown > docs/catalogue.md` mends it."""
    assert CliRunner().invoke(app(), ["topics", "list", "--markdown"]).stdout == catalogue_page.markdown()
    assert (ROOT / "docs" / "catalogue.md").read_text("utf-8") == catalogue_page.markdown()


def test_the_catalogue_needs_no_settings(deployed: Deployed) -> None:
    listed = CliRunner(env={"ANDON_KAFKA__BOOTSTRAP_SERVERS": None}).invoke(app(), ["topics", "list", "--json"])
    [assets] = [topic for topic in json.loads(listed.stdout)["topics"] if topic["name"] == "ref.asset.v1"]
    assert {"partitions": 1, "cleanup": "keep", "schema": "ref.asset.v1"}.items() <= assets.items()
    table = deployed.call("topics", "list").stdout
    assert "down.epoch.v1" in table
    assert "for ever" in table


@pytest.mark.parametrize(
    "command", ["topics apply", "topics diff", "topics list", "schemas apply", "schemas check", "tail", "export", "pace"]
)
def test_every_command_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app(), [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.output
