"""A task: one topology on one partition number. Logs in, records out; it knows nothing of Kafka or Faust.

    feed      records of one input, in offset order: decoded, judged, kept until they are complete
    advance   release everything below the frontiers, in order, through the operators
    take      the transaction: all outputs of what was fed since the last one, and the vector they belong to
    adopt     an epoch: another configuration or hierarchy, at exactly this vector

Whatever the cuts between these calls, the outputs are the same, in order per lane: that is the law that everything rests on
(docs/architecture.md section 1), and it is tested on this class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.catalogue import Catalogue, Topic
from streams.codec.blobs import Blobs, Details
from streams.codec.derived import CitedArena, DerivedReader
from streams.codec.deviations import DeviationEncoder
from streams.codec.log import Log
from streams.codec.outputs import ContextTable, Encoded, Encoder, merged
from streams.codec.reader import Read, Reader
from streams.kernel import B1, I32, I64, NEG, POS
from streams.operators.order_join import JoinSlice
from streams.operators.slice import Names, Slice, empty_slice, plain_slice
from streams.runners import adoption, late, later, order_flow, records, results, sizes
from streams.runners.epoch import Adopted, Epoch
from streams.runners.frontier_records import LiveLanes
from streams.runners.lanebook import LaneBook, touch_all
from streams.runners.later import later_stage
from streams.runners.ledger import Ledger
from streams.runners.meter import Meter
from streams.runners.records import Origin, Record, RecordWriter
from streams.runners.toldbook import ToldBook
from streams.time.frontier import Release
from streams.time.gate import ACCEPTED, CONFLICT, FUTURE, LATE, Gate, emptied
from streams.time.limits import ClassTable
from streams.topology import Sink, Topology


@dataclass(frozen=True, slots=True)
class Environment:
    """What a task is told of its surroundings. writer: schema of an id; schema_id: of a catalogue topic's value; class_table: for a
    later stage, the lane classes of the configuration with a fingerprint, which may be another application's."""

    application: str
    partition: int
    catalogue: Catalogue
    writer: Callable[[int], Mapping[str, Any] | None]
    schema_id: Callable[[str], int]
    class_table: Callable[[str], ClassTable] = later.no_tables


@dataclass(slots=True)
class Transaction:
    """Everything that one commit holds: all outputs below the frontiers of exactly `vector`."""

    vector: tuple[int, ...]
    results: list[Encoded] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.records) + sum(len(r) for r in self.results)


def _reader(topic: Topic, writer: Callable[[int], Mapping[str, Any] | None]) -> Reader | DerivedReader:
    if topic.derived:
        return DerivedReader(topic.derived, writer)
    assert topic.kind, "an input is raw or derived"
    return Reader(topic.kind, writer)


