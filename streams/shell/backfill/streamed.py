"""Samples of files as columns straight into the gates: one reader, a task a partition, and a short queue for each of its inputs.

With every batch each input of each task gets something: samples, or a claim or blank that says how far the run is. So nobody waits
for an input that has nothing to say while another one's queue is full, and every queue holds two batches at most. When something is
claimed decides when results appear, never what they are (docs/adr/0003); at the end come the same claims and blanks as of an ingest
run.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event
from typing import Any, Final

import numpy as np

from streams.codec.log import Log, log_of
from streams.codec.out_record import OutRecord
from streams.codec.reader import Read
from streams.configuration import Configuration
from streams.errors import DataError, InvalidValue
from streams.kernel import I16, I32, I64, NEG, U8, grown
from streams.operators.slice import Names
from streams.runners.replay import Feed
from streams.runners.task import Task
from streams.shell.backfill.files import FILE_BITS, IDS, FilesHistory, described
from streams.shell.backfill.replayed import Passed
from streams.shell.backfill.tables import Columns, Fates, SampleFile, Signals, merged
from streams.shell.ingest import encoding
from streams.shell.ingest.chunks import Identity, identify
from streams.shell.ingest.instants import spoken
from streams.shell.ingest.mapping import IngestMapping
from streams.shell.ingest.merge import RUN_KEY
from streams.shell.ingest.reading import reader_of
from streams.time.gate import DATA, Messages, Samples
from streams.time.pending import Content

BATCHES: Final = 2  # that wait in front of an input
_WAIT_S: Final = 0.2
_FIRST_BOOT: Final = b"i" + 15 * b"a"  # boot 0 as the codec names it (codec/rows.py)

Item = Columns | Log | BaseException | None  # None: the end


class _Coded:
    """The run's signals and files as codes of one task."""

    def __init__(self, names: Names, signals: Signals, sources: Sequence[bytes]) -> None:
        self._names, self._signals = names, signals
        self.signal: I32 = np.zeros(0, np.int32)
        self.source = np.array([names.sources.encode(0, source, _FIRST_BOOT) for source in sources], np.int32)
        self.buffer: U8 = np.zeros(1, np.uint8)
        self.key_at: I64 = np.zeros(0, np.int64)
        self.key_size: I32 = np.zeros(0, np.int32)

    def meet(self, columns: Columns) -> None:
        """Codes for signals that this task has not met."""
        most = int(columns.signal.max(initial=-1)) + 1
        self.signal = grown(self.signal, most, -1)
        for code in np.unique(columns.signal[self.signal[columns.signal] < 0]).tolist():
            path, asset, tag, unit = self._signals.names[code]
            line = self._names.lines.encode(0, path.encode())
            self.signal[code] = self._names.signal(line, asset, tag, unit)
            self.key_at, self.key_size = grown(self.key_at, line + 1, 0), grown(self.key_size, line + 1, 0)
            if not self.key_size[line]:
                key = np.frombuffer(path.encode(), np.uint8)
                self.key_at[line], self.key_size[line] = len(self.buffer), len(key)
                self.buffer = np.concatenate([self.buffer, key])

    def read(self, columns: Columns) -> Read:
        """Samples as decoded messages of one sample; what is cited of them are file and entry."""
        count = len(columns.time)
        signal = self.signal[columns.signal]
        table = self._names.signals.table
        lane, line = table.link[signal], table.scope[signal]
        nothing, one = np.full(count, -1, np.int32), np.arange(count + 1, dtype=np.int64)
        zero, no_size = np.zeros(count, np.int64), np.zeros(count, np.int32)
        offset = (columns.file.astype(np.int64) << FILE_BITS) + columns.sequence
        log = Log(self.buffer, offset, columns.append, self.key_at[line], self.key_size[line], zero, nothing, zero, no_size)
        messages = Messages(
            columns.append, np.full(count, DATA, np.int8), self.source[columns.file], columns.sequence, np.full(count, NEG), one,
            np.zeros(count + 1, np.int64), np.zeros(0, np.int32),
        )  # fmt: skip
        samples = Samples(lane, columns.time, np.zeros(count, np.uint64), np.zeros((0, 2), np.uint64))
        content = Content(signal, columns.value.view(np.int64), zero, columns.quality)
        reason: I16 = np.zeros(count, np.int16)
        return Read(log, messages, samples, content, reason, np.full(count, -1), line)


