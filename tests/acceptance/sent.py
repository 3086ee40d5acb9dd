"""What stands in a log, record by record: messages decoded by fastavro, their samples, and the same for the twin of the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from streams.codec.log import Log
from streams.kernel import NEG
from streams.time.limits import TimeConfiguration
from tests.acceptance.plantday import Outcome, decoded, rows
from tests.twin.gate import Gate, Message
from tests.twin.gate import Sample as TwinSample

Id = tuple[str, int]  # source (a file), sequence (its line)
QUALITIES = ("GOOD", "UNCERTAIN", "BAD")


class Sample(NamedTuple):
    source: str
    sequence: int
    lane: str  # line path/asset id
    tag: str
    time: int
    value: Any
    quality: str
    more: tuple[tuple[str, Any], ...]


def samples(key: bytes, record: dict[str, Any]) -> list[Sample]:
    """The samples of a DATA record of any input; of an order event `tag` is the event and `value` the order."""
    source, first, line = record["source"], record["sequence"], key.decode()
    if "base_time_us" in record:
        qualities = record["qualities"] or [0] * len(record["signals"])
        columns = zip(record["signals"], record["times_us"], record["values"], qualities, strict=True)
        return [
            Sample(source, first + k, f"{line}/{record['assets'][signal]}", record["tags"][signal], record["base_time_us"] + at,
                   None if quality == 2 else value, QUALITIES[quality], (("unit", record["units"][signal]),))
            for k, (signal, at, value, quality) in enumerate(columns)
        ]  # fmt: skip
    time = record["event_time_us"]
    if "work_center" in record:
        more = tuple((name, record[name]) for name in ("operation", "product", "corrects", "corrects_time_us", "corrected_time_us"))
        return [Sample(source, first, f"{line}/{record['work_center']}", record["event"], time, record["order"], "GOOD", more)]
    more = tuple((name, record[name]) for name in ("reason", "mode", "device") if name in record)
    return [Sample(source, first, f"{line}/{record['asset']}", record["tag"], time, record["value"], record["quality"], more)]


def records(topic: str, log: Log) -> Iterator[tuple[int, dict[str, Any], list[Sample]]]:
    """(row, record, its samples) of every record of a log that can be decoded."""
    for n in range(len(log.offset)):
        value, key = log.value(n), log.key(n)
        assert value is not None and key is not None
        record = decoded(topic, value)
        yield n, record, samples(key, record) if record["kind"] == "DATA" else []


def late(outcome: Outcome) -> Counter[Id]:
    """Samples in the late topic: each late record holds the whole message and says which of its samples are late."""
    found = Counter[Id]()
    for row in rows(outcome.aside, "dq.late.v1"):
        own = samples(row["key"], decoded(row["topic"], row["value"]))
        found.update((own[index].source, own[index].sequence) for index in row["indexes"])
    return found


class Verdict(NamedTuple):
    offset: int
    within: int  # the message
    sample: Sample
    verdict: str


def judged(topic: str, log: Log, time: TimeConfiguration, upto: int | None = None) -> tuple[Gate, list[Verdict]]:
    """The twin of the gate over the first `upto` records of a log: every sample with its verdict."""
    gate, found = Gate(topic, time), list[Verdict]()
    for n, record, own in records(topic, log.part(0, len(log.offset) if upto is None else upto)):
        through = NEG if record["through_us"] is None else record["through_us"]
        twins = tuple(TwinSample(s.lane, s.time, (s.tag, s.value, s.quality, s.more)) for s in own)
        lanes = tuple(f"{(log.key(n) or b'').decode()}/{lane}" for lane in record["lanes"])
        kind, append, boot, first = record["kind"].lower(), int(log.append[n]), record["boot"], record["sequence"]
        verdicts = gate.push(Message(kind, append, record["source"], boot, first, twins, through, lanes))
        found += [Verdict(int(log.offset[n]), index, s, v) for index, (s, v) in enumerate(zip(own, verdicts, strict=True))]
    return gate, found


def frontier(gates: Sequence[Gate], lane: str) -> int:
    """How far a lane is complete; the first gate is that of the orders, whose work centers are the lane itself and its line."""
    orders, *own = gates
    return min([gate.watermark(lane) for gate in own] + [orders.watermark(at) for at in (lane, lane.rpartition("/")[0] + "/")])
