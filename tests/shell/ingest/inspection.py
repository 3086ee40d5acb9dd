"""The shortest inspection: a QIF document of two parts and two characteristics, its mapping, its orders; to be varied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from streams.shell.ingest import mapping_file
from streams.shell.ingest.limits import Limits
from streams.shell.ingest.refusals import Refusals
from streams.shell.ingest.scan import Scan, scan, sources_of

BORE = """<DiameterCharacteristicActual id="51"><Status><CharacteristicStatusEnum>PASS</CharacteristicStatusEnum></Status>
<CharacteristicItemId>31</CharacteristicItemId><FeatureActualIds n="1"><Id>41</Id></FeatureActualIds>
<Value>9.95</Value></DiameterCharacteristicActual>"""
FLAT = """<FlatnessCharacteristicActual id="52"><Status><CharacteristicStatusEnum>FAIL</CharacteristicStatusEnum></Status>
<CharacteristicItemId>32</CharacteristicItemId><Value>0.2</Value></FlatnessCharacteristicActual>"""
TILT = """<AngleCharacteristicActual id="53"><Status><CharacteristicStatusEnum>PASS</CharacteristicStatusEnum></Status>
<CharacteristicItemId>33</CharacteristicItemId><Value>44.5</Value></AngleCharacteristicActual>"""
BORE_TOLERANCE = "<MaxValue>0.1</MaxValue><MinValue>-0.1</MinValue><DefinedAsLimit>false</DefinedAsLimit>"
SECOND = """<MeasurementResults id="6"><MeasuredCharacteristics><CharacteristicActuals n="1">
<FlatnessCharacteristicActual id="61"><Status><CharacteristicStatusEnum>PASS</CharacteristicStatusEnum></Status>
<CharacteristicItemId>32</CharacteristicItemId><Value>0.04</Value></FlatnessCharacteristicActual>
</CharacteristicActuals></MeasuredCharacteristics><ActualComponentIds n="1"><Id>72</Id></ActualComponentIds></MeasurementResults>"""
DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<QIFDocument xmlns="http://qifstandards.org/xsd/qif2" versionQIF="2.1.0" idMax="99">
<Version><TimeCreated>2026-03-02T12:00:00</TimeCreated></Version>
<FileUnits><PrimaryUnits><AngularUnit><UnitName>degree</UnitName></AngularUnit><LinearUnit><UnitName>mm</UnitName></LinearUnit></PrimaryUnits></FileUnits>
<MeasurementResources><MeasurementDevices n="1"><MeasurementDevice id="3"><Name>CMM 7</Name></MeasurementDevice></MeasurementDevices></MeasurementResources>
<Features><FeatureItems n="1"><CylinderFeatureItem id="4"><FeatureName>HOLE</FeatureName></CylinderFeatureItem></FeatureItems></Features>
<Characteristics>
<CharacteristicDefinitions n="3">
<DiameterCharacteristicDefinition id="11"><Tolerance>{BORE_TOLERANCE}</Tolerance></DiameterCharacteristicDefinition>
<FlatnessCharacteristicDefinition id="12"><ToleranceValue>0.05</ToleranceValue></FlatnessCharacteristicDefinition>
<AngleCharacteristicDefinition id="13"><Tolerance><MaxValue>46</MaxValue><DefinedAsLimit>true</DefinedAsLimit></Tolerance></AngleCharacteristicDefinition>
</CharacteristicDefinitions>
<CharacteristicNominals n="3">
<DiameterCharacteristicNominal id="21"><CharacteristicDefinitionId>11</CharacteristicDefinitionId><TargetValue>10</TargetValue></DiameterCharacteristicNominal>
<FlatnessCharacteristicNominal id="22"><CharacteristicDefinitionId>12</CharacteristicDefinitionId></FlatnessCharacteristicNominal>
<AngleCharacteristicNominal id="23"><CharacteristicDefinitionId>13</CharacteristicDefinitionId><TargetValue>45</TargetValue></AngleCharacteristicNominal>
</CharacteristicNominals>
<CharacteristicItems n="3">
<DiameterCharacteristicItem id="31"><Name>BORE</Name><MeasurementDeviceIds n="1"><Id>3</Id></MeasurementDeviceIds><CharacteristicNominalId>21</CharacteristicNominalId></DiameterCharacteristicItem>
<FlatnessCharacteristicItem id="32"><Name>FLAT</Name><CharacteristicNominalId>22</CharacteristicNominalId></FlatnessCharacteristicItem>
<AngleCharacteristicItem id="33"><Name>TILT</Name><CharacteristicNominalId>23</CharacteristicNominalId></AngleCharacteristicItem>
</CharacteristicItems>
</Characteristics>
<MeasurementsResults>
<MeasurementResultsSet n="2">
<MeasurementResults id="5"><MeasuredFeatures><FeatureActuals n="1"><CylinderFeatureActual id="41"><FeatureItemId>4</FeatureItemId></CylinderFeatureActual></FeatureActuals></MeasuredFeatures>
<MeasuredCharacteristics><CharacteristicActuals n="3">
{BORE}
{FLAT}
{TILT}
</CharacteristicActuals></MeasuredCharacteristics><ActualComponentIds n="1"><Id>71</Id></ActualComponentIds></MeasurementResults>
{SECOND}
</MeasurementResultsSet>
<ActualComponentSets n="2"><ActualComponentSet n="1"><ActualComponent id="71"><SerialNumber>S-1</SerialNumber></ActualComponent></ActualComponentSet>
<ActualComponentSet n="1"><ActualComponent id="72"/></ActualComponentSet></ActualComponentSets>
</MeasurementsResults>
</QIFDocument>
"""  # noqa: E501
MAPPING = """
[[files]]
match = "*.qif"
format = "qif"
layout = "long"
line = { constant = "acme/hamburg/press/line-1" }
asset = { constant = "mill-1" }
tag = "characteristic"
value = "value"
time = { from = "order-end", order = { column = "part", values = { S-1 = "A1", "#72" = "A2" } } }

[[files.tags]]
match = "*"
kind = "measurement"
unit = { column = "unit", values = { mm = "mm", degree = "deg" } }
product = { constant = "P" }
serial = { column = "serial" }
gauge = { column = "device" }
result = { column = "status", values = { PASS = "PASS", FAIL = "FAIL", NOT_ANALYZED = "UNKNOWN" } }
nominal = { column = "nominal" }
lsl = { column = "lsl" }
usl = { column = "usl" }
modifier = { column = "modifier" }
contradiction = "refuse"

[[files]]
match = "orders.csv"
format = "csv"
layout = "orders"
line = { constant = "acme/hamburg/press/line-1" }
time = { column = "time", format = "epoch_us" }

[files.order]
event = { column = "event" }
order = { column = "order" }
operation = { column = "operation" }
work_center = { constant = "mill-1" }
corrects = { column = "corrects" }
corrects_time = "before"
corrected_time = "after"
"""
ORDERS = "time,order,operation,event,corrects,before,after\n"
ENDED = ORDERS + "100,A1,10,STARTED,,,\n200,A1,10,ENDED,,,\n300,A2,10,STARTED,,,\n400,A2,10,ENDED,,,\n"


