"""Late samples of a packed message ask once a lane for what they would have changed, in a time that grows with their number."""

from __future__ import annotations

import io
import time
from random import Random
from typing import Any

import fastavro
from hypothesis import given, settings

from streams.catalogue import LATE, RESTATE_REQUESTS
from streams.codec.log import log_of
from streams.codec.outputs import avro_bytes
from streams.model.hierarchy import Hierarchy
from streams.runners import adoption
from streams.runners.epoch import Adopted, Epoch
from streams.runners.task import Task
from tests.runners.plant import ENVIRONMENT, IDS, INPUTS, LINE, configuration, plain_schema
from tests.seeds import randoms
from topologies import NAMED

TELEMETRY, NOW = INPUTS[1], 1_000_000


def task() -> Task:
    own = configuration()
    made = Task(NAMED["context"], Adopted(Epoch(0, (0,) * len(INPUTS), {}, own.fingerprint), own, Hierarchy()), ENVIRONMENT)
    adoption.begin(made)
    return made


def packed(assets: list[str], samples: list[tuple[int, int]], sequence: int) -> bytes:
    """samples: (asset's place, event time)."""
    record = {
        "kind": "DATA", "source": "gw", "sequence": sequence, "base_time_us": 0, "assets": assets, "tags": ["t"] * len(assets),
        "units": [""] * len(assets), "signals": [n for n, _ in samples], "times_us": [at for _, at in samples],
        "values": [1.0] * len(samples),
    }  # fmt: skip
    return b"\0" + IDS[TELEMETRY].to_bytes(4, "big") + avro_bytes(plain_schema(TELEMETRY), record)


def claimed(*messages: bytes) -> Any:
    """A log whose claim makes everything behind it late that is before NOW."""
    claim = {"kind": "CLAIM", "source": "gw", "through_us": NOW}
    first = b"\0" + IDS[TELEMETRY].to_bytes(4, "big") + avro_bytes(plain_schema(TELEMETRY), claim)
    return log_of([(n, NOW, LINE.encode(), value, b"") for n, value in enumerate((first, *messages))])


def records(made: Task, topic: str) -> list[dict[str, Any]]:
    schema = plain_schema(topic)
    found = [fastavro.schemaless_reader(io.BytesIO(one.value[5:]), schema, None) for one in made.outbox.records if one.topic == topic]
    return [one for one in found if isinstance(one, dict)]


@settings(max_examples=30)
@given(random=randoms())
def test_one_request_a_message_and_lane_from_the_first_to_behind_the_last(random: Random) -> None:
    assets = [f"m{n}" for n in range(random.randint(1, 5))]
    messages = [[(random.randrange(len(assets)), random.randint(0, 90)) for _ in range(random.randint(1, 9))] for _ in range(3)]
    made = task()
    made.feed(1, claimed(*(packed(assets, samples, 100 * n) for n, samples in enumerate(messages))))

    expected = []
    for offset, samples in enumerate(messages, 1):
        for asset in sorted({assets[n] for n, _ in samples}):
            own = [(at, index) for index, (n, at) in enumerate(samples) if assets[n] == asset]
            expected.append(([asset], min(own)[0], max(own)[0] + 1, offset, own[0][1]))
    found = [
        (one["lanes"], one["since_us"], one["until_us"], one["evidence"][0]["first_offset"], one["evidence"][0]["first_index"])
        for one in records(made, RESTATE_REQUESTS)
    ]
    assert found == expected


def seconds(assets: int) -> float:
    value = packed([f"m{n}" for n in range(assets)], [(n, n) for n in range(assets)], 0)
    made, log = task(), claimed(value)
    begun = time.process_time()
    made.feed(1, log)
    assert len(records(made, RESTATE_REQUESTS)) == assets
    assert sum(len(one["indexes"]) for one in records(made, LATE)) == assets
    return time.process_time() - begun


def test_a_late_message_of_many_assets_takes_time_by_their_number() -> None:
    seconds(10)  # compiled
    small = min(seconds(500) for _ in range(3))
    assert seconds(8_000) < 32 * small  # sixteen times as many; 77 times were measured where each asset passed over all samples
