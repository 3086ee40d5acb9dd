"""The configuration of one application: what it runs and by which rules. One TOML file; nothing in it has a silent default.

    application = "context"             consumer group, transactional ids, homes of epochs and snapshots
    topology    = "context"             which of topologies/

    [topics."ot.sample.v1"]             changes to the catalogue: partitions, retention, append
    partitions = 2
    append = "header"

    [lane_classes]                      names of lateness classes, by pattern of line path/asset id, the first that fits
    default = "live"
    patterns = [["acme/*/gateway-*", "buffered"]]

    [inputs."ot.sample.v1"]             for every input of the topology, see streams/time/limits.py
    lateness = { live = "2 s", buffered = "2 s" }
    silence  = { live = "1 min", buffered = "2 h" }
    future   = "1 s"
    horizon  = "3 h"
    conflict = "10 s"

    [rules]                             what the topology asks for, see topologies/<name>.py

A topology whose inputs are derived topics has neither lane classes nor limits of inputs: those of the first stage hold.

A configuration's fingerprint names everything that can change a result: lane classes, limits and rules. Two files that say the
same have the same fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streams.catalogue import Catalogue
from streams.errors import AndonError, InvalidValue, SettingsError
from streams.time.durations import microseconds
from streams.time.limits import ClassTable, InputLimits, TimeConfiguration


@dataclass(frozen=True, slots=True)
class Configuration:
    """topics: changes to the catalogue. rules: as the topology reads them. content: canonical JSON of what shapes results."""

    application: str
    topology: str
    topics: Mapping[str, Mapping[str, Any]]
    time: TimeConfiguration
    rules: Mapping[str, Any]
    content: str

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.content)

    def catalogue(self, prefix: str = "") -> Catalogue:
        return Catalogue(self.topics, prefix)


def fingerprint_of(content: str) -> str:
    """Hexadecimal SHA-256 of a configuration's content, first 16 digits."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _time(raw: Mapping[str, Any]) -> TimeConfiguration:
    classes = raw["lane_classes"]
    unknown = sorted(set(classes) - {"default", "patterns"})
    if unknown:
        raise InvalidValue("the lane classes have settings that are not known", unknown=unknown)
    table = ClassTable(patterns=tuple((str(p), str(c)) for p, c in classes.get("patterns", [])), default=str(classes["default"]))
    inputs = {}
    for name, limits in raw["inputs"].items():
        unknown = sorted(set(limits) - {"lateness", "silence", "future", "horizon", "conflict"})
        if unknown:
            raise InvalidValue("an input has settings that are not known", input=name, unknown=unknown)
        missing = sorted({"lateness", "silence", "future", "horizon", "conflict"} - set(limits))
        if missing:
            raise InvalidValue("an input lacks settings; none has a default", input=name, missing=missing)
        inputs[name] = InputLimits(
            lateness_us={c: microseconds(v) for c, v in limits["lateness"].items()},
            silence_us={c: microseconds(v) for c, v in limits["silence"].items()},
            future_us=microseconds(limits["future"]), horizon_us=microseconds(limits["horizon"]),
            conflict_us=microseconds(limits["conflict"]),
        )  # fmt: skip
    time = TimeConfiguration(classes=table, inputs=inputs)
    time.check({})
    return time


def _content(time: TimeConfiguration, topology: str, rules: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "topology": topology,
            "lane_classes": {"default": time.classes.default, "patterns": time.classes.patterns},
            "inputs": {
                name: {"lateness": dict(x.lateness_us), "silence": dict(x.silence_us), "future": x.future_us, "horizon": x.horizon_us,
                       "conflict": x.conflict_us} for name, x in time.inputs.items()
            },
            "rules": rules,
        },
        sort_keys=True, separators=(",", ":"),
    )  # fmt: skip


def of_content(application: str, content: str) -> Configuration:
    """A configuration as an epoch knows it, from `ctl.configuration.v1`."""
    raw = json.loads(content)
    return Configuration(application, raw["topology"], {}, _time(raw), raw["rules"], content)


def with_rules(configuration: Configuration, rules: Mapping[str, Any]) -> Configuration:
    """The same application and limits of time under other rules."""
    content = _content(configuration.time, configuration.topology, rules)
    return replace(configuration, rules=rules, content=content)


def parse(text: str, name: str = "configuration") -> Configuration:
    """A configuration from TOML; SettingsError says which value is wrong and why."""
    try:
        raw = tomllib.loads(text)
        later = not {"lane_classes", "inputs"} & set(raw)  # its inputs are derived topics: their time is told
        for key in ("application", "topology", "rules", *(() if later else ("lane_classes", "inputs"))):
            if key not in raw:
                raise InvalidValue("the configuration lacks a part; none has a default", missing=key)
        raw = {"lane_classes": {"default": ""}, "inputs": {}} | raw if later else raw
        unknown = sorted(set(raw) - {"application", "topology", "topics", "lane_classes", "inputs", "rules"})
        if unknown:
            raise InvalidValue("the configuration has parts that are not known", unknown=unknown)
        topics = {topic: _topic(change) for topic, change in raw.get("topics", {}).items()}
        Catalogue(topics)
        time = _time(raw)
        return Configuration(raw["application"], raw["topology"], topics, time, raw["rules"], _content(time, raw["topology"], raw["rules"]))
    except (AndonError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{name} is not a valid configuration: {reason}") from error


def _topic(change: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(change)
    if "retention" in found:
        found["retention_ms"] = microseconds(found.pop("retention")) // 1000
    return found


def load(path: Path) -> Configuration:
    """A configuration from a TOML file."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise SettingsError("the configuration file cannot be read", path=str(path), reason=error.strerror) from error
