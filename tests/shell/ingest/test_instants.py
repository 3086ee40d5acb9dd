"""Times are exact to the microsecond or refused with the right reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.shell.ingest import instants
from streams.shell.ingest.instants import END_US, FIRST_US, MISSING, NEVER, NO_SUCH_TIME, NO_ZONE, NOT_A_TIME, OUT_OF_RANGE, TOO_FINE, TWICE
from streams.shell.ingest.mapping import TimeFormat

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us_of(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def parsed(texts: list[str | None], **rules: object) -> list[int | str]:
    """Microseconds, or the reason."""
    found = instants.parsed(pl.Series(texts, dtype=pl.String), TimeFormat(**rules))  # type: ignore[arg-type]
    return [instants.REASONS[reason - 1] if reason else us for us, reason in zip(found.us.tolist(), found.reason.tolist(), strict=True)]


@pytest.mark.parametrize("decimals", range(10))
def test_iso_8601_takes_nought_to_nine_decimals(decimals: int) -> None:
    fraction = "." + "123456000"[:decimals] if decimals else ""

    assert parsed([f"2016-10-20T12:30:25{fraction}Z"], format="iso8601") == [1476966625_000000 + int("123456"[:decimals].ljust(6, "0"))]


def test_digits_below_a_microsecond_are_refused_or_cut_off_towards_the_past() -> None:
    texts: list[str | None] = ["1969-12-31T23:59:59.9999995Z", "2016-10-20T12:30:25.0000001Z", "2016-10-20T12:30:25.0000010Z"]

    assert parsed(texts, format="iso8601") == [TOO_FINE, TOO_FINE, 1476966625000001]
    assert parsed(texts, format="iso8601", truncate=True) == [-1, 1476966625000000, 1476966625000001]
    assert parsed(["-0.0000005", "0.0000005"], format="epoch_s") == [TOO_FINE, TOO_FINE]
    assert parsed(["-0.0000005", "0.0000005"], format="epoch_s", truncate=True) == [-1, 0]


def test_iso_8601_forms() -> None:
    good: list[str | None] = ["2016-10-20T12:30Z", "2016-10-20 12:30:00Z", "2016-10-20T14:30:00+02:00", "2016-10-20T07:00:00-0530",
                              "2016-10-20T14:30:00+02", "2016-10-20t12:30:00,000z"]  # fmt: skip
    bad: list[str | None] = ["2016-10-20", "20161020T123000Z", "2016-10-20T12:30:00.1234567890Z", "2016-10-20T12:30:00Z ", "yesterday",
                             "2016-10-20T12:30:00Zulu", "２016-10-20T12:30:00Z"]  # fmt: skip
    none: list[str | None] = ["2016-02-30T12:00:00Z", "2015-02-29T12:00:00Z", "2016-13-01T12:00:00Z", "2016-00-01T12:00:00Z",
                              "2016-10-20T24:00:00Z", "2016-12-31T23:59:60Z", "2016-10-20T12:60:00Z",
                              "2016-10-20T12:00:00+25:00"]  # fmt: skip

    assert set(parsed(good, format="iso8601")) == {1476966600000000}
    assert set(parsed(bad, format="iso8601")) == {NOT_A_TIME}
    assert set(parsed(none, format="iso8601")) == {NO_SUCH_TIME}
    assert parsed(["2016-10-20T12:30:00", None, ""], format="iso8601") == [NO_ZONE, MISSING, MISSING]
    assert parsed(["2016-02-29T00:00:00Z", "2000-02-29T00:00:00Z"], format="iso8601") == [1456704000000000, 951782400000000]
    assert parsed(["1900-02-29T00:00:00Z"], format="iso8601") == [NO_SUCH_TIME]


@given(st.integers(FIRST_US, END_US - 1))
def test_every_microsecond_of_ten_thousand_years_is_read_back(us: int) -> None:
    text = (EPOCH + timedelta(microseconds=us)).isoformat()
    seconds, rest = divmod(abs(us), 1_000_000)
    sign = "-" if us < 0 else ""

    assert parsed([text], format="iso8601") == [us]
    assert parsed([f"{sign}{seconds}.{rest:06}"], format="epoch_s") == [us]
    assert parsed([f"{sign}{abs(us) // 1000}.{abs(us) % 1000:03}"], format="epoch_ms") == [us]
    assert parsed([str(us)], format="epoch_us") == [us]
    assert parsed([text.replace("T", " ")], format="%Y-%m-%d %H:%M:%S.%f%z") == [us] or "." not in text


def test_epochs_refuse_what_is_no_decimal_number_and_what_lies_outside_the_calendar() -> None:
    assert parsed(["1.5e9", "0x5", "", " 5", "5.", "--5"], format="epoch_s") == [NOT_A_TIME, NOT_A_TIME, MISSING, *[NOT_A_TIME] * 3]
    assert parsed(["253402300800", "-62135596801", "999999999999999999"], format="epoch_s") == [OUT_OF_RANGE] * 3
    assert parsed(["1476966625701.25"], format="epoch_ms") == [1476966625701250]


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("20/10/2016 12:30:25", "%d/%m/%Y %H:%M:%S"), ("20.10.16 12:30:25", "%d.%m.%y %H:%M:%S"),
        ("2016.10.20.12.30.25", "%Y.%m.%d.%H.%M.%S"),
        ("Oct 20, 2016 12:30:25 PM", "%b %d, %Y %I:%M:%S %p"), ("20 october 2016 12h30m25", "%d %B %Y %Hh%Mm%S"),
        ("2016-10-20 12:30:25.000", "%Y-%m-%d %H:%M:%S.%f"), ("100%20161020 123025", "100%%%Y%m%d %H%M%S"),
        ("2016-10-20T14:30:25+0200", "%Y-%m-%dT%H:%M:%S%z"),
    ],
)  # fmt: skip
def test_directives_of_strptime(text: str, format_: str) -> None:
    assert parsed([text], format=format_, zone="UTC") == [1476966625000000]


def test_midnight_and_noon_on_a_clock_of_twelve_hours() -> None:
    texts: list[str | None] = [
        "2016-10-20 12:00 AM",
        "2016-10-20 12:00 PM",
        "2016-10-20 01:00 pm",
        "2016-10-20 13:00 PM",
        "2016-10-20 00:00 AM",
    ]
    day = 1476921600000000

    assert parsed(texts, format="%Y-%m-%d %I:%M %p", zone="UTC") == [
        day,
        day + 43_200_000_000,
        day + 46_800_000_000,
        NO_SUCH_TIME,
        NO_SUCH_TIME,
    ]


def test_two_digit_years_are_those_of_posix() -> None:
    assert parsed(["01.01.68", "01.01.69"], format="%d.%m.%y", zone="UTC") == [
        us_of(datetime(2068, 1, 1, tzinfo=UTC)),
        us_of(datetime(1969, 1, 1, tzinfo=UTC)),
    ]


SPRING, AUTUMN, SUMMER = "2024-03-31T02:30:00.000001", "2024-10-27T02:30:00.000001", "2024-07-01T12:00:00"


def test_local_times_that_do_not_occur_or_occur_twice_are_refused_unless_a_fold_is_given() -> None:
    texts: list[str | None] = [SPRING, AUTUMN, SUMMER, "2024-10-27T02:30:00+01:00"]
    summer, offset_given = us_of(datetime(2024, 7, 1, 10, tzinfo=UTC)), us_of(datetime(2024, 10, 27, 1, 30, tzinfo=UTC))

    assert parsed(texts, format="iso8601", zone="Europe/Berlin") == [NEVER, TWICE, summer, offset_given]
    for fold in (0, 1):
        zone = ZoneInfo("Europe/Berlin")
        expected = [us_of(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)) for text in (SPRING, AUTUMN)]
        assert parsed(texts, format="iso8601", zone="Europe/Berlin", fold=fold) == [*expected, summer, offset_given]


def test_local_times_of_every_zone_are_those_of_the_standard_library() -> None:
    random = Random(7)
    for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "UTC"):
        times = [datetime(1975, 1, 1) + timedelta(microseconds=random.randrange(60 * 365 * instants.DAY_US)) for _ in range(300)]  # noqa: DTZ001
        expected = [us_of(time.replace(tzinfo=ZoneInfo(name))) for time in times]

        assert parsed([time.isoformat() for time in times], format="iso8601", zone=name, fold=0) == expected


def test_a_column_of_times_is_taken_as_it_is() -> None:
    """Parquet has types; a format cannot make them less exact."""
    ns = pl.Series([1476966625701000123, 1476966625701000000, None], dtype=pl.Int64)
    found = instants.parsed(ns.cast(pl.Datetime("ns", "UTC")), TimeFormat(format="iso8601"))
    assert [int(reason) for reason in found.reason] == [1 + instants.REASONS.index(TOO_FINE), 0, 1 + instants.REASONS.index(MISSING)]
    assert found.us[1] == 1476966625701000

    local = pl.Series([datetime(2024, 7, 1, 12)])  # noqa: DTZ001  naive on purpose
    assert instants.parsed(local, TimeFormat(format="iso8601", zone="Europe/Berlin")).us.tolist() == [
        us_of(datetime(2024, 7, 1, 10, tzinfo=UTC))
    ]
    assert instants.parsed(pl.Series([1.25, -0.5]), TimeFormat(format="epoch_s")).us.tolist() == [1_250_000, -500_000]
