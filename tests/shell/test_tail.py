"""`andon tail` as scripts read it: committed records, valid JSON, nothing lost, and it ends when it should."""

from __future__ import annotations

import base64
import json
import select
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.shell.deployed import Deployed, in_transaction

KEY = b"acme/hamburg/pressing/line-1"


@pytest.fixture
def applied(fresh: Deployed) -> Deployed:
    fresh.create("ot.sample.v1", "ctx.window.v1", "dq.dead-letter.v1")
    return fresh


def sample(deployed: Deployed, **fields: Any) -> bytes:
    return deployed.framed("ot.sample.v1", {"source": "gateway", "asset": "press", "tag": "force"} | fields)


def send(deployed: Deployed, topic: str, *values: bytes | None, partition: int = 0) -> None:
    producer = deployed.producer()
    for value in values:
        producer.produce(deployed.topic(topic), value, KEY, partition=partition)
    producer.flush()


def shown(deployed: Deployed, topic: str, *options: str) -> list[dict[str, Any]]:
    result = deployed.call("tail", topic, "--until-end", *options)
    assert result.exit_code == 0, result.exception
    return [json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) for line in result.stdout.splitlines()]


def test_only_committed_records_are_shown_and_the_end_is_found(applied: Deployed) -> None:
    """The log ends with an aborted transaction: no record has the last offsets."""
    topic, producer = applied.topic("ot.sample.v1"), applied.producer(**{"transactional.id": applied.prefix})
    producer.init_transactions()
    one, other, aborted = (sample(applied, sequence=n) for n in range(3))
    in_transaction(producer, lambda: producer.produce(topic, one, KEY, partition=0))
    in_transaction(producer, lambda: producer.produce(topic, aborted, KEY, partition=0), abort=True)
    in_transaction(producer, lambda: producer.produce(topic, other, KEY, partition=0))
    in_transaction(producer, lambda: producer.produce(topic, aborted, KEY, partition=0), abort=True)
    assert [(r["offset"], r["value"]["sequence"]) for r in shown(applied, "ot.sample.v1")] == [(0, 0), (4, 1)]


def test_a_record_loses_nothing(applied: Deployed) -> None:
    producer = applied.producer()
    value = sample(applied, sequence=1 << 62, event_time_us=1_476_921_600_000_001, value=float("nan"), quality="BAD")
    headers = [("text", "grün".encode()), ("bytes", b"\xff"), ("none", None), ("none", b"")]
    producer.produce(applied.topic("ot.sample.v1"), value, b"\xff\xfe", partition=1, headers=headers)
    producer.flush()
    [record] = shown(applied, "ot.sample.v1")
    assert record.pop("append_us") % 1000 == 0
    assert record == {
        "topic": applied.topic("ot.sample.v1"), "partition": 1, "offset": 0, "key": {"base64": "//4="},
        "headers": [["text", "grün"], ["bytes", {"base64": "/w=="}], ["none", None], ["none", ""]],
        "value": {
            "kind": "DATA", "source": "gateway", "boot": 0, "sequence": 1 << 62, "through_us": None, "lanes": [], "asset": "press",
            "tag": "force", "unit": "", "event_time_us": 1_476_921_600_000_001, "value": "NaN", "quality": "BAD", "status_code": 0,
        },
    }  # fmt: skip


def test_bytes_are_base64(applied: Deployed) -> None:
    letter = {
        "topic": "t", "partition": 0, "offset": 1, "append_us": 2, "key": None, "value": b"\0\xff", "value_length": 2, "value_hash": "",
        "reason": "bad-frame", "detail": "", "headers": {"a": b"\x01"}, "application": "a", "schema_id": None,
    }  # fmt: skip
    send(applied, "dq.dead-letter.v1", applied.framed("dq.dead-letter.v1", letter))
    [record] = shown(applied, "dq.dead-letter.v1")
    assert (record["value"]["value"], record["value"]["headers"], record["value"]["key"]) == ("AP8=", {"a": "AQ=="}, None)


def test_what_cannot_be_decoded_is_shown_with_the_reason(applied: Deployed) -> None:
    good = sample(applied)
    broken = [b"", b"junk", good[:9], good + b"\0", b"\0\0\xff\xff\xff" + good[5:], good[:5] + b"\xff" * 20]
    send(applied, "ot.sample.v1", *broken, None, good)
    records = shown(applied, "ot.sample.v1")
    assert [r["value"]["base64"] for r in records[:6]] == [base64.b64encode(value).decode() for value in broken]
    reasons = ("frame", "frame", "do not fit", "left_over=1", "does not know", "do not fit")
    assert all(reason in record["error"] for reason, record in zip(reasons, records[:6], strict=True))
    assert [("error" in r, r["value"] is None) for r in records[6:]] == [(False, True), (False, False)]


