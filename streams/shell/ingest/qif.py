"""QIF 2.1 inspection results as lines: one for each measured characteristic of each part, in the order of the document.

    QIF_COLUMNS (mapping.py) are the columns of every such file, docs/mapping.md says what they hold.

A line that cannot be used is one with a fault, as in every reader; a document that is not what it says, or names two things by one
id, is refused as a whole. Memory: the index, the features of one set of results, and a chunk of lines; nothing grows with the size
of the file but these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from streams.shell.ingest import qif_parts as q
from streams.shell.ingest.chunks import CELLS, LINES_MAX, Chunk, Identity, faults
from streams.shell.ingest.mapping import QIF_COLUMNS, FileMapping
from streams.shell.ingest.qif_index import KEPT_MAX, NO_REFERENCE, Characteristic, index, type_of
from streams.shell.ingest.qif_parts import Part, parts
from streams.shell.ingest.xml_events import refuse

NO_VALUE, VALUES, NO_PART, SEVERAL_PARTS, OTHER_UNIT = (
    "the characteristic has no value", "the characteristic has several values", "the results are about no part",
    "the results are about several parts", "the value has another unit than its limits",
)  # fmt: skip
Row = dict[str, str]
Fault = tuple[str, str]
FEATURES_JOINED: Final = "+"


class QifReader:
    """See the module. Goes over the file once when it is made, and once for each time it is read."""

    value_columns: tuple[str, ...] = ()
    null_absent = False

    def __init__(self, identity: Identity, block: FileMapping) -> None:
        self._path, self._read = identity.path, block.read
        self._index = index(identity.path)

    def chunks(self) -> Iterator[Chunk]:
        budget, first = max(64, min(LINES_MAX, CELLS // len(QIF_COLUMNS))), 0
        rows: list[tuple[int, Row, Fault | None]] = []
        for row in self._rows():
            rows.append(row)
            if len(rows) == budget:
                yield self._chunk(first, rows)
                first, rows = first + len(rows), []
        if rows:
            yield self._chunk(first, rows)

    def _chunk(self, first: int, rows: list[tuple[int, Row, Fault | None]]) -> Chunk:
        frame = pl.DataFrame({name: pl.Series([row[name] for _, row, _ in rows], dtype=pl.String) for name in self._read})
        fault, detail = faults(len(rows), {n: found for n, (_, _, found) in enumerate(rows) if found is not None})
        return Chunk(first, np.array([line for line, _, _ in rows], np.int64), frame, fault, detail, np.zeros(len(rows), np.bool_))

    def _rows(self) -> Iterator[tuple[int, Row, Fault | None]]:
        """(line, its columns, why it cannot be used) of each measured characteristic."""
        features: dict[str, str] = {}
        for part in parts(self._path):
            if part.kind == q.RESULTS:
                features = {}
            elif part.kind == q.FEATURE_ACTUAL:
                features[part.id] = part.text("FeatureItemId")
                if len(features) > KEPT_MAX:
                    refuse(self._path, part.line, part.name, "results have more features than are kept", kept_max=KEPT_MAX)
            elif part.kind == q.ACTUAL:
                yield part.line, *self._row(part, features)

    def _row(self, actual: Part, features: dict[str, str]) -> tuple[Row, Fault | None]:
        measured, value = actual.text("CharacteristicItemId"), actual.one("Value")
        item = self._index.characteristics.get(measured)
        components = self._index.components.get(actual.within, [])
        known = [each for each in components if each in self._index.serials]
        feature, lost = self._features(actual, features)
        fault: Fault | None = None
        if item is None:
            fault = NO_REFERENCE, f"CharacteristicItemId {measured or '(none)'} of {actual.name} {actual.id}"
        elif len(components) != 1:
            fault = (SEVERAL_PARTS if components else NO_PART), f"MeasurementResults {actual.within}"
        elif not known:
            fault = NO_REFERENCE, f"ActualComponentIds {components[0]} of MeasurementResults {actual.within}"
        elif lost:
            fault = NO_REFERENCE, f"FeatureActualIds {lost} of {actual.name} {actual.id}"
        elif item.fault:
            fault = item.fault, item.detail
        elif len(actual.all("Value")) > 1:
            fault = VALUES, f"{actual.name} {actual.id}"
        elif not value.text:
            fault = NO_VALUE, f"{actual.name} {actual.id}"
        elif value.unit and value.unit != item.unit and (item.nominal or item.lsl or item.usl):
            fault = OTHER_UNIT, f"{value.unit}, limits {item.unit}"
        of = item or Characteristic(name="", designator="", type=type_of(actual.name), unit="", device="")
        return {
            "characteristic": f"{of.name}/{feature}" if feature else of.name, "item": of.name, "designator": of.designator,
            "type": of.type, "feature": feature, "value": value.text or "",
            "status": actual.text("Status/CharacteristicStatusEnum") or actual.text("Status/OtherCharacteristicStatus"),
            "unit": value.unit or of.unit, "nominal": of.nominal, "lsl": of.lsl, "usl": of.usl, "modifier": of.modifier,
            "part": self._index.part(known[0]) if known else "", "serial": self._index.serials[known[0]] if known else "",
            "device": of.device, "created": self._index.created,
        }, fault  # fmt: skip

    def _features(self, actual: Part, features: dict[str, str]) -> tuple[str, str]:
        """(names of the features that were measured, the first reference to one that is not there)."""
        names = []
        for number in actual.all("FeatureActualIds/Id"):
            name = self._index.features.get(features.get(number, ""))
            if name is None:
                return "", number or "(none)"
            names.append(name)
        return FEATURES_JOINED.join(names), ""

