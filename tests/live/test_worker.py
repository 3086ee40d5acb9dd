"""One worker: runs to the end, stops when asked to, says where it stands, adopts what is new, refuses what cannot be right."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.errors import InvalidValue, PlatformError
from streams.metrics import METRICS
from tests.live.plant import LINES, Gateways, Plant, Running, context_configuration, until

pytestmark = pytest.mark.timeout(300)  # a busy machine starts a worker in ten seconds

OUTPUTS = ("ctx.window.v1", "ctx.state-interval.v1", "ctx.count.v1", "ctx.measurement.v1")


def tasks(worker: Running, port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(worker.page(port, "/status")[1])["tasks"]
    return found


def missing(metrics: str) -> list[str]:
    return [m.name for m in METRICS if f"\n{m.name}{{" not in metrics and f"\n{m.name} " not in metrics]


def samples(plant: Plant, now: int, numbers: range) -> None:
    same = {"kind": "DATA", "source": "g", "boot": 0, "asset": "m1", "tag": "x", "value": 1.0, "quality": "GOOD"}
    for number in numbers:
        plant.write("ot.sample.v1", LINES[0], same | {"sequence": number, "event_time_us": now + number})


def last_of(plant: Plant, topic: str, partition: int) -> dict[str, bytes]:
    """Headers of the last data record of a partition."""
    consumer = Consumer({**plant.client, "group.id": "look", "isolation.level": "read_committed", "enable.partition.eof": True})
    where = TopicPartition(plant.prefix + topic, partition)
    low, end = consumer.get_watermark_offsets(where, 10)
    consumer.assign([TopicPartition(where.topic, partition, max(low, end - 5))])
    found: dict[str, bytes] = {}
    while (message := consumer.poll(10)) is not None and not message.error():
        found = dict(message.headers() or [])
    consumer.close()
    return found


def test_a_run_says_where_it_stands_stops_when_asked_to_and_a_run_to_the_end_completes_it(plant: Plant) -> None:
    worker = plant.start()
    port = worker.wait("serving")["port"]
    assert worker.page(port, "/livez") == (200, "ok"), "it answers before Faust begins"
    assert worker.page(port, "/readyz")[0] == 503
    with Gateways(plant, rate=300):
        worker.wait("assigned", partitions=[0, 1])
        assert worker.page(port, "/readyz")[0] == 200
        until(lambda: sum(t["records_out"] for t in tasks(worker, port)) > 100, 20, "results")
        until(lambda: not missing(worker.page(port, "/metrics")[1]), 20, "every metric of the catalogue")
        metrics = worker.page(port, "/metrics")[1]
        shown = plant.call("status", "--worker", f"http://127.0.0.1:{port}", config=False).stdout
        assert "held" in shown and "ot.state.v1" in shown and "duplicate" in shown, shown
        assert 'andon_samples_total{fate="duplicate",input="' in metrics
        began = time.monotonic()
        worker.send(signal.SIGTERM)
        assert worker.ended(10) == 0 and time.monotonic() - began < 10
        worker.wait("stopped")
        for topic in OUTPUTS:
            assert last_of(plant, topic, 0)["andon-kind"] == b"frontier", "how far it is, also where nothing was written"
    plant.finish()
    first = plant.verified()
    assert first["same"] and first["equal"]["ctx.window.v1"] > 20, first
    plant.finish()
    assert plant.verified() == first, "a second run to the end has nothing to do"


def test_the_input_that_holds_time_is_named_and_too_much_that_waits_ends_the_task(plant: Plant) -> None:
    now = int(1e6 * time.time())
    plant.everywhere({"kind": "CLAIM", "source": "", "through_us": now - 5_000_000})
    samples(plant, now, range(300))
    plant.producer.flush()
    worker = plant.start()
    port = worker.wait("serving")["port"]
    worker.wait("assigned")

    def holders() -> list[str]:
        return [t["held_by"] for t in tasks(worker, port) if t["pending_samples"] == 300]

    until(lambda: bool(holders()), 20, "samples that wait")
    assert holders()[0] != "ot.sample.v1", "every other input is silent, so one of them holds time"
    worker.kill()

    plant.more = {"ANDON_WORKER__PENDING_SAMPLES": "100"}
    plant.write("ot.sample.v1", LINES[0], {"kind": "BLANK", "source": ""})
    samples(plant, now, range(300, 320))
    plant.producer.flush()
    full = plant.start()
    died = full.wait("died", 60)["error"]
    assert "too many samples wait" in died and "lane='acme/hamburg/pressing/line-1/m1'" in died and "held_by=" in died
    assert full.ended() == 4


def test_a_changed_configuration_and_new_reference_rows_are_epochs_and_the_whole_is_recomputed_with_them(plant: Plant) -> None:
    with Gateways(plant, rate=200):
        worker = plant.start()
        port = worker.wait("serving")["port"]
        worker.wait("assigned", partitions=[0, 1])
        time.sleep(2)
        asset = {"line": LINES[0], "asset": "m2", "parent": "m1", "level": "WORK_UNIT", "revision": 1}
        asset |= {"valid_from_us": int(1e6 * time.time()) - 1_000_000}
        plant.write("ref.asset.v1", LINES[0], asset)
        plant.write("ref.asset.v1", LINES[0], b"rubbish")
        plant.producer.flush()
        until(lambda: all(t["epoch"] == 1 for t in tasks(worker, port)), 20, "the epoch of the new rows")
        time.sleep(1)
        worker.kill()
        plant.config.write_text(context_configuration(window="500 ms"))
        again = plant.start()
        port = again.wait("serving")["port"]
        again.wait("assigned", 60, partitions=[0, 1])
        until(lambda: all(t["epoch"] == 2 for t in tasks(again, port)), 20, "the epoch of the new configuration")
        time.sleep(1)
        again.send(signal.SIGTERM)
        assert again.ended() == 0
    plant.finish()
    found = plant.verified()
    assert found["same"], found
    assert found["equal"]["audit.restate-request.v1"] > 0, "m2 stood elsewhere than is known now"
    refused = [json.loads(line) for line in plant.call("tail", "dq.dead-letter.v1", "--until-end").stdout.splitlines()]
    assert [r["value"]["topic"] for r in refused if r["value"]["reason"] == "bad-reference"] == [f"{plant.prefix}ref.asset.v1"]


def test_records_that_retention_removed_unread_end_the_worker(plant: Plant) -> None:
    plant.everywhere({"kind": "BLANK", "source": ""})
    plant.producer.flush()
    plant.finish()
    for _ in range(5):
        plant.everywhere({"kind": "BLANK", "source": ""})
    plant.producer.flush()
    admin = AdminClient(plant.client)
    for future in admin.delete_records([TopicPartition(f"{plant.prefix}ot.state.v1", 1, 4)]).values():
        future.result(20)
    worker = plant.start()
    died = worker.wait("died", 60)["error"]
    assert "records are missing from the log" in died and f"{plant.prefix}ot.state.v1" in died and "expected=1, found=4" in died
    assert worker.ended() == 4


def test_two_workers_share_the_partitions_and_a_named_one_comes_back_without_a_rebalance(plant: Plant) -> None:
    plant.more = {"ANDON_WORKER__SESSION_TIMEOUT_S": "15"}  # longer than a restart takes on a busy machine
    one, other = plant.start("--instance", "one"), plant.start("--instance", "other")
    with Gateways(plant, rate=200):
        both = (one, other)
        until(lambda: sorted((w.events or [{}])[-1].get("partitions") or [-1] for w in both) == [[0], [1]], 60, "one partition each")
        time.sleep(1)
        mine = one.events[-1]["partitions"]
        heard = len(other.events)
        one.kill()
        back = plant.start("--instance", "one")
        assert back.wait("assigned", 30)["partitions"] == mine
        time.sleep(1)
        assert len(other.events) == heard, "the other one has not noticed"
        for worker in (back, other):
            worker.send(signal.SIGTERM)
        assert [w.ended() for w in (back, other)] == [0, 0]
    plant.finish()
    assert plant.verified()["same"]


def test_it_does_not_start_without_its_topics_or_with_another_topology(plant: Plant) -> None:
    plant.config.write_text(context_configuration().replace('application = "plant"', 'application = "stranger"'))
    worker = plant.start()
    assert worker.wait("died")["error"].endswith("(run `andon topics apply`)")
    assert worker.ended() == 5
    with pytest.raises(PlatformError, match="no worker answers there"):
        plant.call("status", "--worker", "http://127.0.0.1:9", config=False)
    with pytest.raises(InvalidValue, match="for another topology"):
        plant.call("run", "downsample")
