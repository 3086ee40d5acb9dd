"""The load of B1 and B2: a plant of 1 Hz signals, a few records out of order, a few beyond the grace period.

The past is written with `append=header`, so that minutes of plant fit into seconds of benchmark; every subject reads the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import fastavro
import numpy as np
from confluent_kafka import Producer

from streams.catalogue import schema_of
from streams.codec.outputs import avro_bytes

START_US = 1_700_000_000_000_000
LATENESS_US = 5_000_000
LINES = tuple(f"acme/hamburg/hall-{n}/line-{n}" for n in range(8))
PARTITIONS = 4


@dataclass(frozen=True)
class Load:
    """events samples of `signals` signals, `tags` an asset, one a second each."""

    events: int
    signals: int
    tags: int = 10
    seed: int = 1

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(signal, event time, append time) of each sample in the order in which it is written."""
        rng = np.random.default_rng(self.seed)
        n = np.arange(self.events)
        signal, second = n % self.signals, n // self.signals
        append = START_US + second * 1_000_000 + (signal * 1_000_000) // self.signals
        dirt = rng.random(self.events)
        behind = np.where(dirt < 0.01, rng.integers(0, 2_000_000, self.events), 0)
        behind = np.where(dirt > 0.999, LATENESS_US + 5_000_000, behind)
        return signal, append - behind, append

    def names(self, signal: int) -> tuple[str, str, str]:
        """(line, asset, tag)"""
        asset = signal // self.tags
        return LINES[asset % len(LINES)], f"machine-{asset}", f"tag-{signal % self.tags}"


def plain(name: str) -> object:
    text = json.dumps(dict(schema_of(name))).replace('"logicalType"', '"was"')
    return fastavro.parse_schema(json.loads(text), _force=True)


def one_by_one(load: Load, schema_id: int) -> Iterator[tuple[int, bytes, bytes, int]]:
    """(partition, key, value, append_us): one message a sample."""
    schema, frame = plain("ot.sample.v1"), b"\0" + schema_id.to_bytes(4, "big")
    signal, time, append = load.columns()
    value = np.round(np.random.default_rng(load.seed).normal(20, 5, load.events), 3)
    sequence = dict.fromkeys(LINES, -1)
    known = [load.names(s) for s in range(load.signals)]
    for s, t, a, v in zip(signal.tolist(), time.tolist(), append.tolist(), value.tolist(), strict=True):
        line, asset, tag = known[s]
        sequence[line] += 1
        record = {"kind": "DATA", "source": f"gateway-{line[-1]}", "boot": 0, "sequence": sequence[line], "asset": asset, "tag": tag, "unit": "Cel",
                  "event_time_us": t, "value": v, "quality": "GOOD"}  # fmt: skip
        yield LINES.index(line) % PARTITIONS, line.encode(), frame + avro_bytes(schema, record), a


def packed(load: Load, schema_id: int, size: int = 500) -> Iterator[tuple[int, bytes, bytes, int]]:
    """(partition, key, value, append_us): messages of up to `size` samples of one line."""
    schema, frame = plain("ot.telemetry.v1"), b"\0" + schema_id.to_bytes(4, "big")
    signal, time, append = load.columns()
    value = np.round(np.random.default_rng(load.seed).normal(20, 5, load.events), 3)
    line_of = np.array([LINES.index(load.names(s)[0]) for s in range(load.signals)])[signal]
    for number, line in enumerate(LINES):
        own = np.flatnonzero(line_of == number)
        for at in range(0, len(own), size):
            rows = own[at : at + size]
            codes, index = np.unique(signal[rows], return_inverse=True)
            names, base = [load.names(int(c)) for c in codes], int(time[rows[0]])
            record = {
                "kind": "DATA", "source": f"gateway-{number}", "boot": 0, "sequence": at, "assets": [n[1] for n in names], "tags": [n[2] for n in names],
                "units": ["Cel"] * len(names), "base_time_us": base, "signals": index.tolist(), "times_us": (time[rows] - base).tolist(),
                "values": value[rows].tolist(), "qualities": [],
            }  # fmt: skip
            yield number % PARTITIONS, line.encode(), frame + avro_bytes(schema, record), int(append[rows[-1]])


def fill(client: dict[str, object], topic: str, messages: Iterator[tuple[int, bytes, bytes, int]]) -> int:
    """Write messages to a topic in append order; how many."""
    producer = Producer({**client, "linger.ms": 50, "batch.size": 1_000_000, "compression.type": "lz4", "queue.buffering.max.messages": 2_000_000})
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
    assert producer.flush(120) == 0
    return count
