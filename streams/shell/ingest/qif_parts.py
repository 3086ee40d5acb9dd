"""A QIF 2.1 document as its parts: the elements that a reader of inspection results needs, one by one, wherever the file is large.

    part = an element that stands directly in one of the COLLECTIONS, with the texts below it that are asked for

QIF: ANSI/DMSC Quality Information Framework 2.1 (2016), namespace http://qifstandards.org/xsd/qif2. Version 3 has another namespace
and other names for the same things; it is refused, as is every other version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from streams.shell.ingest.xml_events import TEXT_MAX, events, refuse

NAMESPACE: Final = "http://qifstandards.org/xsd/qif2"
ROOT, VERSION = "QIFDocument", "2.1"
ID_MAX: Final = (1 << 28) - 1  # a bit for each id that a document may have: 32 MB
LEAVES_MAX: Final = 256  # texts kept of a part

_RESULTS = f"{ROOT}/MeasurementsResults"
_SET = f"{_RESULTS}/MeasurementResultsSet"
_CHARACTERISTICS = f"{ROOT}/Characteristics"
HEAD, UNITS, DEVICE, FEATURE, DEFINITION, NOMINAL, ITEM, COMPONENT, COMPONENT_OF, RESULTS, FEATURE_ACTUAL, ACTUAL = KINDS = (
    "head", "units", "device", "feature", "definition", "nominal", "item", "component", "component of results", "results",
    "feature actual", "actual",
)  # fmt: skip

# Where parts stand, which kind they are, and which texts below them are read.
COLLECTIONS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    f"{ROOT}/Version": (HEAD, frozenset()),
    f"{ROOT}/FileUnits": (UNITS, frozenset({"LinearUnit/UnitName", "AngularUnit/UnitName"})),
    f"{ROOT}/MeasurementResources/MeasurementDevices": (DEVICE, frozenset({"Name"})),
    f"{ROOT}/Features/FeatureItems": (FEATURE, frozenset({"FeatureName"})),
    f"{_CHARACTERISTICS}/CharacteristicDefinitions": (DEFINITION, frozenset({
        "ToleranceValue", "Tolerance/MaxValue", "Tolerance/MinValue", "Tolerance/DefinedAsLimit", "MaterialCondition",
    })),
    f"{_CHARACTERISTICS}/CharacteristicNominals": (NOMINAL, frozenset({"CharacteristicDefinitionId", "TargetValue"})),
    f"{_CHARACTERISTICS}/CharacteristicItems": (
        ITEM, frozenset({"Name", "KeyCharacteristic/Designator", "MeasurementDeviceIds/Id", "CharacteristicNominalId"}),
    ),
    f"{_RESULTS}/ActualComponentSets/ActualComponentSet": (COMPONENT, frozenset({"SerialNumber"})),
    f"{_SET}/MeasurementResults/ActualComponentIds": (COMPONENT_OF, frozenset()),
    _SET: (RESULTS, frozenset()),
    f"{_SET}/MeasurementResults/MeasuredFeatures/FeatureActuals": (FEATURE_ACTUAL, frozenset({"FeatureItemId"})),
    f"{_SET}/MeasurementResults/MeasuredCharacteristics/CharacteristicActuals": (ACTUAL, frozenset({
        "Status/CharacteristicStatusEnum", "Status/OtherCharacteristicStatus", "CharacteristicItemId", "FeatureActualIds/Id", "Value",
    })),
}  # fmt: skip


class Leaf(NamedTuple):
    """A text and the unit that its element names itself; text None: longer than is read."""

    text: str | None
    unit: str


class Part(NamedTuple):
    """An element of a collection. within: id of the MeasurementResults around it. own: its own text, where it has no children.

    A part of kind RESULTS comes at its begin, every other one at its end.
    """

    kind: str
    name: str
    id: str
    within: str
    line: int
    own: str
    leaves: dict[str, list[Leaf]]

    def all(self, leaf: str) -> list[str]:
        """
        >>> Part("item", "ItemX", "7", "", 1, "", {"Name": [Leaf("D1", "")]}).all("Name")
        ['D1']
        """
        return [each.text or "" for each in self.leaves.get(leaf, ())]

    def one(self, leaf: str) -> Leaf:
        """The first such text; empty where there is none."""
        return next(iter(self.leaves.get(leaf, ())), Leaf("", ""))

    def text(self, leaf: str) -> str:
        return self.one(leaf).text or ""


def parts(path: Path, *, check_ids: bool = False) -> Iterator[Part]:
    """The parts of a document in its order; DataError where it is not QIF 2.1. check_ids: refuse an id that occurs twice."""
    walk = _Walk(path, bytearray() if check_ids else None)
    for begins, name, attributes, text, line in events(path, NAMESPACE):
        if begins:
            if (part := walk.begin(name, attributes, line)) is not None:
                yield part
        elif (part := walk.end(name, text)) is not None:
            yield part


class _Walk:
    """Where in the document we are."""

    def __init__(self, path: Path, seen: bytearray | None) -> None:
        self._path, self._seen = path, seen
        self._at: list[str] = []  # paths of the open elements
        self._results = ""
        self._open: tuple[int, str, frozenset[str], Part] | None = None  # depth, kind, leaves, the part that is being read
        self._unit = ""
        self._count = 0

    def begin(self, name: str, attributes: Mapping[str, str], line: int) -> Part | None:
        if not self._at:
            self._root(name, attributes, line)
        parent = self._at[-1] if self._at else ""
        at = f"{parent}/{name}" if parent else name
        self._at.append(at)
        number = attributes.get("id", "")
        if number and self._seen is not None:
            self._identified(number, at, line)
        self._unit = attributes.get("linearUnit") or attributes.get("angularUnit") or ""
        if self._open is None and parent in COLLECTIONS:
            kind, leaves = COLLECTIONS[parent]
            if kind == RESULTS:
                if name != "MeasurementResults":
                    return None
                self._results = number
                return Part(RESULTS, name, number, number, line, "", {})
            self._count = 0
            self._open = len(self._at), kind, leaves, Part(kind, name, number, self._results, line, "", {})
        return None

    def end(self, name: str, text: str | None) -> Part | None:
        at = self._at.pop()
        if self._open is None:
            return None
        depth, _, leaves, part = self._open
        if len(self._at) + 1 == depth:
            self._open = None
            return part._replace(own=text or "")
        leaf = at[len(self._at[depth - 1]) + 1 :]
        if leaf in leaves:
            self._count += 1
            if self._count > LEAVES_MAX:
                refuse(self._path, part.line, name, "an element has more parts than are read", parts_max=LEAVES_MAX)
            if text is None:
                refuse(self._path, part.line, at, "a text is longer than is read", letters_max=TEXT_MAX)
            part.leaves.setdefault(leaf, []).append(Leaf(text, self._unit))
        return None

    def _root(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        version = attributes.get("versionQIF", "")
        if name != ROOT:
            refuse(
                self._path, line, name, "a file is not a QIF 2.1 document", expected=f"{{{NAMESPACE}}}{ROOT}",
                hint="version 3 and others are not read; export it as QIF 2.1",
            )  # fmt: skip
        if version != VERSION and not version.startswith(f"{VERSION}."):
            refuse(self._path, line, name, "a QIF document is of a version that is not read", version=version, read=VERSION)

    def _identified(self, number: str, at: str, line: int) -> None:
        """Each id of a document occurs once: references by id would mean two things otherwise."""
        element = at.rpartition("/")[2]
        if not (number.isascii() and number.isdigit()) or len(number) > 9 or int(number) > ID_MAX:
            refuse(self._path, line, element, "an id is not a number that is read", id=number[:40], id_max=ID_MAX)
        seen, value = self._seen, int(number)
        assert seen is not None
        if value >> 3 >= len(seen):
            seen.extend(bytes((value >> 3) + 1 - len(seen)))
        if seen[value >> 3] & (1 << (value & 7)):
            refuse(self._path, line, element, "an id occurs twice in a document", id=number)
        seen[value >> 3] |= 1 << (value & 7)
