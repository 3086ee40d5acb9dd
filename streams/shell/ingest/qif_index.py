"""What the characteristics of a QIF document are: names, units, nominals and limits, and which part each set of results is about.

A document says these things once, and serial numbers after the results, so a reader goes over it twice: once for this, once for
the results. Kept is one entry for each definition, nominal, item, feature, device, component and set of results.

Limits. A tolerance of size (diameter, distance, angle, ...) is MinValue and MaxValue: the limits themselves where DefinedAsLimit is
true, else deviations from the nominal.

    LSL = nominal + MinValue       USL = nominal + MaxValue

A tolerance of form or place (flatness, position, ...) is the width of a zone: USL = ToleranceValue, no LSL. Under the modifiers
MAXIMUM and LEAST (material condition) the zone grows with the feature's size, so that a part beyond USL may be a good one.
Sums are exact in the shortest decimals that read back as the document's doubles: 101.59999999999999 + 0.2 is 101.8.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Final

from streams.errors import DataError
from streams.shell.ingest import qif_parts as q
from streams.shell.ingest.qif_parts import Leaf, Part, parts

KEPT_MAX: Final = 1_000_000  # parts of one kind
NO_REFERENCE, NOT_A_LIMIT, NO_NOMINAL, LIMIT_UNITS = (
    "an id refers to nothing", "a nominal or a tolerance is not a number", "a tolerance is relative to a nominal that is missing",
    "a nominal and its tolerance have different units",
)  # fmt: skip

NO_MODIFIER: Final = ("NONE", "REGARDLESS")  # of feature size: the limit is the limit

# Names of elements, without CharacteristicActual and the like. Which quantity a document's primary unit is for.
ANGULAR: Final = frozenset({"Angle", "AngleBetween", "AngleFrom", "AngleCoordinate", "AngularCoordinate"})
LINEAR: Final = frozenset({
    "Angularity", "Chord", "Circularity", "CircularRunout", "Coaxiality", "Concentricity", "CurveLength", "Cylindricity", "Depth",
    "Diameter", "Distance", "DistanceBetween", "DistanceFrom", "Flatness", "Height", "Length", "LengthCoordinate", "LinearCoordinate",
    "LineProfile", "Parallelism", "Perpendicularity", "PointProfile", "Position", "Radius", "SphericalDiameter", "SphericalRadius",
    "Straightness", "SurfaceProfile", "SurfaceProfileNonUniform", "Symmetry", "Thickness", "TotalRunout", "Width",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Characteristic:
    """An item of the inspection. nominal, lsl, usl: numbers as text, empty: none. unit: that of its limits and of a value
    that names none. fault, detail: why its measurements cannot be used; empty: they can."""

    name: str
    designator: str
    type: str
    unit: str
    device: str
    nominal: str = ""
    lsl: str = ""
    usl: str = ""
    modifier: str = ""
    fault: str = ""
    detail: str = ""


@dataclass(slots=True)
class Index:
    """serials: by component id, empty where a component has none. components: of a set of results, by its id."""

    created: str = ""
    characteristics: dict[str, Characteristic] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    serials: dict[str, str] = field(default_factory=dict)
    components: dict[str, list[str]] = field(default_factory=dict)

    def part(self, component: str) -> str:
        """The serial number, or `#` and the component's id where it has none."""
        return self.serials[component] or f"#{component}"


def index(path: Path) -> Index:
    """Go over a document once; DataError where it is not QIF 2.1, or says a thing twice."""
    reading = _Reading(path)
    for part in parts(path, check_ids=True):
        reading.take(part)
    return reading.index()


def type_of(name: str) -> str:
    """
    >>> type_of("DiameterCharacteristicActual"), type_of("FlatnessCharacteristicItem")
    ('Diameter', 'Flatness')
    """
    return name.partition("Characteristic")[0]


