"""What one application has in Kafka: the topics that it reads and writes, those that every topology has, and its own two homes.

Inputs and outputs of a topology are co-partitioned: task n reads partition n of every input and writes partition n of every
output. Reference and configuration topics are read whole by every worker and have one partition.
"""

from __future__ import annotations

from dataclasses import replace

from streams.catalogue import (
    CONFIGURATIONS,
    DEAD_LETTERS,
    HIERARCHY,
    LATE,
    LIMITS,
    QUARANTINE,
    RESTATE_REQUESTS,
    Topic,
    epochs_of,
    snapshots_of,
)
from streams.configuration import Configuration
from streams.errors import PlatformError, SettingsError
from streams.shell.kafka_connection import Admin
from streams.topology import Topology

EVERY_TOPOLOGY = (DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS)  # written by all, so that none decides their partitions
WHOLE = (HIERARCHY, LIMITS, CONFIGURATIONS)  # read whole by every worker of a topology that adopts them


def topology_of(configuration: Configuration) -> Topology:
    """The topology that a configuration names, wired by its rules."""
    from topologies import NAMED

    if configuration.topology not in NAMED:
        raise SettingsError("the configuration names a topology that does not exist", topology=configuration.topology, known=sorted(NAMED))
    return NAMED[configuration.topology](configuration)


def partitions_of(configuration: Configuration) -> int:
    """The number of partitions, hence of tasks, that all inputs and outputs share; SettingsError where they do not, or where the
    configuration does not fit the topology."""
    topology, catalogue = topology_of(configuration), configuration.catalogue()
    limited, inputs = set(configuration.time.inputs), {name for name in topology.inputs if catalogue.of(name).derived is None}
    if limited != inputs:
        raise SettingsError(
            "the configuration must give limits of time to every input of the topology and to nothing else", topology=topology.name,
            missing=sorted(inputs - limited), not_an_input=sorted(limited - inputs), hint='[inputs."<topic>"], see docs/settings.md',
        )  # fmt: skip
    counts = {name: catalogue.of(name).partitions for name in (*topology.inputs, *topology.outputs)}
    if len(set(counts.values())) > 1:
        raise SettingsError(
            "inputs and outputs of a topology are co-partitioned, but have different numbers of partitions", topology=topology.name,
            partitions=counts, hint='give all of them the same: [topics."<name>"] partitions = n',
        )  # fmt: skip
    for name in WHOLE:
        if (count := catalogue.of(name).partitions) != 1:
            raise SettingsError("a topic that every worker reads whole has one partition", topic=name, partitions=count)
    return next(iter(counts.values()))


def whole_of(configuration: Configuration) -> tuple[str, ...]:
    """The topics that every worker of the application reads whole."""
    return (*topology_of(configuration).reference, CONFIGURATIONS)


def epochs(configuration: Configuration, prefix: str = "") -> Topic:
    """The application's epoch topic, with its name on the broker."""
    topic = epochs_of(configuration.application, partitions_of(configuration))
    return replace(topic, name=prefix + topic.name)


def snapshots(configuration: Configuration, prefix: str = "") -> Topic:
    """The application's snapshot topic, with its name on the broker."""
    topic = snapshots_of(configuration.application, partitions_of(configuration))
    return replace(topic, name=prefix + topic.name)


def topics_of(configuration: Configuration, prefix: str = "") -> dict[str, Topic]:
    """All topics of the application: name without the prefix -> topic, whose name is that on the broker."""
    topology, catalogue = topology_of(configuration), configuration.catalogue(prefix)
    names = dict.fromkeys((*topology.inputs, *topology.outputs, *EVERY_TOPOLOGY, *whole_of(configuration)))
    own = (epochs(configuration, prefix), snapshots(configuration, prefix))
    return {name: catalogue.of(name) for name in names} | {topic.name.removeprefix(prefix): topic for topic in own}


def on_broker(admin: Admin, name: str, prefix: str = "") -> str:
    """A topic's name on the broker: under the deployment's prefix if it is there, else as given; PlatformError: neither is."""
    tries = list(dict.fromkeys((prefix + name, name)))
    for one in tries:  # one by one: who may read the first need not be allowed to ask about the second
        if admin.topics([one])[one] is not None:
            return one
    raise PlatformError("there is no such topic", tried=tries, hint="run `andon topics apply`, or see ANDON_TOPIC_PREFIX")
