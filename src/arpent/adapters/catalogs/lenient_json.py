"""Lenient JSON: reads JSON as some STAC catalogues write it: with a byte order mark, in UTF-16, with Python's NaN, with
lone surrogates, or with numbers too large for a double."""

from __future__ import annotations

import json
import math
import re

import orjson

from arpent.domain.boundary.text import json_whole

_CUT = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*\\?|-|\.|[eE][+-]?|t|tr|tru|f|fa|fal|fals|n|nu|nul)?', re.DOTALL)
"""Matches what may remain, after the position of an error, of a value whose end is missing."""


def loads(payload: bytes | str) -> object:
    """The value of the JSON text. NaN, infinities and numbers too large for a double become None. Raises ValueError if
    it is not JSON, and RecursionError if it is nested too deeply."""
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
    """Whether `loads` raised this error because the text is truncated."""
    if isinstance(error, UnicodeDecodeError):
        return error.end == len(error.object)
    return isinstance(error, json.JSONDecodeError) and _CUT.fullmatch(error.doc, error.pos) is not None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
