"""The worker: a Faust application as shell around the owners of the partition numbers that the group gives it.

Faust joins the group, fetches, hands over; one agent fills inboxes; a loop for each owner folds and commits in a thread. Order at
an assignment, awaited by Faust before it seeks and fetches: fence, read what is committed, recover (owner.py). Any error ends the
process: nothing is flushed, mended or restarted inside it, so a restart is the only way back and is tried on every day of work.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import faust
import mode

from streams.errors import AndonError, PlatformError, TaskError
from streams.runners.live import kafka, private
from streams.runners.live.inbox import next_inputs
from streams.runners.live.owner import Owner
from streams.runners.live.reference import Reference
from streams.runners.live.setup import Setup

TICK_S = 0.25
SILENT_S = 30.0  # without a heartbeat of the loop, a worker is not alive
STUCK_EXIT_CODE = 70  # the process would not end by itself
Tell = Callable[[str, Mapping[str, Any]], None]


class Part:
    """A partition number that this worker owns now."""

    def __init__(self, owner: Owner) -> None:
        self.owner, self.lock, self.wake = owner, asyncio.Lock(), asyncio.Event()
        self.serving: asyncio.Task[None] | None = None  # kept: the loop itself holds tasks only weakly
        self.paused: set[int] = set()
        self.slice_since: float | None = None  # when the slice that runs now began
        self.done = False


class Worker:
    def __init__(self, setup: Setup, tell: Tell) -> None:
        """tell(event, values): what happened, for people and programs that watch."""
        self.setup, self.tell = setup, tell
        self.reference = Reference(setup)
        self.parts: dict[int, Part] = {}
        self.begun, self.ready, self.beat, self.recovering = False, False, time.monotonic(), 0
        self._parked: dict[int, Owner] = {}
        self._assigning = asyncio.Lock()
        self._pool = ThreadPoolExecutor(setup.partitions + 4, thread_name_prefix="andon")
        self._targets: dict[int, list[int]] = {}
        self._ended: asyncio.Future[int]
        self._stopping = False

    # ---- life

    async def run(self) -> int:
        """Work until asked to stop, or until the end is reached; the exit code. Raises what it died of, having told it: `died`."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self.app, self.begun = self._application(), True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask_to_stop)
        watch = loop.create_task(self._watch())
        try:
            await self._start()
            return await self._ended
        finally:
            watch.cancel()
            self.parts.clear()
            await asyncio.wait([loop.create_task(self.app.stop())], timeout=4.0)
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _start(self) -> None:
        try:
            await self._in_thread(self.reference.refresh)
            if self.setup.until_end:
                self._targets = await self._in_thread(self._ends)
            await self.app.start()
        except Exception as error:  # noqa: BLE001
            self._die(error)

    def _application(self) -> faust.App:
        setup, bounds = self.setup, self.setup.bounds
        brokers = "kafka://" + setup.connection.bootstrap_servers.replace(",", ";")
        app = faust.App(
            setup.application, broker=brokers, broker_credentials=self._credentials(),
            store="memory://", web_enabled=False, ConsumerScheduler=private.SCHEDULER, agent_supervisor=mode.CrashingSupervisor,
            stream_wait_empty=False, consumer_auto_offset_reset="earliest", topic_disable_leader=True, topic_allow_declare=False,
            consumer_max_fetch_size=4 << 20, broker_session_timeout=bounds.session_timeout_s,
            broker_heartbeat_interval=bounds.session_timeout_s / 5,
            broker_request_timeout=60.0, broker_rebalance_timeout=20.0, consumer_group_instance_id=setup.instance,
            loop=asyncio.get_running_loop(),
        )  # fmt: skip
        private.install(app)
        raw: dict[str, Any] = {"value_type": bytes, "value_serializer": "raw", "key_type": bytes, "key_serializer": "raw"}
        source = app.topic(*(t.name for t in setup.inputs), acks=False, maxsize=16, **raw)
        app.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]  # Faust types a receiver with *args only
        app.on_rebalance_complete.connect(self._assigned)  # type: ignore[arg-type]
        app.agent(source, name=setup.topology.name)(self._intake)
        return app

    def _credentials(self) -> Any:
        own = self.setup.connection
        if own.mechanism:
            mechanism = faust.types.auth.SASLMechanism(own.mechanism)
            return faust.SASLCredentials(username=own.username, password=own.password, mechanism=mechanism, ssl_context=own.context)
        return faust.SSLCredentials(context=own.context) if own.context else None

    def _in_thread(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*arguments, **named))

    def _die(self, error: BaseException) -> None:
        """Crash-only: say why, and end. Safety does not depend on a tidy end, and clients of a dead broker may not give one."""
        self.ready = False
        if not self._ended.done():
            known = isinstance(error, AndonError)
            self._leave_by_force(5.0, error.exit_code if isinstance(error, AndonError) else 1)
            self.tell("died", {"error": str(error) if known else repr(error)})
            self._ended.set_exception(error)

    @staticmethod
    def _leave_by_force(after_s: float, code: int = STUCK_EXIT_CODE) -> None:
        timer = threading.Timer(after_s, os._exit, [code])
        timer.daemon = True
        timer.start()

    def _ask_to_stop(self) -> None:
        self._stopper = asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        """A last commit that tells every derived topic how far we are; then the end."""
        if self._stopping or self._ended.done():
            return
        self._stopping, self.ready = True, False
        self._leave_by_force(self.setup.bounds.stop_s)
        parts, self.parts = list(self.parts.values()), {}
        try:
            for part in parts:
                async with part.lock:
                    await self._in_thread(part.owner.cycle, [], last=True)
            self.tell("stopped", {"partitions": sorted(p.owner.partition for p in parts)})
            self._leave_by_force(5.0, 0)
            self._ended.set_result(0)
        except Exception as error:  # noqa: BLE001  whatever it is, the process ends with it
            self._die(error)

    # ---- the group

    async def _revoked(self, _app: Any, _partitions: Any, **_: Any) -> None:
        """Running transactions end first; what is only fetched is dropped; owners wait for the next assignment."""
        parts = await self._park()
        if parts:
            self.tell("revoked", {"partitions": parts})

    async def _park(self) -> list[int]:
        parts, self.parts = self.parts, {}
        for part in parts.values():
            async with part.lock:
                self._parked[part.owner.partition] = part.owner
        return sorted(parts)

    async def _assigned(self, _app: Any, **_: Any) -> None:
        """Awaited by Faust before it fetches. No exception may leave: Faust would wait for another rebalance, silently."""
        try:
            async with self._assigning:  # a rebalance may begin while we recover: one at a time, or we would fence ourselves
                await self._take_over()
        except Exception as error:  # noqa: BLE001
            self._die(error)
            await asyncio.sleep(3600)  # never let Faust go on; the process ends meanwhile

    async def _take_over(self) -> None:
        if self._stopping:
            return
        began, generation = time.monotonic(), private.generation(self.app)
        await self._park()  # Faust may say twice that a rebalance is complete
        mine = {(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
        names = [t.name for t in self.setup.inputs]
        numbers = sorted({partition for topic, partition in mine if topic in names})
        lacking = [(t, p) for p in numbers for t in names if (t, p) not in mine]
        if lacking:
            raise TaskError("the group gave this worker only some inputs of a task", lacking=lacking)
        parked, self._parked = self._parked, {}
        self.ready, self.recovering = False, len(numbers)
        taken = await asyncio.gather(*(self._in_thread(self._acquire, n, parked.pop(n, None), generation) for n in numbers))
        owners: list[Owner] = [owner for owner in taken if owner is not None]
        self.recovering = 0
        if generation != private.generation(self.app):
            self._parked |= {owner.partition: owner for owner in owners}
            return  # the group has moved on meanwhile; Faust calls again
        self.parts = {owner.partition: Part(owner) for owner in owners}
        for part in self.parts.values():
            part.serving = asyncio.get_running_loop().create_task(self._serve(part))
        self.ready = True
        self.tell("assigned", {
            "partitions": numbers, "generation": generation, "seconds": round(time.monotonic() - began, 3),
            "folded_again": sum(o.counts.refolded for o in owners),
        })  # fmt: skip
        if not numbers and self.setup.until_end:
            self._ended.set_result(0)

    def _acquire(self, number: int, parked: Owner | None, generation: int) -> Owner | None:
        """In a thread: the parked owner if nobody has committed meanwhile, else a new one, which fences every other. None: the group
        has moved on, and the partition may be another worker's by now."""
        if parked is not None and parked.still_current():
            parked.resume()
            return parked
        if generation != private.generation(self.app):
            return None

        def report(event: str, values: Mapping[str, Any]) -> None:
            self.tell(event, {"partition": number, **values})

        return Owner(self.setup, self.reference, number, report)

    # ---- records

    async def _intake(self, stream: Any) -> None:
        """The agent: fetches into inboxes."""
        try:
            async for event in stream.events():
                fetch, part = event.value, self.parts.get(event.message.partition)
                if part is None or private.generation_of(event) != private.generation(self.app):
                    continue  # fetched before a rebalance
                rank = part.owner.inbox.put(fetch)
                part.wake.set()
                if part.owner.inbox.bytes[rank] > self.setup.bounds.inbox_bytes and rank not in part.paused:
                    part.paused.add(rank)
                    part.owner.counts.pauses += 1
                    await private.pause(self.app, {(fetch.topic, fetch.partition)})
        except Exception as error:  # noqa: BLE001
            self._die(error)
            await asyncio.sleep(3600)

    async def _serve(self, part: Part) -> None:
        """Slices of one owner, one after the other, until the partition is taken away."""
        interval = self.setup.bounds.commit_interval_s
        try:
            while self._is_mine(part):
                began = time.monotonic()
                async with part.lock:
                    if self._is_mine(part):
                        await self._slice(part)
                if part.done:
                    await self._maybe_end()
                await asyncio.sleep(max(0.001, interval - (time.monotonic() - began)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(part.wake.wait(), TICK_S)
        except Exception as error:  # noqa: BLE001
            self._die(error)

    def _is_mine(self, part: Part) -> bool:
        return self.parts.get(part.owner.partition) is part

    async def _slice(self, part: Part) -> None:
        owner, ranks = part.owner, range(len(self.setup.inputs))
        part.wake.clear()
        waiting = [owner.inbox.has(rank) for rank in ranks]
        full = len(owner.task.release.pending) > self.setup.bounds.pending_samples // 2
        more = [self._behind(part, rank) for rank in ranks] if full else [False for _ in ranks]
        work = owner.inbox.take(next_inputs(owner.task.book.clocks.append.tolist(), waiting, more, full))
        resumed = {rank for rank in part.paused if not owner.inbox.has(rank)}
        if resumed:
            part.paused -= resumed
            await private.resume(self.app, {(self.setup.inputs[rank].name, owner.partition) for rank in resumed})
        if len(owner.inbox):
            part.wake.set()
        await self._watched(part, owner.cycle, work)
        target = self._targets.get(owner.partition)
        if target is None or part.done or len(owner.inbox):
            return
        if all(position >= end for position, end in zip(owner.inbox.position, target, strict=True)):
            await self._watched(part, owner.cycle, [], last=True)
            await self._watched(part, owner.snapshot)
            part.done = True

    async def _watched(self, part: Part, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        """In a thread, while /livez looks how long it takes."""
        part.slice_since = time.monotonic()
        await self._in_thread(call, *arguments, **named)
        part.slice_since = None

    def _behind(self, part: Part, rank: int) -> bool:
        end = private.last_stable(self.app, self.setup.inputs[rank].name, part.owner.partition)
        return end is None or part.owner.inbox.position[rank] < end

    def _ends(self) -> dict[int, list[int]]:
        """In a thread: last stable offsets of all inputs, by partition number."""
        with kafka.reader(self.setup) as reader:
            return {p: [reader.span(t.name, p).end for t in self.setup.inputs] for p in range(self.setup.partitions)}

    async def _maybe_end(self) -> None:
        if self.parts and all(part.done for part in self.parts.values()) and not self._ended.done():
            self.tell("finished", {"partitions": sorted(self.parts)})
            self._leave_by_force(5.0, 0)
            self._ended.set_result(0)

    # ---- watching

    def unwell(self) -> str:
        """Why the process should be started anew; empty: it is alive. Asked from other threads: nothing here waits for a lock."""
        now = time.monotonic()
        if now - self.beat > SILENT_S:
            return f"the worker's loop has been silent for {now - self.beat:.0f} s"
        for number, part in sorted(self.parts.items()):
            since = part.slice_since
            if since is not None and now - since > self.setup.bounds.slice_s:
                return f"a slice of partition {number} has taken {now - since:.0f} s"
        return ""

    async def _watch(self) -> None:
        """The heartbeat of /livez, the watchdog of commits, the eye on Faust and on reference data."""
        looked, bounds = time.monotonic(), self.setup.bounds
        looking: asyncio.Future[Any] | None = None  # not waited for: a broker that does not answer must not blind the watchdog
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.beat = now = time.monotonic()
                crash = private.crash_of(self.app)
                if crash is not None:
                    raise PlatformError("the consumer has crashed", reason=repr(crash)) from crash
                for part in list(self.parts.values()):
                    since = part.owner.committing_since
                    if since is not None and now - since > bounds.watchdog_s:
                        where: dict[str, Any] = {"partition": part.owner.partition, "seconds": round(now - since, 1)}
                        raise PlatformError("a commit does not come to an end", **where)
                if looking is not None and looking.done():
                    looking.result()
                    looking, looked = None, now
                if looking is None and now - looked > bounds.reference_interval_s:
                    looking = self._in_thread(self.reference.refresh)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001
            self._die(error)
