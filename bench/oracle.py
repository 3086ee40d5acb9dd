"""What must come out: windows and late samples of a load by polars, from the seed alone; and what has come out, by fastavro.

    late      event time < max(A - silence, M - lateness) of the machine, M before the message
    window    of a signal: the samples that are not late, in [10 s * n, 10 s * (n + 1))

A subject's output is right if it has every window once, no other, counts, smallest and largest values exact, mean and standard
deviation to 1e-9 of their size, no id twice, and exactly the late samples.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import fastavro
import numpy as np
import polars as pl

from bench.load import LATENESS_US, SILENCE_US, Columns, Load, plain

WINDOW_US = 10_000_000
EXACT, CLOSE = ("count", "min", "max"), ("mean", "std")
FIELDS = ("asset", "tag", "start_us", "count", "min", "max", "mean", "variance", "sum", "id")


@dataclass(frozen=True)
class Expected:
    windows: pl.DataFrame
    late: int


def expected(load: Load, packed: bool = False) -> Expected:
    columns: Columns = load.columns()
    every = np.arange(load.events)
    message = every
    if packed:
        rows = load.rows_of_messages()
        message = np.empty(load.events, np.int64)
        message[rows.reshape(-1)] = np.repeat(np.arange(len(rows)), rows.shape[1])
    frame = pl.DataFrame({
        "signal": columns.signal, "machine": columns.signal // load.tags, "time": columns.time, "append": columns.append,
        "value": columns.value, "message": message,
    })  # fmt: skip
    told = frame.group_by("machine", "message").agg(pl.col("time").max(), pl.col("append").max()).sort("machine", "message")
    told = told.with_columns(known=pl.col("time").cum_max().shift(1).over("machine")).drop("time")
    assert told.sort("message")["append"].is_sorted(), "the load is not written in append order"
    missed = pl.max_horizontal(pl.col("append_right") - SILENCE_US, pl.col("known") - LATENESS_US)
    judged = frame.join(told, on=["machine", "message"]).with_columns(late=pl.col("time") < missed)
    windows = (
        judged.filter(~pl.col("late"))
        .group_by("signal", start_us=pl.col("time") // WINDOW_US * WINDOW_US)
        .agg(pl.len().alias("count"), pl.col("value").min().alias("min"), pl.col("value").max().alias("max"),
             pl.col("value").mean().alias("mean"), pl.col("value").std().alias("std"))
    )  # fmt: skip
    return Expected(windows.sort("signal", "start_us"), int(judged["late"].sum()))


def decoded(values: Iterable[bytes], contract: str) -> list[dict[str, Any]]:
    """Framed records as a stock reader sees them; frontier records and other news are left out."""
    schema = plain(contract)
    found = (fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None) for value in values)
    return [record for record in found if isinstance(record, dict) and record.get("kind", "DATA") == "DATA"]


def _whole(told: pl.DataFrame) -> pl.DataFrame:
    """Windows that changes of orders have cut, put together again."""
    return told.group_by("signal", "start_us").agg(
        pl.col("count").sum(), pl.col("min").min(), pl.col("max").max(), (pl.col("sum").sum() / pl.col("count").sum()).alias("mean"),
        pl.col("id").first(),
    )  # fmt: skip


def faults(load: Load, wanted: Expected, windows: list[dict[str, Any]], late: list[dict[str, Any]], cut: bool = False) -> list[str]:
    """What is wrong with an output; nothing where it is right. cut: orders have cut windows into stretches."""
    found = []
    told = pl.DataFrame({name: [w[name] for w in windows] for name in FIELDS}).with_columns(
        signal=pl.col("asset").str.extract(r"(\d+)$").cast(pl.Int64) * load.tags + pl.col("tag").str.extract(r"(\d+)$").cast(pl.Int64),
        std=pl.col("variance").sqrt(),
    )
    if told["id"].n_unique() != len(told):
        found.append(f"{len(told) - told['id'].n_unique()} ids occur twice")
    if cut:
        told = _whole(told)
        if not any(window["orders"] for window in windows):
            found.append("no window bears an order")
    both = wanted.windows.join(told, on=["signal", "start_us"], how="full", suffix="_told")
    lacking, excess = both["id"].null_count(), both["signal"].null_count()
    if lacking or excess or len(both) != len(wanted.windows):
        found.append(f"{lacking} windows are missing, {excess} should not be there, {len(both)} of {len(wanted.windows)} told")
    for name in (*EXACT, *CLOSE[: 1 if cut else 2]):
        tolerance = 0.0 if name in EXACT else 1e-9
        differs = (pl.col(name) - pl.col(f"{name}_told")).abs() > tolerance * pl.col(name).abs()
        wrong = both.filter(differs | (pl.col(name).is_null() != pl.col(f"{name}_told").is_null()))
        if len(wrong):
            found.append(f"{name} is wrong in {len(wrong)} windows")
    set_aside = sum(len(one["indexes"]) for one in late)
    if set_aside != wanted.late:
        found.append(f"{set_aside} samples are late, {wanted.late} should be")
    return found
