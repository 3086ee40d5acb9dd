"""A log derived from the real day, in which every other fate occurs, each a number of times that is known beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

from streams.codec.log import APPEND_HEADER, Log, log_of, pack_headers
from streams.kernel import NEG
from tests.acceptance import plantday, sent
from tests.acceptance.conftest import DAY_END, Ran
from tests.acceptance.plantday import Outcome

pytestmark = pytest.mark.timeout(300)  # the first test that runs may have to compile the kernels

PARTITION, LINE, ASSET = 1, b"nist/gaithersburg/shop/line-b", "Mazak01"
TELEMETRY, STATES, COUNTS = "ot.telemetry.v1", "ot.state.v1", "ot.count.v1"
SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
AHEAD = 500_000  # `future` of the configuration


class Put(NamedTuple):
    after: int  # row of the day's log
    append: int  # NEG: without the header
    key: bytes | None
    value: bytes | None


@dataclass
class Derived:
    """The day's log of one partition with records put in between; append time never moves by them."""

    logs: dict[str, Log]
    puts: dict[str, list[Put]] = field(default_factory=dict)
    expected: dict[str, Counter[str]] = field(default_factory=dict)

    def record(self, topic: str, after: int, record: dict[str, Any], **fates: int) -> None:
        """fates: how many samples of this record get each fate."""
        self._put(topic, Put(after, self._now(topic, after), LINE, plantday.framed(topic, record)), fates)

    def dead(self, topic: str, after: int, value: bytes | None, *, key: bytes | None = LINE, header: bool = True) -> None:
        self._put(topic, Put(after, self._now(topic, after) if header else NEG, key, value), {"dead": 1})

    def _now(self, topic: str, after: int) -> int:
        return int(self.logs[topic].append[: after + 1].max())

    def _put(self, topic: str, put: Put, fates: dict[str, int]) -> None:
        self.puts.setdefault(topic, []).append(put)
        self.expected.setdefault(topic, Counter()).update(fates, messages=1)

    def place(self, topic: str, row: int, later: int) -> int:
        """The first row whose append time is so much later than that of a row."""
        append = self.logs[topic].append
        found = int(np.searchsorted(append, append[row] + later))
        assert found < len(append)
        return found

    def log(self, topic: str) -> Log:
        """Offsets count the records that were put in."""
        log, puts = self.logs[topic], sorted(self.puts.get(topic, []), key=lambda put: put.after)
        rows: list[tuple[int, bytes | None, bytes | None, bytes]] = []
        for n in range(len(log.offset)):
            rows.append((int(log.append[n]), log.key(n), log.value(n), pack_headers(log.headers(n))))
            while puts and puts[0].after == n:
                _, append, key, value = puts.pop(0)
                headers = [] if append == NEG else [(APPEND_HEADER.decode(), b"%d" % append)]
                rows.append((append, key, value, pack_headers(headers)))
        return log_of([(offset, *row) for offset, row in enumerate(rows)])


def data(log: Log, topic: str) -> list[tuple[int, dict[str, Any]]]:
    return [(n, record) for n, record, samples in sent.records(topic, log) if samples]


def resent_states(derived: Derived) -> None:
    """Whole records again: known as long as the horizon, told from other content as long as `conflict`."""
    rows = data(derived.logs[STATES], STATES)
    middle = [(n, record) for n, record in rows if record["value"] == "ACTIVE"]
    for n, record in middle[:5]:
        derived.record(STATES, derived.place(STATES, n, 30 * SECOND), record, duplicate=1)
    for n, record in middle[5:7]:
        derived.record(STATES, derived.place(STATES, n, 50 * MINUTE), record, duplicate=1)
    n, record = middle[8]
    derived.record(STATES, derived.place(STATES, n, 9 * MINUTE), {**record, "value": "READY"}, conflict=1)
    n, record = middle[9]
    derived.record(STATES, derived.place(STATES, n, 40 * MINUTE), {**record, "value": "READY"}, duplicate=1)
    n, record = middle[10]
    derived.record(STATES, derived.place(STATES, n, 3 * HOUR), record, late=1)


def neighbours(derived: Derived) -> Iterator[tuple[int, dict[str, Any]]]:
    """Two messages of telemetry whose numbers follow each other, cut anew: the end of one and the beginning of the other."""
    rows = data(derived.logs[TELEMETRY], TELEMETRY)
    for (_, one), (n, other) in zip(rows, rows[1:], strict=False):
        count = len(one["signals"])
        if count >= 6 and len(other["signals"]) >= 6 and one["sequence"] + count == other["sequence"]:
            samples = sent.samples(LINE, one)[-4:] + sent.samples(LINE, other)[:5]
            yield n, packed(one["source"], samples)


