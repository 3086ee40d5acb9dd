"""Makes the class caches (see jvm.py): runs each program once, as it will be used; the JVM writes down its classes.

Costs some ten seconds a program, once per lock and machine; halves and more every start after it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.shell.local import artifacts
from streams.shell.local.artifacts import Bundle, Progress, Silent, locked
from streams.shell.local.broker import Broker
from streams.shell.local.jvm import TRAINING, class_cache
from streams.shell.local.registry import Registry
from streams.shell.local.server import Server

WRITING_TIMEOUT_S = 180.0  # the JVM writes the cache when it ends; ten seconds on an idle machine


def prepare(progress: Progress | None = None) -> dict[str, Bundle]:
    """Everything that the first start needs: files fetched and verified, class caches made."""
    progress = progress or Silent()
    bundles = artifacts.fetch(progress)
    makers: dict[str, Callable[[Path, list[str]], Server]] = {
        "kafka": lambda folder, options: Broker(folder, options=options),
        "registry": lambda folder, options: Registry(folder, kept=True, options=options),
    }
    cold = [name for name in makers if not class_cache(bundles[name]).exists()]
    if cold:
        progress.note(f"preparing {' and '.join(cold)} for quick starts: once, half a minute")
    with ThreadPoolExecutor(len(makers)) as pool:
        done = pool.map(lambda name: _train(bundles[name], makers[name], progress), cold)
    for name, made in zip(cold, done, strict=True):
        if not made:
            progress.note(f"{name} could not be prepared: it works, but each start takes two seconds longer")
    return bundles


def _train(bundle: Bundle, make: Callable[[Path, list[str]], Server], progress: Progress) -> bool:
    """Run the program of `bundle` once; true if there is a class cache now."""
    with locked(bundle.folder, progress):
        if not class_cache(bundle).exists():  # else another process made it while we waited
            _run_once(bundle, make)
    return class_cache(bundle).exists()


def _run_once(bundle: Bundle, make: Callable[[Path, list[str]], Server]) -> None:
    with tempfile.TemporaryDirectory(dir=bundle.folder) as folder:
        written = Path(folder) / "classes.aot"
        with make(Path(folder) / "server", [f"{TRAINING}{written}"]) as server:
            if isinstance(server, Broker):
                _exercise(server)
            server.stop(timeout_s=WRITING_TIMEOUT_S)
        if written.exists():
            written.replace(class_cache(bundle))


def _exercise(broker: Broker) -> None:
    """What every client does: make a topic, write a transaction, read in a group."""
    topic = "exercise"
    settings = {**broker.client(), "log_level": 0}  # the first answer of a new coordinator is "not yet", and logged
    admin = AdminClient(settings)
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(30.0)
    producer = Producer({**settings, "transactional.id": topic})
    producer.init_transactions(30.0)
    producer.begin_transaction()
    producer.produce(topic, b"value", b"key")
    producer.commit_transaction(30.0)
    consumer = Consumer({**settings, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    consumer.consume(1, timeout=10.0)
    consumer.close()