class _Reading:
    def __init__(self, path: Path) -> None:
        self._path, self._found = path, Index()
        self._units: dict[str, str] = {}
        self._devices: dict[str, str] = {}
        self._definitions: dict[str, Part] = {}
        self._nominals: dict[str, Part] = {}
        self._items: dict[str, Part] = {}

    def take(self, part: Part) -> None:
        found = self._found
        if part.kind == q.HEAD and part.name == "TimeCreated":
            found.created = part.own
        elif part.kind == q.UNITS and part.name == "PrimaryUnits":
            self._units = {"linear": part.text("LinearUnit/UnitName"), "angular": part.text("AngularUnit/UnitName")}
        elif part.kind == q.DEVICE:
            self._devices[part.id] = part.text("Name")
        elif part.kind == q.FEATURE:
            found.features[part.id] = part.text("FeatureName") or f"#{part.id}"
        elif part.kind == q.COMPONENT:
            found.serials[part.id] = part.text("SerialNumber")
        elif part.kind == q.COMPONENT_OF:
            found.components.setdefault(part.within, []).append(part.own)
        elif part.kind in (q.DEFINITION, q.NOMINAL, q.ITEM):
            {q.DEFINITION: self._definitions, q.NOMINAL: self._nominals, q.ITEM: self._items}[part.kind][part.id] = part
        self._bounded(part)

    def _bounded(self, part: Part) -> None:
        kept: tuple[Sized, ...] = (
            self._devices, self._found.features, self._found.serials, self._found.components, self._definitions, self._nominals,
            self._items, self._found.components.get(part.within, ()),
        )  # fmt: skip
        if max(map(len, kept)) > KEPT_MAX:
            raise DataError(
                "a document has more parts of one kind than are kept", file=str(self._path), line=part.line, element=part.name,
                kept_max=KEPT_MAX,
            )  # fmt: skip

    def index(self) -> Index:
        self._found.characteristics = {number: self._characteristic(item) for number, item in self._items.items()}
        return self._found

    def _characteristic(self, item: Part) -> Characteristic:
        kind = type_of(item.name)
        primary = self._units.get("linear" if kind in LINEAR else "angular" if kind in ANGULAR else "", "")
        device = self._devices.get(item.text("MeasurementDeviceIds/Id"), "")
        found = Characteristic(
            name=item.text("Name") or f"#{item.id}", designator=item.text("KeyCharacteristic/Designator"), type=kind, unit=primary,
            device=device,
        )  # fmt: skip
        try:
            return self._limited(found, item, primary)
        except _Unusable as why:
            return replace(found, fault=why.fault, detail=why.detail)

    def _limited(self, found: Characteristic, item: Part, primary: str) -> Characteristic:
        nominal = self._referred(self._nominals, item, "CharacteristicNominalId")
        definition = self._referred(self._definitions, nominal, "CharacteristicDefinitionId") if nominal else None
        if nominal is None or definition is None:
            return found
        target = nominal.one("TargetValue")
        zone, high, low = (definition.one(name) for name in ("ToleranceValue", "Tolerance/MaxValue", "Tolerance/MinValue"))
        units = {leaf.unit or primary for leaf in (target, zone, high, low) if leaf.text}
        if len(units) > 1:
            raise _Unusable(LIMIT_UNITS, " ".join(sorted(units)))
        relative = definition.text("Tolerance/DefinedAsLimit").lower() not in ("true", "1")
        middle = _number(target)
        if relative and middle is None and (high.text or low.text):
            raise _Unusable(NO_NOMINAL, f"{item.name} {item.id}")
        upper = _number(zone) if zone.text else _sum(middle if relative else None, _number(high))
        return replace(
            found, unit=units.pop() if units else primary, nominal=_written(middle), usl=_written(upper),
            lsl=_written(_sum(middle if relative else None, _number(low))),
            modifier="" if (modifier := definition.text("MaterialCondition")) in NO_MODIFIER else modifier,
        )  # fmt: skip

    @staticmethod
    def _referred(kept: dict[str, Part], part: Part, leaf: str) -> Part | None:
        number = part.text(leaf)
        if number and number not in kept:
            raise _Unusable(NO_REFERENCE, f"{leaf} {number} of {part.name} {part.id}")
        return kept[number] if number else None


class _Unusable(Exception):
    """A characteristic whose measurements are refused one by one; never leaves this module."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(fault)
        self.fault, self.detail = fault, detail


def _number(leaf: Leaf) -> Decimal | None:
    """The shortest decimal that reads back as the double of the text."""
    if not leaf.text:
        return None
    try:
        value = float(leaf.text)
    except ValueError:
        raise _Unusable(NOT_A_LIMIT, leaf.text[:40]) from None
    if not isfinite(value):
        raise _Unusable(NOT_A_LIMIT, leaf.text[:40])
    return Decimal(repr(value))


def _sum(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if second is None else second if first is None else first + second


def _written(number: Decimal | None) -> str:
    return "" if number is None else repr(float(number))
