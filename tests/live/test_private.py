"""Everything private of Faust and aiokafka that the worker leans on: red when an upgrade changes any of it."""

from __future__ import annotations

import inspect
import shutil
from importlib.metadata import version
from pathlib import Path

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver

from streams.runners.live import private


def test_the_versions_are_those_that_were_looked_at() -> None:
    assert {name: version(name) for name in ("faust-streaming", "aiokafka", "confluent-kafka", "mode-streaming")} == {
        "faust-streaming": "0.15.3", "aiokafka": "0.14.0", "confluent-kafka": "2.10.1", "mode-streaming": "0.7.1",
    }  # fmt: skip


def test_the_fetcher_makes_partition_records_as_we_replace_them() -> None:
    original = inspect.signature(fetcher.PartitionRecords.__init__) if fetcher.PartitionRecords is not private._Partition else None
    ours = list(inspect.signature(private._Partition.__init__).parameters)
    if original is not None:
        assert list(original.parameters) == ours
    source = inspect.getsource(fetcher.Fetcher)
    for used in ("MemoryRecords(part_data[-1])", "records.has_next()", "records.size_in_bytes()", "PartitionRecords("):
        assert used in source, used
    assert "next_fetch_offset" in inspect.getsource(fetcher.FetchResult)


def test_the_consumer_has_what_we_ask_of_it() -> None:
    for name in ("pause", "resume", "assignment", "last_stable_offset"):
        assert callable(getattr(AIOKafkaConsumer, name))
    assert "isolation_level" in inspect.signature(AIOKafkaConsumer.__init__).parameters
    assert "_isolation_level" in inspect.getsource(AIOKafkaConsumer)
    assert callable(driver.AIOKafkaConsumerThread._create_worker_consumer) and callable(driver.Consumer._new_consumer_thread)
    assert callable(driver.AIOKafkaConsumerThread._ensure_consumer) and callable(driver.AIOKafkaConsumerThread.call_thread)


def test_no_folder_is_made_where_a_worker_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for installed in (False, True):
        app = faust.App("folders", broker="kafka://127.0.0.1:1", store="memory://", set_as_current=False, autodiscover=False)
        if installed:
            private.install(app)
        app._create_directories()
        assert [p.name for p in tmp_path.iterdir()] == ([] if installed else ["folders-data"])
        shutil.rmtree(tmp_path / "folders-data", ignore_errors=True)


def test_faust_drops_a_fetched_partition_that_it_pauses_which_is_why_we_do_not() -> None:
    source = inspect.getsource(faust_consumer.Consumer.getmany)
    assert "tp in active_partitions" in source


def test_faust_reads_what_a_fetch_has() -> None:
    source = inspect.getsource(driver.Consumer._to_message)
    used = ["topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum"]
    used += ["serialized_key_size", "serialized_value_size"]
    fetch = private.Fetch(TopicPartition("t", 0), b"", [], 3, 5)
    assert all(f"record.{name}" in source and hasattr(fetch, name) for name in used)
    assert (fetch.offset, fetch.value) == (4, fetch)