def files(folder: Path, document: str = DOCUMENT, orders: str = ENDED) -> list[Path]:
    """The document (in the encoding that it names itself: UTF-8) and the orders of its parts."""
    (folder / "results.qif").write_text(document, "utf-8")
    (folder / "orders.csv").write_text(orders)
    return [folder / "results.qif", folder / "orders.csv"]


def changed(old: str, new: str, text: str = DOCUMENT) -> str:
    """The document with one piece of it replaced."""
    assert text.count(old) == 1, f"{text.count(old)} times: {old}"
    return text.replace(old, new)


def entries(folder: Path, document: str = DOCUMENT, mapping: str = MAPPING, orders: str = ENDED) -> list[Mapping[str, object]]:
    """Every entry of the document."""
    source, _ = sources_of(files(folder, document, orders), mapping_file.parse(mapping))
    return list(pl.concat(source.entries()).iter_rows(named=True))


def scanned(folder: Path, document: str = DOCUMENT, mapping: str = MAPPING, orders: str = ENDED) -> tuple[Scan, Refusals, Limits]:
    refusals, limits = Refusals(), Limits()
    return scan(files(folder, document, orders), mapping_file.parse(mapping), [refusals, limits]), refusals, limits


def reasons(folder: Path, document: str = DOCUMENT, mapping: str = MAPPING, orders: str = ENDED) -> list[tuple[int, str, str]]:
    """(number, reason, detail) of every measured characteristic that is refused."""
    return [(each.sequence, each.reason, each.detail) for each in scanned(folder, document, mapping, orders)[1].first]
