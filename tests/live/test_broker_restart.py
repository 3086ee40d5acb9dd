"""The broker is killed under a working worker, which lives on or is started again, as Kubernetes would: the same bytes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from streams.shell.local.broker import Broker
from tests.live.plant import Gateways, Plant, Running

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


class Restarted:
    """A worker that is started again whenever it ends."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.starts = plant, 0
        self.codes: list[int] = []
        self._stop = threading.Event()
        self.worker: Running = plant.start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            code = self.worker.process.poll()
            if code is not None:
                self.codes.append(code)
                self.worker = self.plant.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self.worker.kill()


def test_nothing_is_lost_or_doubled_when_the_broker_dies_in_the_middle_of_transactions(
    registry_url: str, topic_prefix: str, tmp_path: Path
) -> None:  # fmt: skip
    with Broker(tmp_path / "broker") as broker:
        plant = Plant(broker.bootstrap_servers, registry_url, topic_prefix, tmp_path)
        try:
            with Gateways(plant):
                worker = Restarted(plant)
                worker.worker.wait("assigned", partitions=[0, 1])
                for _ in range(3):
                    time.sleep(4)
                    broker.kill9()
                    time.sleep(1)
                    broker.start()
                time.sleep(10)
                worker.end()
            plant.finish()
            found = plant.verified()
        finally:
            plant.close()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 200, found
    assert set(worker.codes) <= {4, 5}, "it ends by itself where it cannot know: Kafka is away, or the partition another's"
