"""Lenient JSON: as STAC catalogues write it: with a byte order mark, in UTF-16, with Python's NaN, with lone
surrogates."""

from __future__ import annotations

import json

import orjson


def loads(payload: bytes | str) -> object:
    """The value of the JSON text, with NaN and infinities as null. Raises ValueError if it is not JSON, and
    RecursionError if it is nested too deep."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        text = payload if isinstance(payload, bytes) else payload.removeprefix("\ufeff")
        return json.loads(text, parse_constant=lambda _: None)