def test_any_schema_of_the_registry_is_decoded_with_instants_as_integers(applied: Deployed) -> None:
    """A topic of somebody else's, with logical types of which we have none."""
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "next", "type": ["null", "R"]},
    ]}  # fmt: skip
    applied.admin().create(applied.topic("foreign"), 1, 1, {"message.timestamp.type": "CreateTime"})
    with applied.registry() as registry:
        schema_id = registry.register(f"{applied.prefix}foreign-value", json.dumps(schema))
    send(applied, "foreign", b"\0" + schema_id.to_bytes(4, "big") + b"\x04\x06\x02\x7b\x00")
    [record] = shown(applied, applied.topic("foreign"))
    assert record["value"] == {"at": 2, "day": 3, "cost": "ew==", "next": None}
    assert record["append_us"] is None  # CreateTime is not when it was appended


def test_frontier_records_are_shown_only_when_asked_for(applied: Deployed) -> None:
    frontier = {"epoch": 0, "lanes": [], "frontiers_us": [], "class_table": "", "classes": ["live"], "floors_us": [7]}
    values: tuple[dict[str, Any], ...] = ({"kind": "FRONTIER", "frontier": frontier}, {})
    send(applied, "ctx.window.v1", *(applied.framed("ctx.window.v1", value) for value in values))
    assert [r["offset"] for r in shown(applied, "ctx.window.v1")] == [1]
    assert shown(applied, "ctx.window.v1", "--frontiers")[0]["value"]["frontier"] == frontier


def test_raw_decodes_nothing(applied: Deployed) -> None:
    value = sample(applied)
    send(applied, "ot.sample.v1", value, None)
    one, other = shown(applied, "ot.sample.v1", "--raw")
    assert (base64.b64decode(one["key"]), base64.b64decode(one["value"]), other["value"]) == (KEY, value, None)


def test_append_time_comes_from_where_the_configuration_has_it(applied: Deployed) -> None:
    producer = applied.producer()
    producer.produce(applied.topic("ot.sample.v1"), sample(applied), KEY, partition=0, headers=[("andon-append-us", b"1476921600000001")])
    producer.flush()
    headed = applied.configured(sample='append = "header"')
    assert [r["append_us"] for r in shown(headed, "ot.sample.v1")] == [1476921600000001]
    assert shown(applied, "ot.sample.v1")[0]["append_us"] > 1476921600000001


def test_where_to_begin_and_how_much(applied: Deployed) -> None:
    values = [sample(applied, sequence=n) for n in range(6)]
    send(applied, "ot.sample.v1", *values[:4], partition=0)
    send(applied, "ot.sample.v1", *values[4:], partition=1)

    def seen(*options: str) -> list[int]:
        return sorted(r["value"]["sequence"] for r in shown(applied, "ot.sample.v1", *options))

    assert seen() == [0, 1, 2, 3, 4, 5]
    assert seen("--partition", "1") == [4, 5]
    assert seen("--from", "-1") == [3, 5]
    assert seen("--from", "2", "--partition", "0") == [2, 3]
    assert seen("--from", "end") == []
    assert len(seen("--max", "2")) == 2
    for options, reason in ((("--from", "2"), "add --partition"), (("--from", "9", "--partition", "0"), "does not have this offset"),
                            (("--from", "x"), "--from takes"), (("--partition", "2"), "does not have this partition")):  # fmt: skip
        refused = applied.call("tail", "ot.sample.v1", "--until-end", *options)
        assert reason in str(refused.exception)


def test_lines_for_people(applied: Deployed) -> None:
    send(applied, "ot.sample.v1", sample(applied), b"junk")
    one, other = applied.call("tail", "ot.sample.v1", "--until-end", "--pretty").stdout.splitlines()
    assert f"Z  0:0  {KEY.decode()}  {{" in one
    assert "no Confluent frame" in other


def test_it_follows_and_ctrl_c_ends_it_quietly(applied: Deployed) -> None:
    with applied.start("tail", "ot.sample.v1") as following:
        assert following.stdout is not None
        value, end_s = sample(applied, sequence=42), time.monotonic() + 20.0
        seen: list[str] = []
        while not seen and time.monotonic() < end_s:  # it begins at the end, wherever that is when it gets there
            send(applied, "ot.sample.v1", value)
            time.sleep(0.2)
            seen = [following.stdout.readline()] if _readable(following) else []
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=10.0)
    assert json.loads(seen[0])["value"]["sequence"] == 42
    assert (following.returncode, err) == (0, "")


def test_a_reader_that_has_seen_enough_ends_it_quietly(applied: Deployed) -> None:
    send(applied, "ot.sample.v1", sample(applied))
    with applied.start("tail", "ot.sample.v1", "--from", "beginning") as following:
        assert following.stdout is not None
        following.stdout.readline()
        following.stdout.close()
        assert following.wait(10.0) == 0
        assert following.stderr is not None
        assert following.stderr.read() == ""


def _readable(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def test_a_missing_topic_is_named(deployed: Deployed) -> None:
    refused = deployed.call("tail", "ot.sample.v1")
    assert "there is no such topic" in str(refused.exception)
