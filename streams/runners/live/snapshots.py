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
PassedOver = Callable[[int, str], None]  # generation, what is wrong with it


@dataclass(frozen=True, slots=True)
class Taken:
    """A whole snapshot: where the state stands, and the state."""

    generation: int
    vector: tuple[int, ...]
    epoch: int
    state_version: str
    state: State


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


def newest(
    reader: KafkaReader, setup: Setup, partition: int, usable: Callable[[tuple[int, ...], int], bool], passed_over: PassedOver
) -> tuple[Taken | None, int]:  # fmt: skip
    """The newest whole snapshot whose (vector, epoch) is usable, and the next generation to write.

    One of which pieces are missing, whose checksum differs or which cannot be unpacked is passed over, and told: the generations
    before it, or else the log, give the same state. Reads backwards from the end in growing steps, so that a large topic costs no
    more than the snapshot that is found.
    """
    topic = setup.snapshots.name
    low, end = reader.span(topic, partition)
    back, start, read, following, done = _FIRST_LOOK, end, dict[int, dict[str, Any]](), 0, set[int]()
    while start > low:
        until, start = start, max(low, end - back)
        for part in reader.read({(topic, partition): Span(start, until)}):
            read |= kafka.decoded(part, setup.writer, setup.snapshots.schema)
        for offset in sorted(read, reverse=True):
            manifest = read[offset]
            following = max(following, manifest["generation"] + 1)
            if manifest["chunk"] != MANIFEST or offset in done:
                continue
            if manifest["topics"] != [t.name for t in setup.inputs]:
                raise SnapshotError("a snapshot of other inputs", topic=topic, partition=partition, inputs=manifest["topics"])
            if not usable(tuple(manifest["offsets"]), manifest["epoch"]):
                continue
            pieces, closed = _pieces(read, offset)
            if not (closed or start == low or len(pieces) == manifest["chunks"]):
                break  # more of its pieces may lie further back
            found = _whole(manifest, pieces)
            if isinstance(found, Taken):
                return found, following
            done.add(offset)
            passed_over(manifest["generation"], found)
        back *= 4
    return None, following


def _pieces(read: Mapping[int, Mapping[str, Any]], manifest: int) -> tuple[dict[int, bytes], bool]:
    """Pieces in front of the manifest at an offset; whether something else lies in front of them, so that there are no more.

    They have one writer and one transaction, so nothing lies between them.
    """
    pieces, generation = dict[int, bytes](), read[manifest]["generation"]
    for offset in sorted((o for o in read if o < manifest), reverse=True):
        record = read[offset]
        if record["generation"] != generation or record["chunk"] == MANIFEST:
            return pieces, True
        pieces[record["chunk"]] = record["payload"]
    return pieces, False


def _whole(manifest: Mapping[str, Any], pieces: Mapping[int, bytes]) -> Taken | str:
    """The snapshot, or what is wrong with it."""
    lacking = sorted(set(range(manifest["chunks"])) - set(pieces))
    if lacking:
        return f"{len(lacking)} of {manifest['chunks']} pieces are missing"
    whole = b"".join(pieces[n] for n in range(manifest["chunks"]))
    if murmur3(whole).hex() != manifest["checksum"]:
        return "its checksum differs"
    try:
        state = unpacked(whole)
    except SnapshotError as error:
        return str(error)
    return Taken(manifest["generation"], tuple(manifest["offsets"]), manifest["epoch"], manifest["state_version"], state)
