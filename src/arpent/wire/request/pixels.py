"""Pixels: the pixel rule of a request, such as `centre,inner:10,nearest` → PixelRule; an arpent extension."""

from __future__ import annotations

import math
from dataclasses import replace

from arpent.domain.calculation import UNWEIGHTED, Calculations, OutputCalculations
from arpent.domain.errors import InvalidRequest
from arpent.domain.grid import AS_THE_SERVICE, PixelRule, Rule

AT = "aggregation->pixels"
INNER, NEAREST, FLAGGED = "inner:", "nearest", "flagged"
MOST_METRES = 1e6


def pixel_rule(text: str | None) -> PixelRule:
    """Parse a pixel rule; None means the rule of the real service. Raises InvalidRequest."""
    rule = AS_THE_SERVICE
    for word in (part.strip() for part in (text or Rule.SERVICE).split(",")):
        if word in set(Rule):
            rule = replace(rule, kind=Rule(word))
        elif word == NEAREST:
            rule = replace(rule, nearest=True)
        elif word == FLAGGED:
            rule = replace(rule, flagged=True)
        elif word.startswith(INNER):
            rule = replace(rule, inner=_metres(word.removeprefix(INNER)))
        else:
            wish = f"{', '.join(Rule)}; and, after commas, {INNER}METRES, {NEAREST} and {FLAGGED}"
            raise InvalidRequest.at(AT, f"'{word:.40}' is not known. Valid: {wish}")
    return rule


def weighed(calculations: Calculations, rule: PixelRule) -> Calculations:
    """The calculations, adapted to the pixel rule. Raises InvalidRequest for statistics that are not defined for
    weighted samples."""
    calculations = replace(calculations, flagged=rule.flagged)
    if rule.kind is not Rule.WEIGHTED:
        return calculations
    for output, entry in calculations.outputs.items():
        if (wish := _unweighted(entry)) is not None:
            at = f"calculations->{output}"
            raise InvalidRequest.at(
                at, f"cannot have '{wish}' where samples count by shares (pixel rule weighted): use touched"
            )
    return replace(calculations, weighted=True)


def _unweighted(entry: OutputCalculations) -> str | None:
    if any(entry.histograms.values()):
        return "histogram"
    if any(entry.percentiles.values()):
        return "percentiles"
    if any(entry.shares.values()):
        return "shares"
    return next((name for more in entry.more.values() for name in more if name in UNWEIGHTED), None)


def _metres(text: str) -> float:
    try:
        metres = float(text.removesuffix("m"))
    except ValueError:
        metres = math.nan
    if not 0 <= metres <= MOST_METRES:
        raise InvalidRequest.at(AT, f"'{INNER}{text:.40}' must have metres from 0 to {MOST_METRES:,.0f}: {INNER}10")
    return metres
