"""Composites: ways to reduce the clear acquisitions of an interval to one value per sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """JavaScript that reduces finite values to one. `{total}`: the result so far; `{value}`: the next value."""

    words: str
    """What it does, for a comment in the script."""
    start: str
    """Variables with their initial values, as they follow `var`."""
    step: str
    """A statement that updates the total with the next value."""
    end: str
    """An expression for the result; NaN if there were no values."""
    function: str = ""
    """Source of a function that `end` calls; empty if it calls none."""


COMPOSITES: Mapping[str, Composite] = {
    "max": Composite(
        words="The largest value of the interval's clear acquisitions, of each index by itself.",
        start="{total} = -Infinity",
        step="{total} = Math.max({total}, {value});",
        end="{total} > -Infinity ? {total} : NaN",
    ),
    "min": Composite(
        words="The smallest value of the interval's clear acquisitions, of each index by itself.",
        start="{total} = Infinity",
        step="{total} = Math.min({total}, {value});",
        end="{total} < Infinity ? {total} : NaN",
    ),
    "mean": Composite(
        words="The mean value of the interval's clear acquisitions.",
        start="{total} = 0, {total}count = 0",
        step="{total} = {total} + {value}; {total}count = {total}count + 1;",
        end="{total} / {total}count",
    ),
    "median": Composite(
        words="The median value of the interval's clear acquisitions; of an even number the mean of the middle two.",
        start="{total} = []",
        step="{total}.push({value});",
        end="median({total})",
        function="""function median(values) {
  if (values.length == 0) { return NaN; }
  values.sort(function (one, other) { return one - other; });
  var half = Math.floor(values.length / 2);
  return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}
""",
    ),
}
"""Name of a composite → its JavaScript."""
