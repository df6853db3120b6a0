"""Violations: collects everything that is wrong with a body, so that the caller sees it all at once
(sentinelhub.md 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from arpent.domain.errors import InvalidRequest

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

Violation = tuple[str, str]
"""(parameter, violation): a path such as `aggregation->resx`, and what is wrong and how to fix it."""

MOST_SAID = 100
"""Maximum number of violations that a message names."""
MOST_LETTERS = 500
"""Maximum length of a parameter or violation, in characters: names in a body may be of any length."""

SENTENCES = {
    "missing": "is required",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "extra_forbidden": "is not known here; use s3 or gs",
    "string_pattern_mismatch": "must be made of letters, digits, '-', '_' and '.'",
    "invalid_key": "must be a string",
}
"""Pydantic's error type → arpent's message."""
LIMITS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must hold at least {min_length}",
    "too_long": "must hold at most {max_length}",
    "string_too_short": "must have at least {min_length} letters",
    "string_too_long": "must have at most {max_length} letters",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}
"""Pydantic's error type → template of arpent's message, for types that state a limit of the schema."""
OURS = "number"
"""Type of the errors whose message is written by `schema`."""
OTHER = "cannot be read; /docs shows what is expected here"
"""Message for all other types, since messages of libraries are not shown."""


def translate(error: ValidationError) -> tuple[Violation, ...]:
    """Pydantic's errors as violations, without the values, which may be secret. Violations beyond MOST_SAID are empty,
    since `refusal` only counts them."""
    details = error.errors(include_input=False, include_url=False)
    said = tuple((path(detail["loc"]), _sentence(detail)) for detail in details[:MOST_SAID])
    return said + (("", ""),) * (len(details) - len(said))


def path(location: Iterable[str | int]) -> str:
    """A path in the real service's notation: `aggregation->resx`."""
    return "->".join(str(step) for step in location)


def refusal(violations: Iterable[Violation]) -> InvalidRequest:
    """One error for all violations: it states their number and names the first MOST_SAID."""
    found = tuple(violations)
    if len(found) == 1:
        return InvalidRequest.at(*(part[:MOST_LETTERS] for part in found[0]))
    said = tuple((parameter[:MOST_LETTERS], violation[:MOST_LETTERS]) for parameter, violation in found[:MOST_SAID])
    lines = "; ".join(f"`{parameter}`: {violation}" for parameter, violation in said)
    which = f"{len(found)} fields" + (f", the first {MOST_SAID}" if len(found) > MOST_SAID else "")
    return InvalidRequest(f"Invalid request, {which}: {lines}", said)


class ViolationCollector:
    """Collects the violations of several checks, so that the others still run if one fails."""

    def __init__(self) -> None:
        self._errors: list[InvalidRequest] = []
        self._unsaid = 0

    def attempt(
        self, check: Callable[Arguments, Value], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Value:
        """Run a check and return its result. If it raises InvalidRequest, its violations are kept for `close`, and the
        result must not be used; so call `close`, which then raises, before using any result."""
        try:
            return check(*arguments, **named)
        except InvalidRequest as error:
            if len(self._errors) < MOST_SAID:
                self._errors.append(error)
            else:  # a body may have hundreds of thousands of wrong entries, and each error holds its traceback
                self._unsaid += 1
            return cast("Value", None)

    def close(self) -> None:
        """Raise InvalidRequest if any check has failed; a single error is raised unchanged."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            said = [violation for error in self._errors for violation in error.violations]
            raise refusal(said + [("", "")] * self._unsaid)


def _sentence(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == OURS:
        return detail["msg"]
    if kind in LIMITS:
        return LIMITS[kind].format_map(detail.get("ctx", {}))
    return SENTENCES.get(kind, OTHER)
