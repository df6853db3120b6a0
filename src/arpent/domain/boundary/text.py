"""Text from outside: one rule for what no database, file or JSON writer takes; everything that enters passes it."""

from __future__ import annotations

from typing import TypeVar

REPLACEMENT = "\ufffd"
"""What stands where a character was that is none."""

Value = TypeVar("Value")


def clean(text: str) -> str:
    """The text without NUL and without halves of characters (lone surrogates): each becomes U+FFFD. Two halves that
    belong together become the character that they are. All other text comes back as it is."""
    if text.isascii():
        return text.replace("\0", REPLACEMENT) if "\0" in text else text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", REPLACEMENT)


def cleaned(value: Value) -> Value:
    """A JSON value (dict, list, text, number, null) of which every text is clean, keys too. Raises RecursionError for
    one that is nested too deep."""
    if isinstance(value, str):
        return clean(value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {cleaned(name): cleaned(inner) for name, inner in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [cleaned(inner) for inner in value]  # type: ignore[return-value]
    return value
