"""Epochs: what a task adopts at exactly one vector of its inputs.

An epoch has a number, the vector at which everything before was released, the reference rows adopted (by the next offset of each
reference topic) and the configuration (by fingerprint). Recovery, replay and parity apply epochs by number, and read no input
past an epoch's vector before they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from streams.configuration import Configuration
from streams.model.characteristic import NO_LIMITS, Characteristics
from streams.model.hierarchy import Hierarchy


@dataclass(frozen=True, slots=True)
class Epoch:
    """Adopted at `vector` (next offset by input rank); reference: next offset of each reference topic.

    schemas: ids whose records are read, all others are unknown; None: whatever the environment's writer knows, which must not change.
    """

    number: int
    vector: tuple[int, ...]
    reference: Mapping[str, int]
    fingerprint: str
    schemas: tuple[int, ...] | None = None


class Row(NamedTuple):
    """A record of a reference topic as the log has it."""

    topic: str
    offset: int
    append_us: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an epoch stands for: its configuration, and the hierarchy and limits of its reference rows.

    refused: rows, new with this epoch, that cannot be read, each with the reason. Every task reads them; the one of partition 0
    tells of them.
    """

    epoch: Epoch
    configuration: Configuration
    hierarchy: Hierarchy
    refused: tuple[tuple[Row, str], ...] = ()
    limits: Characteristics = NO_LIMITS
