"""Epochs: what a task adopts at exactly one vector of its inputs.

An epoch has a number, the vector at which everything before was released, the reference rows adopted (by the next offset of each
reference topic) and the configuration (by fingerprint). Recovery, replay and parity apply epochs by number, and read no input
past an epoch's vector before they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streams.configuration import Configuration
from streams.model.hierarchy import Hierarchy


@dataclass(frozen=True, slots=True)
class Epoch:
    """Adopted at `vector` (next offset by input rank); reference: next offset of each reference topic."""

    number: int
    vector: tuple[int, ...]
    reference: Mapping[str, int]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an epoch stands for: its configuration and the hierarchy of its reference rows."""

    epoch: Epoch
    configuration: Configuration
    hierarchy: Hierarchy
