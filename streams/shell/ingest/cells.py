"""Lines of layouts long and wide to entries: samples, states, counts, measurements."""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np
import polars as pl

from streams.kernel import B1, I64
from streams.shell.ingest import entries as e
from streams.shell.ingest.chunks import Chunk, Reader
from streams.shell.ingest.instants import parsed
from streams.shell.ingest.mapping import INPUTS, QUALITIES, RESULTS, RULE_TEXTS, FileMapping
from streams.shell.ingest.order_times import NO_OPERATION, OrderTimes
from streams.shell.ingest.verdicts import judged

GOOD, UNCERTAIN, BAD = range(3)
TEXT_FIELDS: Final = (*RULE_TEXTS, "unit")


class CellMapper:
    """Entries of one file; remembers which rule fits which tag.

    A frame of entries has: line, at, sequence, fate, reason, detail, rule, topic (index of INPUTS, -1 none), path, asset, tag,
    time, timed (is the time known), blank, absent, number, text, whole, quality, status, cause and the TEXT_FIELDS that some rule
    names; where a rule has limits, they are numbers, with `verdict` (see verdicts.py).
    """

    def __init__(self, block: FileMapping, reader: Reader, orders: OrderTimes | None = None) -> None:
        """orders: those of the run, for a block whose times come from them."""
        assert orders is not None or block.moment is None
        self._orders = orders
        self._block, self._values, self._null_absent = block, reader.value_columns, reader.null_absent
        self._rules: dict[str, int] = {}
        topics = [block.topic_of(rule.kind) for rule in block.tags]
        self._topics = np.array([*(INPUTS.index(topic) if topic else -1 for topic in topics), -1])  # the last one: no rule
        self._kinds = np.array([*(rule.kind for rule in block.tags), "none"])
        self._scales = np.array([*(1.0 if rule.scale is None else rule.scale for rule in block.tags), 1.0])
        self._keeps_empty = np.array([*(rule.keep_empty for rule in block.tags), False])
        self._fields = sorted({name for rule in block.tags for name, _ in rule.texts} | {"cause" for rule in block.tags if rule.reason})
        self.rules = (*(rule.name for rule in block.tags), e.NO_RULE_NAME)
        self.entries_a_line = max(1, len(self._values))

    def entries(self, chunk: Chunk) -> pl.DataFrame:
        """Every entry of a chunk, in the order of the file."""
        block, frame = self._block, chunk.frame
        paths = e.line_paths(block.line, frame)
        assert block.asset is not None  # the mapping file gives one for these layouts
        assets = e.resolved(block.asset, frame)
        lines = e.head(chunk).with_columns(path=paths.texts, no_path=paths.missing, asset=assets.texts, no_asset=assets.missing)
        lines = lines.with_columns(**self._times(frame, paths.texts))
        rows, tag, text, number = self._unfolded(frame)
        if rows is not None:
            lines, frame = lines[rows], frame.select(block.read)[rows]
        lines = lines.with_columns(
            sequence=pl.col("line") * self.entries_a_line + (pl.int_range(pl.len()) % self.entries_a_line), tag=tag.fill_null("")
        )
        return self._valued(lines, frame, text, number)

    def _times(self, frame: pl.DataFrame, paths: pl.Series) -> dict[str, pl.Series]:
        """Times of a column, or of the orders; and why there is none."""
        block, rows = self._block, len(frame)
        if block.moment is not None and self._orders is not None:
            found = self._orders.of(block.moment, frame, paths)
            reason, missing = pl.Series(np.zeros(rows, np.int64)), pl.Series(found.missing)
            return {"time": pl.Series(found.us), "time_reason": reason, "no_operation": missing, "time_text": found.detail}
        cells = frame[block.time_column]
        times = parsed(cells, block.time)
        text = cells if cells.dtype == pl.String else pl.Series([None], dtype=pl.String).new_from_index(0, rows)
        nothing = pl.Series([False]).new_from_index(0, rows)
        return {"time": pl.Series(times.us), "time_reason": pl.Series(times.reason), "no_operation": nothing, "time_text": text}

    def _unfolded(self, frame: pl.DataFrame) -> tuple[I64 | None, pl.Series, pl.Series, pl.Series | None]:
        """(line of each entry, its tag, its cell as text, as number where the file has numbers)."""
        if not self._values:
            value = frame[self._block.value]
            number = value.cast(pl.Float64) if value.dtype.is_numeric() or value.dtype == pl.Boolean else None
            return None, frame[self._block.tag].cast(pl.String), value.cast(pl.String), number
        columns, count = [frame[name] for name in self._values], len(self._values)
        rows = np.repeat(np.arange(len(frame)), count)
        tag = pl.Series(self._values)[np.tile(np.arange(count), len(frame))]
        text = _interleaved([column.cast(pl.String) for column in columns])
        typed = [column.dtype.is_numeric() or column.dtype == pl.Boolean for column in columns]
        if not any(typed):
            return rows, tag, text, None
        empty = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(frame))
        parsed_ = [c.cast(pl.Float64) if is_typed else empty for c, is_typed in zip(columns, typed, strict=True)]
        number = _interleaved(parsed_)
        texts = np.tile(~np.array(typed), len(frame))  # cells of text columns are still to be parsed
        return rows, tag, text, self._numbers(text).zip_with(pl.Series(texts), number) if not all(typed) else number

    def _numbers(self, text: pl.Series) -> pl.Series:
        if self._block.decimal != ".":
            text = text.str.replace(self._block.decimal, ".", literal=True)
        return text.cast(pl.Float64, strict=False)

    def _rule(self, tags: pl.Series) -> I64:
        for tag in tags.unique().to_list():
            if tag not in self._rules:
                self._rules[tag] = self._block.rule_of(tag)
        return tags.replace_strict(self._rules, return_dtype=pl.Int64).to_numpy()

    def _valued(self, lines: pl.DataFrame, frame: pl.DataFrame, text: pl.Series, number: pl.Series | None) -> pl.DataFrame:
        rule = self._rule(lines["tag"])
        kind = self._kinds[rule]
        absent = text.is_null().to_numpy() & self._null_absent
        quality, marked, unknown_code, status = self._quality(frame, text, self._keeps_empty[rule])
        numeric = (kind == "sample") | (kind == "measurement")
        numbers = (self._numbers(text) if number is None else number).to_numpy() * self._scales[rule]  # null becomes NaN
        finite = np.isfinite(numbers)
        whole = _whole(text) if (kind == "count").any() else pl.Series([None], dtype=pl.Int64).new_from_index(0, len(lines))
        must = ~marked & (quality != BAD)
        is_number = text.str.contains(r"(?i)^[+-]?(nan|inf|infinity)$").fill_null(False).to_numpy() | ~np.isnan(numbers)
        extra, untranslated, no_unit = self._texts(frame, rule)
        limits = judged(self._block, rule, extra, np.where(must, numbers, np.nan), self._scales[rule])
        no_operation = lines["no_operation"].to_numpy()
        checks = [
            ((lines["tag"] == "").to_numpy(), e.NO_TAG, None),
            (rule < 0, e.NO_RULE, lines["tag"]),
            *e.time_checks(lines["time_reason"].to_numpy(), lines["time_text"]),
            (lines["no_path"].to_numpy(), e.NO_LINE, lines["path"]),
            (lines["no_asset"].to_numpy(), e.NO_ASSET, None),
            (unknown_code, e.NO_CODE, frame[self._block.quality.column].cast(pl.String) if self._block.quality.column else None),
            (untranslated, e.NOT_TRANSLATED, None),
            (numeric & must & ~finite & ~is_number, e.NOT_A_NUMBER, text),
            (numeric & must & ~finite, e.NOT_FINITE, text),
            ((kind == "count") & must & whole.is_null().to_numpy(), e.NOT_WHOLE, text),
            ((no_unit.is_not_null()).to_numpy(), e.NO_UNIT, no_unit),
            *limits.checks,
            (no_operation, NO_OPERATION, lines["time_text"]),  # the last one: what else is wrong with a line is said first
        ]
        found = e.judged(lines, checks, (kind == "ignore") | absent)
        return found.drop("time_reason", "time_text", "no_path", "no_asset", "no_operation").with_columns(
            timed=pl.Series((lines["time_reason"] == 0) & ~lines["no_operation"]),
            rule=pl.Series(rule), topic=pl.Series(self._topics[rule]), quality=pl.Series(quality), status=status, whole=whole,
            number=_without(pl.Series(numbers), ~finite | (marked & (quality == BAD))), text=_without(text, marked & (quality == BAD)),
            absent=pl.Series(absent), **(extra | limits.columns),
        )  # fmt: skip

    def _quality(self, frame: pl.DataFrame, text: pl.Series, keeps_empty: B1) -> tuple[I64, B1, B1, pl.Series]:
        """(quality, does the cell itself say so, is its code unknown, the code as a number)."""
        rules = self._block.quality
        low = text.str.to_lowercase() if rules.bad or rules.uncertain else text
        empty = (text.is_null() | ((text == "") & ~pl.Series(keeps_empty))).to_numpy()
        bad = empty | (low.is_in(list(rules.bad)).fill_null(False).to_numpy() if rules.bad else False)
        doubtful = low.is_in(list(rules.uncertain)).fill_null(False).to_numpy() if rules.uncertain else np.zeros(len(text), np.bool_)
        quality = np.where(bad, BAD, np.where(doubtful, UNCERTAIN, GOOD))
        nothing = np.zeros(len(text), np.bool_)
        if rules.column is None:
            return quality, bad | doubtful, nothing, pl.Series([0]).new_from_index(0, len(text))
        codes = frame[rules.column].cast(pl.String).fill_null("")
        known = {code: QUALITIES.index(word) for code, word in rules.codes.items()}
        said = codes.replace_strict(known, default=-1, return_dtype=pl.Int64).to_numpy()
        status = codes.cast(pl.Int64, strict=False).fill_null(0)
        return np.maximum(quality, said), bad | doubtful, said < 0, status

    def _texts(self, frame: pl.DataFrame, rule: I64) -> tuple[dict[str, pl.Series], B1, pl.Series]:
        """Columns of the contract that come from elsewhere than the cell; where a translation does not name a cell; what stands
        where a unit should (null: a unit, or none is asked for).

        An empty cell is no text at all, so it is not refused; the contract's default stands for it.
        """
        made = {name: e.constant("", len(rule)) for name in self._fields}
        wrong, no_unit = np.zeros(len(rule), np.bool_), pl.Series([None], dtype=pl.String).new_from_index(0, len(rule))
        for n, each in enumerate(self._block.tags):
            here = rule == n
            if not here.any():
                continue
            for name, text in each.texts:
                found = e.resolved(text, frame)
                made[name] = found.texts.zip_with(pl.Series(here), made[name])
                if name == "unit":
                    cells = frame[text.column].cast(pl.String).fill_null("") if text.column else found.texts
                    no_unit = cells.zip_with(pl.Series(here & found.missing), no_unit)
                elif text.values is not None and text.column is not None:
                    wrong |= here & found.missing & (frame[text.column].cast(pl.String).fill_null("") != "").to_numpy()
                if name == "result":
                    wrong |= here & ~found.texts.is_in(["", *RESULTS]).to_numpy()
            if each.reason:
                parts = [pl.col(column).cast(pl.String).fill_null("") for column in each.reason]
                joined = reduce(lambda a, b: a + " " + b, parts)
                cause = frame.select(joined.str.replace_all(r"\s+", " ").str.strip_chars()).to_series()
                made["cause"] = cause.zip_with(pl.Series(here), made["cause"])
        return made, wrong, no_unit


def _interleaved(columns: list[pl.Series]) -> pl.Series:
    """The cells of a table line by line."""
    named = [column.alias(str(n)) for n, column in enumerate(columns)]
    return pl.DataFrame(named).select(pl.concat_list(pl.all())).to_series().explode()


def _without(column: pl.Series, rows: B1) -> pl.Series:
    """The column, null in these rows."""
    return column.zip_with(pl.Series(~rows), pl.Series([None], dtype=column.dtype).new_from_index(0, len(column)))


def _whole(text: pl.Series) -> pl.Series:
    """Whole numbers, also written as 12.0; null where a text is none."""
    return text.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?$", 1).cast(pl.Int64, strict=False)
