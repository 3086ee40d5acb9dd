"""Random logs and configurations for the laws of time. Seeded by a Random that Hypothesis shrinks."""

from __future__ import annotations

from random import Random

from streams.time.limits import ClassTable, InputLimits, TimeConfiguration
from tests.twin.gate import Message, Sample

TOPIC = "in"
LANES = ("a", "b", "s-1", "t")


def limits(lateness: tuple[int, int], silence: tuple[int, int], future: int, horizon: int, conflict: int) -> InputLimits:
    names = ("live", "slow")
    return InputLimits(
        lateness_us=dict(zip(names, lateness, strict=True)), silence_us=dict(zip(names, silence, strict=True)),
        future_us=future, horizon_us=horizon, conflict_us=conflict,
    )  # fmt: skip


def configuration(one: InputLimits, slow: str = "s-*", topics: tuple[str, ...] = (TOPIC,)) -> TimeConfiguration:
    table = ClassTable(patterns=((slow, "slow"),), default="live")
    return TimeConfiguration(classes=table, inputs=dict.fromkeys(topics, one))


BASE = configuration(limits((3, 5), (8, 12), 1, 14, 6))
CONFIGURATIONS = [
    BASE,
    configuration(limits((5, 8), (14, 18), 2, 210, 140)),
    configuration(limits((2, 3), (4, 5), 0, 8, 8)),
    configuration(limits((3, 5), (8, 12), 1, 14, 6), slow="a"),  # lanes change class
]


def random_log(random: Random, length: int = 12, lanes: tuple[str, ...] = LANES, backwards: bool = True) -> list[Message]:
    """Sources with dense numbers and boots; stretches sent again in other packing, sometimes altered; gaps; unnumbered."""
    log: list[Message] = []
    append = 10
    sent: dict[tuple[str, int], list[Sample]] = {key: [] for key in (("g", 0), ("g", 1), ("h", 0))}
    for _ in range(random.randint(0, length)):
        append = max(0, append + random.randint(-1 if backwards else 0, 8))
        kind = random.choice(["data"] * 5 + ["again", "again", "gap", "altered", "content", "blank", "claim", "heartbeat", "dead"])
        key = random.choice(sorted(sent))
        history = sent[key]

        def fresh(count: int, at: int = append) -> list[Sample]:
            return [Sample(random.choice(lanes), at - random.randint(-3, 10), random.randint(0, 2)) for _ in range(count)]

        if kind in ("data", "gap"):
            low = len(history)
            history += fresh(random.randint(1, 4))
            if kind == "data":
                log.append(Message("data", append, *key, low, tuple(history[low:])))
        elif kind in ("again", "altered") and history:
            low = random.randint(0, len(history) - 1)
            part = history[low : random.randint(low + 1, len(history))]
            if kind == "altered":
                part = [Sample(s.lane, s.time + 1, s.value) if random.random() < 0.5 else s for s in part]
            log.append(Message("data", append, *key, low, tuple(part)))
        elif kind == "content":
            log.append(Message("data", append, key[0], key[1], None, tuple(fresh(random.randint(1, 3)))))
        elif kind == "heartbeat":
            log.append(Message("heartbeat", append, key[0], through=append - random.randint(-3, 6), lanes=(random.choice(lanes),)))
        elif kind == "claim":
            log.append(Message("claim", append, through=append - random.randint(-1, 4)))
        elif kind in ("blank", "dead"):
            log.append(Message(kind, append))
    return log + [Message("blank", append + random.randint(0, 25))] * random.randint(0, 2)
