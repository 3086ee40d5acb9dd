"""What of a run stands in its topics already is found from their ends, wherever the earlier run broke."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from random import Random

import pytest
from hypothesis import given

from streams import configuration
from streams.codec.out_record import OutRecord
from streams.errors import DataError
from streams.shell.ingest import mapping_file
from streams.shell.ingest.encoding import Message, encoded
from streams.shell.ingest.mapping import INPUTS
from streams.shell.ingest.merge import merged
from streams.shell.ingest.standing import AT_END, Place, Said, standing, without
from streams.shell.ingest.writer import schema_ids, write
from streams.shell.settings import RegistrySettings
from tests.seeds import randoms
from tests.shell.ingest.test_merge import S
from tests.shell.ingest.test_writer import Plant, plant

__all__ = ["plant"]


def random_run(random: Random) -> list[Message]:
    """Two partitions; content that differs, claims of several instants, blanks that may stand twice."""
    run, at = list[Message](), random.randint(0, 3)
    for n in range(random.randint(1, 120)):
        at += random.choice([0, 0, 1, 5])
        value = random.choice([b"data%d" % n, b"claim%d" % at, b"blank"])
        run += [Message("t", random.randint(0, 1), at, b"k", b"frame" + value, [])] * (2 if value == b"blank" else 1)
    return run


def ends_of(log: list[Message]) -> dict[Place, list[Said]]:
    found: dict[Place, list[Said]] = {}
    for one in log:
        found.setdefault((one.topic, one.partition), []).append((one.append_us, one.key, one.value[5:]))
    return {place: said[-AT_END:] for place, said in found.items()}


@given(random=randoms())
def test_goes_on_where_each_partition_stopped(random: Random) -> None:
    """Partitions stop at different records; what is older than the run is not looked at."""
    run = random_run(random)
    earlier = [Message("t", n % 2, -9, b"k", b"frame" + b"old%d" % n, []) for n in range(random.randint(0, 50))]
    stop = {0: random.randint(0, len(run)), 1: random.randint(0, len(run))}
    there = [one for n, one in enumerate(run) if n < stop[one.partition]]
    skipped = standing(ends_of(earlier + there), run)

    numbered = [OutRecord(m.topic, m.partition, m.key, m.value, m.append_us, "DATA", n) for n, m in enumerate(run)]
    passed = Counter[str]()
    rest = [run[record.entries] for record in without(numbered, skipped, passed)]
    for partition in range(2):
        whole = [(one.append_us, one.value) for one in run if one.partition == partition]
        both = [(one.append_us, one.value) for one in there if one.partition == partition]
        both += [(one.append_us, one.value) for one in rest if one.partition == partition]
        assert Counter(both) >= Counter(whole), "a record is missing"
        assert set(Counter(both) - Counter(whole)) <= {one for one in whole if one[1] == b"frameblank"}, "content stands twice"
    assert passed["t"] == len(run) - len(rest)


def test_records_of_the_same_time_that_are_not_of_the_run_are_refused() -> None:
    run = [Message("t", 0, at, b"k", b"frame%d" % at, []) for at in range(10, 20)]
    with pytest.raises(DataError, match="not of this run"):
        standing({("t", 0): [(15, b"k", b"other")]}, run)
    assert standing({("t", 0): [(9, b"k", b"other")]}, run) == {}
    assert standing({("t", 0): [(10, b"k", b"other")]}, run) == {}, "an earlier run may end where this one begins"
    assert standing({("t", 1): [(15, b"k", b"other")]}, run) == {}, "the run has nothing there"


def test_a_whole_run_is_not_written_again_and_a_broken_one_goes_on(plant: Plant) -> None:
    plant.prepare()
    expected = list(merged(plant.files, mapping_file.load(plant.mapping), lambda _: 2, 3600 * S))
    catalogue = configuration.load(plant.configuration).catalogue(plant.prefix)
    ids = schema_ids(RegistrySettings(url=plant.registry_url), catalogue, INPUTS)
    assert write(islice(encoded(expected, ids), len(expected) // 2), plant.kafka, catalogue).total() == len(expected) // 2

    for _ in range(2):  # the first goes on, the second finds everything
        result = plant.ingest("--through", "1970-01-01T01:00Z")
        assert result.exit_code == 0, result.exception or result.stderr
        found = Counter((topic, message.partition(), message.key(), message.value()[5:]) for topic, message, _ in plant.read())
        assert found == Counter((r.topic, r.partition, r.key, m.value[5:]) for r, m in zip(expected, encoded(expected, ids), strict=True))

    plant.files = plant.files[:1]
    refused = plant.ingest("--through", "1970-01-01T01:00Z")
    assert isinstance(refused.exception, DataError)
    assert "not of this run" in str(refused.exception)
    assert plant.ingest("--through", "1970-01-01T01:00Z", "--again").exit_code == 0
