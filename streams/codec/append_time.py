"""Append time in a header: the one meaning of `andon-append-us` wherever records come one by one (the kernel in log.py has the same).

>>> in_header([("andon-append-us", b"12")]), in_header([("andon-append-us", b"-12")]), in_header([("andon-append-us", b"1.2")])
(12, -12, None)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from streams.codec.log import APPEND_HEADER

_NAME, _DIGITS = APPEND_HEADER.decode(), re.compile(rb"-?[0-9]{1,18}")


def in_header(headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """Microseconds in the first such header; None: there is none, or no number in it."""
    for name, value in headers:
        if name == _NAME:
            return int(value) if value is not None and _DIGITS.fullmatch(value) else None
    return None
