"""QIF 2.1: what a document says, line by line; and what refuses a line, or the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import DataError
from streams.shell.ingest import mapping_file, qif
from streams.shell.ingest.merge import merged
from tests.shell.ingest.inspection import (
    BORE,
    BORE_TOLERANCE,
    DOCUMENT,
    ENDED,
    FLAT,
    MAPPING,
    SECOND,
    changed,
    entries,
    files,
    reasons,
    scanned,
)


def test_each_characteristic_of_each_part_is_a_line(tmp_path: Path) -> None:
    found = entries(tmp_path)
    lines = DOCUMENT.splitlines()

    assert [(row["tag"], row["number"], row["result"], row["unit"], row["serial"], row["gauge"], row["time"]) for row in found] == [
        ("BORE/HOLE", 9.95, "PASS", "mm", "S-1", "CMM 7", 199), ("FLAT", 0.2, "FAIL", "mm", "S-1", "", 199),
        ("TILT", 44.5, "PASS", "deg", "S-1", "", 199), ("FLAT", 0.04, "PASS", "mm", "", "", 399),
    ]  # fmt: skip
    assert [row["sequence"] for row in found] == [0, 1, 2, 3]
    assert all(isinstance(row["at"], int) and "CharacteristicActual id=" in lines[row["at"] - 1] for row in found)
    assert [(row["nominal"], row["lsl"], row["usl"]) for row in found] == [
        (10.0, 9.9, 10.1), (None, None, 0.05), (45.0, None, 46.0), (None, None, 0.05),
    ]  # fmt: skip


def test_records_are_measurements_and_the_same_each_time(tmp_path: Path) -> None:
    def run() -> list[object]:
        return [each for each in merged(files(tmp_path), mapping_file.parse(MAPPING), lambda _: 2) if each.topic == "ot.measurement.v1"]

    data = [each.value for each in run() if each.kind == "DATA"]  # type: ignore[attr-defined]
    first = {key: value for key, value in dict(data[0]).items() if key != "source"}
    assert first == {
        "kind": "DATA", "sequence": 0, "asset": "mill-1", "characteristic": "BORE/HOLE", "product": "P", "unit": "mm",
        "event_time_us": 199, "value": 9.95, "quality": "GOOD", "serial": "S-1", "subgroup": "", "gauge": "CMM 7", "result": "PASS",
    }  # fmt: skip
    assert len(data) == 4
    assert run() == run()


def test_chunks_of_any_size_hold_the_same_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(SECOND.replace('"6"', f'"{n}0"').replace('"61"', f'"{n}1"').replace(">72<", f">{n % 2 + 71}<") for n in range(10, 310))
    document = changed(SECOND, many)
    whole = entries(tmp_path, document)
    monkeypatch.setattr(qif, "CELLS", 1)  # chunks of 64 lines, the smallest

    assert len(whole) == 303
    assert entries(tmp_path, document) == whole


@pytest.mark.parametrize(("old", "new", "number", "reason", "detail"), [
    ("<Value>9.95</Value>", "", 0, "the characteristic has no value", "DiameterCharacteristicActual 51"),
    ("<Value>9.95</Value>", "<Value> </Value>", 0, "the characteristic has no value", "DiameterCharacteristicActual 51"),
    ("<Value>9.95</Value>", "<Value>9</Value><Value>8</Value>", 0, "the characteristic has several values",
     "DiameterCharacteristicActual 51"),
    ("<Value>9.95</Value>", "<Value>NaN</Value>", 0, "the value is not finite", "NaN"),
    ("<Value>9.95</Value>", "<Value>-INF</Value>", 0, "the value is not finite", "-INF"),
    ("<Value>9.95</Value>", "<Value>1e999</Value>", 0, "the value is not finite", "1e999"),
    ("<Value>9.95</Value>", "<Value>9,95</Value>", 0, "the value is not a number", "9,95"),
    ("<Value>9.95</Value>", '<Value linearUnit="inch">0.4</Value>', 0, "the value has another unit than its limits", "inch, limits mm"),
    ("<UnitName>degree</UnitName>", "<UnitName>gon</UnitName>", 2, "the unit is not in the mapping", "gon"),
    ("<UnitName>degree</UnitName>", "", 2, "the unit is not in the mapping", ""),
    (BORE, BORE.replace("<CharacteristicItemId>31<", "<CharacteristicItemId>39<"), 0, "an id refers to nothing",
     "CharacteristicItemId 39 of DiameterCharacteristicActual 51"),
    (BORE, BORE.replace("<CharacteristicItemId>31</CharacteristicItemId>", ""), 0, "an id refers to nothing",
     "CharacteristicItemId (none) of DiameterCharacteristicActual 51"),
    (BORE, BORE.replace("<Id>41</Id>", "<Id>42</Id>"), 0, "an id refers to nothing",
     "FeatureActualIds 42 of DiameterCharacteristicActual 51"),
    ("<CharacteristicDefinitionId>11<", "<CharacteristicDefinitionId>19<", 0, "an id refers to nothing",
     "CharacteristicDefinitionId 19 of DiameterCharacteristicNominal 21"),
    ("<Id>72</Id>", "<Id>79</Id>", 3, "an id refers to nothing", "ActualComponentIds 79 of MeasurementResults 6"),
    ("<Id>72</Id>", "", 3, "the results are about no part", "MeasurementResults 6"),
    ("<Id>72</Id>", "<Id>72</Id><Id>71</Id>", 3, "the results are about several parts", "MeasurementResults 6"),
    ("<TargetValue>10</TargetValue>", "", 0, "a tolerance is relative to a nominal that is missing", "DiameterCharacteristicItem 31"),
    ("<MaxValue>0.1<", "<MaxValue>wide<", 0, "a nominal or a tolerance is not a number", "wide"),
    ("<MaxValue>0.1<", "<MaxValue>NaN<", 0, "a nominal or a tolerance is not a number", "NaN"),
    ("<MaxValue>0.1<", '<MaxValue linearUnit="inch">0.1<', 0, "a nominal and its tolerance have different units", "inch mm"),
    (BORE_TOLERANCE, BORE_TOLERANCE.replace("-0.1", "0.2"), 0, "the lower limit is above the upper one",
     "nominal 10.0, lsl 10.2, usl 10.1"),
    ("<Value>9.95</Value>", "<Value>9.85</Value>", 0, "the verdict contradicts value and limits",
     "PASS, value 9.85, nominal 10.0, lsl 9.9, usl 10.1"),
    (FLAT, FLAT.replace("0.2", "0.02"), 1, "the verdict contradicts value and limits", "FAIL, value 0.02, nominal , lsl , usl 0.05"),
    (FLAT, FLAT.replace("FAIL", "REWORK"), 1, "a text is not in its table", ""),
])  # fmt: skip
def test_a_line_that_cannot_be_used_is_refused_alone(
    tmp_path: Path, old: str, new: str, number: int, reason: str, detail: str
) -> None:
    scan, refusals, _ = scanned(tmp_path, changed(old, new))
    refused = [(each.sequence, each.reason, each.detail) for each in refusals.first]
    line = refusals.first[0].line

    assert refused == [(number, reason, detail)]
    assert scan.ledger.total.written["ot.measurement.v1"] == 3
    assert "CharacteristicActual id=" in changed(old, new).splitlines()[line - 1]


@pytest.mark.parametrize(("old", "new", "said"), [
    ("http://qifstandards.org/xsd/qif2", "http://qifstandards.org/xsd/qif3", "is not a QIF 2.1 document"),
    ('xmlns="http://qifstandards.org/xsd/qif2"', "", "is not a QIF 2.1 document"),
    ('versionQIF="2.1.0"', 'versionQIF="2.0.0"', "of a version that is not read: file="),
    ('versionQIF="2.1.0"', "", "of a version that is not read: file="),
    ('id="52"', 'id="51"', "an id occurs twice in a document: file="),
    ('id="12"', 'id="51"', "an id occurs twice in a document: file="),
    ('id="12"', 'id="-12"', "an id is not a number that is read"),
    ('id="12"', 'id="999999999999"', "an id is not a number that is read"),
    ("</MeasurementsResults>", "", "not well-formed XML"),
    ("<FeatureName>HOLE<", f"<FeatureName>{'H' * 5_000}<", "a text is longer than is read"),
    ("<Id>41</Id>", "<Id>41</Id>" * 300, "an element has more parts than are read"),
])  # fmt: skip
def test_a_document_that_cannot_be_trusted_is_refused_whole(tmp_path: Path, old: str, new: str, said: str) -> None:
    """With file, line and element."""
    with pytest.raises(DataError) as error:
        scanned(tmp_path, changed(old, new))

    assert said in str(error.value)
    assert error.value.values["file"].endswith("results.qif")
    assert error.value.values["line"] >= 1
    assert "element" in error.value.values


def test_features_are_those_of_the_same_results(tmp_path: Path) -> None:
    """An id of another part's feature is no feature of this one."""
    flat = SECOND.replace("<CharacteristicItemId>32<", '<FeatureActualIds n="1"><Id>41</Id></FeatureActualIds><CharacteristicItemId>32<')

    assert reasons(tmp_path, changed(SECOND, flat)) == [
        (3, "an id refers to nothing", "FeatureActualIds 41 of FlatnessCharacteristicActual 61")
    ]


