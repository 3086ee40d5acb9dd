"""Random logs of a whole task: six inputs of one partition, as twin messages and as framed Avro."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import fastavro

from streams.catalogue import TOPICS, Catalogue, schema_of
from streams.codec.log import Log, log_of
from streams.codec.outputs import avro_bytes
from streams.configuration import Configuration, parse
from streams.kernel import NEG
from streams.runners.task import Environment
from tests.twin.gate import Message, Sample

LINE = "acme/hamburg/pressing/line-1"
INPUTS = ("mes.order.v1", "ot.telemetry.v1", "ot.sample.v1", "ot.state.v1", "ot.count.v1", "ot.measurement.v1")
ASSETS, CENTERS = ("m1", "m2", "s-1"), ("m1", "c1", "c2", "")
IDS = {t.name: n for n, t in enumerate(TOPICS, 1)}
SCHEMAS = {n: schema_of(t.schema) for n, t in enumerate(TOPICS, 1)}
ENVIRONMENT = Environment("test", 0, Catalogue(), SCHEMAS.get, IDS.__getitem__)

TEXT = """
application = "test"
topology = "context"
[lane_classes]
default = "live"
patterns = [["*s-1", "slow"]]
INPUTS
[rules]
windows = [{ tumbling = 7 }, { hopping = 10, hop = 5 }]
state_windows = [{ tumbling = 9 }, { session = 4 }]
hold = 11
order_history = 100000
treat_uncertain_as_bad = true
rollovers = [["good", 100, 40]]
"""
LIMITS = """[inputs."{0}"]
lateness = {{ live = {1}, slow = {2} }}
silence = {{ live = {3}, slow = {4} }}
future = {5}
horizon = {6}
conflict = {7}
"""


def configuration(
    orders: tuple[int, ...] = (2, 4, 6, 12, 1, 14, 6), rest: tuple[int, ...] = (3, 5, 8, 12, 1, 14, 6), **changes: str
) -> Configuration:
    limits = "".join(LIMITS.format(t, *(orders if t == INPUTS[0] else rest)) for t in INPUTS)
    text = TEXT.replace("INPUTS", limits)
    for old, new in changes.items():
        text = text.replace(f"{old} = ", f"# {old} = ", 1).replace("[rules]", f"[rules]\n{old} = {new}", 1)
    return parse(text)


@dataclass(frozen=True)
class Body:
    """What a sample says beside lane and time: signal, value, quality and what its input adds."""

    signal: str = ""
    value: Any = None
    quality: int = 0
    more: tuple[tuple[str, Any], ...] = ()


def random_body(topic: str, random: Random, lane: str, time: int, past: list[Sample]) -> Body:
    quality = random.choice([0] * 8 + [1, 2])
    if topic == "mes.order.v1":
        return random_order(random, lane, time, past)
    if topic == "ot.state.v1":
        signal, value = random.choice(["mode"] * 4 + ["run"]), random.choice(["RUN", "STOP", "HOLD", None])
        return Body(signal, value, quality, (("reason", random.choice(["", "R1"])),))
    if topic == "ot.count.v1":
        mode, device = random.choice(["TOTAL"] * 5 + ["INCREMENT"]), random.choice(["d1"] * 5 + ["d2"])
        return Body("good", random.choice([None, *range(100)]), quality, (("mode", mode), ("device", device)))
    if topic == "ot.measurement.v1":
        more = (("product", "P"), ("serial", f"S{random.randint(0, 9)}"), ("result", "PASS"))
        return Body("bore", random.choice([9.98, 10.02, None]), quality, more)
    return Body(random.choice("xy"), random.choice([0.1, 0.2, 1e16, -1e16, -0.0]), quality)


def random_order(random: Random, lane: str, time: int, past: list[Sample]) -> Body:
    event = random.choice(["CREATED", "RELEASED", "STARTED", "STARTED", "PAUSED", "RESUMED", "SPLIT", "ENDED", "CANCELLED", "CORRECTED"])
    own = [s for s in past if s.lane == lane]
    if event == "CORRECTED" and own:
        about = random.choice(own)
        fields = dict(about.value.more)
        to = random.choice([None, about.time - 3, about.time + 2])
        same = (("order", fields["order"]), ("operation", fields["operation"]), ("corrects", fields["event"]))
        return Body(more=(("event", "CORRECTED"), *same, ("corrects_time_us", about.time), ("corrected_time_us", to)))
    split = ("C",) if event == "SPLIT" else ()
    order, operation, product = random.choice("AB"), random.choice(["", "10"]), random.choice(["", "P1", "P2"])
    return Body(more=(("event", event), ("order", order), ("operation", operation), ("product", product), ("split_into", split)))


def random_log(topic: str, random: Random, length: int = 10, start: int = 10) -> list[Message]:
    """Data with dense numbers, stretches sent again, lost ones, blanks, heartbeats, claims, rubbish."""
    log: list[Message] = []
    append, sent, packed = start, list[Sample](), topic == "ot.telemetry.v1"
    every = CENTERS if topic == INPUTS[0] else ASSETS
    lanes = random.sample(every, random.randint(1, len(every)))  # a log of one asset has more to tell of it

    def fresh(at: int) -> list[Sample]:
        found = []
        for _ in range(random.randint(1, 4) if packed else 1):
            lane, time = random.choice(lanes), at - random.choice([-2, -1, 0, 0, 1, 1, 2, 3, 9])
            found.append(Sample(lane, time, random_body(topic, random, lane, time, sent)))
        return found

    for _ in range(random.randint(0, length)):
        append = max(0, append + random.randint(-1, 6))
        kind = random.choice(["data"] * 6 + ["again", "gap", "content", "blank", "claim", "heartbeat", "dead"])
        if kind in ("data", "gap"):
            low = len(sent)
            sent.extend(fresh(append))
            if kind == "data":
                log.append(Message("data", append, "gw", 0, low, tuple(sent[low:])))
        elif kind == "again" and sent:
            low = random.randrange(len(sent))
            part = sent[low : random.randint(low + 1, len(sent)) if packed else low + 1]
            if random.random() < 0.3:
                part = [replace(s, time=s.time + 1) for s in part]
            log.append(Message("data", append, "gw", 0, low, tuple(part)))
        elif kind == "content":
            log.append(Message("data", append, "gw", 0, None, tuple(fresh(append))))
        elif kind == "heartbeat":
            log.append(Message(kind, append, "gw", through=append - random.randint(-2, 5), lanes=(random.choice(lanes),)))
        elif kind == "claim":
            log.append(Message(kind, append, through=append - random.randint(-1, 4)))
        elif kind in ("blank", "dead"):
            log.append(Message(kind, append))
    if random.random() < 0.6:  # complete through the end, so that there is something to compare
        log.append(Message("claim", append + 1, through=append - random.randint(0, 2)))
    return log


def plain_schema(name: str) -> Any:
    """A contract without logical types: instants stay integers."""
    return fastavro.parse_schema(json.loads(json.dumps(dict(schema_of(name))).replace('"logicalType"', '"was"')), _force=True)


_PARSED = {name: plain_schema(name) for name in INPUTS}


def framed(topic: str, m: Message) -> bytes | None:
    """A twin message as a gateway would write it."""
    if m.kind == "dead":
        return b"rubbish"
    record: dict[str, Any] = {"kind": m.kind.upper(), "source": m.source, "boot": m.boot, "sequence": m.first, "lanes": list(m.lanes),
                              "through_us": None if m.through == NEG else m.through}  # fmt: skip
    if m.kind == "data" and topic == "ot.telemetry.v1":
        table = sorted({(s.lane, s.value.signal) for s in m.samples})
        record |= {"assets": [a for a, _ in table], "tags": [t for _, t in table], "units": ["" for _ in table], "base_time_us": 5,
                   "signals": [table.index((s.lane, s.value.signal)) for s in m.samples], "times_us": [s.time - 5 for s in m.samples],
                   "values": [s.value.value for s in m.samples], "qualities": [s.value.quality for s in m.samples]}  # fmt: skip
    elif m.kind == "data":
        (s,) = m.samples
        body: Body = s.value
        record |= {"event_time_us": s.time, **dict(body.more)}
        if topic == INPUTS[0]:
            record["work_center"] = s.lane
        else:
            record |= {"asset": s.lane, "value": body.value, "quality": ("GOOD", "UNCERTAIN", "BAD")[body.quality]}
            record["characteristic" if topic == "ot.measurement.v1" else "tag"] = body.signal
    return b"\0" + IDS[topic].to_bytes(4, "big") + avro_bytes(_PARSED[topic], record)


def columns(topic: str, log: list[Message]) -> Log:
    return log_of([(n, m.append, LINE.encode(), framed(topic, m), b"") for n, m in enumerate(log)])
