"""Program: a user's text, wrapped so that it finds the built-ins and we find its functions and its line numbers."""

from __future__ import annotations

import json
import re
from importlib import resources

from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptSyntaxError
from arpent.evalscript.layout import SEGMENTS
from arpent.evalscript.service_functions import SERVED, advice

SOURCE_NAME = "evalscript"
"""What a stack trace calls the user's text."""
_FRAME = re.compile(rf"\b{SOURCE_NAME}:(\d+):(\d+)")
_PARSE_ERROR = re.compile(r"^[^\n]*?:(\d+): (?P<message>[^\n]*)\n(?P<text>[^\n]*)\n(?P<caret> *)\^", re.MULTILINE)
_MEMORY = ("Array buffer allocation failed", "Invalid array buffer length", "Out of memory")


def _text(name: str) -> str:
    return resources.files("arpent.evalscript").joinpath(name).read_text(encoding="utf-8")


def prelude() -> str:
    """The built-in functions."""
    return _text("prelude.js")


def engine() -> str:
    """Our own side; an expression that gives its functions. Evaluated before any user text."""
    return f"{_text('engine.js').rstrip()}({SEGMENTS}, {json.dumps(list(SERVED))})"


def program(source: str) -> str:
    """An expression: a function of (console, SampleType, Mosaicking) that runs the user's text and gives its functions.

    The built-ins lie in a scope of their own round the user's: a script that defines its own `index` then only hides
    ours, which costs no speed. `source` must have passed the interpreter's own check as a function body: it cannot
    close the wrapper.
    """
    found = ", ".join(f"{name}: typeof {name} === 'undefined' ? undefined : {name}" for name in SERVED)
    return (
        f"(function (console, SampleType, Mosaicking) {{\n{prelude()}\nreturn (function () {{\n"
        f"{source}\n;return {{ {found} }};\n}})(); }})\n//# sourceURL={SOURCE_NAME}"
    )


def line_offset() -> int:
    """Lines of a program before the user's first."""
    return prelude().count("\n") + 3


def parsing(source: str) -> str:
    """Text whose parse error tells line and column in the user's text: nothing is added before its first line but
    the wrapper, on that line."""
    return f"{_PARSE_PREFIX}{source}\n}})"


_PARSE_PREFIX = "(function () { "


def syntax_error(source: str, report: str, fallback: str) -> ScriptSyntaxError:
    """The parse error the interpreter reported for `parsing(source)`, at its place in the user's text."""
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


def script_error(kind: type[ScriptError], message: str, stack: str, *, offset: int, lines: int) -> ScriptError:
    """What the user's text threw: its message, and the innermost of its own lines in the stack trace."""
    place = next(
        (
            (int(line) - offset, int(column))
            for line, column in _FRAME.findall(stack)
            if 0 < int(line) - offset <= lines
        ),
        (None, None),
    )
    if kind is ScriptExecutionError and any(text in message for text in _MEMORY):
        kind = ScriptOutOfMemory
    return kind(advice(message), *place)
