"""An export holds the log, byte for byte, and all that a replay needs to read it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.catalogue import schema_of
from streams.codec.log import Log
from streams.errors import DataError, InvalidValue
from streams.kafka.reader import KafkaReader, Part, Record
from streams.kernel import NEG
from streams.shell import export_writer
from streams.shell.deployment import topics_of
from streams.shell.export import Export, frame_of, log_of_frame
from tests.shell.deployed import Deployed, in_transaction

SENT: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
    (None, b"v", []), (b"", b"", [("andon-append-us", b"1476921600000001")]), (b"k", None, [("a", None), ("a", b""), ("b", b"\xff")]),
    (b"\xff", os.urandom(5000), [("é", b"1")] * 3), (None, None, []),
]  # fmt: skip


@pytest.fixture
def filled(fresh: Deployed) -> Deployed:
    """Odd records in partition 0, then an aborted transaction; nothing in partition 1."""
    fresh.create("ot.sample.v1")
    topic, producer = fresh.topic("ot.sample.v1"), fresh.producer(**{"transactional.id": fresh.prefix})
    plain = fresh.producer()
    for key, value, headers in SENT:
        plain.produce(topic, value, key, partition=0, headers=headers)
    plain.produce(topic, fresh.framed("ot.sample.v1", {"source": "g"}), b"k", partition=0)
    plain.produce(topic, b"\0\xff\xff\xff\xff", b"only looks framed", partition=0)
    plain.flush()
    producer.init_transactions()
    in_transaction(producer, lambda: producer.produce(topic, b"aborted", partition=0), abort=True)
    return fresh


def exported(deployed: Deployed, folder: Path, *arguments: str) -> Export:
    result = deployed.call("export", *arguments, "--to", str(folder))
    assert result.exit_code == 0, result.exception
    return Export(folder)


def consumed(deployed: Deployed, name: str, partition: int) -> Part:
    """What a reader of Kafka sees, without any file between."""
    topic = deployed.topic(name)
    with KafkaReader(deployed.kafka.librdkafka()) as reader:
        parts = list(reader.read({place: span for place, span in deployed.admin().spans([topic]).items() if place[1] == partition}))
    return Part(topic, partition, [record for part in parts for record in part.records])


def rows(log: Log) -> list[tuple[Any, ...]]:
    return [(int(log.offset[n]), int(log.append[n]), log.key(n), log.value(n), log.headers(n)) for n in range(len(log.offset))]


@pytest.mark.parametrize("append", ["log", "header"])
def test_a_log_comes_back_byte_for_byte(filled: Deployed, tmp_path: Path, append: Any) -> None:
    deployed = filled.configured(sample=f'append = "{append}"')
    export = exported(deployed, tmp_path / "out", "ot.sample.v1")
    part = consumed(deployed, "ot.sample.v1", 0)
    assert [(r.key, r.value, r.headers) for r in part.records[:5]] == SENT
    assert list(export.records("ot.sample.v1", 0)) == part.records
    assert rows(export.log("ot.sample.v1", 0)) == rows(part.log(append))
    assert (export.log("ot.sample.v1", 0).append.tolist()[:2] == [NEG, 1476921600000001]) is (append == "header")
    assert rows(export.log("ot.sample.v1", 1)) == []
    assert list(export.records("ot.sample.v1", 1)) == []


def test_the_manifest_says_what_there_is(filled: Deployed, tmp_path: Path) -> None:
    """The next offset is that behind the last record, not behind the markers and the aborted."""
    export = exported(filled, tmp_path / "out")  # the application's inputs
    topic = export.topics["ot.sample.v1"]
    assert [(p.first, p.next, p.end, p.records) for p in topic.partitions] == [(0, 7, 9, 7), (0, 0, 0, 0)]
    with filled.registry() as registry:
        schema_id = registry.id_of(f"{filled.subjects}ot.sample.v1-value", schema_of("ot.sample.v1"))
    assert topic.schema_ids == (schema_id, 0xFFFFFFFF)
    assert dict(export.schemas) == {schema_id: schema_of("ot.sample.v1")}
    assert export.manifest["schemas"][str(schema_id)]["subjects"] == [f"{filled.prefix}ot.sample.v1-value"]
    assert export.manifest["unknown_schema_ids"] == [0xFFFFFFFF]
    assert export.manifest["cluster_id"] == filled.admin().cluster()[0]
    assert (export.manifest["application"], export.manifest["prefix"], topic.topic) == ("down", filled.prefix, filled.topic("ot.sample.v1"))


def test_all_that_a_replay_needs(deployed: Deployed, tmp_path: Path) -> None:
    deployed.call("topics", "apply")
    export = exported(deployed, tmp_path / "out", "--application", "--outputs")
    assert sorted(export.topics) == sorted({
        "ot.sample.v1", "down.epoch.v1", "ctl.configuration.v1", "ref.asset.v1", "ctx.window.v1", "dq.dead-letter.v1", "dq.late.v1",
        "dq.quarantine.v1", "audit.restate-request.v1",
    })  # fmt: skip


def test_results_are_measured_before_the_inputs_they_come_from(fresh: Deployed) -> None:
    """So that a result in an export always follows from records in it, though the plant writes on."""
    wanted = [export_writer.Wanted(name=n, topic=fresh.topic(n), append="log", role=r) for n, r in (("i", "input"), ("o", "result"))]  # type: ignore[arg-type]
    for one in wanted:
        fresh.admin().create(one.topic, 1, 1, {})
    assert [topic for topic, _ in export_writer.measure(fresh.admin(), wanted)] == [fresh.topic("o"), fresh.topic("i")]


def test_a_partition_larger_than_memory_is_written_in_parts(filled: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bounds, of one partition and of all; the parts become one file, in order."""
    producer, topic = filled.producer(), filled.topic("ot.sample.v1")
    for n in range(20_000):
        producer.produce(topic, n.to_bytes(200, "big"), b"k", partition=1, headers=[("n", str(n).encode())] if n % 2 else [])
    producer.flush()
    whole = exported(filled, tmp_path / "whole", "ot.sample.v1")
    monkeypatch.setattr(export_writer, "PART_BYTES", 3 << 20)
    monkeypatch.setattr(export_writer, "ALL_BYTES", 2 << 20)
    cut = exported(filled, tmp_path / "cut", "ot.sample.v1")
    assert cut.topics == whole.topics
    for partition in (0, 1):
        assert cut.frame("ot.sample.v1", partition).equals(whole.frame("ot.sample.v1", partition))
    assert [int.from_bytes(r.value or b"", "big") for r in cut.records("ot.sample.v1", 1)] == list(range(20_000))
    assert sorted(path.name for path in (tmp_path / "cut" / "ot.sample.v1").iterdir()) == ["0.parquet", "1.parquet"]


