"""Peer: what a confluent-kafka user gets at most in Python, a `consume(1000)` loop that only counts. No decoding, no windows.

With librdkafka's defaults the loop mostly waits: once a partition's queue holds 100,000 messages, fetching it pauses for a second
(`fetch.queue.backoff.ms`). So the peer that counts is the tuned one.

    python bench/bare_consume.py SERVERS TOPIC PARTITIONS TOTAL tuned|default
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from confluent_kafka import Consumer, TopicPartition

TUNED: dict[str, Any] = {"fetch.queue.backoff.ms": 5, "queued.min.messages": 1_000_000, "max.partition.fetch.bytes": 4 << 20}


def main(servers: str, topic: str, partitions: int, total: int, tuned: bool) -> None:
    own: dict[str, Any] = {"bootstrap.servers": servers, "group.id": f"bare-{os.getpid()}", "enable.auto.commit": False}
    consumer = Consumer(own | TUNED if tuned else own)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    count, since, began_s, cpu_s = 0, 0, 0.0, 0.0
    while count < total:
        count += sum(1 for message in consumer.consume(1000, 1.0) if message.error() is None)
        if not since and count >= total // 5:
            since, began_s, cpu_s = count, time.perf_counter(), time.process_time()
    taken_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    print(json.dumps({"messages": count - since, "seconds": taken_s, "cpu_seconds": used_s}), flush=True)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "tuned")