def test_values_may_name_their_own_unit(tmp_path: Path) -> None:
    """Where there are no limits in another one."""
    document = changed("<CharacteristicNominalId>22</CharacteristicNominalId>", "")
    document = changed(FLAT, FLAT.replace("<Value>", '<Value linearUnit="in">'), document)
    mapping = changed('mm = "mm"', 'mm = "mm", in = "[in_i]"', MAPPING)

    assert [row["unit"] for row in entries(tmp_path, document, mapping)] == ["mm", "[in_i]", "deg", "mm"]


def test_a_verdict_that_is_none_judges_nothing(tmp_path: Path) -> None:
    document = changed(FLAT, FLAT.replace("FAIL", "NOT_ANALYZED"))
    scan, refusals, limits = scanned(tmp_path, document)

    assert refusals.first == []
    assert limits.verdicts == {"agrees": 3, "not judged": 1}
    assert scan.ledger.total.written["ot.measurement.v1"] == 4


def test_under_a_material_condition_a_pass_beyond_the_limit_is_no_contradiction(tmp_path: Path) -> None:
    passed = changed(FLAT, FLAT.replace("FAIL", "PASS"))
    zone = "<ToleranceValue>0.05</ToleranceValue>"
    grows = changed(zone, f"{zone}<MaterialCondition>MAXIMUM</MaterialCondition>", passed)
    fixed = changed(zone, f"{zone}<MaterialCondition>NONE</MaterialCondition>", passed)

    assert reasons(tmp_path, grows) == []
    assert scanned(tmp_path, grows)[2].verdicts == {"agrees": 3, "not judged": 1}
    assert [row.modifier for row in scanned(tmp_path, grows)[2].rows] == ["", "MAXIMUM", ""]
    assert [(number, reason) for number, reason, _ in reasons(tmp_path, fixed)] == [(1, "the verdict contradicts value and limits")]