class QueueFeed:
    """A feed of what the reader has put into a queue: columns, or a log of claims and blanks."""

    def __init__(self, queue: Queue[Item], coded: _Coded, passed: Passed, stop: Event) -> None:
        self._queue, self._coded, self._passed, self._stop = queue, coded, passed, stop
        self._columns: Columns | None = None
        self._log: Log | None = None
        self._place, self._count, self._offset, self._over = 0, 0, 0, False

    def left(self, end: int) -> int:  # noqa: ARG002  there is one epoch: nothing ends before the end
        while self._place == self._count and not self._over:
            item = self._taken()
            if isinstance(item, BaseException):
                raise item
            self._columns = item if isinstance(item, Columns) else None
            self._log = item if isinstance(item, Log) else None
            self._over, self._place = item is None, 0
            self._count = 0 if item is None else len(item.append)
            if self._columns is not None:
                self._coded.meet(self._columns)
        return self._count - self._place

    def _taken(self) -> Item:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=_WAIT_S)
            except Empty:
                continue
        return None

    def append_us(self) -> int:
        item = self._columns or self._log
        assert item is not None
        return int(item.append[self._place])

    def give(self, task: Task, rank: int, count: int) -> None:
        first, self._place = self._place, self._place + count
        self._offset += count
        if self._log is not None:
            log = self._log.part(first, self._place)
            task.feed(rank, log._replace(offset=np.arange(self._offset - count, self._offset)))
            return
        assert self._columns is not None
        task.meter.begin()
        read = self._coded.read(self._columns.taken(slice(first, self._place)))
        task.meter.lap("decode")
        task.admit(rank, read, self._offset, increasing=True)
        self._passed(count)


