"""What happens to workers in a bad half minute."""

from __future__ import annotations

import signal
import time

from tests.live.plant import SESSION_S, Plant, Running


def chaos(plant: Plant) -> None:
    """Two kill -9, a zombie (stopped beyond its session, then continued), workers that join and leave; records come all the time."""
    first = plant.start()
    first.wait("assigned", partitions=[0, 1])
    time.sleep(2)
    first.kill()

    second, third = plant.start(), plant.start()
    second.wait("assigned")
    third.wait("assigned")
    time.sleep(2)  # both have partitions, or one of them none: the group decides

    second.send(signal.SIGSTOP)  # it may hold a transaction open while the group gives its partition away
    third.wait("assigned", 60, partitions=[0, 1])
    time.sleep(1)
    second.send(signal.SIGCONT)
    if _ends(second, SESSION_S):
        assert second.ended() == 4, "fenced"
    else:  # a member again before it had anything to commit
        second.send(signal.SIGTERM)
        assert second.ended() == 0

    fourth = plant.start()
    fourth.wait("assigned")
    third.kill()
    fourth.wait("assigned", 60, partitions=[0, 1])
    time.sleep(1)
    fourth.send(signal.SIGTERM)
    assert fourth.ended() == 0


def _ends(worker: Running, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end and worker.process.poll() is None:
        time.sleep(0.05)
    return worker.process.poll() is not None