def test_a_contradiction_may_be_kept(tmp_path: Path) -> None:
    document = changed(FLAT, FLAT.replace("0.2", "0.02"))
    scan, refusals, limits = scanned(tmp_path, document, changed('contradiction = "refuse"', 'contradiction = "keep"', MAPPING))

    assert refusals.first == []
    assert limits.verdicts == {"agrees": 3, "contradicts": 1}
    assert scan.ledger.total.written["ot.measurement.v1"] == 4


def test_parts_without_an_operation_are_refused_for_that_alone(tmp_path: Path) -> None:
    only_first = ENDED.replace("400,A2,10,ENDED,,,\n", "")
    bad_value = changed("<Value>0.04</Value>", "<Value>NaN</Value>")

    assert reasons(tmp_path, orders=only_first) == [(3, "no operation", "order A2 has not ended")]
    assert reasons(tmp_path, bad_value, orders=only_first) == [(3, "the value is not finite", "NaN")]
    assert len(scanned(tmp_path, orders=only_first)[2].rows) == 3  # limits hold for parts that are yet to be made


def test_a_document_in_another_encoding(tmp_path: Path) -> None:
    document = changed("<Name>FLAT</Name>", "<Name>Ebenheit ä</Name>")
    whole = entries(tmp_path, document)
    latin = document.replace("UTF-8", "ISO-8859-1")
    paths = files(tmp_path, document)
    paths[0].write_bytes(latin.encode("latin-1"))
    values = [dict(each.value) for each in merged(paths, mapping_file.parse(MAPPING), lambda _: 1)
              if each.topic == "ot.measurement.v1" and each.kind == "DATA" and not isinstance(each.value, bytes)]  # fmt: skip

    assert whole[1]["tag"] == values[1]["characteristic"] == "Ebenheit ä"
