"""Fold an export again in memory and hold the result against what the application wrote: key, value and headers, byte for byte.

    results       in order, for each topic, partition and lane
    set aside     dead letters, late records, quarantine, restate requests: the same records, in any order
    left out      frontier records: where they stand depends on how the log was cut

Epochs are applied by number at their vectors, so the recomputation works under the rules and reference data of that time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.catalogue import CONFIGURATIONS, DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS
from streams.codec.blobs import RecordReader
from streams.codec.outputs import ID_HEADER
from streams.errors import DataError
from streams.runners import memory
from streams.runners.epoch import Adopted
from streams.runners.frontier_records import KIND_HEADER
from streams.runners.reference import ReferenceData
from streams.shell.backfill.replayed import environment_of, epochs_of, exported_id, reference_of
from streams.shell.deployment import topology_of
from streams.shell.export import Export
from streams.topology import Topology

ASIDE = (DEAD_LETTERS, LATE, QUARANTINE, RESTATE_REQUESTS)
SLICE = 50_000  # records; the cut changes nothing

Out = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]  # key, value, headers


class Difference(NamedTuple):
    """The first record of a lane that is not what was recomputed; None: nothing there."""

    topic: str
    partition: int
    lane: str
    written: Out | None
    recomputed: Out | None

    def sentence(self) -> str:
        def name(out: Out | None) -> str:
            return "nothing" if out is None else next((v.decode() for n, v in out[2] if n == ID_HEADER and v), "a record without id")

        return f"{self.topic}/{self.partition} {self.lane}: written {name(self.written)}, recomputed {name(self.recomputed)}"


@dataclass(slots=True)
class Verdict:
    """equal: records by topic. ahead: recomputed, but not written when the export was made. doubled: ids that stand twice."""

    equal: Counter[str] = field(default_factory=Counter)
    ahead: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    different: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.different and not self.doubled.total()

    @property
    def complete(self) -> bool:
        return self.holds and not self.ahead.total()


def verify(export: Export, progress: Callable[[str], None] = lambda _: None) -> Verdict:
    """Recompute every partition of an export made with `--application --outputs`; DataError where something is missing in it."""
    verdict, about = Verdict(), export.manifest
    lacking = [name for name in (*ASIDE, CONFIGURATIONS, f"{about['application']}.epoch.v1") if name not in export.topics]
    if lacking:
        raise DataError("the export lacks topics that a recomputation needs", lacking=lacking, hint="andon export --application --outputs")
    reference = reference_of(export)
    partitions = len(export.topics[f"{about['application']}.epoch.v1"].partitions)
    aside: dict[str, Counter[Out]] = {name: Counter() for name in ASIDE}
    for partition in range(partitions):
        progress(f"partition {partition} of {partitions}")
        epochs = epochs_of(export, reference, partition)
        if epochs:
            again = _recomputed(export, reference, epochs, partition)
            for name in ASIDE:
                aside[name].update(again.pop(name, []))
            _compare(export, topology_of(epochs[-1].configuration), partition, again, verdict)
    for name in ASIDE:
        _compare_sets(name, Counter(_own(export, name)), aside[name], verdict)
    return verdict


def _own(export: Export, name: str) -> Iterator[Out]:
    """What the application itself has set aside: these topics are shared by all of a deployment."""
    reader, own = RecordReader(export.schemas.get), export.manifest["prefix"] + export.manifest["application"]
    return (out for out in _written(export, name) if reader.read(out[1] or b"")["application"] == own)


def _recomputed(export: Export, reference: ReferenceData, epochs: list[Adopted], partition: int) -> dict[str, list[Out]]:
    """Everything that the task puts out, by topic, in order."""
    logs = {name: export.log(name, partition) for name in topology_of(epochs[0].configuration).inputs}
    environment = environment_of(export, reference, partition, exported_id(export))
    found: dict[str, list[Out]] = defaultdict(list)
    for _, transaction in memory.run(topology_of, epochs, environment, logs, memory.in_turn(SLICE)):
        for encoded in transaction.results:
            found[encoded.topic] += [(key, value, tuple(headers)) for key, value, headers in encoded.records()]
        for record in transaction.records:
            found[record.topic].append((record.key, record.value, tuple(record.headers)))
    return found


def _written(export: Export, name: str, only: int | None = None) -> Iterator[Out]:
    for partition in range(len(export.topics[name].partitions)) if only is None else (only,):
        for record in export.records(name, partition):
            if (KIND_HEADER, b"frontier") not in record.headers:
                yield record.key, record.value, tuple(record.headers)


def _lanes(outs: Iterator[Out], reader: RecordReader) -> Mapping[str, list[Out]]:
    found: dict[str, list[Out]] = defaultdict(list)
    for out in outs:
        found[f"{(out[0] or b'').decode()}/{reader.read(out[1] or b'')['asset']}"].append(out)
    return found


def _compare(export: Export, topology: Topology, partition: int, again: Mapping[str, list[Out]], verdict: Verdict) -> None:
    reader = RecordReader(export.schemas.get)
    for topic in topology.outputs:
        if topic not in export.topics:
            raise DataError("the export lacks an output", topic=topic, hint="andon export --application --outputs")
        one, other = _lanes(_written(export, topic, partition), reader), _lanes(iter(again.get(topic, [])), reader)
        for lane in sorted(set(one) | set(other)):
            _compare_lane(topic, partition, lane, one.get(lane, []), other.get(lane, []), verdict)


def _compare_lane(topic: str, partition: int, lane: str, written: list[Out], again: list[Out], verdict: Verdict) -> None:
    doubled = len(written) - len({headers for _, _, headers in written})
    if doubled:
        verdict.doubled[topic] += doubled
    same = 0
    while same < min(len(written), len(again)) and written[same] == again[same]:
        same += 1
    verdict.equal[topic] += same
    if same < len(written):
        verdict.different.append(Difference(topic, partition, lane, written[same], again[same] if same < len(again) else None))
    else:
        verdict.ahead[topic] += len(again) - same


def _compare_sets(topic: str, written: Counter[Out], again: Counter[Out], verdict: Verdict) -> None:
    verdict.equal[topic] += sum((written & again).values())
    verdict.ahead[topic] += sum((again - written).values())
    verdict.doubled[topic] += sum(n - 1 for n in written.values() if n > 1)
    verdict.different += [Difference(topic, -1, (out[0] or b"").decode(errors="replace"), out, None) for out in written - again]
