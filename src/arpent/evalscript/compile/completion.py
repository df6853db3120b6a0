"""Completion: how a statement ends: normally, or by leaving towards somewhere, under which conditions."""

from __future__ import annotations

from dataclasses import dataclass

from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One way to leave."""

    condition: Node
    """When, seen from the statement's beginning."""
    kind: str
    """return, break or continue."""
    value: Value
    """What is returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """All ways in which a statement ends; exactly one of the conditions holds."""

    normal: Node
    """When the next statement follows."""
    exits: tuple[Exit, ...] = ()
    """Otherwise."""
