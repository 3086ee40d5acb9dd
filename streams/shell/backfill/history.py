"""What is folded again, whatever it comes from: tasks by partition number, the feeds of each, and the contracts of what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from threading import Event
from typing import Any, Final, Protocol

from streams.catalogue import TOPICS, schema_of
from streams.configuration import Configuration, with_rules
from streams.errors import DataError, InvalidValue, SettingsError
from streams.kernel import POS
from streams.model.characteristic import Characteristics
from streams.model.hierarchy import Hierarchy
from streams.runners.epoch import Adopted, Epoch
from streams.runners.replay import Feed
from streams.runners.task import Environment, Task
from streams.shell.backfill.replayed import FrameFeed, Passed, environment_of, epochs_of, frames, reference_of
from streams.shell.deployment import EVERY_TOPOLOGY, topology_of
from streams.shell.export import Export

_CONTRACTS: Final = {topic.name: topic.schema for topic in TOPICS}


class History(Protocol):
    """Safe to ask from several threads, a partition from one."""

    partitions: int
    at_once: bool  # all partitions are folded at the same time, because one reader serves them
    outputs: tuple[str, ...]  # topics that are written
    ids: Mapping[str, int]  # of the contracts of these
    schemas: Mapping[int, Any]
    about: Mapping[str, Any]  # what the manifest says of it
    total: int | None  # records or samples that will be folded, where it is known

    def epochs(self, partition: int) -> list[Adopted]:
        """From number 0 on; none where the partition has no history."""

    def environment(self, partition: int) -> Environment: ...

    def feeds(self, task: Task) -> Sequence[Feed]: ...

    def reading(self, stop: Event) -> AbstractContextManager[object]:
        """Around the folds. stop: set where they end early; nobody may wait for anything then."""

    def told(self) -> Mapping[str, Any]:
        """What there is to say of the reading, after the folds."""


def outputs_of(configuration: Configuration) -> tuple[str, ...]:
    return (*topology_of(configuration).outputs, *EVERY_TOPOLOGY)


def ids_of(outputs: Sequence[str], known: Mapping[str, int], taken: Sequence[int]) -> dict[str, int]:
    """Ids of contracts: those that are known, and for the others some that nobody has."""
    free = max((*taken, *known.values(), 0)) + 1
    return {name: known.get(name) or free + n for n, name in enumerate(outputs)}


def contracts_of(ids: Mapping[str, int]) -> dict[int, Any]:
    return {number: schema_of(_CONTRACTS[name]) for name, number in ids.items()}


def as_of_today(chain: Sequence[Adopted], rules: Mapping[str, Any], hierarchy: Hierarchy, limits: Characteristics) -> list[Adopted]:
    """The same epochs with rules and reference data of today; limits of time and lane classes stay those of the time, so that what
    was late is late again."""
    found = []
    for one in chain:
        configuration = with_rules(one.configuration, rules)
        found.append(replace(one, epoch=replace(one.epoch, fingerprint=configuration.fingerprint), configuration=configuration,
                             hierarchy=hierarchy, limits=limits))  # fmt: skip
    return found


class ExportHistory:
    """An export's log, under its own epochs where it has those of this topology, else whole under a given configuration.

    as_known: rules and reference data as they were. Otherwise those of today: of the configuration given, or of the last epoch, and
    every reference row that the export has.
    """

    at_once = False
    ids: Mapping[str, int]
    schemas: Mapping[int, Any]
    about: Mapping[str, Any]
    total: int | None

    def __init__(self, export: Export, topology: str, configuration: Configuration | None, passed: Passed, *, as_known: bool) -> None:
        self._export, self._passed, self._as_known, self._reference = export, passed, as_known, reference_of(export)
        about, self._own = export.manifest, configuration
        homes = f"{about.get('application', '')}.epoch.v1"
        self._has_epochs = homes in export.topics and about.get("topology") == topology
        if as_known and not self._has_epochs:
            raise DataError("the export does not have the epochs of this topology", topology=topology, exported=sorted(export.topics),
                            hint="andon export --application")  # fmt: skip
        if as_known and configuration is not None:
            raise InvalidValue("what was known then and another configuration exclude each other", hint="leave out --as-known or --config")
        if configuration is not None and configuration.topology != topology:
            raise SettingsError("the configuration is for another topology", given=topology, configuration=configuration.topology)
        if configuration is None and not self._has_epochs:
            raise SettingsError("the export does not say under which configuration the topology worked", topology=topology, hint="--config")
        self._last = self._last_configuration(configuration)
        inputs = topology_of(self._last).inputs
        lacking = [name for name in inputs if name not in export.topics]
        if lacking:
            raise DataError("the export lacks inputs of the topology", lacking=lacking, exported=sorted(export.topics))
        counts = {name: len(export.topics[name].partitions) for name in inputs}
        if len(set(counts.values())) > 1:
            raise DataError("the inputs have different numbers of partitions", partitions=counts)
        self.partitions = counts[inputs[0]]
        self.total = sum(p.records for name in inputs for p in export.topics[name].partitions)
        self.outputs = outputs_of(self._last)
        known = {name: max(ids) for name in self.outputs if name in export.topics and (ids := export.topics[name].schema_ids)}
        self.ids = ids_of(self.outputs, known, list(export.schemas))
        self.schemas = contracts_of(self.ids)
        self.about = {"from": "export", "topology": topology, "configuration": self._last.fingerprint, "as_known": as_known,
                      "application": about.get("application", self._last.application), "prefix": about.get("prefix", "")}  # fmt: skip

    def _last_configuration(self, configuration: Configuration | None) -> Configuration:
        """That of today."""
        if configuration is not None:
            return configuration
        homes = f"{self._export.manifest['application']}.epoch.v1"
        for partition in range(len(self._export.topics[homes].partitions)):
            if chain := epochs_of(self._export, self._reference, partition):
                return chain[-1].configuration
        raise DataError("no task of the application has begun: there is no epoch", application=self._export.manifest["application"])

    def epochs(self, partition: int) -> list[Adopted]:
        hierarchy, limits = self._reference.hierarchy(POS), self._reference.limits(POS)
        if not self._has_epochs:
            assert self._own is not None
            starts = tuple(self._export.topics[name].partitions[partition].first for name in topology_of(self._own).inputs)
            return [Adopted(Epoch(0, starts, {}, self._own.fingerprint), self._own, hierarchy, (), limits)]
        chain = epochs_of(self._export, self._reference, partition)
        return chain if self._as_known else as_of_today(chain, self._last.rules, hierarchy, limits)

    def environment(self, partition: int) -> Environment:
        found = environment_of(self._export, self._reference, partition, self.ids.__getitem__)
        return replace(found, application=self.about["prefix"] + self._last.application)

    def feeds(self, task: Task) -> Sequence[Feed]:
        partition = task.environment.partition
        later = {name for name in task.topology.inputs if task.environment.catalogue.of(name).derived}
        return [
            FrameFeed(frames(self._export, name, partition), start, self._passed, headers=name in later)
            for name, start in zip(task.topology.inputs, task.vector, strict=True)
        ]

    def reading(self, stop: Event) -> AbstractContextManager[object]:
        return nullcontext(stop)

    def told(self) -> Mapping[str, Any]:
        return {}
