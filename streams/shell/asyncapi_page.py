"""The catalogue, the contracts and the topologies as an AsyncAPI 3.1 document: docs/asyncapi.yaml, see pages.py.

A channel is a topic, its message is the Avro contract as committed, an operation is what a topology does with it: `receive` its
inputs, `send` its outputs. Catalogues of other people's tools read this file. Partitions and retention are those of a first
installation; there is no server in it, since a deployment has its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from streams.catalogue import TOPICS, Topic
from streams.codec.log import APPEND_HEADER
from streams.codec.outputs import ID_HEADER, TIME_HEADER
from streams.runners.frontier_records import KIND_HEADER
from streams.shell.deployment import EVERY_TOPOLOGY, topology_of
from streams.shell.topology_page import example
from topologies import NAMED

AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
BINDING: Final = "0.5.0"
_WORDS = re.compile(r"[A-Za-z][\w./$#-]*(?: [\w./$#-]+)*")  # texts that YAML reads as themselves, unless it has a word for them
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

_HEADERS: Final[Mapping[str, str]] = {
    ID_HEADER: "Id of the record, the same in every run; a sink that holds it once holds the record once.",
    TIME_HEADER: "When the result was complete, in event time: microseconds since 1970-01-01T00:00Z, decimal digits.",
    KIND_HEADER: "`frontier` on records that only say how far the topology is; every reader of results skips these.",
    APPEND_HEADER.decode(): "On topics with append = header: append time, microseconds since 1970-01-01T00:00Z, decimal digits.",
}


def document() -> dict[str, Any]:
    """The document as plain data.

    >>> document()["channels"]["ot.sample.v1"]["address"], document()["operations"]["downsample.receive.ot.sample.v1"]["action"]
    ('ot.sample.v1', 'receive')
    """
    wired = {name: topology_of(example(name)) for name in NAMED}
    derived = {output for topology in wired.values() for output in topology.outputs}
    operations: dict[str, Any] = {}
    for name, topology in wired.items():
        for action, topics in (("receive", topology.inputs), ("send", (*topology.outputs, *EVERY_TOPOLOGY))):
            operations |= {f"{name}.{action}.{topic}": _operation(action, topic) for topic in dict.fromkeys(topics)}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Andon", "version": version("andon"), "license": {"name": "Apache-2.0"},
            "description": "Topics of the stream processor Andon, their contracts, and which topology reads and writes them. Values are "
            "Avro in Confluent framing under the subject <topic>-value, compatibility FULL_TRANSITIVE. Every topic bears the broker's "
            "append time (LogAppendTime).",
        },
        "defaultContentType": "avro/binary",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": operations,
        "components": {"messages": {topic.name: _message(topic, topic.name in derived) for topic in TOPICS}},
    }  # fmt: skip


def yaml() -> str:
    """The document as YAML."""
    return "# Written by `make docs` from the catalogue, schemas/ and topologies/; do not edit.\n" + "\n".join(_lines(document())) + "\n"


def _operation(action: str, topic: str) -> dict[str, Any]:
    channel = f"#/channels/{topic}"
    return {"action": action, "channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/{topic}"}]}


def _channel(topic: Topic) -> dict[str, Any]:
    settings: dict[str, Any] = dict(topic.broker_settings())
    settings["cleanup.policy"] = [settings["cleanup.policy"]]
    settings |= {name: int(value) for name, value in settings.items() if name.endswith((".ms", ".bytes"))}
    return {
        "address": topic.name, "title": topic.avsc["name"], "description": topic.avsc["doc"], "tags": [{"name": topic.owner}],
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {"kafka": {"partitions": topic.partitions, "topicConfiguration": settings, "bindingVersion": BINDING}},
    }  # fmt: skip


def _message(topic: Topic, derived: bool) -> dict[str, Any]:
    """derived: a topology's results, which frontier records stand among."""
    names = [APPEND_HEADER.decode()] if topic.kind is not None else []
    if derived or topic.name in EVERY_TOPOLOGY:
        names = [ID_HEADER, TIME_HEADER, *([KIND_HEADER] if derived else [])]
    headers = {"type": "object", "properties": {name: {"type": "string", "description": _HEADERS[name]} for name in names}}
    return {
        "name": topic.avsc["name"], "title": topic.name, "contentType": "avro/binary", **({"headers": headers} if names else {}),
        "payload": {"schemaFormat": AVRO, "schema": dict(topic.avsc)},
        "bindings": {"kafka": {
            "key": {"type": "string", "description": topic.key}, "schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent",
            "schemaLookupStrategy": "TopicNameStrategy", "bindingVersion": BINDING,
        }},
    }  # fmt: skip


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    """A mapping or list as lines of YAML; what it holds of plain texts and numbers in one line where that is short.

    >>> list(_lines({"a": [1, {"b": "x: y", "c": {}}], "no": None}))
    ['a: [1, {b: "x: y", c: {}}]', '"no": null']
    """
    entries = value.items() if isinstance(value, Mapping) else ((None, each) for each in value)
    for key, each in entries:
        head = indent + ("-" if key is None else f"{_text(key)}:")
        flow = _flow(each)
        if len(head) + 1 + len(flow) <= 120 or not isinstance(each, Mapping | list) or not each:
            yield f"{head} {flow}"
        elif key is None:
            first, *rest = _lines(each, indent + "  ")
            yield f"{head} {first.lstrip()}"
            yield from rest
        else:
            yield head
            yield from _lines(each, indent + "  ")


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    plain = _WORDS.fullmatch(text) and text.lower() not in _WORDS_OF_YAML and " #" not in text
    return text if plain else json.dumps(text, ensure_ascii=False)
