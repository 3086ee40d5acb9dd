"""The owner of one partition number: fences the owner before it, recovers the task, commits its transactions.

All methods block: call them in a thread, one at a time. Crash-only: after any error that a call may not be tried again for, the
owner is thrown away with its producer, and the process with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from streams.catalogue import CONFIGURATIONS
from streams.codec.log import Log
from streams.errors import BudgetError, PlatformError
from streams.kafka.calls import CALL_S, attempt
from streams.runners.epoch import Adopted, Epoch
from streams.runners.frontier_records import frontier_records
from streams.runners.live import epochs, kafka, snapshots
from streams.runners.live.inbox import Inbox, Waiting
from streams.runners.live.recovery import RELEASE_SAMPLES, Report, recover, schemas_known
from streams.runners.live.reference import Reference
from streams.runners.live.setup import Setup
from streams.runners.live.standing import Standing, standing_of
from streams.runners.live.strangers import Strangers
from streams.runners.records import Record
from streams.runners.state import dump, version_of
from streams.runners.task import Transaction

Clock = Callable[[], float]  # seconds, monotonic


@dataclass(slots=True)
class Counts:
    """What an owner has done since it began. Seconds are of the machine's clock."""

    transactions: int = 0
    records_out: int = 0
    records_in: int = 0
    snapshots: int = 0
    snapshot_bytes: int = 0
    pauses: int = 0  # of fetching, because an inbox was full
    snapshots_damaged: int = 0  # found at recovery, passed over
    refolded: int = 0
    recovery_s: float = 0.0
    fold_s: float = 0.0
    commit_s: float = 0.0


