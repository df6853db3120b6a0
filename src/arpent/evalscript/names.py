"""Names: finds functions that a script calls but does not define, and bands that it reads but did not request.

This is a cheap scan without a parser, for warnings only. It would rather miss a mistake than flag a correct script.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources

from arpent.evalscript.service_functions import meant

_OPENING = re.compile(r"//|/\*|['\"`]|(?<=[=(,:])\s*/(?=[^/*\n])")
"""Where a comment, string, template or regular expression may begin."""
_INSIDE: Mapping[str, tuple[re.Pattern[str], str]] = {
    "//": (re.compile(r"[^\n]*+"), ""),
    "/*": (re.compile(r"(?:[^*]|\*(?!/))*+"), "*/"),
    "'": (re.compile(r"(?:\\.|[^'\\\n])*+", re.DOTALL), "'"),
    '"': (re.compile(r'(?:\\.|[^"\\\n])*+', re.DOTALL), '"'),
    "`": (re.compile(r"(?:\\.|[^`\\])*+", re.DOTALL), "`"),
    "/": (re.compile(r"(?:\\.|[^/\\\n])*+", re.DOTALL), "/"),
}
"""Opening delimiter → (pattern of everything up to the closing delimiter, closing delimiter)."""
_WORD = re.compile(r"(?<![\w$.])[A-Za-z_$][\w$]*")
_CALL = re.compile(r"(?<![\w$.#])([A-Za-z_$][\w$]*)\s*\(")
_OPEN = re.compile(r"\s*+\(")
_PARENTHESIS = re.compile(r"[()]")
_FUNCTION = re.compile(r"(?<![\w$.])function(?:\s++\*?|\*)\s*+([A-Za-z_$][\w$]*)")
_BODY = re.compile(r"\s*+\{")
_SET = re.compile(r"\s*+[:=]")
_DEFINED = re.compile(r"^(?:function|class|const)\s+(\w+)", re.MULTILINE)
_MEMBER = re.compile(r"(?<=[\w$\]])\.([A-Za-z_]\w*+)(?!\s*+(?:\(|=[^=]))")
_DEFINITION = re.compile(
    r"\bfunction\s*\*?\s*(?P<function>[A-Za-z_$][\w$]*)\s*\(|"
    r"\b(?:var|let|const)\s+(?P<constant>[A-Za-z_$][\w$]*)\s*=\s*(?:async\s+)?"
    r"(?:function\b|[A-Za-z_$][\w$]*\s*=>|\([^()]*\)\s*=>)"
)
_KEYWORDS = (
    "if for while switch catch return typeof function new await with super import do else in of void delete throw case "
    "yield async instanceof constructor get set static"
)
_LANGUAGE = (
    "Array ArrayBuffer BigInt Boolean DataView Date Error EvalError Float32Array Float64Array Function Int16Array "
    "Int32Array Int8Array Intl Iterator JSON Map Math Number Object Promise Proxy RangeError ReferenceError Reflect "
    "RegExp Set String Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray "
    "WeakMap WeakSet decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite isNaN "
    "parseFloat parseInt unescape console SampleType Mosaicking BigInt64Array BigUint64Array AggregateError"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A word in a script with its position."""

    word: str
    """The word itself."""
    line: int
    """Line, from 1."""
    column: int
    """Column, from 1."""


def built_in() -> frozenset[str]:
    """Names of the functions and classes that every script can use."""
    prelude = resources.files("arpent.evalscript").joinpath("prelude.js").read_text(encoding="utf-8")
    return frozenset(_DEFINED.findall(prelude))


def unknown_calls(source: str) -> Iterator[Place]:
    """Names that are called, but neither built in nor used in any other way in the script; each once."""
    code = _blank(source)
    known = {*_KEYWORDS.split(), *_LANGUAGE.split(), *built_in(), *_defined(code)}
    lines = _line_ends(code)
    for found in _CALL.finditer(code):
        name = found[1]
        if name not in known:
            known.add(name)
            yield _place(name, lines, found.start())


