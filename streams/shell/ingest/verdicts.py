"""The inspector's verdict on a measurement, held against its value and limits.

A verdict agrees with value and limits, bounds included, or contradicts them:

    PASS  and  value < lsl or value > usl        FAIL  and  lsl <= value <= usl

A limit under the modifier MAXIMUM or LEAST (material condition) grows with the feature's size, which is not known here: a PASS
beyond it is not judged. Nor are rows without a verdict, a value or a limit. Limits are in the unit of the cell; `scale` holds for both.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from streams.kernel import B1, F64, I64
from streams.shell.ingest import entries as e
from streams.shell.ingest.mapping import FileMapping

NUMBERS: Final = ("nominal", "lsl", "usl")
NOT_JUDGED, AGREES, CONTRADICTS = range(3)
VERDICTS: Final = ("not judged", "agrees", "contradicts")
GROWING: Final = ("MAXIMUM", "LEAST")
NOT_A_LIMIT = "a nominal or a limit is not a finite number"
CROSSED = "the lower limit is above the upper one"
CONTRADICTED = "the verdict contradicts value and limits"

Texts = dict[str, pl.Series]


class Judged(NamedTuple):
    """columns: nominal, lsl and usl as numbers (null: none), modifier, and verdict, an index of VERDICTS. checks: what refuses a row."""

    columns: dict[str, pl.Series]
    checks: list[e.Check]


def judged(block: FileMapping, rule: I64, texts: Texts, value: F64, scale: F64) -> Judged:
    """Every row's limits and verdict; nothing where the mapping speaks of no limits.

    texts: by field, as the mapping's texts say. value: scaled, NaN where there is none. scale: of each row.
    """
    if not any(each.limited or each.nominal for each in block.tags):
        return Judged({}, [])
    rows = len(value)
    words = {name: texts.get(name, e.constant("", rows)) for name in (*NUMBERS, "result", "modifier")}
    numbers, bad = {}, np.zeros(rows, np.bool_)
    for name in NUMBERS:
        text = words[name]
        written = text.str.replace(block.decimal, ".", literal=True) if block.decimal != "." else text
        numbers[name] = written.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy() * scale
        bad |= (text != "").to_numpy() & ~np.isfinite(numbers[name])
    lsl, usl = numbers["lsl"], numbers["usl"]
    verdict = _verdicts(words, value, lsl, usl)
    refuses = np.array([*(each.contradiction == "refuse" for each in block.tags), False])[rule]
    limits = pl.DataFrame([words[name].alias(name) for name in NUMBERS]).select(
        pl.concat_str([pl.lit(f"{name} ") + pl.col(name) for name in NUMBERS], separator=", ")
    )
    told = pl.DataFrame({"result": words["result"], "value": value}).select(
        pl.concat_str([pl.col("result"), pl.lit(", value "), pl.col("value").cast(pl.String), pl.lit(", "), limits.to_series()])
    )
    columns = {name: pl.Series(number).fill_nan(None) for name, number in numbers.items()}
    return Judged(
        columns | {"verdict": pl.Series(verdict), "modifier": words["modifier"]},
        [
            (bad, NOT_A_LIMIT, limits.to_series()), (lsl > usl, CROSSED, limits.to_series()),
            (refuses & (verdict == CONTRADICTS), CONTRADICTED, told.to_series()),
        ],
    )  # fmt: skip


def _verdicts(words: Texts, value: F64, lsl: F64, usl: F64) -> I64:
    passed, failed = (words["result"] == "PASS").to_numpy(), (words["result"] == "FAIL").to_numpy()
    limited = ~np.isnan(value) & ~(np.isnan(lsl) & np.isnan(usl))
    beyond: B1 = (value < lsl) | (value > usl)  # a comparison with NaN is false: there is no limit on that side
    grown = passed & beyond & words["modifier"].is_in(list(GROWING)).to_numpy()
    wrong = (passed & beyond) | (failed & ~beyond)
    return np.where(~limited | ~(passed | failed) | grown, NOT_JUDGED, np.where(wrong, CONTRADICTS, AGREES)).astype(np.int64)