class Owner:
    def __init__(self, setup: Setup, reference: Reference, partition: int, report: Report, clock: Clock = time.monotonic) -> None:
        """Take the partition number over: fence, read what is committed, recover."""
        began = clock()
        self.setup, self.reference, self.partition, self.clock = setup, reference, partition, clock
        bounds, name = setup.bounds, f"{setup.application}-{partition}"
        self.producer = kafka.transactional_producer(setup.connection.client, name, bounds.transaction_timeout_s)
        with kafka.reader(setup) as reader:
            self._group = reader.group_metadata()  # of nobody: the producer's id is the fence
        recovered = recover(setup, reference, partition, report)
        self.task, self._generation = recovered.task, recovered.generation
        self.counts = Counts(refolded=recovered.refolded, snapshots_damaged=recovered.damaged)
        self.committing_since: float | None = None
        self.strangers = Strangers(setup.writer, bounds.schema_wait_s, bounds.schema_again_s, clock)
        self._topics = {name: topic.name for name, topic in setup.catalogue.topics.items()}
        self._told: dict[str, float] = {}
        self._fed_since_told = True
        self._held = len(self.task.release.pending)  # samples that waited when what is complete was last released
        self.snapshot_at, self._since_snapshot = clock(), recovered.refolded
        if recovered.new:
            self._commit(self.task.take(), [])
        self.committed = tuple(self.task.vector)
        self.inbox = Inbox([t.name for t in setup.inputs], partition, self.committed)
        self.counts.recovery_s = clock() - began
        self.standing: Standing = standing_of(self.task)

    def still_current(self) -> bool:
        """Has nobody committed since this owner's last commit? Asked after a rebalance, before it goes on."""
        with kafka.reader(self.setup) as reader:
            found = reader.committed([t.name for t in self.setup.inputs], self.partition)
        return tuple(offset for offset, _ in found) == self.committed

    def resume(self) -> None:
        """Begin again at the committed vector, after a rebalance: nothing that was only fetched is kept."""
        self.inbox = Inbox([t.name for t in self.setup.inputs], self.partition, self.committed)

    # ---- one slice

    def cycle(self, work: Sequence[tuple[int, Waiting]], *, last: bool = False) -> bool:
        """Fold what was fetched and commit everything below the frontiers. last: tell every derived topic how far we are.

        True: something was committed.
        """
        began, task = self.clock(), self.task
        if task.adopted.epoch.schemas is None:  # of a version that did not write them down
            task.adopt(self._epoch(task.adopted.epoch.reference, schemas_known(self.setup, self.reference)))
        for rank, waiting in work:
            for log in waiting.logs(self.setup.inputs[rank].append == "header"):
                self._meet(rank, log)
                self._feed(rank, log)
        self._fed_since_told = self._fed_since_told or bool(work)
        adopted = self._news()
        if adopted is None:
            task.advance()
        else:
            task.adopt(adopted)
        self._held = len(task.release.pending)
        transaction = task.take()
        task.meter.begin()
        frontiers = self._frontiers(transaction, last)
        task.meter.lap("encode")
        self.counts.fold_s += self.clock() - began
        if transaction.vector == self.committed and not transaction.count and not transaction.epochs and not frontiers:
            return False
        self._commit(transaction, frontiers)
        if self._snapshot_due():
            self.snapshot()
        self.standing = standing_of(task)
        return True

    def _feed(self, rank: int, log: Log) -> None:
        """Fold records of one input; what is complete is released on the way where much has come, so that a large slice needs
        no more memory than a small one. Cuts change no result."""
        self.task.feed(rank, log)
        self.counts.records_in += len(log.offset)
        self._since_snapshot += len(log.offset)
        self._check_budget()
        if len(self.task.release.pending) - self._held > RELEASE_SAMPLES:
            self.task.advance()
            self._held = len(self.task.release.pending)

    def _meet(self, rank: int, log: Log) -> None:
        """Schemas that are new in these records: an epoch in front of them names those that the registry knows. Whether it does is asked
        here and nowhere else, so that recovery and replay read what was read live, and nothing else."""
        strange = self.task.strange(rank, log)
        if strange and (known := self.strangers.known(strange)):
            self.task.adopt(self._epoch(self.task.adopted.epoch.reference, known))

    def _check_budget(self) -> None:
        pending, most = len(self.task.release.pending) + len(self.task.release_orders.pending), self.setup.bounds.pending_samples
        if pending > most:
            held = standing_of(self.task)
            raise BudgetError(
                "too many samples wait to become complete", partition=self.partition, pending=pending, most=most, held_by=held.held_by,
                lane=held.held_lane, hint="its writer is silent: start the pacemaker, or shorten its silence",
            )  # fmt: skip

    def _news(self) -> Adopted | None:
        """The next epoch, if the configuration, the reference data or their schemas are others than those adopted."""
        now, configuration = self.task.adopted.epoch, self.setup.configuration
        reference = {topic: max(offset, now.reference.get(topic, 0)) for topic, offset in self.reference.offsets().items()}
        known = self.strangers.known(self.reference.data.schema_ids.difference(now.schemas or ()))  # of these rows, if not of more
        if not known and reference == now.reference and configuration.fingerprint == now.fingerprint:
            return None
        return self._epoch(reference, known)

    def _epoch(self, reference: Mapping[str, int], schemas: set[int]) -> Adopted:
        """The next epoch: these reference rows, and these schema ids beside those that are read already."""
        now, configuration = self.task.adopted.epoch, self.setup.configuration
        every = tuple(sorted(schemas.union(now.schemas or ())))
        epoch = Epoch(now.number + 1, tuple(self.task.vector), reference, configuration.fingerprint, every)
        return self.reference.data.adopted(epoch, configuration, now)

    def _frontiers(self, transaction: Transaction, last: bool) -> list[Record]:
        """Frontier records: behind the outputs of this transaction; elsewhere once an interval while there is news."""
        if not self.task.book.classes:  # a later stage that was told nothing yet has nothing to tell
            return []
        written, now = {encoded.topic for encoded in transaction.results if len(encoded)}, self.clock()
        every, interval = self.task.topology.outputs, self.setup.bounds.frontier_interval_s
        silent = {topic for topic in every if now - self._told.get(topic, -interval) >= interval} if self._fed_since_told else set()
        due = [topic for topic in every if last or topic in written or topic in silent]
        for topic in due:
            self._told[topic] = now
        if len(due) == len(every):
            self._fed_since_told = False
        return [record for topic in due for record in frontier_records(self.task, topic)]

    # ---- commits

    def _commit(self, transaction: Transaction, frontiers: Sequence[Record]) -> None:
        began = self.committing_since = self.clock()
        self.task.meter.begin()
        producer, own = self.producer, self.partition
        producer.begin_transaction()
        for encoded in transaction.results:
            topic = self._topics[encoded.topic]
            for key, value, headers in encoded.records():
                self._produce(topic, value, key, headers, own)
        for record in transaction.records:
            self._produce(self._topics[record.topic], record.value, record.key, record.headers, None)
        for record in frontiers:
            self._produce(self._topics[record.topic], record.value, record.key, record.headers, own)
        for epoch in transaction.epochs:
            self._produce_epoch(epoch)
        epoch = self.task.adopted.epoch
        metadata = epochs.metadata_of(epoch)
        offsets = [TopicPartition(t.name, own, offset, metadata) for t, offset in zip(self.setup.inputs, transaction.vector, strict=True)]
        attempt(producer.send_offsets_to_transaction, offsets, self._group, CALL_S)
        attempt(producer.commit_transaction, CALL_S)
        self.committed = transaction.vector
        self.counts.transactions += 1
        self.counts.records_out += transaction.count
        self.counts.commit_s += self.clock() - began
        self.task.meter.lap("commit")
        self.committing_since = None

    def _produce(self, topic: str, value: bytes, key: bytes | None, headers: object, partition: int | None) -> None:
        where = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(topic, value, key, headers=headers, **where)
                return
            except BufferError:  # librdkafka's queue is full: let it send
                self.producer.poll(0.1)
                if self.clock() - (self.committing_since or self.clock()) > self.setup.bounds.watchdog_s:
                    raise PlatformError("Kafka takes no more records", topic=topic, hint="are its brokers up?") from None

    def _produce_epoch(self, epoch: Epoch) -> None:
        configuration = self.task.adopted.configuration
        value = epochs.epoch_value(epoch, self.setup, self.partition, self.task.writer)
        self._produce(self.setup.epochs.name, value, b"%d" % self.partition, [], self.partition)
        if not self.reference.data.knows(epoch.fingerprint):  # several tasks may each write it: the same bytes
            value = epochs.configuration_value(configuration, self.task.topology, self.task.writer)
            self._produce(self._topics[CONFIGURATIONS], value, epoch.fingerprint.encode(), [], 0)

    # ---- snapshots

    def _snapshot_due(self) -> bool:
        bounds = self.setup.bounds
        aged = self.clock() - self.snapshot_at >= bounds.snapshot_interval_s and self._since_snapshot > 0
        return aged or self._since_snapshot >= bounds.snapshot_records

    def snapshot(self) -> None:
        """Write the state at the committed vector, in a transaction of its own."""
        task, epoch = self.task, self.task.adopted.epoch
        assert tuple(task.vector) == self.committed, "a snapshot is taken at a commit"
        manifest = {
            "topics": [t.name for t in self.setup.inputs], "offsets": list(self.committed), "epoch": epoch.number,
            "fingerprint": epoch.fingerprint, "state_version": version_of(task.topology),
        }  # fmt: skip
        found = snapshots.records(self.setup, self.partition, self._generation, dump(task), manifest, task.writer)
        values = list(found)  # packed before the transaction begins, which is bounded in time
        self.committing_since = self.clock()
        self.producer.begin_transaction()
        for key, value in values:
            self._produce(self.setup.snapshots.name, value, key, [], self.partition)
        attempt(self.producer.commit_transaction, CALL_S)
        self.committing_since = None
        self._generation += 1
        self.snapshot_at, self._since_snapshot = self.clock(), 0
        self.counts.snapshots += 1
        self.counts.snapshot_bytes = sum(len(value) for _, value in values)
