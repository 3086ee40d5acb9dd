"""What does not come to an end is seen: /livez says which slice is stuck, and a commit that hangs ends the worker. Full inboxes pause."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from streams.shell.local.broker import Broker
from tests.live.plant import Gateways, Plant, Running, until

pytestmark = pytest.mark.timeout(300)

WATCHDOG_S, SLICE_S = 10.0, 3.0


def tasks(worker: Running, port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(worker.page(port, "/status")[1])["tasks"]
    return found


@pytest.mark.long
def test_a_commit_that_hangs_makes_the_worker_unwell_and_then_ends_it(registry_url: str, topic_prefix: str, tmp_path: Path) -> None:
    bounds = {"ANDON_WORKER__WATCHDOG_S": str(WATCHDOG_S), "ANDON_WORKER__SLICE_S": str(SLICE_S), "ANDON_WORKER__SESSION_TIMEOUT_S": "30"}
    with Broker(tmp_path / "broker") as broker:
        plant = Plant(broker.bootstrap_servers, registry_url, topic_prefix, tmp_path, more=bounds)
        assert broker.process
        frozen = broker.process.pid
        try:
            with Gateways(plant, rate=200):
                worker = plant.start()
                port = worker.wait("serving")["port"]
                worker.wait("assigned", partitions=[0, 1])
                until(lambda: sum(t["records_out"] for t in tasks(worker, port)) > 50, 30, "results")
                until(lambda: worker.page(port, "/livez") == (200, "ok"), 30, "slices that take no longer than they may")
                os.kill(frozen, signal.SIGSTOP)
                try:
                    until(lambda: worker.page(port, "/livez")[0] == 503, WATCHDOG_S, "a stuck slice")
                    assert re.fullmatch(r"a slice of partition [01] has taken \d+ s", worker.page(port, "/livez")[1])
                    died = worker.wait("died", 30)["error"]
                    assert re.match(r"a commit does not come to an end: partition=[01], seconds=1\d\.", died), died
                    assert worker.ended() == 5
                finally:
                    os.kill(frozen, signal.SIGCONT)
            plant.finish()
            found = plant.verified()
        finally:
            plant.close()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 0 and not sum(found["doubled"].values()), found


@pytest.mark.long
def test_fetching_pauses_where_an_inbox_is_full_and_goes_on(plant: Plant) -> None:
    plant.more = {"ANDON_WORKER__INBOX_BYTES": "1"}  # every fetch fills it
    with Gateways(plant, rate=600):
        worker = plant.start()
        port = worker.wait("serving")["port"]
        worker.wait("assigned", partitions=[0, 1])
        until(lambda: all(t["pauses"] > 10 for t in tasks(worker, port)), 30, "pauses")
        read = [t["records_in"] for t in tasks(worker, port)]
        until(lambda: all(t["records_in"] > n + 500 for t, n in zip(tasks(worker, port), read, strict=True)), 30, "that it goes on")
        worker.send(signal.SIGTERM)
        assert worker.ended() == 0
    plant.finish()
    found = plant.verified()
    assert found["same"] and found["equal"]["ctx.window.v1"] > 0 and not sum(found["doubled"].values()), found
