"""The catalogue as a table for people and as a page of the documentation.

`docs/catalogue.md` is `andon topics list --markdown`; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable

from streams.catalogue import DAY_MS, FOR_EVER, TOPICS, Topic, epochs_of, snapshots_of
from streams.time.durations import spoken

HEADER = ("topic", "key", "schema", "partitions", "retention", "clean-up", "append", "owner")

_INTRODUCTION = """\
# Topics

Written by `andon topics list --markdown > docs/catalogue.md` from `streams/catalogue.py`; do not edit.

Every topic uses the broker's append time as its time stamp (`message.timestamp.type=LogAppendTime`). *Append* says where the
fold takes append time from: `log`, that stamp; `header`, the record header `andon-append-us`. Partitions, retention and append
are those of a first installation; a deployment changes them in its configuration, `[topics."<name>"]`, inputs and outputs of one
topology together. Values are Avro in Confluent framing under the subject `<topic>-value`, compatibility FULL_TRANSITIVE; keys
are text, placed by murmur2. A deployment may put a prefix before all names (`ANDON_TOPIC_PREFIX`).

[asyncapi.yaml](asyncapi.yaml) is the same as an AsyncAPI 3.1 document, with every contract and with what each topology reads and writes.
"""


def row(topic: Topic) -> tuple[str, ...]:
    """A topic's cells, in the order of HEADER.

    >>> row(TOPICS[0])[3:7]
    ('8', '90 d', 'delete', 'log')
    """
    return (
        topic.name, topic.key, topic.schema, str(topic.partitions), retention(topic.retention_ms), topic.cleanup, topic.append, topic.owner,
    )  # fmt: skip


def retention(retention_ms: int) -> str:
    """A retention for people; whole days in days.

    >>> retention(30 * DAY_MS), retention(FOR_EVER)
    ('30 d', 'for ever')
    """
    if retention_ms == FOR_EVER:
        return "for ever"
    return f"{retention_ms // DAY_MS} d" if retention_ms % DAY_MS == 0 else spoken(1000 * retention_ms)


def markdown() -> str:
    """The whole page: the catalogue, and the two topics of each application."""
    own = (epochs_of("<application>", TOPICS[0].partitions), snapshots_of("<application>", TOPICS[0].partitions))
    return (
        f"{_INTRODUCTION}\n{_table(TOPICS)}\n\n## Of each application\n\n"
        f"With as many partitions as its inputs and outputs; the number here is that of a first installation.\n\n{_table(own)}\n"
    )


def _table(topics: Iterable[Topic]) -> str:
    lines = [HEADER, tuple("---" for _ in HEADER)]
    lines += [tuple(f"`{cell}`" if column in (0, 2) else cell for column, cell in enumerate(row(topic))) for topic in topics]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
