"""A small application to administer: its configuration, the command line as a person calls it, records to send."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from streams.catalogue import TOPICS, schema_of
from streams.shell.cli import app
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry
from streams.shell.settings import KafkaSettings, RegistrySettings

TOPIC_OF = {topic.name: topic for topic in TOPICS}
ROOT = Path(__file__).parents[2]
CONFIGURATION = """
application = "down"
topology = "downsample"

[topics."ot.sample.v1"]
partitions = 2
{sample}
[topics."ctx.window.v1"]
partitions = {windows}
{window}
[lane_classes]
default = "live"

[inputs."ot.sample.v1"]
lateness = {{ live = "2 s" }}
silence = {{ live = "1 min" }}
future = "1 s"
horizon = "3 h"
conflict = "10 s"

[rules]
windows = [{{ tumbling = "10 s" }}]
hold = "1 h"
treat_uncertain_as_bad = true
source = "ot.sample.v1"
"""


@dataclass(frozen=True)
class Deployed:
    """One application on the shared platform, under a prefix of its own."""

    kafka: KafkaSettings
    registry_url: str
    prefix: str
    config: Path
    subjects: str = ""  # prefix under which the contracts are registered, if it is another one
    more: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANDON_KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "ANDON_REGISTRY__URL": self.registry_url,
            "ANDON_TOPIC_PREFIX": self.prefix,
            **dict(self.more),
        }

    def configured(self, *, sample: str = "", window: str = "", windows: int = 2) -> Deployed:
        """The same with other lines in the configuration."""
        path = self.config.with_name(f"{len(list(self.config.parent.iterdir()))}.toml")
        path.write_text(CONFIGURATION.format(sample=sample, window=window, windows=windows))
        return replace(self, config=path)

    def call(self, *arguments: str) -> Result:
        """A command of `andon` in this process; `result.exception` is our error where it failed."""
        return CliRunner(env=self.environment).invoke(app(), [*arguments, *self._config(arguments)])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from streams.shell.cli import main; main()", *arguments, *self._config(arguments)],
            cwd=ROOT, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def apply(self) -> None:
        """Topics and schemas."""
        for command in ("topics", "schemas"):
            result = self.call(command, "apply")
            assert result.exit_code == 0, result.exception

    def create(self, *names: str) -> None:
        """Topics of the catalogue, with two partitions, and nothing else."""
        for name in names:
            topic = TOPIC_OF[name]
            self.admin().create(self.topic(name), 2, 1, topic.broker_settings())

    def admin(self) -> Admin:
        return Admin(self.kafka)

    def registry(self) -> Registry:
        return Registry(RegistrySettings(url=self.registry_url))

    def topic(self, name: str) -> str:
        return self.prefix + name

    def producer(self, **more: Any) -> Producer:
        return Producer({**self.kafka.librdkafka(), "log_level": 0, **more})

    def framed(self, name: str, record: Mapping[str, Any]) -> bytes:
        """A value as a gateway or a task writes it."""
        out, schema = io.BytesIO(), dict(schema_of(name))
        with self.registry() as registry:
            schema_id = registry.id_of(f"{self.subjects or self.prefix}{name}-value", schema)
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas={}), record)
        return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()

    def _config(self, arguments: Sequence[str]) -> list[str]:
        return [] if "--config" in arguments else ["--config", str(self.config)]


def in_transaction(producer: Producer, send: Callable[[], object], *, abort: bool = False) -> None:
    """Send in a transaction of its own; init_transactions has been called."""
    producer.begin_transaction()
    send()
    producer.flush()
    if abort:
        producer.abort_transaction()
    else:
        producer.commit_transaction()
