"""The catalogue: every topic, its contract and its settings. Documentation, Helm, `andon topics` and the runners read this list.

    append     where append time comes from. log: the broker's (LogAppendTime). header: the header `andon-append-us`, written
               on every record by ingest, replay, restore, mirroring or the simulator, for topics that carry the past.
               A topic whose records bear CreateTime is refused until one of the two is chosen.
    clean-up   delete: by retention. compact: the last record of each key. keep: for ever, every record.

Partitions, retention and append are those of a first installation; a deployment changes them in its configuration
(`[topics."ot.sample.v1"]`), the inputs and outputs of one topology together, because they are co-partitioned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal

from streams.errors import InvalidValue, require

DAY_MS: Final = 86_400_000
FOR_EVER: Final = -1

InputKind = Literal["sample", "telemetry", "state", "count", "measurement", "order"]
DerivedKind = Literal["window", "context-measurement"]
Append = Literal["log", "header"]
Cleanup = Literal["delete", "compact", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. name, schema: of the value, a file in schemas/; key: what it is; kind: how it is read as a task's input;
    derived: how a later stage reads it."""

    name: str
    schema: str
    key: str
    owner: str
    kind: InputKind | None = None
    derived: DerivedKind | None = None
    partitions: int = 8
    retention_ms: int = 30 * DAY_MS
    cleanup: Cleanup = "delete"
    append: Append = "log"

    def __post_init__(self) -> None:
        require(self.partitions > 0, "partitions must be positive", topic=self.name, partitions=self.partitions)
        require(self.retention_ms > 0 or self.retention_ms == FOR_EVER, "retention_ms must be positive, or -1: for ever",
                topic=self.name, retention_ms=self.retention_ms)  # fmt: skip

    def broker_settings(self) -> dict[str, str]:
        """Topic configuration of the broker. All topics use LogAppendTime: event-time stamps would let retention delete history."""
        keep = self.cleanup == "keep" or self.retention_ms == FOR_EVER
        settings = {
            "cleanup.policy": "compact" if self.cleanup == "compact" else "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(FOR_EVER if keep or self.cleanup == "compact" else self.retention_ms),
            "retention.bytes": "-1",
            "compression.type": "producer",
        }
        if self.name.startswith(("dq.", "ctx.", "qual.", "audit.")):
            settings["max.message.bytes"] = str(OUTPUT_BYTES_MAX)
        return settings

    @property
    def avsc(self) -> Mapping[str, Any]:
        return schema_of(self.schema)


MESSAGE_BYTES_MAX: Final = 1_048_576  # of an input record; the broker's own default
OUTPUT_BYTES_MAX: Final = MESSAGE_BYTES_MAX + (1 << 19)  # of what a task writes: runners/sizes.py counts what it may need

_LINE, _COORDINATES = "line path enterprise/site/area/line", "key of the message set aside"

TOPICS: Final[tuple[Topic, ...]] = (
    Topic(name="mes.order.v1", schema="mes.order.v1", key=_LINE, owner="MES bridge", kind="order", retention_ms=90 * DAY_MS),
    Topic(name="ot.telemetry.v1", schema="ot.telemetry.v1", key=_LINE, owner="gateways", kind="telemetry"),
    Topic(name="ot.sample.v1", schema="ot.sample.v1", key=_LINE, owner="gateways", kind="sample"),
    Topic(name="ot.state.v1", schema="ot.state.v1", key=_LINE, owner="gateways", kind="state"),
    Topic(name="ot.count.v1", schema="ot.count.v1", key=_LINE, owner="gateways", kind="count"),
    Topic(name="ot.measurement.v1", schema="ot.measurement.v1", key=_LINE, owner="inspection", kind="measurement"),
    Topic(name="ref.asset.v1", schema="ref.asset.v1", key="line path/asset id/revision", owner="master data", partitions=1,
          retention_ms=FOR_EVER, cleanup="keep"),
    Topic(name="ref.characteristic.v1", schema="ref.characteristic.v1", key="line path/asset id/tag/product/revision",
          owner="quality engineering", partitions=1, retention_ms=FOR_EVER, cleanup="keep"),
    Topic(name="ctx.window.v1", schema="ctx.window.v1", key=_LINE, owner="context", derived="window"),
    Topic(name="ctx.state-interval.v1", schema="ctx.state-interval.v1", key=_LINE, owner="context"),
    Topic(name="ctx.count.v1", schema="ctx.count.v1", key=_LINE, owner="context"),
    Topic(name="ctx.measurement.v1", schema="ctx.measurement.v1", key=_LINE, owner="context", derived="context-measurement"),
    Topic(name="qual.deviation.v1", schema="qual.deviation.v1", key=_LINE, owner="quality", retention_ms=365 * DAY_MS),
    Topic(name="dq.dead-letter.v1", schema="dq.dead-letter.v1", key=_COORDINATES, owner="every topology", retention_ms=90 * DAY_MS),
    Topic(name="dq.late.v1", schema="dq.late.v1", key=_COORDINATES, owner="every topology", retention_ms=90 * DAY_MS),
    Topic(name="dq.quarantine.v1", schema="dq.quarantine.v1", key=_COORDINATES, owner="every topology", retention_ms=90 * DAY_MS),
    Topic(name="audit.restate-request.v1", schema="audit.restate-request.v1", key=_LINE, owner="every topology", retention_ms=365 * DAY_MS),
    Topic(name="ctl.configuration.v1", schema="ctl.configuration.v1", key="fingerprint", owner="every topology", partitions=1,
          retention_ms=FOR_EVER, cleanup="keep"),
)  # fmt: skip

DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS, CONFIGURATIONS = (
    "dq.dead-letter.v1", "dq.late.v1", "dq.quarantine.v1", "audit.restate-request.v1", "ctl.configuration.v1",
)  # fmt: skip
HIERARCHY, LIMITS = "ref.asset.v1", "ref.characteristic.v1"


def schema_of(name: str) -> Mapping[str, Any]:
    """The contract of a record: parsed schemas/<name>.avsc.

    >>> schema_of("ot.sample.v1")["name"]
    'Sample'
    """
    found: dict[str, Any] = json.loads(text_of(name))
    return found


def text_of(name: str) -> str:
    """schemas/<name>.avsc as it is committed, and registered."""
    return (resources.files("schemas") / f"{name}.avsc").read_text("utf-8")


def epochs_of(application: str, partitions: int) -> Topic:
    """Home of an application's epoch records: kept for ever, partition = task."""
    return Topic(name=f"{application}.epoch.v1", schema="ctl.epoch.v1", key="task", owner=application, partitions=partitions,
                 retention_ms=FOR_EVER, cleanup="keep")  # fmt: skip


def snapshots_of(application: str, partitions: int) -> Topic:
    """Home of an application's snapshots: compacted, partition = task."""
    return Topic(name=f"{application}.snapshot.v1", schema="ctl.snapshot.v1", key="task/generation modulo 3/piece", owner=application,
                 partitions=partitions, retention_ms=FOR_EVER, cleanup="compact")  # fmt: skip


class Catalogue:
    """The topics of one deployment: the list above with the deployment's changes, under an optional name prefix.

    >>> Catalogue({"ot.sample.v1": {"partitions": 2}}, prefix="test.").of("ot.sample.v1").name
    'test.ot.sample.v1'
    """

    def __init__(self, changes: Mapping[str, Mapping[str, Any]] | None = None, prefix: str = "") -> None:
        known, changes = {t.name: t for t in TOPICS}, changes or {}
        for name, change in changes.items():
            require(name in known, "the configuration names a topic that is not in the catalogue", topic=name, known=sorted(known))
            wrong = sorted(set(change) - {"partitions", "retention_ms", "append"})
            require(not wrong, "only partitions, retention_ms and append of a topic can be changed", topic=name, given=wrong)
            append = change.get("append", "log")
            require(append in ("log", "header"), "append must be log or header", topic=name, append=append)
        self.prefix = prefix
        self.topics: Mapping[str, Topic] = MappingProxyType({
            name: replace(topic, **{**dict(changes.get(name, {})), "name": prefix + name}) for name, topic in known.items()
        })  # fmt: skip

    def of(self, name: str) -> Topic:
        """A topic by its catalogue name."""
        if name not in self.topics:
            raise InvalidValue("no such topic in the catalogue", topic=name, known=sorted(self.topics))
        return self.topics[name]
