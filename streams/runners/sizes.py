"""Nothing that a task writes is larger than its topic takes: else one commit fails for ever.

    topics of results       names are at most 1,024 bytes and states 4,096 (codec/inputs.py), so a window of states is at most
                            64 durations * 4.1 kB + 2 states + key, asset, tag, rule < 300 kB, and 1.2 MB are left for the
                            orders in force, 4.2 kB each at most, usually 60 bytes
    topics of what is set   value 1,024 kB + key twice 8 kB + headers 16 kB + samples 256 kB (PART_BYTES) < 1,536 kB
    aside

A result that is still larger, because hundreds of orders with the longest names run at once, is not written, and a dead letter says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from streams.catalogue import DEAD_LETTERS, OUTPUT_BYTES_MAX
from streams.codec.murmur import murmur3
from streams.codec.outputs import Encoded
from streams.codec.reasons import OUTPUT_TOO_LARGE
from streams.runners.records import HEAD_BYTES, Origin, Record, RecordWriter

FRAME_BYTES: Final = 4096  # key, headers and the broker's own words about a record
RESULT_BYTES_MOST: Final = OUTPUT_BYTES_MAX - FRAME_BYTES


def fitting(writer: RecordWriter, origin: Origin, encoded: Encoded, most: int = RESULT_BYTES_MOST) -> tuple[Encoded, list[Record]]:
    """The results that fit, and a dead letter for each that does not. origin: the derived topic's partition."""
    size = encoded.end - encoded.at
    if not len(size) or int(size.max()) <= most:
        return encoded, []
    fits = size <= most
    letters = [_letter(writer, origin, encoded, int(k)) for k in np.flatnonzero(~fits)]
    columns = {name: getattr(encoded, name)[fits] for name in ("line", "lane", "time", "ids", "at", "end")}
    return replace(encoded, **columns), letters


def _letter(writer: RecordWriter, origin: Origin, encoded: Encoded, k: int) -> Record:
    value, result_id = encoded.buffer[int(encoded.at[k]) : int(encoded.end[k])], encoded.ids[k].tobytes().decode()
    key = encoded.names.lines.decode(int(encoded.line[k]))[0]
    letter = {
        "topic": origin.topic, "partition": origin.partition, "offset": -1, "append_us": max(0, int(encoded.time[k])), "key": key,
        "value": value[:HEAD_BYTES], "value_length": len(value), "value_hash": murmur3(value).hex(), "reason": OUTPUT_TOO_LARGE,
        "detail": f"result {result_id} of {len(value)} bytes", "headers": {}, "application": writer.application, "schema_id": None,
    }  # fmt: skip
    return writer.record(DEAD_LETTERS, key, letter, f"{origin.topic}|{result_id}", max(0, int(encoded.time[k])))
