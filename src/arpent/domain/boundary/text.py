"""Text from outside: replaces the characters that a database, file or JSON writer cannot take, and parses whole
numbers. All text that enters arpent passes through here."""

from __future__ import annotations

import re
from typing import TypeVar

REPLACEMENT = "\ufffd"
"""Replaces each invalid character."""

Value = TypeVar("Value")

_DIGITS = re.compile("[0-9]{1,20}")
_LONGEST_WHOLE = 21
"""Maximum number of characters of a 64-bit integer, including its sign."""


def whole_number(text: str) -> int | None:
    """The number written with 1 to 20 ASCII digits; None for any other text. `str.isdigit` accepts text that `int`
    rejects (superscripts, thousands of digits), and both accept the digits of every alphabet."""
    return int(text) if _DIGITS.fullmatch(text) else None


def json_whole(digits: str) -> int | float:
    """A JSON number written without a fraction; as a float if it has more characters than any 64-bit integer, because
    `int` rejects thousands of digits."""
    return int(digits) if len(digits) <= _LONGEST_WHOLE else float(digits)


def clean(text: str) -> str:
    """The text with U+FFFD in place of each NUL and each lone surrogate. Two surrogates that form a pair become the
    character they encode. All other text is unchanged."""
    if text.isascii():
        return text.replace("\0", REPLACEMENT) if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", REPLACEMENT)


def cleaned(value: Value) -> Value:
    """A JSON value (dict, list, text, number, null) with all texts cleaned, keys too. Raises RecursionError if it is
    nested too deep."""
    if isinstance(value, str):
        return clean(value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {cleaned(name): cleaned(inner) for name, inner in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]  # type: ignore[return-value]
    return value
