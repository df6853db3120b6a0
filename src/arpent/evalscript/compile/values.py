"""Values: what a script's expressions are while it is compiled; numbers and truth values are nodes of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.tree import Tree


class Special(Enum):
    """Values without contents."""

    UNDEFINED = "undefined"
    NULL = "null"
    HOLE = "a hole in an array"
    UNSET = "what another sample left behind"
    OPAQUE = "something only the interpreter knows"


@dataclass(slots=True, kw_only=True, eq=False)
class Box:
    """Something that can be written: a variable, an array's items, an object's properties."""

    content: object
    """Variable: a Value; array: tuple of Values; object: mapping; or a Phi of such."""
    stamp: int
    """When it was made; a branch only has to undo writes to what is older."""


@dataclass(slots=True, kw_only=True, eq=False)
class Variable(Box):
    """A binding."""

    name: str
    """As written."""
    constant: bool = False
    """Declared by const."""


@dataclass(slots=True, kw_only=True, eq=False)
class List(Box):
    """An array."""


@dataclass(slots=True, kw_only=True, eq=False)
class Record(Box):
    """An object."""

    kind: Class | None = None
    """Its class."""
    partial: bool = False
    """Whether it has more properties than are known."""


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """Names that are visible together."""

    outer: Scope | None
    """Where else to look."""
    names: dict[str, Variable] = field(default_factory=dict)
    """Its own."""
    waiting: dict[str, Tree] = field(default_factory=dict)
    """Declarations that are executed when somebody asks for the name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Function:
    """A user's function with its surroundings."""

    tree: Tree
    """Its text."""
    scope: Scope
    """Where it was made; `this` of an arrow function is found there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Class:
    """A class without a superclass."""

    name: str
    """As written."""
    methods: Mapping[str, Function]
    """Of its objects, constructor among them."""
    statics: Mapping[str, Function]
    """Of itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Builtin:
    """A function of JavaScript's own."""

    name: str
    """For messages."""
    action: Callable[[Sequence[Value]], Value]
    """Arguments → answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Math, Number and the like."""

    name: str
    """As written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phi:
    """One of two values that no single operation can choose between."""

    condition: Node
    """Truth value."""
    yes: object
    """If it holds."""
    no: object
    """Otherwise."""
    size: int
    """Values it chooses between."""


Value = Node | Special | str | List | Record | Function | Class | Builtin | Namespace | Phi
