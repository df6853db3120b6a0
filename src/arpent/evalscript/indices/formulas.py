"""Formulas: the spectral indices of the package spyndex, as JavaScript over roles of bands."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache

from arpent.domain.errors import InvalidRequest

OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}
"""Operator that a formula may contain, besides numbers, names and minus signs → its sign in JavaScript."""
ALIASES: Mapping[str, str] = {"ndre": "NDREI", "bsi": "BI"}
"""Other name in common use, in lower case → name of the index."""
CONSTANTS: Mapping[str, Mapping[str, float]] = {
    "SAVI": {"L": 0.5},
    "GSAVI": {"L": 0.5},
    "SARVI": {"L": 0.5},
    "MNLI": {"L": 0.5},
    "IBI": {"L": 0.5},
    "NDPI": {"alpha": 0.74},
    "WCI1": {"epsilon": 1e-10},
    "WCI2": {"epsilon": 1e-10},
}
"""Index → its constants as published, where the package has one value for all indices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralIndex:
    """One spectral index, computed from reflectances of 0 to 1."""

    name: str
    """Its short name: NDVI."""
    output: str
    """Name of its output in a script: its name in lower case, unless another index would get the same one."""
    title: str
    """Its name in words."""
    domain: str
    """What it is for: vegetation, water, burn, soil, urban, snow …"""
    reference: str
    """Where it was published: a URL."""
    formula: str
    """As published by the package: `(N-R)/(N+R)`."""
    expression: str
    """The formula in JavaScript."""
    roles: tuple[str, ...]
    """Roles of the bands in it: N, R."""
    constants: Mapping[str, float | None]
    """Constants in the formula → value; None if there is no default value."""

    def using(self, given: Mapping[str, float]) -> SpectralIndex:
        """The index with the given values of its constants; names that it does not use are ignored."""
        return replace(self, constants={name: given.get(name, value) for name, value in self.constants.items()})


@lru_cache
def indices() -> Mapping[str, SpectralIndex]:
    """Name → index, for all indices whose formulas are arithmetic over bands and constants."""
    import spyndex  # imported here because it is slow, and few commands need it

    found: dict[str, SpectralIndex] = {}
    for name, entry in spyndex.indices.items():
        expression = javascript(entry.formula)
        roles = tuple(one for one in entry.bands if one in spyndex.bands)
        constants = {one: spyndex.constants[one].default for one in entry.bands if one in spyndex.constants}
        if expression is None or len(roles) + len(constants) < len(entry.bands) or not roles:
            continue
        found[name] = SpectralIndex(
            name=name,
            output=name.lower(),
            title=str(entry.long_name),
            domain=str(entry.application_domain),
            reference=str(entry.reference),
            formula=str(entry.formula),
            expression=expression,
            roles=roles,
            constants={**constants, **CONSTANTS.get(name, {})},
        )
    lower = Counter(name.lower() for name in found)
    return {name: replace(index, output=name) if lower[name.lower()] > 1 else index for name, index in found.items()}


def index_of(name: str) -> SpectralIndex:
    """The index with this name, ignoring case. Raises InvalidRequest if none or several match."""
    known = indices()
    if name in known:
        return known[name]
    lower = name.lower()
    alike = tuple(each for each in known if each.lower() == lower)
    if not alike and lower in ALIASES:
        return replace(known[ALIASES[lower]], output=lower)
    if len(alike) == 1:
        return known[alike[0]]
    if alike:
        raise InvalidRequest(f"{name!r:.40} names {len(alike)} indices: write {' or '.join(alike)}")
    near = get_close_matches(lower, [index.output for index in known.values()], 3)
    meant = f"; did you mean {' or '.join(near)}?" if near else "; see `arpent script list`"
    raise InvalidRequest(f"{name!r:.40} is not a known index{meant}")


def javascript(formula: str) -> str | None:
    """A formula as JavaScript, with explicit parentheses; None if it is not plain arithmetic."""
    try:
        body = ast.parse(formula, mode="eval").body
        return _written(body)[1:-1] if isinstance(body, ast.BinOp) else _written(body)
    except (SyntaxError, ValueError):
        return None


def _written(node: ast.expr) -> str:
    """An expression as JavaScript. Raises ValueError if it is not plain arithmetic."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return repr(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_written(operand)})"
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            return f"({_written(left)} {OPERATORS[type(operator)]} {_written(right)})"
    raise ValueError(ast.dump(node))