def unasked_bands(source: str, asked: Sequence[str], offered: Sequence[str]) -> Iterator[Place]:
    """Bands of the collections that the script reads as `….NAME` but does not request in setup(); each once."""
    code = _blank(source)
    lines = _line_ends(code)
    wanted = {*offered} - {*asked}
    wanted -= {word[0] for word in _WORD.finditer(code) if word[0] in wanted and _SET.match(code, word.end())}
    for found in _MEMBER.finditer(code):
        if found[1] in wanted:
            wanted.discard(found[1])
            yield _place(found[1], lines, found.start(1))


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'index'?`, or empty text if no known name is similar."""
    folded = {_folded(each): each for each in known}
    near = get_close_matches(_folded(word), list(folded), n=1, cutoff=0.6)
    return f"; did you mean '{folded[near[0]]}'?" if near else ""


def _folded(word: str) -> str:
    """The word without differences that are often overlooked: in upper case, and B08 without its zero."""
    return re.sub(r"(?<!\d)0(?=\d)", "", word.upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class Misnamed:
    """A function of the script that nothing calls, because its name is slightly wrong."""

    place: Place
    """Where the function is defined."""
    meant: str
    """The service function that was most likely meant."""


def uncalled_functions(source: str) -> Iterator[Place]:
    """Top-level functions that the script does not mention again, including those that the service calls."""
    code = _blank(source)
    starts: dict[str, list[int]] = {}
    for word in _WORD.finditer(code):
        starts.setdefault(word[0], []).append(word.start())
    lines = _line_ends(code)
    depth = seen = 0
    for found in _DEFINITION.finditer(code):
        name = found["function"] or found["constant"]
        depth += code.count("{", seen, found.start()) - code.count("}", seen, found.start())
        seen = found.start()
        if depth == 0 and all(found.start() <= start < found.end() for start in starts.get(name, ())):
            yield _place(name, lines, found.start(found.lastgroup or 0))


def misnamed(source: str) -> Iterator[Misnamed]:
    """Uncalled functions whose name is similar to that of a service function."""
    for place in uncalled_functions(source):
        near = meant(place.word)
        if near is not None:
            yield Misnamed(place=place, meant=near)


def own_functions(source: str) -> tuple[str, ...]:
    """Names of the functions that the script defines."""
    return tuple(re.findall(r"\bfunction\s+([A-Za-z_$][\w$]*)", _blank(source)))


def _blank(source: str) -> str:
    """The script with comments, strings, templates and regular expressions replaced by spaces; positions stay the
    same."""
    pieces, done, position = [], 0, 0
    hopeless: dict[str, int] = {}  # kind → how far its end was searched for in vain, to read nothing twice
    while (opening := _OPENING.search(source, position)) is not None:
        position = opening.start() + 1
        kind = opening[0].lstrip()
        if opening.end() <= hopeless.get(kind, -1):
            continue
        inside, closing = _INSIDE[kind]
        found = inside.match(source, opening.end())
        end = found.end() if found else opening.end()
        if not source.startswith(closing, end):
            hopeless[kind] = end
            continue
        position = end + len(closing)
        pieces += [source[done : opening.start()], re.sub(r"[^\n]", " ", source[opening.start() : position])]
        done = position
    return "".join([*pieces, source[done:]])


def _defined(code: str) -> set[str]:
    """Names that occur other than as the callee of a call: in a declaration, or as a parameter or method."""
    ends = _closing_parentheses(code)
    methods_and_others = {
        word[0]
        for word in _WORD.finditer(code)
        if (opening := _OPEN.match(code, word.end())) is None
        or _BODY.match(code, ends.get(opening.end() - 1, len(code)))
    }
    return methods_and_others | set(_FUNCTION.findall(code))


def _closing_parentheses(code: str) -> dict[int, int]:
    """Position of each opening parenthesis → position after its closing one; unclosed ones are left out."""
    ends: dict[int, int] = {}
    above: list[int] = []
    for sign in _PARENTHESIS.finditer(code):
        if sign[0] == "(":
            above.append(sign.start())
        elif above:
            ends[above.pop()] = sign.end()
    return ends


def _line_ends(code: str) -> list[int]:
    return [end.start() for end in re.finditer("\n", code)]


def _place(word: str, lines: Sequence[int], start: int) -> Place:
    """The place of a word that starts at `start`. `lines`: positions of the line ends."""
    line = bisect_left(lines, start)
    return Place(word=word, line=line + 1, column=start - (lines[line - 1] if line else -1))
