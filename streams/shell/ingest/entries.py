"""Entries: what a file says, one by one. A line of layout long or orders is an entry, in layout wide every value cell is one.

Every entry has exactly one fate: written, refused with a reason, or ignored by a rule. Its sequence number is the line's number
(long, orders) or line x value columns + column (wide), lines and columns counted from 0, whatever its fate: what a mapping does
not write today keeps its number for tomorrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from streams.errors import AndonError
from streams.kernel import B1, I64
from streams.model.path import line_path
from streams.shell.ingest.chunks import Chunk
from streams.shell.ingest.instants import REASONS as TIME_REASONS
from streams.shell.ingest.mapping import Text

WRITTEN, REFUSED, IGNORED = 0, 1, 2
FATES: Final = ("written", "refused", "ignored")

BLANK_LINE, ABSENT, NO_RULE_NAME = "(blank line)", "(absent key)", "(none)"

# Reasons that are found here; those of a line as a whole come from its reader, those of its times from instants.
NO_TAG = "the tag is missing"
NO_RULE = "no rule for the tag"
NO_LINE = "there is no line path for the line"
NO_ASSET = "the asset id is missing"
NO_CODE = "the quality code is not in the table"
NOT_TRANSLATED = "a text is not in its table"
NOT_A_NUMBER = "the value is not a number"
NOT_FINITE = "the value is not finite"
NOT_WHOLE = "the value is not a whole number"
NO_ORDER = "the order number is missing"
NO_CORRECTION = "a correction must say which event and time it corrects"
NO_SPLIT = "a split must name the new orders"
NOT_A_QUANTITY = "a quantity is not a number"
NO_UNIT = "the unit is not in the mapping"

Check = tuple[B1, str, pl.Series | None]  # which entries fail, the reason, what shows it


class Found(NamedTuple):
    """A text for every row, and where there is none."""

    texts: pl.Series
    missing: B1


def constant(text: str, rows: int) -> pl.Series:
    return pl.Series([text], dtype=pl.String).new_from_index(0, rows)


def resolved(text: Text, frame: pl.DataFrame) -> Found:
    """A mapping's text for every line: missing where the cell is empty or the translation does not name it."""
    if text.column is None:
        return Found(constant(text.constant or "", len(frame)), np.full(len(frame), not text.constant))
    cells = frame[text.column].cast(pl.String)
    if text.values is not None or text.template != "{}":
        distinct = cells.unique().drop_nulls().to_list()
        made = [text.of(each) if each else None for each in distinct]
        cells = cells.replace_strict(distinct, made, default=None, return_dtype=pl.String)
    missing = (cells.is_null() | (cells == "")).to_numpy()
    return Found(cells.fill_null(""), missing)


def line_paths(text: Text, frame: pl.DataFrame) -> Found:
    """Line paths; missing where the text is none."""
    found = resolved(text, frame)
    if text.column is None:
        return found
    wrong = [each for each in found.texts.unique().to_list() if not _fits(each)]
    return Found(found.texts, found.missing | found.texts.is_in(wrong).to_numpy())


def _fits(text: str) -> bool:
    try:
        return bool(line_path(text))
    except AndonError:
        return False


def head(chunk: Chunk) -> pl.DataFrame:
    """What every entry of a line has of it."""
    return pl.DataFrame({
        "line": np.arange(chunk.first, chunk.first + len(chunk), dtype=np.int64), "at": chunk.at,
        "fault": chunk.fault, "fault_detail": chunk.detail, "blank": chunk.blank,
    })  # fmt: skip


def judged(entries: pl.DataFrame, checks: Sequence[Check], ignored: B1) -> pl.DataFrame:
    """The entries with `fate`, `reason` and `detail`.

    checks: (which entries fail, reason, detail), the first one that fails decides; a fault of the line comes before all of
    them, then what is ignored. `ignored` marks entries; blank lines are ignored anyway and marked in `blank`.
    """
    fault = entries["fault"].is_not_null().to_numpy()
    blank = entries["blank"].to_numpy() & ~fault
    failed = np.full(len(entries), _NOTHING, np.int64)
    for n in range(len(checks) - 1, -1, -1):
        failed[checks[n][0]] = n
    failed[ignored | blank] = _NOTHING
    failed[fault] = _FAULT
    fate = np.where(failed != _NOTHING, REFUSED, np.where(ignored | blank, IGNORED, WRITTEN)).astype(np.int8)
    found = entries.with_columns(fate=pl.Series(fate), blank=pl.Series(blank), **_worded(entries, failed, checks))
    return found.drop("fault", "fault_detail")


_NOTHING, _FAULT = -2, -1  # else the index of the check that failed


def _worded(entries: pl.DataFrame, failed: I64, checks: Sequence[Check]) -> dict[str, pl.Series]:
    """Columns reason and detail; empty where an entry is not refused."""
    rows = np.flatnonzero(failed != _NOTHING).tolist()
    if not rows:
        return {"reason": constant("", len(entries)), "detail": constant("", len(entries))}
    words, details = [""] * len(entries), [""] * len(entries)
    for n in rows:
        if failed[n] == _FAULT:
            words[n], details[n] = entries["fault"][n], entries["fault_detail"][n] or ""
        else:
            _, words[n], column = checks[failed[n]]
            details[n] = "" if column is None else column[n] or ""
    return {"reason": pl.Series(words, dtype=pl.String), "detail": pl.Series(details, dtype=pl.String)}


def time_checks(reason: I64, texts: pl.Series) -> list[Check]:
    """The checks of a column of times, see instants.Instants."""
    shown = texts if texts.dtype == pl.String else None
    return [(reason == code, TIME_REASONS[code - 1], shown) for code in np.unique(reason[reason > 0])]
