"""From the committed vector to a task: the newest snapshot that is nowhere ahead, then the log folded to exactly that vector.

Outputs of what is folded again were committed before and are thrown away; epochs are adopted by number, at their vectors. A damaged
snapshot is passed over, and told: an older one, or the log from its start, gives the same state. Refused is only what the log no
longer reaches back to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from streams.errors import GapError, PlatformError, SnapshotError, TaskError
from streams.kafka.reader import KafkaReader, Part, Record, Span
from streams.runners import adoption
from streams.runners.epoch import Adopted, Epoch
from streams.runners.live import epochs, kafka, snapshots
from streams.runners.live.inbox import PART_BYTES, parts_of
from streams.runners.live.reference import Reference
from streams.runners.live.setup import Setup
from streams.runners.state import load, version_of
from streams.runners.task import Environment, Task

ANOTHER = "inputs of a topology have changed: run it as another application"
RELEASE_SAMPLES: Final = 1 << 18  # accepted, after which what is complete is released
Report = Callable[[str, Mapping[str, Any]], None]  # what happens: `recovering` (folded, of), `snapshot-damaged` (generation, reason)


@dataclass(frozen=True, slots=True)
class Recovered:
    """generation: of the next snapshot. new: nothing was committed before, the task begins. refolded: records.

    damaged: snapshots that were passed over."""

    task: Task
    generation: int
    new: bool
    refolded: int = 0
    damaged: int = 0


def environment(setup: Setup, reference: Reference, partition: int) -> Environment:
    return Environment(setup.application, partition, setup.catalogue, setup.writer, setup.schema_id, reference.class_table)


def recover(setup: Setup, reference: Reference, partition: int, report: Report) -> Recovered:
    """The task of a partition number; its transactional producer must have been initialised, so that offsets are final."""
    names = [t.name for t in setup.inputs]
    with kafka.reader(setup) as reader:
        found = reader.committed(names, partition)
        if all(offset < 0 for offset, _ in found):
            return _begin(setup, reference, reader, partition)
        if any(offset < 0 for offset, _ in found):
            offsets = dict(zip(names, [offset for offset, _ in found], strict=True))
            raise TaskError("only some inputs have a committed offset", partition=partition, offsets=offsets, hint=ANOTHER)
        number = epochs.number_in(found[0][1], partition=partition)
        reference.refresh()  # the owner before may have adopted what we have not looked at yet
        known = epochs.read(reader, setup, reference, partition, number)
        lacking = [one for one in known[-1].epoch.schemas or () if setup.writer(one) is None]
        if lacking:
            raise PlatformError(
                "the registry does not have schemas that an epoch names", partition=partition, epoch=number, schema_ids=lacking,
                hint="an id is never given back: is this another registry, or a replica that lags?",
            )  # fmt: skip
        return _restore(setup, reference, reader, partition, known, tuple(offset for offset, _ in found), report)


def schemas_known(setup: Setup, reference: Reference) -> set[int]:
    """Schema ids of our own contracts of everything that a task reads, and of reference rows that the registry knows."""
    own = {setup.schema_id(name) for name in (*setup.topology.inputs, *setup.topology.reference)}
    return own | {one for one in reference.data.schema_ids if setup.writer(one) is not None}


def _begin(setup: Setup, reference: Reference, reader: KafkaReader, partition: int) -> Recovered:
    """Epoch 0: the log starts of all inputs, the reference data as they are now."""
    reference.refresh()
    vector = tuple(reader.span(topic.name, partition).start for topic in setup.inputs)
    rows = reference.offsets()  # before their schemas are looked at: more may come meanwhile
    first = Epoch(0, vector, rows, setup.configuration.fingerprint, tuple(sorted(schemas_known(setup, reference))))
    task = Task(setup.build, reference.data.adopted(first, setup.configuration), environment(setup, reference, partition))
    adoption.begin(task)
    return Recovered(task, 0, new=True)


def _restore(
    setup: Setup, reference: Reference, reader: KafkaReader, partition: int, known: Sequence[Adopted], vector: tuple[int, ...],
    report: Report,
) -> Recovered:  # fmt: skip
    def usable(at: tuple[int, ...], epoch: int) -> bool:
        return epoch < len(known) and all(a <= b for a, b in zip(at, vector, strict=True))

    damaged = list[int]()

    def passed_over(generation: int, reason: str) -> None:
        damaged.append(generation)
        report("snapshot-damaged", {"generation": generation, "reason": reason})

    taken, generation = snapshots.newest(reader, setup, partition, usable, passed_over)
    where = environment(setup, reference, partition)
    if taken is None:
        task, ahead = Task(setup.build, known[0], where), list(known[1:])
    else:
        adopted = known[taken.epoch]
        wanted = version_of(setup.build(adopted.configuration))
        if taken.state_version != wanted:
            raise SnapshotError(
                "the snapshot was taken by another version of this program's state", partition=partition, taken=taken.state_version,
                wanted=wanted, hint="go back to that version, or run this one as another application",
            )  # fmt: skip
        task, ahead = load(setup.build, adopted, where, taken.state), list(known[taken.epoch + 1 :])
    _check_reach(setup, reader, partition, task.vector, vector, damaged)
    refolded = _refold(setup, task, ahead, vector, partition, report)
    return Recovered(task, generation, new=False, refolded=refolded, damaged=len(damaged))


def _check_reach(
    setup: Setup, reader: KafkaReader, partition: int, start: Sequence[int], vector: Sequence[int], damaged: Sequence[int]
) -> None:  # fmt: skip
    """GapError where the log has lost records that lie between what recovery begins with and what is committed."""
    for topic, at, committed in zip(setup.inputs, start, vector, strict=True):
        if at < committed and (log_start := reader.span(topic.name, partition).start) > at:
            raise GapError(
                "the log no longer reaches back to what recovery begins with", topic=topic.name, partition=partition, begins_with=at,
                log_start=log_start, committed=committed, damaged_snapshots=list(damaged),
                hint="keep inputs longer than a snapshot may be old; what is gone can only be folded from an archive",
            )  # fmt: skip


def _refold(setup: Setup, task: Task, ahead: list[Adopted], vector: tuple[int, ...], partition: int, report: Report) -> int:
    """Fold to exactly `vector`, the epochs ahead adopted on the way."""
    done, total = 0, sum(vector) - sum(task.vector)
    while True:
        while ahead and ahead[0].epoch.vector == tuple(task.vector):
            task.adopt(ahead.pop(0))
            task.take()
        if tuple(task.vector) == vector:
            break
        target = ahead[0].epoch.vector if ahead else vector
        if any(a > b for a, b in zip(task.vector, target, strict=True)):
            raise TaskError("an epoch lies behind the state that recovery began with", epoch=target, state=tuple(task.vector))
        for count in _fold_to(setup, task, target, partition):
            done += count
            report("recovering", {"folded": done, "of": total})
        task.pass_to(target)  # offsets may end in control markers
    return done


def _together(parts: Iterator[Part]) -> Iterator[Part]:
    """Larger parts. A thread that has run a kernel waits for the interpreter until another's turn of 5 ms is over, some twenty times
    a part: with parts of 5,000 records and four tasks that was four times the work itself (measured)."""
    whole, size = list[Record](), 0
    for part in parts:
        whole += part.records
        size += sum(len(record.value or b"") for record in part.records)
        if size >= PART_BYTES:
            yield part._replace(records=whole)
            whole, size = [], 0
    if whole:
        yield part._replace(records=whole)


def _fold_to(setup: Setup, task: Task, target: Sequence[int], partition: int) -> Iterator[int]:
    """Records of all inputs up to `target`, the input that is furthest behind first, so that little has to wait; how many at a time."""
    logs, accepted = dict[int, Iterator[Part]](), 0

    def release() -> None:
        task.advance()
        task.take()

    with ExitStack() as opened:
        for rank, (topic, start, end) in enumerate(zip(setup.inputs, task.vector, target, strict=True)):
            if start < end:
                reader = opened.enter_context(kafka.reader(setup))
                logs[rank] = _together(reader.read({(topic.name, partition): Span(start, end)}))
        while logs:
            rank = min(logs, key=lambda r: task.book.clocks.append[r])
            part = next(logs[rank], None)
            if part is None:
                del logs[rank]
                continue
            for log in parts_of(part.log(setup.inputs[rank].append), PART_BYTES):
                before = len(task.release.pending)
                task.feed(rank, log)
                accepted += len(task.release.pending) - before
                if accepted > RELEASE_SAMPLES:
                    release()
                    accepted = 0
            yield len(part.records)
        release()
