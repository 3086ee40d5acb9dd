"""Bring the topics of a cluster in line with the catalogue: `plan` compares, `apply` does what is safe, and what is not is refused.

    missing       there is no such topic                                  made
    setting       a setting in force differs                              set, unless it would delete records that are there
    timestamp     records bear their senders' time (CreateTime)           refused until append= is chosen for the topic
    partitions    the number of partitions differs                        refused: keys would move, tasks would lose their past
    replication   fewer replicas than asked for                           refused: moving replicas is the cluster's business
    foreign       set on the topic by somebody, not named by the          left as it is; no difference
                  catalogue

Nothing is changed while anything is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from streams.catalogue import FOR_EVER, Topic
from streams.errors import PlatformError, require
from streams.shell.kafka_connection import Admin, Described, Setting

Kind = Literal["missing", "setting", "timestamp", "partitions", "replication", "foreign"]

STAMP: Final = "message.timestamp.type"
_SETTLED_S = 15.0  # until every broker knows of a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between a topic and the catalogue. refused: why `apply` leaves it; hint: what to do then."""

    topic: str
    kind: Kind
    setting: str = ""
    now: str = ""
    wanted: str = ""
    refused: str = ""
    hint: str = ""

    @property
    def different(self) -> bool:
        return self.kind != "foreign"

    def sentence(self) -> str:
        """The difference in words."""
        if self.kind == "missing":
            return f"{self.topic}: missing, wanted {self.wanted}"
        return f"{self.topic}: {self.setting or self.kind} is {self.now}" + (f", wanted {self.wanted}" if self.different else "")


def plan(
    topics: Iterable[Topic], admin: Admin, *,
    append_chosen: Container[str] = (), replication: int | None = None, allow_deletion: bool = False,
) -> list[Change]:  # fmt: skip
    """All differences, topic by topic.

    append_chosen: names of topics for which the configuration says append= in so many words. replication: wanted of every topic;
    None: any. allow_deletion: let a setting be changed though the broker will delete records for it.
    """
    wanted = list(topics)
    there = admin.topics(topic.name for topic in wanted)
    settings = admin.settings_of(name for name, described in there.items() if described is not None)
    found = []
    for topic in wanted:
        described = there[topic.name]
        if described is None or topic.name not in settings:  # or the broker that was asked has not heard of it yet
            found.append(Change(topic=topic.name, kind="missing", wanted=f"{topic.partitions} partition{'s' * (topic.partitions > 1)}"))
            continue
        found += _shape(topic, described, replication)
        found += [
            _timestamp(one, topic, topic.name in append_chosen, admin, described) if one.setting == STAMP and one.different else one
            for one in _settings(topic, settings[topic.name], allow_deletion)
        ]
    return found


def _shape(topic: Topic, described: Described, replication: int | None) -> list[Change]:
    found = []
    if described.partitions != topic.partitions:
        found.append(Change(
            topic=topic.name, kind="partitions", now=str(described.partitions), wanted=str(topic.partitions),
            refused="keys would move to other partitions, and tasks would lose their past",
            hint=f'configure [topics."..."] partitions = {described.partitions}, or make a new version of the topic',
        ))  # fmt: skip
    if replication is not None and described.replication != replication:
        found.append(Change(
            topic=topic.name, kind="replication", now=str(described.replication), wanted=str(replication),
            refused="replicas are moved by the cluster's administrator", hint="kafka-reassign-partitions",
        ))  # fmt: skip
    return found


def _settings(topic: Topic, now: dict[str, Setting], allow_deletion: bool) -> list[Change]:
    wanted, found = topic.broker_settings(), []
    for name, value in wanted.items():
        before = now[name].value if name in now else "unknown to this broker"
        if before != value:
            refused = "" if allow_deletion or not _deletes(name, before, value) else "the broker would delete records that are there"
            hint = "--allow-deletion if that is wanted" if refused else ""
            found.append(Change(topic=topic.name, kind="setting", setting=name, now=before, wanted=value, refused=refused, hint=hint))
    foreign = sorted(name for name, setting in now.items() if setting.own and name not in wanted)
    return found + [Change(topic=topic.name, kind="foreign", setting=name, now=now[name].value) for name in foreign]


def _deletes(name: str, now: str, wanted: str) -> bool:
    """Does the broker delete records because of this change?

    >>> _deletes("retention.ms", "-1", "86400000"), _deletes("retention.ms", "3600000", "86400000")
    (True, False)
    """
    if name == "cleanup.policy":
        return True
    if not name.startswith("retention."):
        return False
    return wanted != str(FOR_EVER) and (now == str(FOR_EVER) or int(wanted) < int(now))


def _timestamp(change: Change, topic: Topic, chosen: bool, admin: Admin, described: Described) -> Change:
    """A topic with CreateTime. Where the header carries append time, the broker's stamp only serves retention and can be set."""
    change = replace(change, kind="timestamp")
    if topic.append == "header":
        return change
    if not chosen:
        reason = "its records bear their senders' time, and nobody has chosen where append time comes from"
        return replace(change, refused=reason, hint='configure [topics."..."] append = "log", or "header"')
    places = [(topic.name, partition) for partition in range(described.partitions)]
    if admin.starts(places) == admin.ends(places, committed=False):
        return change
    reason = "it holds records that bear their senders' time, and no append time"
    return replace(change, refused=reason, hint='make a new version of the topic, or append = "header" if the records carry it')


def apply(
    topics: Sequence[Topic], admin: Admin, *,
    append_chosen: Container[str] = (), replication: int | None = None, allow_deletion: bool = False,
) -> list[Change]:  # fmt: skip
    """Do what `plan` finds; returns it. PlatformError, and nothing is changed, where anything of it is refused.

    replication: of new topics; needed where the cluster has more than one broker, for there a silent 1 would lose records.
    """
    _, brokers = admin.cluster()
    enough = replication is None or 1 <= replication <= brokers
    require(enough, "replication needs as many brokers", replication=replication, brokers=brokers)

    def now() -> list[Change]:
        return plan(topics, admin, append_chosen=append_chosen, replication=replication, allow_deletion=allow_deletion)

    found = now()
    refuse(found)
    missing = {change.topic for change in found if change.kind == "missing"}
    if missing and replication is None and brokers > 1:
        fact = "the cluster has several brokers: say how many replicas new topics have"
        raise PlatformError(fact, brokers=brokers, hint="--replication 3")
    for topic in topics:
        if topic.name in missing:
            admin.create(topic.name, topic.partitions, replication or 1, topic.broker_settings())
        elif settings := {c.setting: c.wanted for c in found if c.topic == topic.name and c.kind in ("setting", "timestamp")}:
            admin.set(topic.name, settings)
    _settle(now)
    return found


def refuse(changes: Iterable[Change]) -> None:
    """PlatformError that names all that is refused, if anything is."""
    refused = [change for change in changes if change.refused]
    if refused:
        lines = "; ".join(f"{c.sentence()}: {c.refused}" + (f" ({c.hint})" if c.hint else "") for c in refused)
        raise PlatformError(f"refused, nothing was changed: {lines}")


def _settle(now: Callable[[], list[Change]]) -> None:
    """Return when the brokers show what was asked for: they tell each other a moment later, also that a topic was there before."""
    deadline_s = time.monotonic() + _SETTLED_S
    while left := [change for change in now() if change.different]:
        refuse(left)
        if time.monotonic() > deadline_s:
            raise PlatformError("the cluster does not show the changes that it has accepted", left=[c.sentence() for c in left])
        time.sleep(0.1)
