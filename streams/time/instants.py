"""Which instants there are: microseconds of UTC from 1970 that every Avro client can show as a date.

`timestamp-micros` holds more than dates do; a consumer in Python dies on what is outside the years 1 to 9999, and no plant has
records from there. Records are accepted from the year 2 to the year 9998, so that windows around them fit as well.

>>> representable(-(1 << 62)) == EARLIEST_US, representable(5), representable(1 << 62) == LATEST_US
(True, 5, True)
"""

from __future__ import annotations

from typing import Final

EARLIEST_US: Final = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z; in a frontier record also: nothing is known yet
LATEST_US: Final = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_YEAR_US: Final = 366 * 86_400_000_000
FIRST_US: Final = EARLIEST_US + _YEAR_US  # of event times, claims and append times
LAST_US: Final = LATEST_US - _YEAR_US


def representable(instant_us: int) -> int:
    """The nearest instant that can be shown."""
    return max(EARLIEST_US, min(LATEST_US, instant_us))
