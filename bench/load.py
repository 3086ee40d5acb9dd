"""The load of the benchmarks: 200 machines of 10 signals at 10 Hz, 1 % of the samples up to 2 s out of order, 0.1 % too late.

The past is written with `append=header`, so that minutes of plant fit into seconds of benchmark; every subject reads the same bytes.
All is drawn from a seed: the oracle draws it again and never reads what a subject has written or decoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import fastavro
import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from streams.catalogue import schema_of
from streams.codec.outputs import avro_bytes

START_US = 1_700_000_000_000_000  # a multiple of every window's size
LATENESS_US, SILENCE_US = 5_000_000, 60_000_000
LINES = tuple(f"acme/hamburg/hall-{n}/line-{n}" for n in range(8))
PARTITIONS = 4
PACKED = 500  # samples a packed message

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


class Message(NamedTuple):
    partition: int
    key: bytes
    value: bytes
    append_us: int


class Columns(NamedTuple):
    """Samples in the order in which they happen."""

    signal: I64
    time: I64
    append: I64
    value: F64


@dataclass(frozen=True)
class Load:
    """events samples of `signals` signals, `tags` a machine, `hz` times a second each."""

    events: int
    signals: int = 2_000
    tags: int = 10
    hz: int = 10
    seed: int = 1

    def columns(self) -> Columns:
        rng, n = np.random.default_rng(self.seed), np.arange(self.events)
        signal, tick, pace = n % self.signals, n // self.signals, 1_000_000 // self.hz
        append = START_US + tick * pace + (signal * pace) // self.signals
        dirt = rng.random(self.events)
        behind = np.where(dirt < 0.01, rng.integers(0, 2_000_000, self.events), 0)
        behind = np.where(dirt > 0.999, LATENESS_US + 5_000_000, behind)
        return Columns(signal, append - behind, append, np.round(rng.normal(20, 5, self.events), 3))

    @property
    def machines(self) -> int:
        return self.signals // self.tags

    @property
    def end_us(self) -> int:
        """Everything lies before it; the end of a window of 10 s."""
        seconds = -(-self.events // (self.signals * self.hz))
        return START_US + -(-seconds // 10) * 10_000_000

    def line(self, machine: int) -> int:
        return machine % len(LINES)

    def rows_of_messages(self) -> I64:
        """[message, sample]: which samples each packed message of one machine holds."""
        ticks = PACKED // self.tags
        assert self.events % (self.signals * ticks) == 0, "the load does not fill its packed messages"
        every = np.arange(self.events).reshape(-1, ticks, self.machines, self.tags)
        return every.transpose(0, 2, 1, 3).reshape(-1, PACKED)


def plain(name: str) -> Any:
    """A contract with instants as integers."""
    text = json.dumps(dict(schema_of(name))).replace('"logicalType"', '"was"')
    return fastavro.parse_schema(json.loads(text), _force=True)


class Writer:
    """Frames records of one contract."""

    def __init__(self, name: str, schema_id: int) -> None:
        self.schema, self.frame = plain(name), b"\0" + schema_id.to_bytes(4, "big")

    def __call__(self, record: Mapping[str, Any]) -> bytes:
        return self.frame + avro_bytes(self.schema, record)


def varints(values: I64) -> list[bytes]:
    """Avro longs.

    >>> varints(np.array([0, -1, 64, 1_700_000_000_000_000]))[:3]
    [b'\\x00', b'\\x01', b'\\x80\\x01']
    """
    raw = ((values << 1) ^ (values >> 63)).astype(np.uint64)
    found = np.zeros((len(values), 10), np.uint8)
    for k in range(10):
        found[:, k] = (raw >> np.uint64(7 * k)) & np.uint64(127)
    size = np.maximum(1, 10 - (found[:, ::-1] != 0).argmax(axis=1))
    size[raw == 0] = 1
    found |= np.where(np.arange(10) < size[:, None] - 1, 128, 0).astype(np.uint8)
    data = found.tobytes()
    return [data[10 * n : 10 * n + s] for n, s in enumerate(size.tolist())]


def one_by_one(load: Load, write: Writer) -> Iterator[Message]:
    """A message a sample, then the claim that it was all. Put together from parts that the writer has encoded: six times as fast."""
    columns = load.columns()
    sequences, times, values = varints(np.arange(load.events)), varints(columns.time), columns.value.tobytes()
    machines = [load.line(s // load.tags) for s in range(load.signals)]
    parts = [_parts(load, write, s) for s in range(load.signals)]
    numbers, keys = [0] * len(LINES), [line.encode() for line in LINES]
    for n, (s, append) in enumerate(zip(columns.signal.tolist(), columns.append.tolist(), strict=True)):
        line, (head, names) = machines[s], parts[s]
        number = numbers[line]
        numbers[line] += 1
        value = b"".join((head, sequences[number], names, times[n], b"\2", values[8 * n : 8 * n + 8], b"\0\0"))
        if n % 100_000 == 0:
            whole = _record(load, s) | {"sequence": number, "event_time_us": int(columns.time[n]), "value": float(columns.value[n])}
            assert value == write(whole), "the parts do not make a record"
        yield Message(line % PARTITIONS, keys[line], value, append)
    yield from claims(write, load.end_us)


def _record(load: Load, signal: int) -> dict[str, Any]:
    machine, tag = divmod(signal, load.tags)
    return {
        "kind": "DATA", "source": f"gateway-{load.line(machine)}", "boot": 0, "sequence": 0, "asset": f"machine-{machine}",
        "tag": f"tag-{tag}", "unit": "Cel", "event_time_us": 0, "value": 0.0, "quality": "GOOD", "status_code": 0,
    }  # fmt: skip


def _parts(load: Load, write: Writer, signal: int) -> tuple[bytes, bytes]:
    """What stands before and behind the sequence number, up to the event time."""
    whole, other = (write(_record(load, signal) | {"sequence": n}) for n in (0, 63))
    at = next(k for k, (a, b) in enumerate(zip(whole, other, strict=True)) if a != b)
    return whole[:at], whole[at + 1 : -12]  # event time 0, value 0.0 behind its branch, quality and status code: 12 bytes


def packed(load: Load, write: Writer) -> Iterator[Message]:
    """Messages of 500 samples: 5 s of one machine. Then the claim."""
    _, time, append, value = load.columns()
    index = np.tile(np.arange(load.tags), PACKED // load.tags).tolist()
    tags, units = [f"tag-{n}" for n in range(load.tags)], ["Cel"] * load.tags
    for n, rows in enumerate(load.rows_of_messages()):
        block, machine = divmod(n, load.machines)
        line, base = load.line(machine), int(time[rows[0]])
        record = {
            "kind": "DATA", "source": f"gateway-machine-{machine}", "boot": 0, "sequence": block * PACKED,
            "assets": [f"machine-{machine}"] * load.tags, "tags": tags, "units": units, "base_time_us": base, "signals": index,
            "times_us": (time[rows] - base).tolist(), "values": value[rows].tolist(), "qualities": [],
        }  # fmt: skip
        yield Message(line % PARTITIONS, LINES[line].encode(), write(record), int(append[rows[-1]]))
    yield from claims(write, load.end_us)


def claims(write: Writer, at_us: int, through_us: int | None = None) -> Iterator[Message]:
    """Every partition is complete through `through_us`, by default through the instant at which it is said."""
    through = at_us if through_us is None else through_us
    for partition in range(PARTITIONS):
        value = write({"kind": "CLAIM", "source": "bench", "boot": 0, "sequence": None, "through_us": through})
        yield Message(partition, LINES[partition].encode(), value, at_us)


def idle(load: Load, write: Writer, behind_us: int = 0) -> Iterator[Message]:
    """An input without data that says every second that it has none."""
    for at_us in range(START_US, load.end_us + 1, 1_000_000):
        yield from claims(write, at_us, at_us - behind_us if at_us < load.end_us else at_us)


ORDER_LENGTH_US, ORDER_DELAY_US = 60_000_000, 3_000_000


def orders(load: Load, write: Writer) -> Iterator[Message]:
    """An order a minute at each machine; 5 % are reported 3 s late; complete up to 5 s ago, every second."""
    rng, found, sequence = np.random.default_rng(load.seed), list[tuple[int, int, int, str]](), dict[int, int]()
    for at_us in range(START_US, load.end_us, ORDER_LENGTH_US):
        for machine in range(load.machines):
            time_us = at_us + machine * ORDER_LENGTH_US // load.machines
            delay = ORDER_DELAY_US if rng.random() < 0.05 else 0
            for one_us, event in ((time_us, "STARTED"), (time_us + ORDER_LENGTH_US - 1, "ENDED")):
                found.append((one_us + delay, one_us, machine, event))
    messages = list(idle(load, write, 5_000_000))
    for append_us, time_us, machine, event in sorted(found):
        if append_us >= load.end_us:
            continue
        line = load.line(machine)
        sequence[line] = sequence.get(line, -1) + 1
        record = {
            "kind": "DATA", "source": f"mes-{line}", "boot": 0, "sequence": sequence[line], "work_center": f"machine-{machine}",
            "event_time_us": time_us, "event": event, "order": f"{machine}-{(time_us - START_US) // ORDER_LENGTH_US}",
            "product": f"product-{machine % 7}",
        }  # fmt: skip
        messages.append(Message(line % PARTITIONS, LINES[line].encode(), write(record), append_us))
    yield from sorted(messages, key=lambda m: m.append_us)


def fill(client: Mapping[str, Any], topic: str, messages: Iterable[Message]) -> int:
    """Write messages to a topic in append order; how many."""
    producer = Producer({
        **client, "linger.ms": 50, "batch.size": 1_000_000, "compression.type": "lz4", "queue.buffering.max.messages": 2_000_000,
    })  # fmt: skip
    count = 0
    for partition, key, value, append in messages:
        while True:
            try:
                producer.produce(topic, value, key, partition=partition, headers=[("andon-append-us", b"%d" % append)])
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if count % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0, "the broker did not take the load"
    return count
