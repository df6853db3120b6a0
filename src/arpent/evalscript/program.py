"""Program: wraps a user's script so that it sees the built-in functions, and arpent its functions and line numbers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources

from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptSyntaxError
from arpent.evalscript.layout import SEGMENTS
from arpent.evalscript.service_functions import OLDER, SERVED

SOURCE_NAME = "evalscript"
"""Name of the user's script in stack traces."""
_FRAME = re.compile(rf"\b{SOURCE_NAME}:(\d+):(\d+)")
_PARSE_ERROR = re.compile(r"^[^\n]*?:(\d+): (?P<message>[^\n]*)\n(?P<text>[^\n]*)\n(?P<caret> *)\^", re.MULTILINE)
_UNDEFINED = re.compile(r"ReferenceError: ([\w$]+) is not defined")
"""Finds the undefined name in V8's message, since V8 reports it nowhere else."""
_MEMORY = ("Array buffer allocation failed", "Invalid array buffer length", "Out of memory")


def _text(name: str) -> str:
    return resources.files("arpent.evalscript").joinpath(name).read_text(encoding="utf-8")


def prelude() -> str:
    """JavaScript source of the built-in functions."""
    return _text("prelude.js")


def engine() -> str:
    """JavaScript source of arpent's own code: an expression whose value holds its functions. It must be evaluated
    before any text of the user."""
    return f"{_text('engine.js').rstrip()}({SEGMENTS}, {json.dumps(list(SERVED))})"


def program(source: str) -> str:
    """A JavaScript expression: a function of (console, SampleType, Mosaicking) that runs the user's script and returns
    its functions.

    The built-ins are in an outer scope: a script that defines its own `index` only hides the built-in one, at no cost
    in speed. `source` must have passed the interpreter's check as a function body, so that it cannot close the wrapper.
    """
    found = ", ".join(f"{name}: typeof {name} === 'undefined' ? undefined : {name}" for name in SERVED)
    return (
        f"(function (console, SampleType, Mosaicking) {{\n{prelude()}\nreturn (function () {{\n"
        f"{source}\n;return {{ {found} }};\n}})(); }})\n//# sourceURL={SOURCE_NAME}"
    )


def line_offset() -> int:
    """Number of lines of a program before the user's first line."""
    return prelude().count("\n") + 3


def parsing(source: str) -> str:
    """Text for a syntax check. A parse error has the line number of the user's text, because the wrapper only adds to
    the first line."""
    return f"{_PARSE_PREFIX}{source}\n}})"


_PARSE_PREFIX = "(function () { "


def syntax_error(source: str, report: str, fallback: str) -> ScriptSyntaxError:
    """The interpreter's parse error for `parsing(source)`, with its position in the user's text."""
    found = _PARSE_ERROR.search(report)
    if found is None:
        return ScriptSyntaxError(fallback)
    line, column = int(found[1]), len(found["caret"]) + 1
    lines = source.splitlines() or [""]
    if line == 1:
        column = max(1, column - len(_PARSE_PREFIX))
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    return ScriptSyntaxError(found["message"], line, column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrown:
    """What a script threw, as the interpreter reports it."""

    message: str
    """The text of the thrown value, from its toString."""
    stack: str = ""
    """V8's stack trace; empty if there is none."""
    error_class: str = ""
    """Name of its built-in error class; empty if it has none."""


def script_error(kind: type[ScriptError], thrown: Thrown, *, offset: int, lines: int) -> ScriptError:
    """The error for what the user's script threw, with the innermost position in the script that the stack trace names.
    If the script used something of an older version, the message says what to write instead."""
    place = next(
        (
            (int(line) - offset, int(column))
            for line, column in _FRAME.findall(thrown.stack)
            if 0 < int(line) - offset <= lines
        ),
        (None, None),
    )
    message, error_class = thrown.message, thrown.error_class
    if kind is ScriptExecutionError and error_class == "RangeError" and any(text in message for text in _MEMORY):
        kind = ScriptOutOfMemory  # V8 has no error class for this
    found = _UNDEFINED.match(message) if error_class == "ReferenceError" else None
    undefined = found[1] if found else ""
    advised = f"{message}: {OLDER[undefined]}" if undefined in OLDER else message
    return kind(advised, *place, error_class=error_class, undefined=undefined)