class Task:
    def __init__(self, build: Callable[[Any], Topology], first: Adopted, environment: Environment) -> None:
        """build: the topology of a configuration; first: epoch 0, whose vector is where the logs begin."""
        self.build, self.environment, self.adopted = build, environment, first
        self.topology = build(first.configuration)
        topics, join = self.topology.inputs, self.topology.join
        self.origins = [Origin(t, environment.catalogue.of(t).name, environment.partition) for t in topics]
        self.writer = RecordWriter(environment.application, environment.schema_id)
        self.readers = [_reader(environment.catalogue.of(t), environment.writer) for t in topics]
        self.read_only(first.epoch.schemas)
        self.names = Names()
        raw = [reader for reader in self.readers if isinstance(reader, Reader)]
        self.details = {reader.kind: Details(reader.shape.details, environment.writer) for reader in raw}
        self.orders = join.orders.rank if join else -1
        self.cited = CitedArena() if later_stage(self.topology, environment.catalogue) else None
        self.book = self._new_book()
        self.gates = [Gate(i) for i in range(len(topics))]
        own = tuple(i != self.orders for i in range(len(topics)))
        self.release, self.release_orders = Release(own, self.orders), Release(tuple(not o for o in own))
        self.blobs = [self.cited or (Blobs() if isinstance(reader, Reader) and reader.shape.blob else None) for reader in self.readers]
        self.join_state = join.operator.initial() if join else None
        self.states = [step.operator.initial() for step in self.topology.steps]
        self.contexts = ContextTable([(o.topic, o.partition) for o in self.origins])
        self.vector = list(first.epoch.vector)
        self.future_highest = {t: limits.future_us for t, limits in first.configuration.time.inputs.items() if t in topics}
        self.ledger, self.meter = Ledger(len(topics)), Meter()
        self.outbox = Transaction(())
        self.live = {topic: LiveLanes() for topic in self.topology.outputs}
        self.renew_encoders()

    def _new_book(self) -> LaneBook:
        topics, first = self.topology.inputs, self.adopted
        if self.cited is None:
            return LaneBook(topics, first.configuration.time, first.hierarchy, self.names, self.orders)
        return ToldBook(topics, first.configuration.time, first.hierarchy, self.names, self.environment.class_table)

    def renew_encoders(self) -> None:
        version = self.adopted.configuration.fingerprint
        cited = {step.id: [self.origins[s.rank] for s in step.sources] for step in self.topology.steps}
        self.encoders = [self._encoder(sink, version, [(o.topic, o.partition) for o in cited[sink.step]]) for sink in self.topology.sinks]

    def _encoder(self, sink: Sink, version: str, cited: Sequence[tuple[str, int]]) -> Encoder | DeviationEncoder:
        rule, schema_id = f"{self.topology.name}.{sink.step}", self.environment.schema_id(sink.topic)
        if sink.binding == "deviations":
            return DeviationEncoder(sink.topic, rule, version, self.adopted.epoch.number, schema_id)
        return Encoder(sink.topic, self.environment.catalogue.of(sink.topic).schema, sink.binding, rule, version, schema_id, cited)

    def read_only(self, schemas: Sequence[int] | None) -> None:
        """Which schema ids the epoch in force names: records of all others are unknown."""
        for origin, reader in zip(self.origins, self.readers, strict=True):
            reader.plans.read_only(origin.topic, schemas)

    # ---- in

    def strange(self, rank: int, log: Log) -> set[int]:
        """Schema ids in records of an input that the epoch in force does not name: `feed` would make them dead letters."""
        return self.readers[rank].plans.strange(log)

    def feed(self, rank: int, log: Log) -> None:
        """Take records of an input. Records below the vector are passed over."""
        if len(log.offset) and log.offset[0] < self.vector[rank]:
            log = log.part(int(np.searchsorted(log.offset, self.vector[rank])), len(log.offset))
        if not len(log.offset):
            return
        self.meter.begin()
        read = self.readers[rank].read(log, self.names)
        self.meter.lap("decode")
        self.admit(rank, read, int(log.offset[-1]) + 1)

    def admit(self, rank: int, read: Read, following: int, *, increasing: bool = False) -> None:
        """Take records that are columns already. following: the vector behind them; what `read.log` says is what is cited.
        increasing: each source's numbers only grow, see `Gate.judge_increasing`; to be said of every sample of the input or of none."""
        self.meter.begin()
        self.vector[rank] = following
        self.book.grow((self.release, self.release_orders))
        if read.cited is not None:
            later.hear(self, rank, read, read.cited)
            self.meter.lap("gate")
            return
        book, ordering = self.book, rank == self.orders
        touched = book.touched_orders if ordering else book.touched
        judge = self.gates[rank].judge_increasing if increasing else self.gates[rank].judge
        verdict, bound = judge(book.clocks, book.lanes, touched, read.messages, read.samples)
        self.ledger.fed(rank, read.reason, verdict)
        self.meter.lap("gate")
        if verdict.any() or read.reason.any():
            self._set_aside(rank, read, verdict, bound)
            self.meter.lap("encode")
        time = read.samples.time
        if ordering:  # a late order holds from the watermark it missed: what was told before stays as it was told
            late = verdict == LATE
            time, verdict = np.where(late, bound, time), np.where(late, ACCEPTED, verdict).astype(np.int8)
            touch_all(touched, read.samples.lane[late])
        blobs = self.blobs[rank]
        if blobs is not None:
            kept = (verdict == ACCEPTED).astype(np.uint8)
            blobs.keep(read.log.buffer, read.log.value_at, read.log.value_size, read.messages.row, kept, read.content.extra)
        pending = (self.release_orders if ordering else self.release).pending
        pending.admit(self.names.sources.table, rank, read.messages, read.log.offset, read.samples.lane, time, read.content, verdict)
        self.meter.lap("gate")

    def pass_to(self, vector: Sequence[int]) -> None:
        """Move the vector over offsets that hold no record: control markers, aborted records."""
        assert all(new >= old for new, old in zip(vector, self.vector, strict=True)), "a vector never goes back"
        self.vector = list(vector)

    def _set_aside(self, rank: int, read: Read, verdict: Any, bound: I64) -> None:
        origin, box = self.origins[rank], self.outbox.records
        box += records.dead_letters(self.writer, origin, read)
        for kind in (FUTURE, CONFLICT, LATE):
            box += records.set_aside(self.writer, origin, read, self.names, verdict, bound, kind)
        if rank != self.orders:  # late orders are asked for where they are folded: only there is known what they change
            box += late.late_samples(self, origin, read, verdict)

    # ---- out

    def advance(self) -> None:
        """Release everything below the frontiers; afterwards nothing due is left."""
        self.meter.begin()
        book, candidates = self.book, emptied(self.book.touched)
        for live in self.live.values():
            live.add(candidates)
        if self.topology.join:
            touched = emptied(book.touched_orders)
            candidates = np.union1d(candidates, order_flow.below(book, touched)).astype(np.int32)
            candidates = np.union1d(candidates, self._fold_orders(touched)).astype(np.int32)
        self.meter.lap("operators")
        due = self.release.due(book.clocks, book.lanes, candidates)
        self.meter.lap("gate")
        self.release_lanes(*due)
        order_flow.tidy_orders(self)

    def _fold_orders(self, touched: I32) -> I32:
        """Fold the complete orders; the lanes whose open windows and intervals they may end."""
        join, book = self.topology.join, self.book
        assert join and self.join_state
        ready, until = self.release_orders.due(book.clocks, book.lanes, touched)
        since, rows, start = self.release_orders.take(ready, until)
        self.release_orders.settle(book.clocks, book.lanes, ready, np.full(len(ready), POS))
        if not len(rows.time):
            return np.zeros(0, np.int32)
        events = order_flow.order_rows(self, ready, start, rows)
        nothing = empty_slice(self.names, np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        low_us = self.join_state.low_us  # lanes below the frontier are not handed on yet: they still look back
        piece = JoinSlice(events, nothing, book.hierarchy, low_us, book.below)
        self.join_state, joined = join.operator.advance(self.join_state, piece)
        self.ledger.applied(self.orders, len(events))
        self.outbox.records += order_flow.requested(self, joined.requests)
        lanes = order_flow.below(book, np.unique(np.array([row.lane for row in events], np.int32)))
        lanes = lanes[self._open(lanes)]
        self.set_timers(lanes)
        return lanes

    def _open(self, lanes: I32) -> B1:
        """In which of the lanes is something open that a change of orders would end?"""
        found = np.zeros(len(lanes), np.bool_)
        for step, state in zip(self.topology.steps, self.states, strict=True):
            found |= step.operator.open(state, lanes)
        return found

    def set_timers(self, lanes: I32) -> I64:
        """Set when the lanes must be looked at again if no record comes: the next window end, the next change of orders."""
        timer = np.full(len(lanes), POS)
        for step, state in zip(self.topology.steps, self.states, strict=True):
            timer = np.minimum(timer, step.operator.due(state, lanes))
        if self.topology.join and self.join_state:
            front = self.release.schedule.front[lanes]
            change = self.topology.join.operator.next_change(self.join_state, lanes, front, self.names)
            timer = np.where(self._open(lanes) & (change < POS), np.minimum(timer, change + 1), timer)
        self.release.schedule.timer[lanes] = timer
        return timer

    def release_lanes(self, ready: I32, until: I64) -> None:
        if not len(ready):
            return
        book = self.book
        since, rows, start = self.release.take(ready, until)
        self.meter.lap("gate")
        piece = plain_slice(self.names, ready, since, until, start, rows)
        if self.topology.join and self.join_state:
            join = self.topology.join.operator
            self.join_state, joined = join.advance(self.join_state, JoinSlice((), piece, book.hierarchy, book.lowest(), book.below))
            piece = joined.observations
        if self.cited is not None:
            piece = later.as_cited(self, piece)
        for rank, count in enumerate(np.bincount(rows.input, minlength=len(self.origins)).tolist()):
            self.ledger.applied(rank, count)
        self._steps(piece)
        timer = self.set_timers(ready)
        self.meter.lap("operators")
        self.release.settle(book.clocks, book.lanes, ready, timer)
        self.meter.lap("gate")
        results.tidy_blobs(self)

    def _steps(self, piece: Slice) -> None:
        contexts = self.contexts.table(self.join_state.contexts.fresh() if self.join_state else ())
        found: dict[str, list[Encoded]] = {}
        for n, step in enumerate(self.topology.steps):
            ranks = [s.rank for s in step.sources]
            part = piece if len(ranks) == len(self.topology.sources) else piece.only(np.isin(piece.rows.input, ranks))
            self.states[n], outputs = step.operator.advance(self.states[n], part)
            self.meter.lap("operators")
            for sink, encoder in zip(self.topology.sinks, self.encoders, strict=True):
                if sink.step == step.id and len(outputs[sink.output]["time"]):
                    columns, blobs = results.bound_columns(self, step, sink.binding, outputs[sink.output])
                    encoded = encoder.encode(columns, self.names, contexts, blobs)
                    fitting, letters = sizes.fitting(self.writer, self._derived(sink.topic), encoded)
                    found.setdefault(sink.topic, []).append(fitting)
                    self.outbox.records += letters
            self.meter.lap("encode")
        self.outbox.results += [merged(parts) for parts in found.values()]
        self.meter.lap("encode")

    def _derived(self, topic: str) -> Origin:
        return Origin(topic, self.environment.catalogue.of(topic).name, self.environment.partition)

    def take(self) -> Transaction:
        """The transaction of everything since the last one. Call `advance` first: a partial release would be lost at recovery."""
        taken, self.outbox = self.outbox, Transaction(())
        taken.vector = tuple(self.vector)
        return taken

    # ---- epochs

    def adopt(self, adopted: Adopted) -> None:
        """Adopt an epoch at this vector: release everything under the old rules, then change them."""
        adoption.adopt(self, adopted)

    def frontiers(self, lanes: Sequence[int] | I32) -> I64:
        """How far each of these lanes is complete."""
        which = np.asarray(lanes, np.int32)
        return np.maximum(self.release.frontiers(self.book.clocks, self.book.lanes, which), NEG)
