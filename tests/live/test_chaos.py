"""Workers are killed, frozen, joined and left while gateways write: nothing is lost, nothing doubled, and the log folded again in
memory gives the same bytes."""

from __future__ import annotations

import signal
import time

from tests.live.plant import SESSION_S, Gateways, Plant, Running


def test_kills_a_zombie_and_members_that_come_and_go_leave_the_same_bytes_as_the_memory_runner(plant: Plant) -> None:
    with Gateways(plant) as gateways:
        first = plant.start()
        first.wait("assigned", partitions=[0, 1])
        time.sleep(3)
        first.kill()

        second, third = plant.start(), plant.start()
        assert second.wait("assigned")["folded_again"] >= 0
        third.wait("assigned")
        time.sleep(3)  # both have partitions, or one of them none: the group decides

        second.send(signal.SIGSTOP)  # a zombie: it holds a transaction open while the group gives its partition away
        third.wait("assigned", 60, partitions=[0, 1])
        time.sleep(2)
        second.send(signal.SIGCONT)
        code = second.ended() if _dies(second, SESSION_S) else None
        assert code in (None, 4), "fenced, or a member again before it had anything to commit"
        if code is None:
            second.send(signal.SIGTERM)
            assert second.ended() == 0

        fourth = plant.start()
        fourth.wait("assigned")
        third.kill()
        fourth.wait("assigned", 60, partitions=[0, 1])
        time.sleep(2)
        fourth.send(signal.SIGTERM)
        assert fourth.ended() == 0
    plant.finish()
    found = plant.verified()
    assert found["same"], found
    assert not found["ahead"] and not sum(found["doubled"].values())
    written = found["equal"]
    assert written["ctx.window.v1"] > 300 and written["ctx.state-interval.v1"] > 300 and written["ctx.count.v1"] > 300, written
    assert all(written[name] > 0 for name in ("dq.late.v1", "dq.quarantine.v1", "dq.dead-letter.v1", "audit.restate-request.v1")), written
    assert gateways.written > 5_000


def _dies(worker: Running, within_s: float) -> bool:
    process = worker.process
    end = time.monotonic() + within_s
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    return process.poll() is not None