def test_an_export_never_overwrites(filled: Deployed, tmp_path: Path) -> None:
    exported(filled, tmp_path / "out")
    refused = filled.call("export", "--to", str(tmp_path / "out"))
    assert "a new or empty folder" in str(refused.exception)


def test_what_is_no_export_is_refused(filled: Deployed, tmp_path: Path) -> None:
    """A folder without manifest is an export that did not end well."""
    export = exported(filled, tmp_path / "out")
    with pytest.raises(InvalidValue, match="the export does not have this topic"):
        export.log("ot.state.v1", 0)
    with pytest.raises(InvalidValue, match="no such partition"):
        export.log("ot.sample.v1", 2)
    (tmp_path / "out" / "ot.sample.v1" / "0.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="a file of the export cannot be read"):
        export.log("ot.sample.v1", 0)
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="of another format"):
        Export(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(DataError, match="not an export"):
        Export(tmp_path / "out")


def test_records_without_any_headers(tmp_path: Path) -> None:
    records = [Record(n, 2, n, b"k", b"v", []) for n in range(3)]
    assert rows(log_of_frame(frame_of(records, "log"))) == rows(Part("t", 0, records).log("log"))
    assert rows(log_of_frame(frame_of([], "log"))) == []


def test_the_application_has_its_own_homes(deployed: Deployed) -> None:
    from streams.configuration import load

    topics = topics_of(load(deployed.config), "p.")
    assert [(topics[name].name, topics[name].partitions) for name in ("down.epoch.v1", "down.snapshot.v1")] == [
        ("p.down.epoch.v1", 2), ("p.down.snapshot.v1", 2),
    ]  # fmt: skip
    assert replace(topics["ot.sample.v1"]).partitions == 2
