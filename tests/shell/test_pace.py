"""The pacemaker moves silent partitions, only those, and is gone when told."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from streams.configuration import load
from streams.errors import PlatformError, SettingsError
from streams.kafka.reader import KafkaReader, Place, Record
from streams.shell.pacemaker import Pacemaker, paced
from streams.shell.record_json import Decoder
from tests.shell.deployed import Deployed


@pytest.fixture
def applied(deployed: Deployed) -> Deployed:
    """An input that is applied, and nothing else: the pacemaker needs no more."""
    deployed.create("ot.sample.v1")
    with deployed.registry() as registry:
        from streams.shell.schema_rules import committed

        registry.register(f"{deployed.topic('ot.sample.v1')}-value", committed("ot.sample.v1"))
    return deployed


def records(deployed: Deployed) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {0: [], 1: []}
    with KafkaReader(deployed.kafka.librdkafka()) as reader:
        for part in reader.read(deployed.admin().spans([deployed.topic("ot.sample.v1")])):
            found[part.partition] += part.records
    return found


def test_a_silent_partition_gets_blanks_and_a_busy_one_none(applied: Deployed) -> None:
    done = threading.Event()

    def gateway() -> None:
        producer, topic = applied.producer(), applied.topic("ot.sample.v1")
        while not done.wait(0.1):
            producer.produce(topic, b"busy", b"key", partition=0)
            producer.flush()

    busy = threading.Thread(target=gateway)
    busy.start()
    try:
        with applied.start("pace", "--interval", "100 ms", "--silent", "500 ms") as process:
            end_s = time.monotonic() + 20.0
            while len(records(applied)[1]) < 3 and time.monotonic() < end_s:
                time.sleep(0.1)
            told_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=10.0)
            took_s = time.monotonic() - told_s
    finally:
        done.set()
        busy.join()
    found = records(applied)
    assert {r.value for r in found[0]} == {b"busy"}
    assert len(found[1]) >= 3
    assert {r.key for r in found[1]} == {b"pacemaker/pacemaker/pacemaker/1"}
    with applied.registry() as registry:
        blank = Decoder(registry.schema).value(found[1][0].value or b"")
    assert (blank["kind"], blank["source"].partition(":")[0], blank["asset"]) == ("BLANK", "pacemaker", "")
    stamps = [r.timestamp_ms for r in found[1]]
    assert all(b - a >= 500 for a, b in zip(stamps, stamps[1:], strict=False))
    assert (process.returncode, out) == (0, "")
    assert took_s < 1.0
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert (events[0], events[-1], set(events[1:-1])) == ("pacing", "ended", {"blanks"})


def test_two_pacemakers_write_no_more_than_one(applied: Deployed) -> None:
    """The second one hears the blanks of the first."""
    topics, _ = paced(load(applied.config), applied.prefix)
    written: list[Place] = []
    with applied.registry() as registry:
        both = [Pacemaker(applied.kafka, topics, registry, source=f"pacemaker:{n}", silent_us=10) for n in range(2)]
    with both[0] as one, both[1] as other:
        for now_us in range(0, 60, 5):
            for each in (one, other):
                written += each.look(now_us).blanks
                each._producer.flush(5.0)
    assert 2 <= len(written) // 2 <= 60 // 10


def test_a_topic_with_append_header_is_its_writers(applied: Deployed) -> None:
    headed = applied.configured(sample='append = "header"')
    with pytest.raises(SettingsError, match="no input of the application is for the pacemaker.*the writer of a topic"):
        paced(load(headed.config))
    refused = headed.call("pace")
    assert "no input of the application is for the pacemaker" in str(refused.exception)


def test_a_topic_that_bears_its_senders_time_is_refused(applied: Deployed) -> None:
    applied.admin().set(applied.topic("ot.sample.v1"), {"message.timestamp.type": "CreateTime"})
    topics, _ = paced(load(applied.config), applied.prefix)
    with applied.registry() as registry, Pacemaker(applied.kafka, topics, registry, source="p", silent_us=1) as pacemaker:
        pacemaker.look(0)
        pacemaker.look(1)
        pacemaker._producer.flush(5.0)
        with pytest.raises(SettingsError, match="bears its senders' time"):
            pacemaker.look(2)


def test_what_is_missing_is_named(deployed: Deployed) -> None:
    topics, _ = paced(load(deployed.config), deployed.prefix)
    with deployed.registry() as registry:
        with pytest.raises(PlatformError, match="andon schemas apply"):
            Pacemaker(deployed.kafka, topics, registry, source="p", silent_us=1)
        from streams.shell.schema_rules import committed

        registry.register(f"{deployed.topic('ot.sample.v1')}-value", committed("ot.sample.v1"))
        with pytest.raises(PlatformError, match="andon topics apply"):
            Pacemaker(deployed.kafka, topics, registry, source="p", silent_us=1)


def test_intervals_that_make_no_sense_are_refused(deployed: Deployed) -> None:
    refused = deployed.call("pace", "--interval", "2 s", "--silent", "1 s")
    assert "--interval must be positive and at most --silent" in str(refused.exception)
