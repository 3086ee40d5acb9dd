"""andon topics apply, diff, list and andon schemas apply, check: what the catalogue says, held against Kafka and the registry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams import configuration as configurations
from streams.catalogue import TOPICS, Topic
from streams.configuration import Configuration
from streams.errors import InvalidValue, SchemaError
from streams.shell import catalogue_page

Config = Annotated[Path, typer.Option("--config", help="Configuration file of the application (TOML).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else.")]
Replication = Annotated[
    int | None, typer.Option("--replication", min=1, help="Replicas of new topics; must be said where the cluster has several brokers.")
]
Deletion = Annotated[bool, typer.Option("--allow-deletion", help="Change a setting though the broker will delete records for it.")]

DIFFERENT = INCOMPATIBLE = 1


def register(app: typer.Typer) -> None:
    """Add the groups `topics` and `schemas` to `app`."""
    topics = typer.Typer(help="Topics: the catalogue held against Kafka.", no_args_is_help=True)
    topics.command("apply")(topics_apply)
    topics.command("diff")(topics_diff)
    topics.command("list")(topics_list)
    app.add_typer(topics, name="topics")
    schemas = typer.Typer(help="Contracts: schemas/ held against the registry and the releases.", no_args_is_help=True)
    schemas.command("apply")(schemas_apply)
    schemas.command("check")(schemas_check)
    app.add_typer(schemas, name="schemas")


def topics_apply(config: Config, replication: Replication = None, allow_deletion: Deletion = False, as_json: Json = False) -> None:
    """Make the application's topics, and set what differs. What would lose records is refused, and then nothing is changed.

    Example: andon topics apply --config examples/context.toml --replication 3
    """
    from streams.shell import kafka_admin
    from streams.shell.kafka_connection import Admin
    from streams.shell.settings import settings

    chosen, topics = _wanted(config)
    with Admin(settings().kafka) as admin:
        done = kafka_admin.apply(topics, admin, append_chosen=chosen, replication=replication, allow_deletion=allow_deletion)
    done = [change for change in done if change.different]
    if as_json:
        _print_json({"topics": [topic.name for topic in topics], "changed": [asdict(change) for change in done]})
    elif not done:
        typer.echo(f"{len(topics)} topics are as they should be")
    else:
        table = Table("topic", "done", "was", "is")
        for change in done:
            table.add_row(change.topic, "made" if change.kind == "missing" else f"set {change.setting}", change.now, change.wanted)
        _person().print(table)


def topics_diff(config: Config, replication: Replication = None, allow_deletion: Deletion = False, as_json: Json = False) -> None:
    """Say what `apply` would do. Exit code 0: nothing; 1: there are differences.

    Example: andon topics diff --config examples/context.toml || andon topics apply --config examples/context.toml
    """
    from streams.shell import kafka_admin
    from streams.shell.kafka_connection import Admin
    from streams.shell.settings import settings

    chosen, topics = _wanted(config)
    with Admin(settings().kafka) as admin:
        found = kafka_admin.plan(topics, admin, append_chosen=chosen, replication=replication, allow_deletion=allow_deletion)
    different = any(change.different for change in found)
    if as_json:
        _print_json({"same": not different, "topics": [topic.name for topic in topics], "changes": [asdict(change) for change in found]})
    else:
        if found:
            _print_changes(found)
        if not different:
            typer.echo(f"{len(topics)} topics are as they should be")
    if different:
        raise typer.Exit(DIFFERENT)


def topics_list(
    config: Annotated[Path | None, typer.Option("--config", help="Show what this configuration makes of the catalogue.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/catalogue.md.")] = False,
    as_json: Json = False,
) -> None:
    """Print the catalogue: every topic, its key, contract and settings. Needs neither Kafka nor the registry.

    Example: andon topics list --markdown > docs/catalogue.md
    """
    if markdown:
        if config is not None:
            raise InvalidValue("the page shows the catalogue itself, without a configuration", config=str(config))
        typer.echo(catalogue_page.markdown(), nl=False)
        return
    if config is None:
        topics: Sequence[Topic] = TOPICS
    else:
        from streams.shell.deployment import topics_of

        topics = list(topics_of(configurations.load(config)).values())
    if as_json:
        _print_json({"topics": [asdict(topic) | {"broker_settings": topic.broker_settings()} for topic in topics]})
        return
    table = Table(*catalogue_page.HEADER)
    for topic in topics:
        table.add_row(*catalogue_page.row(topic))
    _person().print(table)


def schemas_apply(config: Config, as_json: Json = False) -> None:
    """Register the contracts of the application's topics, exactly as committed, each subject FULL_TRANSITIVE.

    All are checked before the first one is registered.

    Example: andon schemas apply --config examples/context.toml
    """
    from streams.shell.registry import Registry, subject_of
    from streams.shell.schema_rules import committed
    from streams.shell.settings import settings

    _, topics = _wanted(config)
    with Registry(settings().registry) as registry:
        found = _checked(topics, registry)
        problems = [problem for one in found for problem in one["problems"]]
        if problems:
            raise SchemaError("nothing was registered: " + "; ".join(problems), hint="`andon schemas check` lists them")
        for one, topic in zip(found, topics, strict=True):
            registry.set_compatibility(one["subject"])
            one["id"] = one["id"] or registry.register(subject_of(topic.name), committed(topic.schema))
    if as_json:
        _print_json({"schemas": found})
        return
    table = Table("subject", "schema", "id", "")
    for one in found:
        table.add_row(one["subject"], one["schema"], str(one["id"]), "[dim]was there" if one["registered"] else "[green]registered")
    _person().print(table)


def schemas_check(
    config: Config,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the registry: only the files and schemas/released/.")] = False,
    as_json: Json = False,
) -> None:
    """Check the contracts: valid Avro, documented, and compatible with every version in the registry and in schemas/released/.

    Exit code 1 where one is not.

    Example: andon schemas check --config examples/context.toml --offline
    """
    from streams.shell.registry import Registry
    from streams.shell.settings import settings

    _, topics = _wanted(config, prefixed=not offline)
    if offline:
        found = _checked(topics, None)
    else:
        with Registry(settings().registry) as registry:
            found = _checked(topics, registry)
    well = not any(one["problems"] for one in found)
    if as_json:
        _print_json({"compatible": well, "schemas": found})
    else:
        table = Table("schema", "subject", "compared with", "")
        for one in found:
            compared = [*(f"version {version}" for version in one["versions"]), *(f"release {name}" for name in one["releases"])]
            verdict = "[red]refused" if one["problems"] else "[green]compatible"
            table.add_row(one["schema"], one["subject"], "\n".join(compared) or "[dim]nothing yet", verdict)
        _person().print(table)
        for problem in dict.fromkeys(problem for one in found for problem in one["problems"]):
            _person().print(f"[red]{escape(problem)}", soft_wrap=True)
    if not well:
        raise typer.Exit(INCOMPATIBLE)


def _checked(topics: Sequence[Topic], registry: Any) -> list[dict[str, Any]]:
    """Of each topic's contract: what it was compared with, and what is wrong."""
    from streams.shell.registry import COMPATIBILITY, subject_of
    from streams.shell.schema_rules import committed, flaws, incompatible, released

    found = []
    for topic in topics:
        text, releases, subject = committed(topic.schema), released(topic.schema), subject_of(topic.name)
        problems, versions, schema_id, level = flaws(text), list[int](), None, None
        if not problems:
            problems += incompatible(text, {f"release {name}": other for name, other in releases.items()})
        if registry is not None and not problems:
            versions, level = registry.versions(subject), registry.compatibility(subject)
            problems += incompatible(text, {f"{subject} version {version}": registry.version(subject, version) for version in versions})
            schema_id = registry.lookup(subject, text) if versions else None
            if level == COMPATIBILITY and not problems:  # at another level the registry's own verdict means less than ours
                refused = registry.compatible(subject, text)
                problems += [f"{subject} version {version}: the registry holds them incompatible" for version in refused]
        found.append({
            "schema": topic.schema, "subject": subject, "id": schema_id, "registered": schema_id is not None, "compatibility": level,
            "versions": versions, "releases": list(releases), "problems": [f"{topic.schema}: {problem}" for problem in problems],
        })  # fmt: skip
    return found


def _wanted(config: Path, *, prefixed: bool = True) -> tuple[set[str], list[Topic]]:
    """Topics for which append= is written in the configuration, by their names on the broker; all topics of the application."""
    from streams.shell.deployment import topics_of
    from streams.shell.settings import settings

    configuration: Configuration = configurations.load(config)
    prefix = settings().topic_prefix if prefixed else ""
    chosen = {prefix + name for name, change in configuration.topics.items() if "append" in change}
    return chosen, list(topics_of(configuration, prefix).values())


def _print_changes(changes: Sequence[Any]) -> None:
    table = Table("topic", "what differs", "is", "wanted", "")
    for change in changes:
        what = change.setting or change.kind
        remark = f"[red]refused: {escape(change.refused)}[/]\n{escape(change.hint)}" if change.refused else ""
        if not change.different:
            remark = "[dim]left as it is"
        table.add_row(change.topic, what, change.now, change.wanted, remark)
    _person().print(table)


def _person() -> Console:
    """Standard output: as wide as the terminal, and wide enough for a table where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=1))
