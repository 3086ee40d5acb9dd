"""The largest legal input gives records that every topic takes; what would be larger is cut by a rule, or refused by name."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest

from streams.catalogue import DEAD_LETTERS, LATE, MESSAGE_BYTES_MAX, OUTPUT_BYTES_MAX, QUARANTINE
from streams.codec.inputs import NAME_BYTES, STATE_BYTES
from streams.codec.log import log_of, pack_headers
from streams.codec.outputs import DURATIONS_MOST, avro_bytes, bounded_durations
from streams.runners import sizes
from streams.runners.frontier_records import frontier_records
from streams.runners.records import Origin
from streams.runners.task import Task, Transaction
from tests.codec.test_refusals import reasons
from tests.runners.plant import IDS, INPUTS, LINE, plain_schema
from tests.runners.test_late import NOW, claimed, packed, records, task

ORDERS, STATES = INPUTS[0], INPUTS[3]
LONG_LINE = "/".join("x" * ((NAME_BYTES - 3) // 4) for _ in range(4))


def framed(topic: str, record: dict[str, Any]) -> bytes:
    return b"\0" + IDS[topic].to_bytes(4, "big") + avro_bytes(plain_schema(topic), record)


def bytes_of(taken: Transaction) -> list[tuple[str, int]]:
    """Topic and size of every record as the broker counts it, uncompressed: key, value, headers and what it says of them."""
    found = [(r.topic, r.key, r.value, r.headers) for r in taken.records]
    found += [(e.topic, *one) for e in taken.results for one in e.records()]
    return [
        (topic, 100 + len(key or b"") + len(value) + sum(len(name) + len(said) + 10 for name, said in headers))
        for topic, key, value, headers in found
    ]


def folded(made: Task, end: int) -> Transaction:
    for rank, topic in enumerate(INPUTS):
        claim = framed(topic, {"kind": "CLAIM", "source": "x", "through_us": end})
        made.feed(rank, log_of([(10_000, end, LONG_LINE.encode(), claim, b"")]))
    made.advance()
    return made.take()


def state(value: str, at: int, sequence: int) -> dict[str, Any]:
    names = {"asset": "a" * NAME_BYTES, "tag": "t" * NAME_BYTES, "reason": "r" * STATE_BYTES}
    return {"kind": "DATA", "source": "gw", "sequence": sequence, "event_time_us": at, "value": value, **names}


def largest_states() -> Transaction:
    """900 values of the longest kind in windows of nine microseconds and four, under the longest names."""
    made = task()
    values = [framed(STATES, state(f"{n:04d}" * (STATE_BYTES // 4), 1000 + n // 100, n)) for n in range(900)]
    made.feed(3, log_of([(n, 1000 + n // 100, LONG_LINE.encode(), value, b"") for n, value in enumerate(values)]))
    return folded(made, 5000)


def largest_late() -> Transaction:
    samples = 75_000
    value = packed(["m" * 700, "n" * 30], [(n % 2, n) for n in range(samples)], 0)
    assert 0.8 * MESSAGE_BYTES_MAX < len(value) <= MESSAGE_BYTES_MAX
    made = task()
    made.feed(1, claimed(value))
    assert made.ledger.row(1)["late"] == samples
    return made.take()


def largest_dead_letter() -> Transaction:
    """More key and headers than a broker takes uncompressed: it counts what is compressed."""
    made, headers = task(), pack_headers([(f"h{n}", b"x" * 4000) for n in range(1000)])
    made.feed(1, log_of([(0, NOW, b"k" * (2 << 20), b"\1" * MESSAGE_BYTES_MAX, headers)]))
    return made.take()


LARGEST = {"states": largest_states, "late samples": largest_late, "dead letter": largest_dead_letter}


@pytest.mark.parametrize("name", LARGEST)
def test_no_record_of_the_largest_legal_input_is_larger_than_its_topic_takes(name: str) -> None:
    found = bytes_of(LARGEST[name]())
    assert found
    assert max(size for _, size in found) <= OUTPUT_BYTES_MAX, found


def test_the_samples_of_a_large_late_message_leave_as_parts_each_once() -> None:
    made = task()
    made.feed(1, claimed(packed(["m1", "m2"], [(n % 2, n) for n in range(40_000)], 0)))
    parts = records(made, LATE)

    assert len(parts) > 1
    assert [one["part"] for one in parts] == list(range(len(parts)))
    assert [n for one in parts for n in one["indexes"]] == list(range(40_000))
    assert [n for one in parts for n in one["event_times_us"]] == list(range(40_000))
    assert all(asset == f"m{n % 2 + 1}" for one in parts for n, asset in zip(one["indexes"], one["assets"], strict=True))
    assert [one["value"] is None for one in parts] == [False] + [True] * (len(parts) - 1)
    assert len({one["value_hash"] for one in parts}) == 1
    identities = [dict(r.headers)["andon-id"] for r in made.outbox.records if r.topic == LATE]
    assert len(set(identities)) == len(parts)


def test_a_window_lists_the_longest_durations_and_sums_the_rest() -> None:
    """Against sorting by time, and by bytes among equals."""
    random = np.random.default_rng(3)
    for count in (0, 1, DURATIONS_MOST, DURATIONS_MOST + 1, 200):
        durations = random.integers(0, 5, count)
        columns = {"spent_start": np.array([0, 0, count]), "spent_value": np.arange(count), "spent_duration": durations}
        found = bounded_durations(columns)

        longest = sorted(sorted(range(count), key=lambda n: (-int(durations[n]), n))[: DURATIONS_MOST])  # noqa: B023 - used at once
        assert found["spent_start"].tolist() == [0, 0, len(longest)]
        assert found["spent_value"].tolist() == longest
        assert found["spent_duration"].tolist() == durations[longest].tolist()
        assert found["more"].tolist() == [0, count - len(longest)]
        assert found["more_us"].tolist() == [0, int(durations.sum() - durations[longest].sum())]


def test_a_result_that_is_too_large_all_the_same_is_refused_by_name() -> None:
    made = task()
    made.feed(3, log_of([(n, 1000 + n, LINE.encode(), framed(STATES, state("RUN", 1000 + n, n)), b"") for n in range(20)]))
    [*_, encoded] = folded(made, 5000).results
    most = int((encoded.end - encoded.at).max()) - 1
    kept, letters = sizes.fitting(made.writer, Origin(encoded.topic, encoded.topic, 0), encoded, most)

    assert 0 < len(kept) < len(encoded)
    assert len(letters) == len(encoded) - len(kept)
    refused = [one for one in encoded.records() if len(one[1]) > most]
    assert [one for one in encoded.records() if len(one[1]) <= most] == list(kept.records())
    for (key, value, headers), letter in zip(refused, letters, strict=True):
        said = fastavro.schemaless_reader(io.BytesIO(letter.value[5:]), plain_schema(DEAD_LETTERS), None)
        assert isinstance(said, dict)
        assert (letter.topic, letter.key, said["reason"], said["topic"]) == (DEAD_LETTERS, key, "output-too-large", encoded.topic)
        assert (said["value_length"], said["value"]) == (len(value), value[:65_536])
        assert dict(headers)["andon-id"].decode() in said["detail"]


@pytest.mark.parametrize(
    ("contract", "field", "most"),
    [("ot.state.v1", "value", STATE_BYTES), ("ot.state.v1", "reason", STATE_BYTES), ("ot.state.v1", "tag", NAME_BYTES),
     ("ot.sample.v1", "asset", NAME_BYTES), ("ot.sample.v1", "unit", NAME_BYTES), ("ot.sample.v1", "source", NAME_BYTES),
     ("ot.count.v1", "device", STATE_BYTES), ("ot.measurement.v1", "serial", NAME_BYTES), ("mes.order.v1", "order", NAME_BYTES)],
)  # fmt: skip
def test_texts_have_a_longest_length(contract: str, field: str, most: int) -> None:
    found = reasons(contract, {field: "x" * most}, {field: "x" * (most + 1)}, {field: "µ" * (most // 2 + 1)})
    assert found == ["ok", "text-too-long", "text-too-long"]


@pytest.mark.parametrize("field", ["assets", "tags", "units", "lanes"])
def test_texts_in_arrays_have_a_longest_length(field: str) -> None:
    table: dict[str, Any] = {"assets": ["a", "b"], "tags": ["t", "t"], "units": ["", ""], "lanes": []}
    records = [table | {field: ["x" * size, "y"]} for size in (NAME_BYTES, NAME_BYTES + 1, 1)]
    assert reasons("ot.telemetry.v1", *records) == ["ok", "text-too-long", "ok"]


def test_quarantine_is_split_like_late_samples() -> None:
    made = task()
    made.feed(1, log_of([(0, 10, LINE.encode(), packed(["m1"], [(0, NOW + n) for n in range(20_000)], 0), b"")]))
    parts = records(made, QUARANTINE)
    assert [n for one in parts for n in one["indexes"]] == list(range(20_000))
    assert [one["part"] for one in parts] == list(range(len(parts)))
    assert len(parts) > 1


def test_frontiers_of_very_many_lanes_are_told_by_several_records() -> None:
    made, count = task(), 9_000
    assets = [f"{n:05d}" + "x" * 80 for n in range(count)]
    made.feed(1, log_of([(0, 10, LINE.encode(), packed(assets, [(n, 10) for n in range(count)], 0), b"")]))
    folded(made, 5000)
    told = frontier_records(made, "ctx.window.v1")

    schema = plain_schema("ctx.window.v1")
    said: list[Any] = []
    for one in told:
        value = fastavro.schemaless_reader(io.BytesIO(one.value[5:]), schema, None)
        assert isinstance(value, dict)
        said.append(value["frontier"])
    assert len(told) > 1
    assert max(len(one.value) for one in told) < OUTPUT_BYTES_MAX
    lanes = [lane for one in said for lane in one["lanes"]]
    assert sorted(lanes) == sorted(f"{LINE}/{asset}" for asset in assets)
    assert all(len(one["lanes"]) == len(one["frontiers_us"]) for one in said)
    assert all(one["floors_us"] == said[0]["floors_us"] for one in said)
    assert len(frontier_records(made, "ctx.window.v1")) == 1, "nothing moved: one record, for the floors"
