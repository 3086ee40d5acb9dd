"""Times as files write them, to microseconds since 1970-01-01 UTC: exact, or refused with a reason.

A format becomes one regular expression over its digits, and the calendar is computed in integers: no float touches a time.
Up to nine decimals are read; a digit below a microsecond that is not zero refuses the time, or is cut off (towards the past)
where the mapping says so. Times without an offset are local times of the mapping's zone; where clocks go back or forth one of
them occurs twice or never, and is refused unless the mapping gives a fold (PEP 495). A leap second (:60) does not occur.

>>> instant_us("2016-10-20T12:30:25.701Z"), instant_us("2016-10-21T00:00+02:00")
(1476966625701000, 1477000800000000)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from streams.errors import InvalidValue
from streams.kernel import B1, I64
from streams.shell.ingest.mapping import TimeFormat

MISSING, NOT_A_TIME, NO_SUCH_TIME, TOO_FINE, NO_ZONE, TWICE, NEVER, OUT_OF_RANGE = REASONS = (
    "the time is missing", "the time is not written in the mapping's format", "there is no such date or time of day",
    "the time has digits below a microsecond", "the time has no offset, and the mapping no zone",
    "the local time occurs twice, and the mapping gives no fold", "the local time does not occur, and the mapping gives no fold",
    "the time is outside the years 1 to 9999",
)  # fmt: skip

EPOCHS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
FIRST_US, END_US = -62_135_596_800_000_000, 253_402_300_800_000_000  # of the years 1 to 9999
DAY_US: Final = 86_400_000_000

_DIGITS = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{1,2}", "d": "[0-9]{1,2}", "H": "[0-9]{1,2}", "I": "[0-9]{1,2}",
           "M": "[0-9]{1,2}", "S": "[0-9]{1,2}", "f": "[0-9]{1,9}", "z": "Z|[+-][0-9]{2}:?[0-9]{2}", "p": "[AaPp][Mm]"}  # fmt: skip
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_DIGITS |= {"b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}"}
_ISO = (
    r"^(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})[Tt ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})"
    r"(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?(?P<z>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)


class Instants(NamedTuple):
    """us: where reason is 0; reason: 0, or 1 + an index of REASONS."""

    us: I64
    reason: I64


@dataclass(frozen=True, slots=True)
class _Compiled:
    pattern: str
    parts: tuple[str, ...]


@cache
def _compiled(format_: str) -> _Compiled:
    if format_ == "iso8601":
        return _Compiled(_ISO, ("Y", "m", "d", "H", "M", "S", "f", "z"))
    out, parts, pos = [], [], 0
    while pos < len(format_):
        if format_[pos] != "%":
            out.append(re.escape(format_[pos]))
            pos += 1
            continue
        code = format_[pos + 1 : pos + 2]
        pos += 2
        if code == "%":
            out.append("%")
        elif code not in _DIGITS:
            raise InvalidValue("a directive of the time format is not known", directive=f"%{code}", known=[f"%{c}" for c in _DIGITS])
        elif code in parts:
            raise InvalidValue("a directive of the time format stands twice", directive=f"%{code}")
        else:
            parts.append(code)
            out.append(f"(?P<{code}>{_DIGITS[code]})")
    for wanted in (("Y", "y"), ("m", "b", "B"), ("d",)):
        if len([code for code in wanted if code in parts]) != 1:
            directives = [f"%{c}" for c in wanted]
            raise InvalidValue("the time format must have exactly one of these directives", directives=directives, given=format_)
    if ("I" in parts) != ("p" in parts) or ("I" in parts and "H" in parts):
        raise InvalidValue("the time format must have %H, or %I with %p", given=format_)
    return _Compiled("^" + "".join(out) + "$", tuple(parts))


def check(rules: TimeFormat) -> None:
    """Refuse a format that cannot be used, a zone that does not exist, a format without any zone."""
    if rules.zone is not None:
        try:
            ZoneInfo(rules.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidValue("there is no such time zone", zone=rules.zone, hint="an IANA name, for example Europe/Berlin") from error
    if rules.format in EPOCHS:
        if rules.zone is not None or rules.fold is not None:
            raise InvalidValue("times since the epoch have no zone", zone=rules.zone, fold=rules.fold)
        return
    if rules.format != "iso8601" and "%" not in rules.format:
        raise InvalidValue("no such time format", format=rules.format, known=["iso8601", *EPOCHS, "directives of strptime"])
    parts = _compiled(rules.format).parts
    if "z" not in parts and rules.zone is None:
        raise InvalidValue("the time format has no offset (%z), and there is no zone", format=rules.format, hint='zone = "UTC"')


def instant_us(text: str) -> int:
    """One ISO 8601 time with an offset, as options of the command line take it."""
    found = parsed(pl.Series([text]), TimeFormat(format="iso8601"))
    if found.reason[0]:
        raise InvalidValue(REASONS[found.reason[0] - 1], time=text, hint="write for example 2016-10-21T00:00Z")
    return int(found.us[0])


def spoken(instant: int) -> str:
    """ISO 8601, UTC, for people.

    >>> spoken(1476966625701000)
    '2016-10-20T12:30:25.701000Z'
    """
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).isoformat(timespec="microseconds")[:26] + "Z"


def parsed(column: pl.Series, rules: TimeFormat) -> Instants:
    """Microseconds of each time. A column that is of a time type already (Parquet) is taken as such, whatever the format."""
    if isinstance(column.dtype, pl.Datetime):
        us, fine, given = _of_type(column)
        reason = np.where(given, np.where(fine != 0, 0 if rules.truncate else _code(TOO_FINE), 0), _code(MISSING))
        naive = np.full(len(column), column.dtype.time_zone is None)
    else:
        text = column if column.dtype == pl.String else column.cast(pl.String)
        if rules.format in EPOCHS:
            return _ranged(_since_epoch(text, rules))
        us, reason, naive = _civil(text, rules)
    return _ranged(_zoned(us, reason, naive, rules))


def _code(reason: str) -> int:
    return 1 + REASONS.index(reason)


def _ranged(found: Instants) -> Instants:
    outside = (found.reason == 0) & ((found.us < FIRST_US) | (found.us >= END_US))
    return Instants(np.where(found.reason == 0, found.us, 0), np.where(outside, _code(OUT_OF_RANGE), found.reason))


def _of_type(column: pl.Series) -> tuple[I64, I64, B1]:
    """(microseconds, what is left below them, is there a time)."""
    unit = cast(pl.Datetime, column.dtype).time_unit
    raw = column.to_physical().fill_null(0).to_numpy()
    given = column.is_not_null().to_numpy()
    if unit == "ns":
        return raw // 1000, raw % 1000, given
    return raw * (1000 if unit == "ms" else 1), np.zeros(len(column), np.int64), given


def _ints(column: pl.Series, default: int = 0) -> I64:
    return column.cast(pl.Int64, strict=False).fill_null(default).to_numpy()


def _since_epoch(text: pl.Series, rules: TimeFormat) -> Instants:
    """A decimal number of seconds, milliseconds or microseconds, exactly."""
    groups = text.str.extract_groups(r"^(?P<sign>[+-]?)(?P<whole>[0-9]{1,18})(?:\.(?P<part>[0-9]{1,9}))?$").struct.unnest()
    unit = EPOCHS[rules.format]
    missing, whole = text.is_null().to_numpy() | (text == "").fill_null(False).to_numpy(), _ints(groups["whole"])
    bad = groups["whole"].is_null().to_numpy()
    far = whole > END_US // unit
    part = _ints(groups["part"].str.pad_end(9, "0"))
    above, below = part * unit // 1_000_000_000, part * unit % 1_000_000_000
    us = np.where(far, 0, whole) * unit + above
    minus = (groups["sign"] == "-").fill_null(False).to_numpy()
    us = np.where(minus, -us - (below > 0), us)
    reason = np.select(
        [missing, bad, far, (below > 0) & (not rules.truncate)],
        [_code(MISSING), _code(NOT_A_TIME), _code(OUT_OF_RANGE), _code(TOO_FINE)], 0,
    )  # fmt: skip
    return Instants(us, reason)


def _civil(text: pl.Series, rules: TimeFormat) -> tuple[I64, I64, B1]:
    """(microseconds as if the time were UTC, offset already taken off; reason; has the time no offset of its own)."""
    compiled = _compiled(rules.format)
    groups = text.str.extract_groups(compiled.pattern).struct.unnest()
    zero, rows = np.zeros(len(text), np.int64), len(text)

    def part(code: str, default: int = 0) -> I64:
        return _ints(groups[code], default) if code in compiled.parts else np.full(rows, default, np.int64)

    bad = groups[compiled.parts[0]].is_null().to_numpy()
    year = part("Y") if "Y" in compiled.parts else _century(part("y"))
    month = part("m") if "m" in compiled.parts else _month(groups["b" if "b" in compiled.parts else "B"])
    day, hour, minute, second = part("d"), part("H"), part("M"), part("S")
    if "p" in compiled.parts:
        twelve = part("I")
        afternoon = groups["p"].str.to_lowercase().eq("pm").fill_null(False).to_numpy()
        hour = np.where((twelve < 1) | (twelve > 12), 99, twelve % 12 + np.where(afternoon, 12, 0))
    fine = _ints(groups["f"].str.pad_end(9, "0")) if "f" in compiled.parts else zero
    exists = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    exists &= day <= _days_in_month(year, np.clip(month, 1, 12))
    us = _days(year, month, day) * DAY_US + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fine // 1000
    naive = np.ones(rows, np.bool_)
    if "z" in compiled.parts:
        offset = _offsets(groups["z"])
        naive = groups["z"].is_null().to_numpy()
        exists &= offset != _NO_OFFSET
        us = us - np.where(naive, 0, offset)
    missing = text.is_null().to_numpy() | (text == "").fill_null(False).to_numpy()
    reason = np.select(
        [missing, bad, ~exists, (fine % 1000 > 0) & (not rules.truncate)],
        [_code(MISSING), _code(NOT_A_TIME), _code(NO_SUCH_TIME), _code(TOO_FINE)], 0,
    )  # fmt: skip
    return us, reason, naive


def _century(year: I64) -> I64:
    return np.where(year < 69, 2000, 1900) + year  # as POSIX does


def _month(names: pl.Series) -> I64:
    whole = {name: n for n, name in enumerate(_MONTHS, start=1)}
    known = {**{name[:3]: n for name, n in whole.items()}, **(whole if names.name == "B" else {})}
    return _ints(names.str.to_lowercase().replace_strict(known, default=0, return_dtype=pl.Int64))


def _days_in_month(year: I64, month: I64) -> I64:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month]
    return cast(I64, days + ((month == 2) & leap))


def _days(year: I64, month: I64, day: I64) -> I64:
    """Days since 1970-01-01 of the proleptic Gregorian calendar, counted in years that begin in March, so that the leap
    day is the last one."""
    march_year = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return 365 * march_year + march_year // 4 - march_year // 100 + march_year // 400 + day_of_year - 719_468


_NO_OFFSET: Final = 1 << 50


def _offsets(texts: pl.Series) -> I64:
    def offset(text: str) -> int:
        if text in ("Z", "z"):
            return 0
        digits = text[1:].replace(":", "").ljust(4, "0")
        hours, minutes = int(digits[:2]), int(digits[2:])
        if hours > 23 or minutes > 59:
            return _NO_OFFSET
        return (-1 if text[0] == "-" else 1) * (hours * 60 + minutes) * 60_000_000

    known = {text: offset(text) for text in texts.unique().drop_nulls().to_list()}
    return _ints(texts.replace_strict(known, default=0, return_dtype=pl.Int64)) if known else np.zeros(len(texts), np.int64)


def _zoned(us: I64, reason: I64, naive: B1, rules: TimeFormat) -> Instants:
    """Local times become UTC."""
    local = naive & (reason == 0)
    if not local.any() or rules.zone == "UTC":
        return Instants(us, reason)
    if rules.zone is None:
        return Instants(us, np.where(local, _code(NO_ZONE), reason))
    inside = (us >= FIRST_US + DAY_US) & (us < END_US - DAY_US)
    reason = np.where(local & ~inside, _code(OUT_OF_RANGE), reason)
    times = pl.Series(np.where(local & inside, us, 0)).cast(pl.Datetime("us"))
    once = times.dt.replace_time_zone(rules.zone, ambiguous="null", non_existent="null")
    found = np.where(local, once.to_physical().fill_null(0).to_numpy(), us)
    doubtful = np.flatnonzero(local & inside & once.is_null().to_numpy())
    if len(doubtful):
        zone = ZoneInfo(rules.zone)
        either = times.dt.replace_time_zone(rules.zone, ambiguous="earliest", non_existent="null").is_null().to_numpy()
        for n in doubtful:
            if rules.fold is None:
                reason[n] = _code(NEVER if either[n] else TWICE)
            else:
                found[n] = _in_zone(int(us[n]), zone, rules.fold)
    return Instants(found, reason)


def _in_zone(local_us: int, zone: ZoneInfo, fold: int) -> int:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=local_us)).replace(tzinfo=zone, fold=fold)
    return (local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
