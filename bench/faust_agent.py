"""Peer: B1 as a Faust user would write it. One agent, a tumbling table, default settings, store in memory.

    python bench/faust_agent.py worker -l warn

Environment: SERVERS, TOPIC, APPLICATION, PARTITIONS, TOTAL (messages to measure; it ends then), and ANDON's contracts for the schema.
"""

from __future__ import annotations

import io
import json
import os
import time
from datetime import timedelta
from typing import Any

import fastavro
import faust
from faust.serializers import codecs

from streams.catalogue import schema_of

SCHEMA = fastavro.parse_schema(dict(schema_of("ot.sample.v1")))
TOTAL, PARTITIONS = int(os.environ["TOTAL"]), int(os.environ["PARTITIONS"])


class Avro(codecs.Codec):
    """Values in the Confluent frame: a zero byte, four bytes of schema id, Avro."""

    def _loads(self, s: bytes) -> Any:
        return fastavro.schemaless_reader(io.BytesIO(s[5:]), SCHEMA, None)


codecs.register("avro-sample", Avro())

app = faust.App(
    os.environ["APPLICATION"], broker=f"kafka://{os.environ['SERVERS']}", store="memory://", topic_partitions=PARTITIONS, web_enabled=False,
    consumer_auto_offset_reset="earliest",
)  # fmt: skip
samples = app.topic(os.environ["TOPIC"], key_type=bytes, key_serializer="raw", value_serializer="avro-sample")
windowed: Any = app.Table("statistics", default=list, partitions=PARTITIONS).tumbling(timedelta(seconds=10), expires=timedelta(minutes=10))
statistics = windowed.relative_to(lambda event: event.value["event_time_us"])


class Stopwatch:
    """Prints what was measured from a fifth of the messages on, and ends the process."""

    count = 0
    began_s = cpu_s = 0.0

    def tick(self) -> None:
        self.count += 1
        if self.count == TOTAL // 5:
            self.began_s, self.cpu_s = time.perf_counter(), time.process_time()
        if self.count == TOTAL:
            taken_s, used_s = time.perf_counter() - self.began_s, time.process_time() - self.cpu_s
            measured = {"messages": TOTAL - TOTAL // 5, "seconds": taken_s, "cpu_seconds": used_s}
            os.write(1, (json.dumps(measured) + "\n").encode())
            os._exit(0)


watch = Stopwatch()


@app.agent(samples)
async def downsample(stream: Any) -> None:
    async for sample in stream:
        if sample["kind"] == "DATA" and sample["quality"] == "GOOD":
            key, value = f"{sample['asset']}/{sample['tag']}", sample["value"]
            known = statistics[key].value()
            count, total, low, high = known or (0, 0.0, value, value)
            statistics[key] = [count + 1, total + value, min(low, value), max(high, value)]
        watch.tick()


if __name__ == "__main__":
    app.main()
