"""Payload fingerprints of recent samples: the same id with another payload is a conflict, not a duplicate.

A 64-bit fingerprint of each numbered sample is kept for `conflict_us` of append time from its first sighting (in steps of
conflict_us / 64); later the same id is judged a duplicate whatever it carries. Pages hold 32 consecutive numbers of a
source, 12 bytes a sample where sources number densely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.kernel import I32, I64, U32, U64, grown, inner, int64, kernel

PAGE = 32
STEPS = 64


class Fingerprints(NamedTuple):
    slots: I32  # open addressing, capacity a power of two; page or -1
    source: I32  # of each page
    number: I64  # sequence // PAGE
    present: U32  # bit k: sample number * PAGE + k is kept
    newest: I64  # tick of the youngest sample
    print: U64  # of each sample, flat: page * PAGE + k
    tick: U32  # of its first sighting, modulo 2^32
    counts: I64  # [pages]


def empty(pages: int = 16) -> Fingerprints:
    slots = 64
    while slots < 2 * pages:
        slots *= 2
    return Fingerprints(
        np.full(slots, -1, np.int32), np.zeros(pages, np.int32), np.zeros(pages, np.int64), np.zeros(pages, np.uint32),
        np.zeros(pages, np.int64), np.zeros(pages * PAGE, np.uint64), np.zeros(pages * PAGE, np.uint32), np.zeros(1, np.int64),
    )  # fmt: skip


@inner
def tick_of(append_us: int, conflict_us: int) -> int:
    return append_us // max(1, conflict_us // STEPS)


@inner
def _slot(f: Fingerprints, source: int, number: int) -> int:
    mask = f.slots.shape[0] - 1
    h = (np.uint64(number) + np.uint64(source) * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    slot = int64((h ^ (h >> np.uint64(31))) & np.uint64(mask))
    while f.slots[slot] >= 0 and (f.source[f.slots[slot]] != source or f.number[f.slots[slot]] != number):
        slot = (slot + 1) & mask
    return slot


@inner
def room(f: Fingerprints) -> int:
    """Pages that can be added."""
    return int64(min(f.source.shape[0], f.slots.shape[0] // 2) - f.counts[0])


@inner
def remember(f: Fingerprints, source: int, sequence: int, fingerprint: np.uint64, tick: int) -> None:
    """Keep the fingerprint of a new sample. Needs room for a page."""
    number = sequence // PAGE
    slot = _slot(f, source, number)
    page = int64(f.slots[slot])
    if page < 0:
        page = f.counts[0]
        f.counts[0] += 1
        f.slots[slot] = page
        f.source[page], f.number[page], f.present[page] = source, number, 0
    k = sequence - number * PAGE
    f.present[page] |= np.uint32(1) << np.uint32(k)
    f.newest[page] = tick
    f.print[page * PAGE + k] = fingerprint
    f.tick[page * PAGE + k] = np.uint32(tick & 0xFFFFFFFF)


@inner
def conflicts(f: Fingerprints, source: int, sequence: int, fingerprint: np.uint64, tick: int) -> bool:
    """Is another fingerprint kept for this known sample?"""
    number = sequence // PAGE
    page = int64(f.slots[_slot(f, source, number)])
    k = sequence - number * PAGE
    if page < 0 or not (f.present[page] >> np.uint32(k)) & np.uint32(1):
        return False
    at = page * PAGE + k
    age = np.uint32(np.uint32(tick & 0xFFFFFFFF) - f.tick[at])
    return bool(age <= STEPS and f.print[at] != fingerprint)


@kernel
def _copy(source: Fingerprints, target: Fingerprints, oldest: int) -> None:
    for page in range(source.counts[0]):
        if source.newest[page] < oldest:
            continue
        new = target.counts[0]
        target.counts[0] += 1
        target.slots[_slot(target, source.source[page], source.number[page])] = new
        target.source[new], target.number[new] = source.source[page], source.number[page]
        target.present[new], target.newest[new] = source.present[page], source.newest[page]
        for k in range(PAGE):
            target.print[new * PAGE + k] = source.print[page * PAGE + k]
            target.tick[new * PAGE + k] = source.tick[page * PAGE + k]


def without_forgotten(f: Fingerprints, append_us: int, conflict_us: int, pages: int = 1) -> Fingerprints:
    """The pages that can still show a conflict, in a table with room for `pages` more."""
    oldest = tick_of(append_us, conflict_us) - STEPS
    count = int(f.counts[0])
    alive = int(np.count_nonzero(f.newest[:count] >= oldest))
    if alive == count:  # nothing to drop: enlarge in place of copying page by page
        return _wider(f, count + max(pages, count // 2))
    target = empty(2 * alive + pages)
    _copy(f, target, oldest)
    return target


def _wider(f: Fingerprints, pages: int) -> Fingerprints:
    slots = empty(pages).slots if 2 * pages > f.slots.shape[0] else f.slots
    wider = Fingerprints(
        slots, grown(f.source, pages), grown(f.number, pages), grown(f.present, pages), grown(f.newest, pages),
        grown(f.print, pages * PAGE), grown(f.tick, pages * PAGE), f.counts,
    )  # fmt: skip
    if slots is not f.slots:
        _index(wider)
    return wider


def of_columns(source: I32, number: I64, present: U32, newest: I64, print: U64, tick: U32) -> Fingerprints:
    """Fingerprints from their columns, as a snapshot keeps them."""
    pages = max(16, len(source))
    target = empty(pages)
    for name, pages_of in (("source", source), ("number", number), ("present", present), ("newest", newest)):
        getattr(target, name)[: len(source)] = pages_of
    target.print[: len(print)], target.tick[: len(tick)] = print, tick
    target.counts[0] = len(source)
    _index(target)
    return target


@kernel
def _index(f: Fingerprints) -> None:
    for page in range(f.counts[0]):
        f.slots[_slot(f, f.source[page], f.number[page])] = page