class StreamedHistory(FilesHistory):
    """through_us: end of what the run claims; None: behind the last event. fates: of the entries, complete when all is folded."""

    at_once = True

    def __init__(
        self, paths: Sequence[Path], mapping: IngestMapping, configuration: Configuration, topology: str, through_us: int | None,
        passed: Passed,
    ) -> None:  # fmt: skip
        super().__init__(configuration, topology, passed)
        self._through_us, self.fates, self.total = through_us, Fates(), None
        self._signals = Signals(self.partitions)
        identities = [(identify(path, mapping.of(path.name).quote), mapping.of(path.name)) for path in paths]
        identities.sort(key=lambda one: one[0].source.encode())
        _refuse_twins([identity for identity, _ in identities])
        self._files = [
            SampleFile(n, identity, block, reader_of(identity, block), self._signals, self.fates)
            for n, (identity, block) in enumerate(identities)
        ]
        self._sources = [identity.source.encode() for identity, _ in identities]
        self._topics = np.array([self.inputs.index(t) if (t := block.sample_topic) in self.inputs else -1 for _, block in identities])
        self._claimed = [name for name in self.inputs if name in mapping.claims]
        self._paced = [name for name in self.inputs if self.inputs.index(name) in self._topics and name not in self._claimed]
        run = hashlib.sha256(b" ".join(self._sources)).hexdigest()[:16]
        self._blank = {"kind": "BLANK", "source": f"run:{run}", "sequence": None, "through_us": None}
        self._queues: dict[tuple[str, int], Queue[Item]] = {
            (name, partition): Queue(BATCHES) for name in self.inputs for partition in range(self.partitions)
        }
        self._stop = Event()
        self.about = {**self.about, "files": [described(f.number, f.identity, f.entries_a_line) for f in self._files]}

    def feeds(self, task: Task) -> Sequence[Feed]:
        coded, partition = _Coded(task.names, self._signals, self._sources), task.environment.partition
        return [QueueFeed(self._queues[name, partition], coded, self.passed, self._stop) for name in self.inputs]

    @contextmanager
    def reading(self, stop: Event) -> Iterator[None]:
        self._stop = stop
        reader = threading.Thread(target=self._read, name="backfill-reader", daemon=True)
        reader.start()
        try:
            yield
        finally:
            stop.set()
            reader.join()

    def told(self) -> Mapping[str, Any]:
        fates = self.fates
        fates.check()
        entries = {"entries": fates.entries, "written": fates.written, "refused": dict(fates.refused), "ignored": fates.ignored}
        return {"entries": entries, "first_refused": [_spoken(*one) for one in fates.first]}

    def _read(self) -> None:
        try:
            last = NEG
            for columns in merged(self._files):
                last = int(columns.append[-1])
                if not self._hand_out(columns, last):
                    return
            self._finish(last)
        except BaseException as error:  # noqa: BLE001  a task that waits for this thread raises it
            for place in self._queues:
                self._put(place, error)

    def _hand_out(self, columns: Columns, append_us: int) -> bool:
        """Each input of each task its part; False: asked to stop."""
        home = (np.array(self._signals.partition)[columns.signal] + self._topics[columns.file] * self.partitions).astype(np.int16)
        for n, name in enumerate(self.inputs):
            through = append_us if name in self._claimed and n not in self._topics else None
            told = self._told(name, append_us, through)
            for p in range(self.partitions):
                own = columns.taken(np.flatnonzero(home == n * self.partitions + p))
                if not self._put((name, p), own if len(own.time) else told):
                    return False
        return True

    def _finish(self, last_us: int) -> None:
        end_us = self._through_us if self._through_us is not None else last_us + 1
        if last_us == NEG and self._through_us is None:
            raise InvalidValue("no entry of the files is written, so the end of the run is not known", hint="say --through")
        if end_us < last_us:
            raise InvalidValue("the run cannot end before its last event", through=spoken(end_us), last_event=spoken(last_us))
        for name, partition in self._queues:
            if name in self._claimed:
                self._put((name, partition), self._told(name, max(last_us, end_us), end_us))
            elif name in self._paced and last_us > NEG:
                self._put((name, partition), self._told(name, last_us, None))
            self._put((name, partition), None)

    def _told(self, name: str, append_us: int, through_us: int | None) -> Log:
        """A claim, or a blank, as a log of one record."""
        value: Mapping[str, Any] = self._blank if through_us is None else {**self._blank, "kind": "CLAIM", "through_us": through_us}
        record = OutRecord(name, 0, RUN_KEY, value, append_us, str(value["kind"]))
        (message,) = encoding.encoded([record], {name: IDS[name]})
        return log_of([(0, append_us, message.key, message.value, b"")])

    def _put(self, place: tuple[str, int], item: Item) -> bool:
        while not self._stop.is_set():
            try:
                self._queues[place].put(item, timeout=_WAIT_S)
                return True
            except Full:
                continue
        return False


def _spoken(file: str, line: int, reason: str, detail: str) -> str:
    return f"{file}:{line}: {reason}" + (f": {detail!r}" if detail else "")


def _refuse_twins(identities: Sequence[Identity]) -> None:
    """Their records could not be told apart."""
    by_source: dict[str, Path] = {}
    for identity in identities:
        other = by_source.setdefault(identity.source, identity.path)
        if other != identity.path and identity.size:
            names = [str(other), str(identity.path)]
            raise DataError("two files have the same content, so their records could not be told apart", files=names)
    if len({identity.path for identity in identities}) < len(identities):
        raise DataError("a file is named twice", files=[str(identity.path) for identity in identities])
