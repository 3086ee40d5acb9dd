"""Epoch records of a task in `<application>.epoch.v1`, and what travels in the metadata of its offset commits.

The metadata names the last epoch and the reference offsets adopted, so that a commit is whole in itself: offsets, epoch and
reference move together. The broker takes 4,096 bytes; we keep to 3,000.
"""

from __future__ import annotations

import json
from typing import Any

from streams.catalogue import CONFIGURATIONS
from streams.configuration import Configuration
from streams.errors import TaskError, require
from streams.kafka.reader import KafkaReader
from streams.runners.epoch import Adopted, Epoch
from streams.runners.live import kafka
from streams.runners.live.reference import Reference
from streams.runners.live.setup import Setup
from streams.runners.records import RecordWriter
from streams.runners.reference import epoch_of
from streams.topology import Topology

METADATA_BYTES_MAX = 3_000


def metadata_of(epoch: Epoch) -> str:
    """
    >>> metadata_of(Epoch(3, (5, 6), {"ref.asset.v1": 12}, "0123456789abcdef"))
    '{"epoch":3,"reference":{"ref.asset.v1":12}}'
    """
    text = json.dumps({"epoch": epoch.number, "reference": dict(epoch.reference)}, sort_keys=True, separators=(",", ":"))
    require(len(text) <= METADATA_BYTES_MAX, "too many reference topics for the metadata of an offset commit", bytes=len(text))
    return text


def number_in(metadata: str, **where: Any) -> int:
    """The epoch that a commit belongs to."""
    try:
        return int(json.loads(metadata)["epoch"])
    except (ValueError, KeyError, TypeError) as error:
        raise TaskError("committed offsets carry no epoch: something else commits for this group", metadata=metadata, **where,
                        hint="give the application a name of its own") from error  # fmt: skip


def epoch_value(epoch: Epoch, setup: Setup, partition: int, writer: RecordWriter) -> bytes:
    """The framed epoch record."""
    topics = [t.name for t in setup.inputs]
    return writer.value(setup.epochs.name.removeprefix(setup.catalogue.prefix), setup.epochs.schema, {
        "application": setup.application, "topology": setup.topology.name, "partition": partition, "epoch": epoch.number,
        "topics": topics, "offsets": list(epoch.vector), "reference_topics": list(epoch.reference),
        "reference_offsets": list(epoch.reference.values()), "fingerprint": epoch.fingerprint, "code": setup.code,
        "schemas": None if epoch.schemas is None else list(epoch.schemas),
    })  # fmt: skip


def configuration_value(configuration: Configuration, topology: Topology, writer: RecordWriter) -> bytes:
    """The framed record that keeps a configuration."""
    record = {"fingerprint": configuration.fingerprint, "topology": topology.name, "content": configuration.content}
    return writer.value(CONFIGURATIONS, CONFIGURATIONS, record)


def read(reader: KafkaReader, setup: Setup, reference: Reference, partition: int, last: int) -> list[Adopted]:
    """Epochs 0 to `last` of a task, with what they adopted; TaskError where one is missing."""
    topic = setup.epochs.name
    found: dict[int, Epoch] = {}
    for part in reader.read({(topic, partition): reader.span(topic, partition)}):
        for offset, raw in kafka.decoded(part, setup.writer, setup.epochs.schema).items():
            if [raw["topics"], raw["application"]] != [[t.name for t in setup.inputs], setup.application]:
                raise TaskError("an epoch of other inputs or another application", topic=topic, offset=offset, read=raw["topics"])
            found[raw["epoch"]] = epoch_of(raw)
    missing = [n for n in range(last + 1) if n not in found]
    if missing:
        raise TaskError("epoch records are missing", topic=topic, partition=partition, missing=missing, hint="it must be kept for ever")
    return reference.data.chain((found[n] for n in range(last + 1)), setup.configuration)
