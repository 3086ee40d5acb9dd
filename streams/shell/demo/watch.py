"""Follows the derived topics while the demo runs: findings as they are said, and what the screen shows of them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from streams.codec.blobs import RecordReader
from streams.kafka.reader import KafkaReader, Part, Record
from streams.shell.demo.findings import COUNTER, FUTURE, HELD, Finding
from streams.shell.kafka_connection import Admin
from streams.shell.settings import KafkaSettings

DEVIATIONS, COUNTS, MEASUREMENTS, QUARANTINE = "qual.deviation.v1", "ctx.count.v1", "ctx.measurement.v1", "dq.quarantine.v1"
SHOWN = 12
HELD_US = 20_000_000  # a lane so far behind the others of its partition waits for its gateway
Writer = Callable[[int], Mapping[str, Any] | None]


class Watch:
    """A thread that reads the topics from their start. prefix: of the deployment; application: whose quarantine counts."""

    def __init__(self, kafka: KafkaSettings, prefix: str, application: str, writer: Writer) -> None:
        self._kafka, self._prefix, self._application, self._reader = kafka, prefix, application, RecordReader(writer)
        self.findings: list[Finding] = []
        self.latest: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self.read = Counter[str]()
        self.error: Exception | None = None
        self._frontiers: dict[int, dict[str, int]] = {}  # of each partition: what was last told of each lane
        self._held: set[tuple[str, int]] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            with Admin(self._kafka) as admin, KafkaReader(self._kafka.librdkafka()) as reader:
                topics = [self._prefix + name for name in (DEVIATIONS, COUNTS, MEASUREMENTS, QUARANTINE)]
                for parts in reader.follow({place: span.start for place, span in admin.spans(topics).items()}):
                    for part in parts:
                        self._take(part)
                    if self._done.is_set():
                        return
        except Exception as error:  # noqa: BLE001  it is told by who looks at `error`
            self.error = error

    def _take(self, part: Part) -> None:
        name = part.topic.removeprefix(self._prefix)
        for record in part.records:
            if record.key == b"frontier" and record.value and name == COUNTS:
                self._see_held(part.partition, self._reader.read(record.value)["frontier"])
            if record.key == b"frontier" or record.value is None:
                continue
            self.read[name] += 1
            if name != MEASUREMENTS:
                self._look(name, record, self._reader.read(record.value))

    def _see_held(self, partition: int, told: Mapping[str, Any]) -> None:
        """How an outage shows: nothing is lost or late, but a lane's frontier stands still while others move."""
        known = self._frontiers.setdefault(partition, {})
        known.update(zip(told["lanes"], told["frontiers_us"], strict=True))
        newest = max(known.values(), default=0)
        for lane, at_us in known.items():
            if newest - at_us > HELD_US and (lane, at_us) not in self._held:
                self._held.add((lane, at_us))
                line, _, asset = lane.rpartition("/")
                self.findings.append(Finding(test=HELD, line=line, asset=asset, name="", since_us=at_us, said_us=newest))

    def _look(self, name: str, record: Record, said: dict[str, Any]) -> None:
        line, time_us = (record.key or b"").decode(), _time_us(record)
        if name == DEVIATIONS:
            self.latest.append({**said, "line": line, "time_us": time_us})
            if said["phase"] == "BEGIN":
                self.findings.append(_deviation(said, line, time_us))
        elif name == COUNTS and said["cause"] == "RESET":
            one = {"name": said["tag"], "since_us": said["event_time_us"], "said_us": said["event_time_us"]}
            self.findings.append(Finding(test=COUNTER, line=line, asset=said["asset"], id=said["id"], **one))
        elif name == QUARANTINE and said["reason"] == "FUTURE" and said["application"] == self._application:
            own = bytes(said["key"] or b"").decode()
            for asset in dict.fromkeys(said["assets"]):
                at_us = said["append_us"]
                self.findings.append(Finding(test=FUTURE, line=own, asset=asset, name="", since_us=at_us, said_us=at_us))


def _time_us(record: Record) -> int:
    return next((int(value) for name, value in record.headers if name == "andon-time-us" and value), 0)


def _deviation(said: Mapping[str, Any], line: str, time_us: int) -> Finding:
    return Finding(
        test=said["test"], line=line, asset=said["asset"], name=said["characteristic"], since_us=said["since_us"], said_us=time_us,
        severity=said["severity"], order=", ".join(one["order"] for one in said["orders"]), product=said["product"], id=said["id"],
    )  # fmt: skip
