"""NIST's inspection of the Cover by hand: the document as a whole tree, and every number looked up where the standard says it stands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

QIF = "{http://qifstandards.org/xsd/qif2}"
WRONG_SIGN = "-0.13"  # the width of a zone; the inspector's own report says .13


class Measured(NamedTuple):
    """A characteristic of a part; part: from 1. lsl, usl None: no limit on that side."""

    part: int
    number: int  # in the document, from 0
    characteristic: str
    value: float
    status: str
    serial: str
    nominal: float | None
    lsl: float | None
    usl: float | None


def measured(path: Path) -> list[Measured]:
    root = ElementTree.parse(path).getroot()  # noqa: S314  NIST's own file
    return list(_measured({element.attrib["id"]: element for element in root.iter() if "id" in element.attrib}, root))


def text(element: ElementTree.Element | None, path: str) -> str:
    if element is None:
        return ""
    return (element.findtext("/".join(QIF + name for name in path.split("/"))) or "").strip()


def _measured(by_id: dict[str, ElementTree.Element], root: ElementTree.Element) -> Iterator[Measured]:
    number = 0
    for part, results in enumerate(root.iter(f"{QIF}MeasurementResults"), start=1):
        component = by_id[text(results, "ActualComponentIds/Id")]
        for actual in results.iter():
            if not actual.tag.endswith("CharacteristicActual"):
                continue
            item = by_id[text(actual, "CharacteristicItemId")]
            feature = by_id.get(text(actual, "FeatureActualIds/Id"))
            on = "" if feature is None else "/" + text(by_id[text(feature, "FeatureItemId")], "FeatureName")
            name = text(item, "Name") or "#" + item.attrib["id"]
            value, status = float(text(actual, "Value")), text(actual, "Status/CharacteristicStatusEnum")
            yield Measured(part, number, name + on, value, status, text(component, "SerialNumber"), *_limits(by_id, item))
            number += 1


def _limits(by_id: dict[str, ElementTree.Element], item: ElementTree.Element) -> tuple[float | None, float | None, float | None]:
    nominal = by_id[text(item, "CharacteristicNominalId")]
    definition = by_id[text(nominal, "CharacteristicDefinitionId")]
    if zone := text(definition, "ToleranceValue"):
        return None, None, float(zone.replace(WRONG_SIGN, "0.13"))
    target = Decimal(str(float(text(nominal, "TargetValue"))))
    assert text(definition, "Tolerance/DefinedAsLimit") == "false"
    low, high = (Decimal(text(definition, f"Tolerance/{name}")) for name in ("MinValue", "MaxValue"))
    return float(target), float(target + low), float(target + high)
