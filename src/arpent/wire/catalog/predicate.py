"""Predicate: what a filter of a catalogue search asks of an item's properties, whichever way it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Literal = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A property against constants."""

    name: str
    """Name of the property."""
    test: str
    """One of COMPARISONS, `in`, `between` or `isNull`."""
    values: tuple[Literal, ...] = ()
    """One constant; of `in` some, of `between` two, of `isNull` none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Predicates joined by an operator."""

    operator: str
    """and, or, not."""
    parts: tuple[Predicate, ...]
    """At least one; of `not` just one."""


Predicate = Comparison | Combination

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip


def holds(predicate: Predicate, properties: Mapping[str, object]) -> bool:
    """Whether it is true of these properties. A comparison with a property that is not there, or of another kind than
    the constant, is false; upper and lower case are alike."""
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
    """All properties that it asks for."""
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
