"""andon simulate into a real Kafka, read back with nothing of ours."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.errors import InvalidValue, SettingsError
from streams.simulation.factory import EVERY
from streams.simulation.plant import Plant
from tests.shell.deployed import Deployed

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo-context.toml"


def simulated(deployed: Deployed, *options: str) -> Any:
    return deployed.call("simulate", "--plant", "S", "--seed", "3", "--config", str(EXAMPLE), *options)


def read(deployed: Deployed, name: str, partitions: int) -> list[Any]:
    """Every record of a topic."""
    consumer = Consumer({**deployed.kafka.librdkafka(), "group.id": deployed.prefix, "enable.partition.eof": True, "log_level": 0})
    consumer.assign([TopicPartition(deployed.topic(name), p, 0) for p in range(partitions)])
    found, ended = list[Any](), 0
    while ended < partitions:
        message = consumer.poll(20)
        assert message is not None, "Kafka has fallen silent"
        if message.error() is not None:
            assert message.error().code() == KafkaError._PARTITION_EOF
            ended += 1
        else:
            found.append(message)
    consumer.close()
    return found


def test_a_run_is_written_whole_and_one_that_is_stopped_ends_tidily(deployed: Deployed, tmp_path: Path) -> None:
    for command in ("topics", "schemas"):
        assert deployed.call(command, "apply", "--config", str(EXAMPLE)).exit_code == 0
    truth = tmp_path / "truth.jsonl"
    result = simulated(deployed, "--speed", "0", "--minutes", "10", "--start", "2026-01-05T06:00Z", "--truth", str(truth), "--json")
    assert result.exit_code == 0, result.exception
    said = json.loads(result.stdout)
    assert said["through_us"] - said["start_us"] == 600_000_000
    assert sum(said["faults"].values()) == len(truth.read_text().splitlines()) > 0
    for name in EVERY:
        messages = read(deployed, name, 2)
        assert len(messages) == sum(said["records"][name].values())
        for partition in range(2):
            appended = [int(m.headers()[0][1]) for m in messages if m.partition() == partition]
            assert appended == sorted(appended)
    rows = read(deployed, "ref.asset.v1", 1)
    assert len(rows) == len({m.key() for m in rows}) == said["reference_rows"] == len(Plant.named("S").machines) + 3

    options = ("--plant", "S", "--seed", "4", "--speed", "1", "--minutes", "9", "--config", str(EXAMPLE), "--json")
    process = deployed.start("simulate", *options)
    deadline_s = time.monotonic() + 60
    while len(read(deployed, "ot.telemetry.v1", 2)) < sum(said["records"]["ot.telemetry.v1"].values()) + 5:
        assert time.monotonic() < deadline_s and process.poll() is None, "nothing more is written"
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    stopped = json.loads(out)
    assert stopped["reference_rows"] == 0, "a revision is published once"
    assert 0 < stopped["through_us"] - stopped["start_us"] < 60_000_000
    assert stopped["records"]["ot.state.v1"]["CLAIM"] == 2


def test_topics_of_another_kind_are_refused(deployed: Deployed, tmp_path: Path) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(EXAMPLE.read_text().replace(', append = "header"', ""))
    for config, stamp, fact in ((plain, "header", "from a header"), (EXAMPLE, "log", "broker stamps")):
        options = ("--speed", "1", "--minutes", "1", "--stamp", stamp, "--config", str(config))
        result = deployed.call("simulate", "--plant", "S", "--seed", "1", *options)
        assert isinstance(result.exception, SettingsError) and fact in str(result.exception)
    result = simulated(deployed, "--speed", "2", "--minutes", "1", "--stamp", "log")
    assert isinstance(result.exception, InvalidValue) and "--speed 1" in str(result.exception)


@pytest.mark.parametrize(("option", "value"), [("--plant", "XL"), ("--minutes", "0"), ("--fault-every", "soon")])
def test_what_makes_no_sense_is_refused(deployed: Deployed, option: str, value: str) -> None:
    given = {"--plant": "S", "--seed": "1", "--speed": "1", "--minutes": "1", "--config": str(EXAMPLE)} | {option: value}
    result = deployed.call("simulate", *(word for pair in given.items() for word in pair))
    assert isinstance(result.exception, InvalidValue)


def test_the_command_has_an_example(deployed: Deployed) -> None:
    shown = deployed.call("simulate", "--help", "--config", str(EXAMPLE))
    assert shown.exit_code == 0 and "Example: andon simulate" in shown.output
