"""Line paths: the key of every topic, the first four levels of the ISA-95 role-based equipment hierarchy.

    enterprise/site/area/line

The asset id is unique in its line; (line path, asset id) names a lane. A plant without lines states one in its mapping.
"""

from __future__ import annotations

from streams.errors import InvalidValue

LEVELS = ("enterprise", "site", "area", "line")


def line_path(text: str) -> str:
    """The text, if it is a line path.

    >>> line_path("acme/hamburg/pressing/line-1")
    'acme/hamburg/pressing/line-1'
    >>> line_path("acme/hamburg")
    Traceback (most recent call last):
    streams.errors.InvalidValue: a line path has four levels: path='acme/hamburg', levels=('enterprise', 'site', 'area', 'line')
    """
    parts = text.split("/")
    if len(parts) != len(LEVELS) or not all(part.strip() == part and part for part in parts):
        raise InvalidValue("a line path has four levels", path=text, levels=LEVELS)
    return text
