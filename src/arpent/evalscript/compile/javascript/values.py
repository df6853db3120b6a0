"""Values: what a JavaScript value is while compiling; numbers and truth values are operations of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.syntax_tree import SyntaxTree


class SpecialValue(Enum):
    """Values without contents; the enum's value is its name in messages."""

    UNDEFINED = "undefined"
    NULL = "null"
    HOLE = "a hole in an array"
    UNSET = "what another sample left behind"
    OPAQUE = "something only the interpreter knows"


@dataclass(slots=True, kw_only=True, eq=False)
class Cell:
    """Something that can be written: a variable, the items of an array, the properties of an object."""

    content: object
    """Variable: a JsValue; array: tuple of JsValues; object: dict of name → JsValue; or a Phi of such."""
    created: int
    """Order of creation; a branch only has to undo writes to cells that are older than itself."""


@dataclass(slots=True, kw_only=True, eq=False)
class Variable(Cell):
    """A variable of a scope."""

    name: str
    """As written."""
    constant: bool = False
    """Declared by const."""


@dataclass(slots=True, kw_only=True, eq=False)
class ArrayObject(Cell):
    """An array."""


@dataclass(slots=True, kw_only=True, eq=False)
class PlainObject(Cell):
    """An object made by `{}` or by `new` of a script's class."""

    made_by: ClassObject | None = None
    """Its class."""
    partial: bool = False
    """Whether it has more properties than are known."""


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """Names that are visible together."""

    outer: Scope | None
    """Where to look for other names; None: nowhere."""
    variables: dict[str, Variable] = field(default_factory=dict)
    """Its own, by name."""
    deferred: dict[str, SyntaxTree] = field(default_factory=dict)
    """Declarations that are executed when somebody asks for the name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closure:
    """A function of the script with the scope it was made in."""

    tree: SyntaxTree
    """Its text."""
    scope: Scope
    """Where it was made; `this` of an arrow function is found there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassObject:
    """A class without a superclass. It stands for its own prototype, too."""

    name: str
    """As written; empty if it has none."""
    methods: Mapping[str, Closure]
    """Methods of its objects; the constructor is among them."""
    statics: Mapping[str, Closure]
    """Methods of the class itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intrinsic:
    """A function of JavaScript's own."""

    name: str
    """For messages."""
    action: Callable[[Sequence[JsValue]], JsValue]
    """Arguments → result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalObject:
    """Math, Number, Boolean, Array or Object."""

    name: str
    """As written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phi:
    """One of two values, where control flow joins and no single operation can select between them."""

    condition: Operation
    """Truth value that says which."""
    yes: object
    """The value if the condition holds; it may be a Phi again."""
    no: object
    """The value otherwise."""
    size: int
    """How many values it chooses between in all."""


JsValue = (
    Operation | SpecialValue | str | ArrayObject | PlainObject | Closure | ClassObject | Intrinsic | GlobalObject | Phi
)
"""Any value of the language. A str is a text that is known while compiling."""
_DESCRIPTIONS: Mapping[type, str] = {
    str: "a text",
    ArrayObject: "an array",
    PlainObject: "an object",
    Closure: "a function",
    ClassObject: "a class",
    Intrinsic: "a function of JavaScript's own",
    Phi: "one of several things",
}


def describe(value: object) -> str:
    """A value in the words of a message."""
    if isinstance(value, SpecialValue):
        return value.value
    if isinstance(value, Operation):
        return "a number" if value.is_number else "a truth value"
    return value.name if isinstance(value, GlobalObject) else _DESCRIPTIONS[type(value)]


def is_nullish(value: object) -> bool:
    """Whether it is null or undefined."""
    return value in (SpecialValue.NULL, SpecialValue.UNDEFINED)
