"""Predicate: a condition of a catalogue search on an item's properties, independent of the notation of its filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Literal = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of a property with constants."""

    name: str
    """Name of the property."""
    test: str
    """One of COMPARISONS, `in`, `between` or `isNull`."""
    values: tuple[Literal, ...] = ()
    """One constant; at least one for `in`, two for `between`, none for `isNull`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Predicates combined by an operator."""

    operator: str
    """`and`, `or` or `not`."""
    parts: tuple[Predicate, ...]
    """The operands: at least one, and exactly one for `not`."""


Predicate = Comparison | Combination

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


def holds(predicate: Predicate, properties: Mapping[str, object]) -> bool:
    """Whether the predicate is true of these properties. Comparisons ignore case; a comparison is false if the property
    is missing or has another type than the constant."""
    if isinstance(predicate, Combination):
        answers = (holds(part, properties) for part in predicate.parts)
        if predicate.operator == "not":
            return not next(answers)
        return all(answers) if predicate.operator == "and" else any(answers)
    own = properties.get(predicate.name)
    if predicate.test == "isNull":
        return own is None
    if predicate.test == "in":
        return any(_compare("=", own, value) for value in predicate.values)
    if predicate.test == "between":
        low, high = predicate.values
        return _compare(">=", own, low) and _compare("<=", own, high)
    return _compare(predicate.test, own, predicate.values[0])


def names_of(predicate: Predicate) -> frozenset[str]:
    """Names of all properties that the predicate uses."""
    if isinstance(predicate, Comparison):
        return frozenset({predicate.name})
    return frozenset().union(*(names_of(part) for part in predicate.parts))


def _compare(test: str, own: object, value: Literal) -> bool:
    if isinstance(own, str) and isinstance(value, str):
        return COMPARISONS[test](own.casefold(), value.casefold())
    if isinstance(own, bool) or isinstance(value, bool):
        return isinstance(own, bool) and isinstance(value, bool) and COMPARISONS[test](own, value)
    numbers = isinstance(own, int | float) and isinstance(value, int | float)
    return numbers and COMPARISONS[test](own, value)
