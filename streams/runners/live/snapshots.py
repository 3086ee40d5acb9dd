"""Snapshots of a task in the compacted topic `<application>.snapshot.v1`: pieces, then the manifest that makes them valid.

A snapshot is written by the task's transactional producer in a transaction of its own, so a reader of committed data never sees
half of one. Its key is (task, generation modulo 3, piece): compaction leaves the last three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streams.codec.murmur import murmur3
from streams.errors import SnapshotError
from streams.kafka.reader import KafkaReader, Span
from streams.runners.live import kafka
from streams.runners.live.setup import Setup
from streams.runners.records import RecordWriter
from streams.runners.state import State, packed, unpacked

GENERATIONS = 3
PIECE_BYTES = 900_000  # below a broker's usual message.max.bytes
MANIFEST = -1
_FIRST_LOOK = 16  # records from the end; four times as many each time


@dataclass(frozen=True, slots=True)
class Taken:
    """A complete snapshot: where the state stands, and the state."""

    generation: int
    vector: tuple[int, ...]
    epoch: int
    state_version: str
    pieces: tuple[bytes, ...]

    def state(self) -> State:
        return unpacked(b"".join(self.pieces))


def records(
    setup: Setup, partition: int, generation: int, state: State, manifest: Mapping[str, Any], writer: RecordWriter
) -> Iterator[tuple[bytes, bytes]]:  # fmt: skip
    """(key, framed value) of each piece and of the manifest, last. manifest: topics, offsets, epoch, fingerprint, state_version."""
    name, schema = setup.snapshots.name.removeprefix(setup.catalogue.prefix), setup.snapshots.schema
    whole = packed(state)
    pieces = [whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES)]
    same = {"application": setup.application, "partition": partition, "generation": generation}
    for number, piece in enumerate(pieces):
        yield _key(partition, generation, number), writer.value(name, schema, same | {"chunk": number, "payload": piece})
    last = {"chunk": MANIFEST, "payload": b"", "chunks": len(pieces), "checksum": murmur3(whole).hex()}
    yield _key(partition, generation, MANIFEST), writer.value(name, schema, same | last | dict(manifest))


def _key(partition: int, generation: int, piece: int) -> bytes:
    return b"%d/%d/%d" % (partition, generation % GENERATIONS, piece)


def newest(reader: KafkaReader, setup: Setup, partition: int, usable: Callable[[tuple[int, ...], int], bool]) -> tuple[Taken | None, int]:
    """The newest complete snapshot whose (vector, epoch) is usable, and the next generation to write.

    Reads backwards from the end in growing steps, so that a large topic costs no more than the snapshot that is found.
    """
    topic = setup.snapshots.name
    low, end = reader.span(topic, partition)
    back, start, read, following = _FIRST_LOOK, end, dict[int, dict[str, Any]](), 0
    while start > low:
        until, start = start, max(low, end - back)
        for part in reader.read({(topic, partition): Span(start, until)}):
            read |= kafka.decoded(part, setup.writer, setup.snapshots.schema)
        manifests = [read[offset] for offset in sorted(read, reverse=True) if read[offset]["chunk"] == MANIFEST]
        following = max([following, *(m["generation"] + 1 for m in manifests)])
        for manifest in manifests:
            if manifest["topics"] != [t.name for t in setup.inputs]:
                raise SnapshotError("a snapshot of other inputs", topic=topic, partition=partition, inputs=manifest["topics"])
            if usable(tuple(manifest["offsets"]), manifest["epoch"]):
                taken = _complete(manifest, read)
                if taken is not None:
                    return taken, following
                break  # its pieces lie further back
        back *= 4
    return None, following


def _complete(manifest: dict[str, Any], read: dict[int, dict[str, Any]]) -> Taken | None:
    pieces = {r["chunk"]: r["payload"] for r in read.values() if r["generation"] == manifest["generation"] and r["chunk"] != MANIFEST}
    if sorted(pieces) != list(range(manifest["chunks"])):
        return None
    found = tuple(pieces[n] for n in range(manifest["chunks"]))
    if murmur3(b"".join(found)).hex() != manifest["checksum"]:
        raise SnapshotError("a snapshot's checksum differs", generation=manifest["generation"])
    return Taken(manifest["generation"], tuple(manifest["offsets"]), manifest["epoch"], manifest["state_version"], found)
