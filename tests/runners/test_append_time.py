"""A record whose append time is refused says nothing about time: it is dead, and A stays where it was."""

from __future__ import annotations

import pytest

from streams.codec.log import log_of
from streams.codec.outputs import avro_bytes
from streams.kernel import NEG
from streams.model.hierarchy import Hierarchy
from streams.runners.task import Task
from streams.time.instants import FIRST_US, LAST_US
from tests.runners.plant import ENVIRONMENT, IDS, INPUTS, LINE, plain_schema
from tests.runners.test_task_laws import first
from topologies import NAMED

NAME, NOW_US = "ot.sample.v1", 100_000_000_000_000


def sample(number: int, time_us: int) -> bytes:
    record = {"kind": "DATA", "source": "g", "sequence": number, "asset": "m1", "tag": "t", "event_time_us": time_us, "value": 1.0}
    return b"\0" + IDS[NAME].to_bytes(4, "big") + avro_bytes(plain_schema(NAME), record)


@pytest.mark.parametrize("refused", [900_000_000_000_000_000, LAST_US + 1, FIRST_US - 1, NEG, 1 << 62])
@pytest.mark.parametrize("value", [sample(1, NOW_US + 1), b"rubbish", b""], ids=["data", "rubbish", "empty"])
def test_a_refused_append_time_makes_no_later_record_late(refused: int, value: bytes) -> None:
    task = Task(NAMED["context"], first(Hierarchy()), ENVIRONMENT)
    rank = INPUTS.index(NAME)
    sent = [(NOW_US, sample(0, NOW_US)), (refused, value), (NOW_US + 2, sample(2, NOW_US + 2)), (NOW_US + 50, sample(3, NOW_US + 50))]
    task.feed(rank, log_of([(n, append, LINE.encode(), value, b"") for n, (append, value) in enumerate(sent)]))
    assert int(task.book.clocks.append[rank]) == NOW_US + 50
    fates = {fate: count for fate, count in task.ledger.row(rank).items() if count}
    assert fates == {"messages": 4, "dead": 1, "accepted": 3}
    assert [r for r in task.outbox.records if r.topic == "dq.late.v1"] == []
