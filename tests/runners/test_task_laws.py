"""A whole task equals its twin, however its inputs interleave and its slices are cut; and gives the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterable
from random import Random
from typing import Any

import fastavro
from hypothesis import given

from streams.model.hierarchy import AssetRow, Hierarchy
from streams.operators.evidence import checksum
from streams.runners.epoch import Adopted, Epoch
from streams.runners.memory import run
from streams.runners.task import Task, Transaction
from streams.time.gate import FATES
from tests.runners.plant import ASSETS, ENVIRONMENT, INPUTS, LINE, Body, columns, configuration, plain_schema, random_log
from tests.seeds import randoms
from tests.twin.gate import Message, Sample
from tests.twin.task import SPECS, TaskTwin
from topologies import NAMED

CONFIGURATION = configuration()
RULES = {**SPECS, "hold": 11, "rollovers": {"good": (100, 40)}}
TOPIC = {"windows": "ctx.window.v1", "state-windows": "ctx.window.v1", "state-intervals": "ctx.state-interval.v1",
         "count-increments": "ctx.count.v1", "measurements": "ctx.measurement.v1"}  # fmt: skip
ASIDE = ("audit.restate-request.v1", "dq.dead-letter.v1", "dq.late.v1", "dq.quarantine.v1")
PLAIN = {t: plain_schema(t) for t in {*TOPIC.values(), *ASIDE}}


def decoded(topic: str, value: bytes) -> dict[str, Any]:
    stream = io.BytesIO(value[5:])
    found = fastavro.schemaless_reader(stream, PLAIN[topic], None)
    assert isinstance(found, dict)
    return found


def random_plant(random: Random) -> Hierarchy:
    rows = [AssetRow(LINE, "m1", "c1", -1000, 0), AssetRow(LINE, "m2", "c1", 12, 0), AssetRow(LINE, "c1", "c2", -1000, 0)]
    return Hierarchy.of(random.sample(rows, random.randint(0, 3)))


def first(plant: Hierarchy) -> Adopted:
    return Adopted(Epoch(0, (0,) * len(INPUTS), {}, CONFIGURATION.fingerprint), CONFIGURATION, plant)


def random_order(random: Random) -> Any:
    def choose(left: Any) -> tuple[int, int]:
        return random.choice([r for r, n in enumerate(left) if n]), random.randint(1, 5)

    return choose


def whole(ranks: Iterable[int]) -> Any:
    """Each input to its end before the next."""
    return lambda left: next((rank, left[rank]) for rank in ranks if left[rank])


def all_of(logs: Any, plant: Hierarchy, order: Any) -> tuple[Task, list[Transaction]]:
    found = list(run(NAMED["context"], [first(plant)], ENVIRONMENT, {t: columns(t, log) for t, log in logs.items()}, order))
    return found[-1][0], [tx for _, tx in found]


def by_lane(transactions: list[Transaction]) -> dict[tuple[str, str], list[bytes]]:
    """Values of results by topic and lane, in order; key and headers in front of each."""
    found: dict[tuple[str, str], list[bytes]] = {}
    for tx in transactions:
        for encoded in tx.results:
            for lane, (key, value, headers) in zip(encoded.lane.tolist(), encoded.records(), strict=True):
                row = b"|".join([key, *(h for _, h in headers), value])
                found.setdefault((encoded.topic, encoded.names.lane_path(lane)), []).append(row)
    return found


def plain(step: str, record: dict[str, Any], time: int) -> dict[str, Any]:
    """A derived record as its twin says it."""
    names = {"start_us": "start", "end_us": "end", "since_us": "since", "until_us": "until", "known_us": "known", "entered_us": "entered"}
    out = {names.get(k, k): v for k, v in record.items() if v is not None}
    out["context"] = tuple((o["order"], o["operation"], o["product"], o["work_center"]) for o in record["orders"])
    out["signal"], out["time"] = record.get("tag", record.get("characteristic")), time
    out["evidence"] = [tuple(e[k] for k in ("topic", "first_offset", "first_index", "last_offset", "last_index", "count", "checksum"))
                       for e in record["evidence"] if e["topic"] != INPUTS[0]]  # fmt: skip
    if step == "state-windows":
        out |= {"durations": [(d["value"], d["duration_us"]) for d in record["durations"]]}
        out |= {k: record[f"{k}_value"] for k in ("first", "last") if record[f"{k}_value"] is not None}
    return out


def wanted(out: dict[str, Any]) -> dict[str, Any]:
    found = {k: v for k, v in out.items() if v is not None}
    context = found.pop("context")
    found["context"] = tuple((r.order, r.operation, r.product, r.work_center) for r in context or ())
    evidence = []
    for rank in sorted({c[0] for c in found.pop("evidence")}):
        own = sorted(c[1:] for c in out["evidence"] if c[0] == rank)
        evidence.append((INPUTS[rank], *own[0], *own[-1], len(own), checksum(own)))
    return found | {"evidence": evidence}


def check_results(twin: TaskTwin, transactions: list[Transaction]) -> int:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for tx in transactions:
        for encoded in tx.results:
            for key, value, headers in encoded.records():
                assert key == LINE.encode()
                record = decoded(encoded.topic, value)
                step = record["rule"].removeprefix("context.")
                found.setdefault((step, record["asset"]), []).append(plain(step, record, int(dict(headers)["andon-time-us"])))
    count = 0
    for asset in ASSETS:
        for step, outs in twin.outputs(asset, RULES).items():
            actual = found.pop((step, asset), [])
            for a, b in zip(outs, actual, strict=False):
                one = wanted(a)
                assert repr(sorted(one.items())) == repr(sorted((k, b.get(k)) for k in one)), (asset, step)
            assert len(outs) == len(actual), (asset, step)
            count += len(outs)
    assert not found
    return count


def check_aside(twin: TaskTwin, logs: Any, transactions: list[Transaction]) -> None:
    aside: dict[str, list[dict[str, Any]]] = {}
    for tx in transactions:
        for record in tx.records:
            aside.setdefault(record.topic, []).append(decoded(record.topic, record.value))
    dead = sorted((t, n) for t, log in logs.items() for n, m in enumerate(log) if m.kind == "dead")
    assert dead == sorted((r["topic"], r["offset"]) for r in aside.get("dq.dead-letter.v1", []))
    fates = [(t, n, k, v) for rank, t in enumerate(INPUTS) for n, vs in enumerate(twin.verdicts[rank]) for k, v in enumerate(vs)]
    late = sorted((t, n, k) for t, n, k, v in fates if v == "late")
    assert late == sorted((r["topic"], r["offset"], k) for r in aside.get("dq.late.v1", []) for k in r["indexes"])
    odd = sorted((t, n, k, v.upper()) for t, n, k, v in fates if v in ("future", "conflict"))
    assert odd == sorted((r["topic"], r["offset"], k, r["reason"]) for r in aside.get("dq.quarantine.v1", []) for k in r["indexes"])
    asked = aside.get("audit.restate-request.v1", [])
    spans = [(r["lanes"][0], r["since_us"], r["until_us"]) for r in asked if r["reason"] == "LATE_SAMPLE"]
    assert all(any(lane == a and b <= time < c for a, b, c in spans) for lane, time, _ in twin.late)
    of_orders = [r for r in asked if r["reason"] != "LATE_SAMPLE"]
    assert sorted((r["lanes"][0], t) for r in of_orders for t in range(r["since_us"], r["until_us"])) == twin.requests(-40)


@given(random=randoms())
def test_equals_its_twin(random: Random) -> None:
    plant, logs = random_plant(random), {t: random_log(t, random) for t in INPUTS}
    task, transactions = all_of(logs, plant, random_order(random))
    twin = TaskTwin(logs, CONFIGURATION, plant, LINE)
    check_results(twin, transactions)
    check_aside(twin, logs, transactions)
    for rank, topic in enumerate(INPUTS):
        row, verdicts = task.ledger.row(rank), [v for vs in twin.verdicts[rank] for v in vs]
        assert row["messages"] == len(logs[topic])
        assert [row[fate] for fate in FATES] == [verdicts.count(fate) for fate in FATES]
    accepted = sum(task.ledger.row(r)["accepted"] + (task.ledger.row(r)["late"] if r == 0 else 0) for r in range(len(INPUTS)))
    applied = sum(task.ledger.row(r)["applied"] for r in range(len(INPUTS)))
    assert accepted == applied + len(task.release.pending) + len(task.release_orders.pending)


@given(random=randoms())
def test_same_bytes_however_it_is_cut(random: Random) -> None:
    plant, logs = random_plant(random), {t: random_log(t, random, 14) for t in INPUTS}
    one, other = (all_of(logs, plant, random_order(random))[1] for _ in range(2))
    assert by_lane(one) == by_lane(other)
    assert sorted(r.value for tx in one for r in tx.records) == sorted(r.value for tx in other for r in tx.records)


def test_many_orders_may_be_folded_before_the_records_that_wait_for_them() -> None:
    """Timelines are only forgotten behind lanes that were handed on: here all wait, and more orders come at once than are kept."""
    plant, logs = Hierarchy.of([]), {t: [Message("claim", 1000, through=1000)] for t in INPUTS}
    orders = [("STARTED" if n % 2 else "ENDED", 10 * n) for n in range(1, 90)]
    of = [(("event", event), ("order", "A"), ("operation", ""), ("product", "P"), ("split_into", ())) for event, _ in orders]
    data = {"mes.order.v1": [Sample("m1", time, Body(more=more)) for (_, time), more in zip(orders, of, strict=True)],
            "ot.state.v1": [Sample("m1", 7 * n, Body("mode", f"{n}", more=(("reason", ""),))) for n in range(120)]}  # fmt: skip
    for topic, samples in data.items():
        logs[topic] = [*(Message("data", s.time, "gw", 0, n, (s,)) for n, s in enumerate(samples)), *logs[topic]]
    late_orders, early_orders = (all_of(logs, plant, whole(ranks))[1] for ranks in ((1, 2, 3, 4, 5, 0), range(6)))
    check_results(TaskTwin(logs, CONFIGURATION, plant, LINE), late_orders)
    assert by_lane(late_orders) == by_lane(early_orders)


def test_the_cases_are_not_empty() -> None:
    """Enough random cases give every kind of output: the laws above are not laws about nothing."""
    total: dict[str, int] = {}
    for seed in range(200):
        random = Random(seed)
        plant, logs = random_plant(random), {t: random_log(t, random, 14) for t in INPUTS}
        for tx in all_of(logs, plant, random_order(random))[1]:
            for encoded in tx.results:
                total[encoded.topic] = total.get(encoded.topic, 0) + len(encoded)
            for record in tx.records:
                total[record.topic] = total.get(record.topic, 0) + 1
    assert set(total) == {*TOPIC.values(), *ASIDE}
    assert all(n > 9 for n in total.values()), sorted(total.items())