def packed(source: str, samples: list[sent.Sample]) -> dict[str, Any]:
    table = list(dict.fromkeys((s.lane.rpartition("/")[2], s.tag, dict(s.more)["unit"]) for s in samples))
    assets, tags, units = (list(column) for column in zip(*table, strict=True))
    signals = [table.index((s.lane.rpartition("/")[2], s.tag, dict(s.more)["unit"])) for s in samples]
    return {
        "kind": "DATA", "source": source, "sequence": samples[0].sequence, "assets": assets, "tags": tags, "units": units,
        "base_time_us": samples[0].time, "signals": signals, "times_us": [s.time - samples[0].time for s in samples],
        "values": [float("nan") if s.value is None else s.value for s in samples],
        "qualities": [sent.QUALITIES.index(s.quality) for s in samples],
    }  # fmt: skip


def resent_telemetry(derived: Derived) -> None:
    """Messages again as they were, and cut anew; of one a sample was altered."""
    rows = [(n, record) for n, record in data(derived.logs[TELEMETRY], TELEMETRY) if len(record["signals"]) >= 10]
    for n, record in rows[:: len(rows) // 3][:3]:
        derived.record(TELEMETRY, derived.place(TELEMETRY, n, 5 * MINUTE), record, duplicate=len(record["signals"]))
    cut_anew = neighbours(derived)
    for _ in range(2):
        n, record = next(cut_anew)
        derived.record(TELEMETRY, derived.place(TELEMETRY, n, 20 * MINUTE), record, duplicate=9)
    n, record = next(cut_anew)
    values = [*record["values"][:3], 12345.0, *record["values"][4:]]
    derived.record(TELEMETRY, derived.place(TELEMETRY, n, MINUTE), {**record, "values": values}, duplicate=8, conflict=1)


def stamped_ahead(derived: Derived) -> None:
    """A stray gateway whose clock runs ahead: at the bound it is believed, a microsecond beyond it is not."""
    after = len(derived.logs[TELEMETRY].offset) // 2
    append = int(derived.logs[TELEMETRY].append[: after + 1].max())
    lane = f"{LINE.decode()}/probe-1"
    times = [append, append + AHEAD, append + AHEAD + 1]
    samples = [sent.Sample("stray", n, lane, "heat", at, 20.5, "GOOD", (("unit", "Cel"),)) for n, at in enumerate(times)]
    derived.record(TELEMETRY, after, packed("stray", samples), accepted=2, applied=2, future=1)


def without_content(derived: Derived) -> None:
    """Heartbeat (one that is believed, one that is not), blank, a claim that says less than is known."""
    after = len(derived.logs[TELEMETRY].offset) // 2
    append = int(derived.logs[TELEMETRY].append[: after + 1].max())
    for through in (append, append + 10 * HOUR):
        derived.record(TELEMETRY, after, {"kind": "HEARTBEAT", "source": "gateway", "through_us": through, "lanes": [ASSET]})
    for topic in (TELEMETRY, COUNTS):
        derived.record(topic, len(derived.logs[topic].offset) // 2, {"kind": "BLANK", "source": "pacemaker"})
    known = int(derived.logs[STATES].append[1_000]) - 10 * MINUTE
    derived.record(STATES, 1_000, {"kind": "CLAIM", "source": "bridge", "through_us": known})


REASONS = ("no-value", "bad-frame", "unknown-schema", "truncated", "no-append-time", "no-key", "bad-key")


def undecodable(derived: Derived) -> None:
    n, record = data(derived.logs[STATES], STATES)[700]
    whole = plantday.framed(STATES, {**record, "source": "other"})
    derived.dead(STATES, n, None)
    derived.dead(STATES, n, b"rubbish")
    derived.dead(STATES, n, b"\0\0\0\3\xe7" + whole[5:])
    derived.dead(STATES, n, whole[:-3])
    derived.dead(STATES, n, whole, header=False)
    derived.dead(STATES, n, whole, key=None)
    derived.dead(STATES, n, whole, key=b"nist/shop")


@pytest.fixture(scope="module")
def derived(day: Ran) -> Derived:
    made = Derived(day.logs[PARTITION])
    for deed in (resent_states, resent_telemetry, stamped_ahead, without_content, undecodable):
        deed(made)
    return made


@pytest.fixture(scope="module")
def logs(derived: Derived) -> dict[str, Log]:
    return {topic: derived.log(topic) for topic in derived.logs}


@pytest.fixture(scope="module")
def outcome(day: Ran, logs: dict[str, Log]) -> Outcome:
    return plantday.run(day.configuration, logs, PARTITION)


def test_every_other_fate_as_often_as_it_was_put_in(day: Ran, derived: Derived, logs: dict[str, Log], outcome: Outcome) -> None:
    for topic, log in logs.items():
        plain, found = Counter(day.outcomes[PARTITION].ledger[topic]), Counter(outcome.ledger[topic])
        found.subtract(plain)
        assert +found == derived.expected.get(topic, Counter())
        assert outcome.ledger[topic]["messages"] == len(log.offset)
    total = sum(derived.expected.values(), Counter[str]())
    assert total >= Counter(duplicate=50, conflict=2, future=1, late=1, dead=7)
    assert outcome.pending == 0


def test_the_twin_of_the_gate_says_the_same(day: Ran, logs: dict[str, Log], outcome: Outcome) -> None:
    """Of all but what cannot be decoded, of which the twin of the gate knows nothing."""
    for topic in (TELEMETRY, COUNTS):
        verdicts = Counter(verdict.verdict for verdict in sent.judged(topic, logs[topic], day.configuration.time)[1])
        assert verdicts == +Counter({fate: outcome.ledger[topic][fate] for fate in ("accepted", "duplicate", "conflict", "future", "late")})


def test_results_are_those_of_the_plain_day(day: Ran, outcome: Outcome) -> None:
    """Nothing that was put in changes a result of the machine, but for the offsets that evidence cites."""
    found, plain = (plantday.without_evidence(each.results) for each in (outcome, day.outcomes[PARTITION]))
    stray = found.pop(("ctx.window.v1", f"{LINE.decode()}/probe-1"))
    assert found == plain
    assert sum(row["count"] for row, _ in stray if row["size_us"] == 10 * SECOND) == 2
    assert set(outcome.frontiers.values()) == {DAY_END}


def test_what_is_quarantined_says_why(derived: Derived, logs: dict[str, Log], outcome: Outcome) -> None:
    rows = list(plantday.rows(outcome.aside, "dq.quarantine.v1"))
    assert sorted((row["topic"], row["reason"]) for row in rows) == [(STATES, "CONFLICT"), (TELEMETRY, "CONFLICT"), (TELEMETRY, "FUTURE")]
    for row in rows:
        assert row["value"] == logs[row["topic"]].value(row["offset"])
        assert (row["key"], row["partition"], row["append_us"]) == (LINE, PARTITION, int(logs[row["topic"]].append[row["offset"]]))
        sample = sent.samples(LINE, plantday.decoded(row["topic"], row["value"]))[row["indexes"][0]]
        assert [sample.time] == row["event_times_us"]
        if row["reason"] == "FUTURE":
            assert (row["assets"], row["indexes"], row["excess_us"]) == (["probe-1"], [2], [1])
        else:
            assert (row["assets"], sample.value) == ([ASSET], "READY" if row["topic"] == STATES else 12345.0)


def test_dead_letters_hold_what_could_not_be_read(derived: Derived, logs: dict[str, Log], outcome: Outcome) -> None:
    rows = list(plantday.rows(outcome.aside, "dq.dead-letter.v1"))
    assert tuple(row["reason"] for row in rows) == REASONS
    for row in rows:
        log = logs[row["topic"]]
        assert (row["key"], row["value"]) == (log.key(row["offset"]), log.value(row["offset"]))
    assert [row["offset"] for row in rows] == list(range(rows[0]["offset"], rows[0]["offset"] + 7))


def test_what_came_after_it_was_forgotten_is_late(outcome: Outcome) -> None:
    (row,) = plantday.rows(outcome.aside, "dq.late.v1")
    (asked,) = plantday.rows(outcome.aside, "audit.restate-request.v1")
    assert row["lateness_us"][0] > 2 * HOUR
    (at,) = row["event_times_us"]
    assert (asked["reason"], asked["lanes"], asked["since_us"], asked["until_us"]) == ("LATE_SAMPLE", [ASSET], at, at + 1)


@pytest.mark.parametrize(("kind", "behind"), [("HEARTBEAT", 2 * SECOND), ("BLANK", MINUTE)])
def test_a_machine_that_is_known_to_be_silent_waits_only_for_late_records(day: Ran, kind: str, behind: int) -> None:
    """At midnight the gateway says that it is there: all is complete but for `lateness`. A blank only says what time it is: there
    the machine waits for `silence`. The claims of the day's own inputs are left out."""
    logs = {}
    for topic, log in day.logs[PARTITION].items():
        own = topic in (TELEMETRY, STATES, COUNTS)
        claims = {n for n, record, _ in sent.records(topic, log) if record["kind"] == "CLAIM"} if own else set()
        rows = [(int(log.append[n]), log.key(n), log.value(n), b"") for n in range(len(log.offset)) if n not in claims]
        if own:
            last = plantday.framed(topic, {"kind": kind, "source": "gateway", "through_us": DAY_END, "lanes": [ASSET]})
            rows.append((DAY_END, LINE, last, b""))
        logs[topic] = log_of([(offset, *row) for offset, row in enumerate(rows)])
    outcome = plantday.run(day.configuration, logs, PARTITION)
    assert outcome.frontiers[f"{LINE.decode()}/{ASSET}"] == DAY_END - behind
    assert plantday.without_evidence(outcome.results) == plantday.without_evidence(day.outcomes[PARTITION].results)
