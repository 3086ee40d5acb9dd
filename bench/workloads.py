"""What the subjects work on: topics of their own under a prefix, filled once; configurations; and checks of what was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from bench.load import Load, Message, Writer, fill, idle, one_by_one, orders, packed
from bench.oracle import Expected, decoded, expected, faults
from streams.catalogue import text_of
from streams.kafka.reader import KafkaReader, Span
from streams.shell.cli import app
from streams.shell.kafka_connection import Admin
from streams.shell.registry import Registry, subject_of
from streams.shell.settings import Settings

FOLDER = Path(__file__).parent
SAMPLE, TELEMETRY = "ot.sample.v1", "ot.telemetry.v1"
WINDOWS, LATE = "ctx.window.v1", "dq.late.v1"

Messages = Callable[[Load, Writer], Iterator[Message]]
Spans = Mapping[tuple[str, int], Span]


def configuration_text(name: str) -> str:
    """b1, b2: the same with packed messages; context, pending: the same with orders that nobody sends."""
    text = (FOLDER / ("context.toml" if name in ("context", "pending") else "b1.toml")).read_text()
    if name == "b2":
        text = text.replace(f'[inputs."{SAMPLE}"]', f'[inputs."{TELEMETRY}"]').replace(f'source = "{SAMPLE}"', f'source = "{TELEMETRY}"')
    return text


@dataclass(frozen=True)
class Workload:
    """prefix: of all its topics. folder: for configurations. packed: 500 samples a message."""

    name: str
    load: Load
    inputs: Mapping[str, Messages]
    prefix: str
    folder: Path
    packed: bool = False

    @property
    def topology(self) -> str:
        return "context" if self.name in ("context", "pending") else "downsample"

    @property
    def samples_a_message(self) -> int:
        return 500 if self.packed else 1

    @property
    def environment(self) -> dict[str, str]:
        return {"ANDON_TOPIC_PREFIX": self.prefix}

    def configured(self, application: str) -> Path:
        """A configuration file for a run under a name of its own."""
        text = re.sub('application = ".*"', f'application = "{application}"', configuration_text(self.name), count=1)
        path = self.folder / f"{self.name}-{application}.toml"
        path.write_text(text)
        return path

    def applied(self, application: str) -> Path:
        """Topics and contracts of an application that will read the load from its start; its configuration file."""
        path = self.configured(application)
        for group in ("topics", "schemas"):
            done = CliRunner().invoke(app(), [group, "apply", "--config", str(path)], env=self.environment)
            assert done.exit_code == 0, done.output
        return path

    def fill(self, settings: Settings) -> int:
        """Make and fill the inputs; how many messages there are."""
        self.applied("fill")
        client = settings.kafka.librdkafka()
        with Registry(settings.registry) as registry:
            ids = {name: registry.id_of(subject_of(self.prefix + name), text_of(name)) for name in self.inputs}
        return sum(fill(client, self.prefix + name, messages(self.load, Writer(name, ids[name]))) for name, messages in self.inputs.items())

    def written(self, settings: Settings) -> Spans:
        """How far the derived topics are filled."""
        with Admin(settings.kafka) as admin:
            return admin.spans([self.prefix + WINDOWS, self.prefix + LATE])

    def expected(self) -> Expected:
        return expected(self.load, self.packed)

    def faults(self, settings: Settings, before: Spans, wanted: Expected) -> list[str]:
        """What is wrong with what was written since."""
        values: dict[str, list[bytes]] = {self.prefix + WINDOWS: [], self.prefix + LATE: []}
        after = self.written(settings)
        with KafkaReader(settings.kafka.librdkafka()) as reader:
            for part in reader.read({place: Span(before[place].end, span.end) for place, span in after.items()}):
                values[part.topic] += [r.value for r in part.records if r.value is not None]
        windows, late = (decoded(values[self.prefix + name], name) for name in (WINDOWS, LATE))
        return faults(self.load, wanted, windows, late, cut=self.topology == "context")


def b1(events: int, prefix: str, folder: Path) -> Workload:
    return Workload("b1", Load(events), {SAMPLE: one_by_one}, prefix, folder)


def keys(events: int, prefix: str, folder: Path) -> Workload:
    """200,000 signals, one sample a second each."""
    return Workload("keys", Load(events, signals=200_000, hz=1), {SAMPLE: one_by_one}, prefix, folder)


def b2(events: int, prefix: str, folder: Path) -> Workload:
    return Workload("b2", Load(events), {TELEMETRY: packed}, prefix, folder, packed=True)


def context(events: int, prefix: str, folder: Path) -> Workload:
    """B1's samples with an order a minute at each machine; the other inputs say every second that they have nothing."""
    rest = dict.fromkeys((TELEMETRY, "ot.state.v1", "ot.count.v1", "ot.measurement.v1"), idle)
    return Workload("context", Load(events), {"mes.order.v1": orders, SAMPLE: one_by_one, **rest}, prefix, folder)


def pending(events: int, prefix: str, folder: Path) -> Workload:
    """B2's samples where nobody says anything of orders: all of them wait."""
    rest = dict.fromkeys((SAMPLE, "ot.state.v1", "ot.count.v1", "ot.measurement.v1"), idle)
    return Workload("pending", Load(events), {TELEMETRY: packed, **rest}, prefix, folder, packed=True)
