"""Why a message is set aside: the reason codes of dq.dead-letter.v1. A published code never changes its meaning.

Numbers are positions in the tuple; the first ones are those of the decoding kernel.
"""

from __future__ import annotations

from streams.codec.decode import REASONS as _DECODING

REASONS = (
    *_DECODING, "bad-count", "text-too-long",
    "no-value", "bad-frame", "unknown-schema", "schema-refused", "no-append-time", "no-key", "bad-key", "no-source", "bad-sequence",
    "no-asset", "no-tag", "bad-time", "no-through", "arrays-differ", "bad-index", "bad-quality", "bad-id",
)  # fmt: skip
(BAD_COUNT, TEXT_TOO_LONG, NO_VALUE, BAD_FRAME, UNKNOWN_SCHEMA, SCHEMA_REFUSED, NO_APPEND_TIME, NO_KEY, BAD_KEY, NO_SOURCE, BAD_SEQUENCE,
 NO_ASSET, NO_TAG, BAD_TIME, NO_THROUGH, ARRAYS_DIFFER, BAD_INDEX, BAD_QUALITY, BAD_ID) = range(len(_DECODING), len(REASONS))  # fmt: skip
OUTPUT_TOO_LARGE = "output-too-large"  # of a result that no topic takes
BAD_REFERENCE = "bad-reference"  # of a row that no gate sees; its detail is its own

DETAILS = {
    "truncated": "the message ends inside a field", "bad-varint": "a number is not a minimal Avro varint, or too large for its type",
    "bad-length": "a length or block count is impossible", "bad-union": "a union's branch does not exist",
    "bad-enum": "an enum's symbol does not exist or is not known here", "bad-boolean": "a boolean is neither 0 nor 1",
    "trailing-bytes": "bytes are left after the last field", "not-utf8": "a text is not UTF-8",
    "bad-count": "a count is beyond 2^60 on either side of zero",
    "text-too-long": "a name or the key is longer than 1,024 bytes, or the value or reason of a state than 4,096",
    "no-value": "the record has no value", "bad-frame": "the value does not begin with the Confluent frame (byte 0, schema id)",
    "unknown-schema": "the registry did not know the schema id when the record was read",
    "schema-refused": "the writer's schema cannot be read as this contract, or lacks a field that makes it one",
    "no-append-time": "the topic is append=header, but the record has no valid header andon-append-us",
    "no-key": "the record has no key", "bad-key": "the key is not a line path enterprise/site/area/line",
    "no-source": "a numbered record must name its source", "bad-sequence": "the sequence number is negative or too large",
    "no-asset": "the asset id is empty", "no-tag": "the tag is empty",
    "bad-time": "an event time or claim is before the year 2 or after the year 9998", "no-through": "HEARTBEAT and CLAIM need `through_us`",
    "arrays-differ": "the parallel arrays differ in length", "bad-index": "a sample names a signal that is not in the table",
    "bad-quality": "a quality is none of 0, 1, 2", "bad-id": "the id of a derived record is not 32 hexadecimal digits",
}  # fmt: skip
