"""A small plant on a real Kafka: gateways that write while workers die, and workers as processes of their own.

    Plant       topics, contracts, configuration; produces records; exports and verifies
    Replayed    a thread that writes what an ingest run would have written
    Gateways    a thread that writes samples, states, counts and orders about now, with every kind of dirt
    Running     a worker process, its events and its pages
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import fastavro
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from streams.catalogue import schema_of, text_of
from streams.codec.outputs import avro_bytes
from streams.shell.cli import app
from streams.shell.ingest.encoding import Message
from streams.shell.registry import Registry
from streams.shell.settings import RegistrySettings

ROOT = Path(__file__).parents[2]
INPUTS = ("mes.order.v1", "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1")
LINES = ("acme/hamburg/pressing/line-1", "acme/hamburg/pressing/line-2", "acme/kiel/paint/line-1", "acme/kiel/paint/line-2")
ASSETS = ("m1", "m2", "m3")
PARTITIONS = 2
SESSION_S = 6.0  # the broker's smallest

_LIMITS = """[inputs."{0}"]
lateness = {{ live = "300 ms" }}
silence = {{ live = "1 s" }}
future = "200 ms"
horizon = "1 min"
conflict = "10 s"
"""
_RULES = """[rules]
windows = [{ tumbling = "WINDOW" }, { hopping = "2 s", hop = "1 s" }]
state_windows = [{ tumbling = "2 s" }]
hold = "1 min"
order_history = "1 h"
treat_uncertain_as_bad = true
rollovers = [["total", 1000, 100]]
"""
_OUTPUTS = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1")


def context_configuration(window: str = "1 s") -> str:
    topics = "".join(f'[topics."{name}"]\npartitions = {PARTITIONS}\n' for name in (*INPUTS, *_OUTPUTS))
    limits = "".join(_LIMITS.format(name) for name in INPUTS)
    head = f'application = "plant"\ntopology = "context"\n{topics}[lane_classes]\ndefault = "live"\n'
    return head + limits + _RULES.replace("WINDOW", window)


class Running:
    """A worker process. events: what it said, in order."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from streams.shell.cli import main; main()", "run", *arguments, "--json"],
            cwd=ROOT, env={**os.environ, **environment, "ANDON_WEB__PORT": "0"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with suppress(ValueError):
                self.events.append(json.loads(line))

    def wait(self, event: str, timeout_s: float = 60.0, **values: Any) -> dict[str, Any]:
        """The first event of that name and with those values, from the last call on; AssertionError with its errors if it ends before."""
        end, at = time.monotonic() + timeout_s, 0
        while time.monotonic() < end:
            for at, found in enumerate(self.events):
                if found["event"] == event and all(found.get(k) == v for k, v in values.items()):
                    del self.events[: at + 1]
                    return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"no event {event} {values}; code {self.process.wait()}; {self.events}; {self.errors()}")

    def errors(self) -> str:
        self.process.wait(10)
        return (self.process.stderr.read() if self.process.stderr else "")[-3000:]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait(10)

    def ended(self, timeout_s: float = 30.0) -> int:
        """Its exit code; AssertionError where it does not end."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the worker does not end: {self.events} {self.errors()}") from None

    def page(self, port: int, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@dataclass
class Plant:
    bootstrap_servers: str
    registry_url: str
    prefix: str
    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)
    text: str = field(default_factory=context_configuration)
    connection: Mapping[str, Any] = field(default_factory=dict)  # of librdkafka, as `more` has it for our settings
    topology: str = "context"

    def __post_init__(self) -> None:
        self.workers: list[Running] = []
        self.config = self.folder / "plant.toml"
        self.config.write_text(self.text)
        for group in ("topics", "schemas"):
            assert self.call(group, "apply").exit_code == 0
        with Registry(RegistrySettings(url=self.registry_url)) as registry:
            self.ids = {name: registry.id_of(f"{self.prefix}{name}-value", text_of(name)) for name in (*INPUTS, "ref.asset.v1")}
        plain = {name: json.loads(json.dumps(schema_of(name)).replace('"logicalType"', '"was"')) for name in self.ids}
        self._parsed = {name: fastavro.parse_schema(schema, _force=True) for name, schema in plain.items()}
        self.producer = Producer({**self.client, "linger.ms": 5, "partitioner": "murmur2_random"})

    @property
    def client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **self.connection}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANDON_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers, "ANDON_REGISTRY__URL": self.registry_url,
            "ANDON_TOPIC_PREFIX": self.prefix, "ANDON_WORKER__SESSION_TIMEOUT_S": str(SESSION_S),
            "ANDON_WORKER__SNAPSHOT_INTERVAL_S": "2", **self.more,
        }  # fmt: skip

    def call(self, *arguments: str, config: bool = True) -> Result:
        found = CliRunner(env=self.environment).invoke(app(), [*arguments, *(["--config", str(self.config)] if config else [])])
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    def start(self, *arguments: str) -> Running:
        self.workers.append(Running([self.topology, "--config", str(self.config), *arguments], self.environment))
        return self.workers[-1]

    def framed(self, name: str, record: Mapping[str, Any]) -> bytes:
        return b"\0" + self.ids[name].to_bytes(4, "big") + avro_bytes(self._parsed[name], dict(record))

    def write(self, name: str, line: str, record: Mapping[str, Any] | bytes) -> None:
        value = record if isinstance(record, bytes) else self.framed(name, record)
        self.producer.produce(self.prefix + name, value, line.encode())

    def everywhere(self, record: Mapping[str, Any]) -> None:
        """A record without content in each partition of every input."""
        for name in INPUTS:
            for partition in range(PARTITIONS):
                self.producer.produce(self.prefix + name, self.framed(name, record), LINES[0].encode(), partition=partition)

    def finish(self) -> None:
        """Fold everything that is there: a run to the end."""
        last = self.start("--until-end")
        last.wait("finished", 90)
        assert last.ended() == 0

    def verified(self) -> dict[str, Any]:
        """Recomputed from an export and compared: the JSON of `andon verify`."""
        folder = self.folder / f"export-{len(list(self.folder.iterdir()))}"
        assert self.call("export", "--application", "--outputs", "--to", str(folder), "--json").exit_code == 0
        found = CliRunner(env=self.environment).invoke(app(), ["verify", str(folder), "--json"])
        shown: dict[str, Any] = json.loads(found.stdout)
        return shown

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait(10)
            for pipe in (worker.process.stdout, worker.process.stderr):
                if pipe:
                    pipe.close()
        self.producer.flush(5)


class Replayed:
    """Writes messages that `andon ingest` would write, in their order, spread over a time: a day in half a minute."""

    def __init__(self, plant: Plant, messages: Sequence[Message], seconds: float) -> None:
        self.plant, self.messages, self.seconds, self.written = plant, messages, seconds, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Replayed:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # what is left is written at once
        self._thread.join(60)
        assert self.plant.producer.flush(20) == 0 and self.written == len(self.messages)

    def _run(self) -> None:
        began = time.monotonic()
        for number, message in enumerate(self.messages):
            value = b"\0" + self.plant.ids[message.topic].to_bytes(4, "big") + message.value[5:]
            where = {"partition": message.partition, "headers": message.headers}
            self.plant.producer.produce(self.plant.prefix + message.topic, value, message.key, **where)
            self.written += 1
            if number % 50 == 0:
                self.plant.producer.poll(0)
                self._stop.wait(max(0.0, began + self.seconds * number / len(self.messages) - time.monotonic()))


class Gateways:
    """Writes about `rate` records a second, event time about now: some late, doubled, altered, early, undecodable."""

    def __init__(self, plant: Plant, rate: int = 600, seed: int = 1) -> None:
        self.plant, self.rate, self.random = plant, rate, Random(seed)
        self.sequence: dict[str, int] = {}
        self.written = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._orders = 0

    def __enter__(self) -> Gateways:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        through = int(1e6 * time.time())
        self.plant.everywhere({"kind": "CLAIM", "source": "", "through_us": through})
        assert self.plant.producer.flush(20) == 0

    def _run(self) -> None:
        blank_at = order_at = 0.0
        while not self._stop.wait(0.02):
            for _ in range(self.rate // 50):
                self._one(int(1e6 * time.time()))
            if time.monotonic() - blank_at > 0.25:
                blank_at = time.monotonic()
                self.plant.everywhere({"kind": "BLANK", "source": ""})
            if time.monotonic() - order_at > 0.5:
                order_at = time.monotonic()
                self._order(int(1e6 * time.time()))
            self.plant.producer.poll(0)

    def _one(self, now_us: int) -> None:
        random, line = self.random, self.random.choice(LINES)
        name = random.choice(("ot.sample.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1"))
        source = f"{name}:{line}"
        number = self.sequence[source] = self.sequence.get(source, -1) + 1
        dirt, asset = random.random(), random.choice(ASSETS)
        time_us = now_us - (2_000_000 if dirt < 0.005 else random.randrange(200_000)) + (900_000 if dirt > 0.998 else 0)
        record: dict[str, Any] = {"kind": "DATA", "source": source, "boot": 0, "sequence": number, "asset": asset, "quality": "GOOD"}
        more: dict[str, dict[str, Any]] = {
            "ot.sample.v1": {"tag": random.choice("xy"), "value": random.gauss(20, 5)},
            "ot.state.v1": {"tag": "mode", "value": random.choice(("RUN", "IDLE", "DOWN"))},
            "ot.measurement.v1": {"characteristic": "bore", "value": random.gauss(10, 0.1), "product": "P", "serial": str(number)},
            "ot.count.v1": {"tag": "total", "value": number % 1000, "mode": "TOTAL", "device": "d"},
        }
        record |= more[name] | {"event_time_us": time_us}
        self.plant.write(name, line, record)
        if 0.01 < dirt < 0.03:
            self.plant.write(name, line, record if dirt < 0.025 else record | {"event_time_us": time_us + 1})
        if 0.03 < dirt < 0.032:
            self.plant.write(name, line, b"rubbish")
        self.written += 1

    def _order(self, now_us: int) -> None:
        """The running order of each line ends and the next one begins; now and then the record comes late."""
        late = 3_000_000 if self.random.random() < 0.1 else 0
        for line in LINES:
            for event, order in (("ENDED", self._orders), ("STARTED", self._orders + 1)):
                source = f"mes:{line}"
                number = self.sequence[source] = self.sequence.get(source, -1) + 1
                self.plant.write("mes.order.v1", line, {
                    "kind": "DATA", "source": source, "boot": 0, "sequence": number, "event_time_us": now_us - late, "event": event,
                    "order": f"O{order}", "operation": "10", "product": "P", "work_center": "m1",
                })  # fmt: skip
        self._orders += 1


def until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
