"""Lines of layout orders to entries: events in the life of production orders."""

from __future__ import annotations

import numpy as np
import polars as pl

from streams.model.order import EVENTS
from streams.shell.ingest import entries as e
from streams.shell.ingest.chunks import Chunk, Reader
from streams.shell.ingest.instants import parsed
from streams.shell.ingest.mapping import INPUTS, ORDERS, FileMapping

ORDER_RULE = "(order events)"


class OrderMapper:
    """Entries of one file of order events.

    A frame has: line, at, sequence, fate, reason, detail, rule, topic, path, asset (the work center), tag (the order), time, timed, and
    the fields of `mes.order.v1` under their own names.
    """

    rules = (ORDER_RULE, e.NO_RULE_NAME)
    entries_a_line = 1

    def __init__(self, block: FileMapping, _reader: Reader) -> None:
        assert block.order is not None  # the mapping file gives the columns for this layout
        self._block, self._order = block, block.order

    def entries(self, chunk: Chunk) -> pl.DataFrame:
        block, frame = self._block, chunk.frame
        times = parsed(frame[block.time_column], block.time)
        paths = e.line_paths(block.line, frame)
        fields, checks = self._texts(frame)
        for name, column in self._order.quantities:
            text = frame[column].cast(pl.String).fill_null("")
            written = text.str.replace(block.decimal, ".", literal=True) if block.decimal != "." else text
            number = written.cast(pl.Float64, strict=False)
            finite = number.is_finite().fill_null(False)
            checks.append(((~finite & (text != "")).to_numpy(), e.NOT_A_QUANTITY, text))
            fields[name] = number.zip_with(finite, pl.Series([None], dtype=pl.Float64).new_from_index(0, len(frame)))
        for name, column in self._order.times:
            fields[name], found = self._time(frame[column])
            checks += found
        fields["split_into"] = self._split(frame)
        time_text = frame[block.time_column] if frame[block.time_column].dtype == pl.String else e.constant("", len(frame))
        checks = [
            *e.time_checks(times.reason, time_text), (paths.missing, e.NO_LINE, paths.texts), *checks, *self._whole(fields),
        ]  # fmt: skip
        rows = e.head(chunk).with_columns(
            sequence=pl.col("line"), time=times.us, path=paths.texts, rule=pl.lit(0, pl.Int64),
            topic=pl.lit(INPUTS.index(ORDERS), pl.Int64), asset=fields["work_center"], tag=fields["order"],
            quality=pl.lit(0, pl.Int64), text=fields["event"],
            number=pl.lit(None, pl.Float64), whole=pl.lit(None, pl.Int64), absent=pl.lit(False),
            timed=pl.Series(times.reason == 0), **fields,
        )  # fmt: skip
        return e.judged(rows, checks, np.zeros(len(frame), np.bool_))

    def _texts(self, frame: pl.DataFrame) -> tuple[dict[str, pl.Series], list[e.Check]]:
        checks: list[e.Check] = []
        fields = {name: e.constant("", len(frame)) for name in ("operation", "product", "work_center", "unit")}
        fields["corrects"] = e.constant("UNKNOWN", len(frame))
        for name, text in self._order.texts:
            found = e.resolved(text, frame)
            given = (frame[text.column].cast(pl.String).fill_null("") != "").to_numpy() if text.column else np.zeros(len(frame), np.bool_)
            cells = frame[text.column].cast(pl.String) if text.column else None
            known = ~found.missing
            if name in ("event", "corrects"):
                known &= found.texts.is_in(EVENTS[1:]).to_numpy()
            needed = np.full(len(frame), name == "event")
            checks.append(((given | needed) & ~known, e.NOT_TRANSLATED, cells))
            default = "UNKNOWN" if name in ("event", "corrects") else ""
            fields[name] = found.texts.zip_with(pl.Series(known), e.constant(default, len(frame)))
        return fields, checks

    def _time(self, cells: pl.Series) -> tuple[pl.Series, list[e.Check]]:
        """An optional time: empty is none."""
        empty = cells.is_null() if cells.dtype != pl.String else cells.is_null() | (cells == "")
        found = parsed(cells, self._block.time)
        reason = np.where(empty.to_numpy(), 0, found.reason)
        us = pl.Series(found.us).zip_with(~empty, pl.Series([None], dtype=pl.Int64).new_from_index(0, len(cells)))
        return us, e.time_checks(reason, cells)

    def _split(self, frame: pl.DataFrame) -> pl.Series:
        if self._order.split_into is None:
            return pl.Series([[]], dtype=pl.List(pl.String)).new_from_index(0, len(frame))
        cells = frame[self._order.split_into].cast(pl.String).fill_null("").to_list()
        parts = [[part.strip() for part in cell.split(self._order.split_separator) if part.strip()] for cell in cells]
        return pl.Series(parts, dtype=pl.List(pl.String))

    @staticmethod
    def _whole(fields: dict[str, pl.Series]) -> list[e.Check]:
        """What an event must have beside a time and a name."""
        event = fields["event"]
        never = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(event))
        reported = fields.get("corrects_time_us", never).is_not_null()
        complete = reported & ~fields["corrects"].is_in(["UNKNOWN", "CORRECTED"])
        return [
            ((fields["order"] == "").to_numpy(), e.NO_ORDER, None),
            (((event == "CORRECTED") & ~complete).to_numpy(), e.NO_CORRECTION, None),
            (((event == "SPLIT") & (fields["split_into"].list.len() == 0)).to_numpy(), e.NO_SPLIT, None),
        ]
