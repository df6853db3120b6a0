"""Values: JavaScript values at compile time; numbers and truth values are operations of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.syntax_tree import SyntaxTree


class SpecialValue(Enum):
    """Values without content; the enum's value is the name in messages."""

    UNDEFINED = "undefined"
    NULL = "null"
    HOLE = "a hole in an array"
    UNSET = "what another sample left behind"
    OPAQUE = "something only the interpreter knows"


@dataclass(slots=True, kw_only=True, eq=False)
class Cell:
    """Something that can be written: a variable, the items of an array, the properties of an object."""

    content: object
    """Variable: a JsValue; array: a tuple of JsValues; object: a dict of name → JsValue; or a Phi of these."""
    created: int
    """Order of creation. A branch only has to undo writes to cells older than itself."""


@dataclass(slots=True, kw_only=True, eq=False)
class Variable(Cell):
    """A variable of a scope."""

    name: str
    """Name as in the script."""
    constant: bool = False
    """Whether it was declared by `const`."""


@dataclass(slots=True, kw_only=True, eq=False)
class ArrayObject(Cell):
    """An array of the script."""


@dataclass(slots=True, kw_only=True, eq=False)
class PlainObject(Cell):
    """An object made by `{}` or by `new` of a script's class."""

    made_by: ClassObject | None = None
    """Class it was made from; None for `{}`."""
    partial: bool = False
    """Whether it may have properties that are not known."""


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """Names that are visible together."""

    outer: Scope | None
    """The enclosing scope; None for the outermost."""
    variables: dict[str, Variable] = field(default_factory=dict)
    """Variables of this scope, by name."""
    deferred: dict[str, SyntaxTree] = field(default_factory=dict)
    """Declarations that are executed when their name is first used."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closure:
    """A function of the script with the scope in which it was created."""

    tree: SyntaxTree
    """Its syntax tree."""
    scope: Scope
    """The scope in which it was created; an arrow function finds `this` there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassObject:
    """A class without a superclass. It also stands for its prototype."""

    name: str
    """Name as in the script; empty if it has none."""
    methods: Mapping[str, Closure]
    """Methods of its objects, the constructor included."""
    statics: Mapping[str, Closure]
    """Methods of the class itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intrinsic:
    """A built-in function of JavaScript."""

    name: str
    """Name in messages."""
    action: Callable[[Sequence[JsValue]], JsValue]
    """Function from arguments to result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalObject:
    """The global object Math, Number, Boolean, Array or Object."""

    name: str
    """Name as in the script."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phi:
    """One of two values, where control flow joins and no single operation can select between them."""

    condition: Operation
    """Truth value that decides."""
    yes: object
    """The value if the condition holds; may be a Phi."""
    no: object
    """The value otherwise; may be a Phi."""
    size: int
    """Number of values it chooses among in all."""


JsValue = (
    Operation | SpecialValue | str | ArrayObject | PlainObject | Closure | ClassObject | Intrinsic | GlobalObject | Phi
)
"""Any JavaScript value. A str is text known at compile time."""
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
    """The value in words, for messages."""
    if isinstance(value, SpecialValue):
        return value.value
    if isinstance(value, Operation):
        return "a number" if value.is_number else "a truth value"
    return value.name if isinstance(value, GlobalObject) else _DESCRIPTIONS[type(value)]


def is_nullish(value: object) -> bool:
    """Whether the value is null or undefined."""
    return value in (SpecialValue.NULL, SpecialValue.UNDEFINED)
