"""Lenient JSON: as STAC catalogues write it: with a byte order mark, in UTF-16, with Python's NaN, with lone
surrogates, with numbers beyond a double."""

from __future__ import annotations

import json
import math
import re

import orjson

from arpent.domain.boundary.text import json_whole

_CUT = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*\\?|-|\.|[eE][+-]?|t|tr|tru|f|fa|fal|fals|n|nu|nul)?', re.DOTALL)
"""Nothing, or what may be left of a value whose end is missing."""


def loads(payload: bytes | str) -> object:
    """The value of the JSON text, with NaN, infinities and numbers beyond a double as null. Raises ValueError if it is
    not JSON, and RecursionError if it is nested too deep."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        text = payload if isinstance(payload, bytes) else payload.removeprefix("\ufeff")
        return json.loads(
            text,
            parse_int=lambda digits: _finite(json_whole(digits)),
            parse_float=lambda number: _finite(float(number)),
            parse_constant=lambda _: None,
        )


def is_unfinished(error: Exception) -> bool:
    """Whether this is what `loads` raises for a text that ends in the middle."""
    if isinstance(error, UnicodeDecodeError):
        return error.end == len(error.object)
    return isinstance(error, json.JSONDecodeError) and _CUT.fullmatch(error.doc, error.pos) is not None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
