"""CQL2: parses a search's `filter`, CQL2 text or JSON → Predicate. Parts of CQL2 that are not supported are named in
the error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import InvalidRequest
from arpent.wire.catalog.predicate import COMPARISONS, Combination, Comparison, Literal, Predicate

PARAMETER = "filter"
MOST_TOKENS = 1000
"""Maximum number of words and signs in a text filter."""
DEEPEST_FILTER = 32
"""Maximum nesting of parentheses, NOT and JSON objects."""
SERVED = "Supported: =, <>, <, <=, >, >=, IN, BETWEEN, IS NULL, AND, OR and NOT over properties and constants"
UNSERVED = re.compile(r"LIKE|CASEI|ACCENTI|DATE|TIMESTAMP|INTERVAL|DIV|[SAT]_[A-Z]+", re.IGNORECASE)
"""Keywords of CQL2 that are not supported."""
KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE"})
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?P<string>'(?:[^']|'')*')"
    r'|(?P<quoted>"[^"]+")|(?P<word>[A-Za-z_][A-Za-z0-9_:.]*)|(?P<sign><=|>=|<>|[=<>(),])|(?P<other>\S))'
)
_FLIPPED: Mapping[str, str] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse_text(text: str) -> Predicate:
    """`eo:cloud_cover < 20 AND sat:orbit_state = 'ascending'`. Raises InvalidRequest."""
    reader = _Reader(tokens=tuple(_tokens(text)))
    predicate = _either(reader, 0)
    if reader.place < len(reader.tokens):
        raise _wrong(f"'{reader.next.text}' is not expected there")
    return predicate


def parse_json(document: object, level: int = 0) -> Predicate:
    """`{"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}`. Raises InvalidRequest."""
    if level > DEEPEST_FILTER:
        raise _wrong(f"it is nested deeper than {DEEPEST_FILTER} levels")
    if not isinstance(document, dict) or not isinstance(document.get("op"), str):
        raise _wrong('each part is an object with "op" and "args"')
    operator, given = document["op"], document.get("args")
    parts = given if isinstance(given, list) else []
    if operator in ("and", "or", "not"):
        if not parts or (operator == "not" and len(parts) != 1):
            raise _wrong(f'"args" of "{operator}" is a list of {"one filter" if operator == "not" else "filters"}')
        return Combination(operator=operator, parts=tuple(parse_json(part, level + 1) for part in parts))
    if operator in COMPARISONS:
        return _compared(operator, parts)
    if operator == "isNull" and len(parts) == 1:
        return Comparison(name=_property(parts[0]), test="isNull")
    if operator == "in" and len(parts) == 2 and isinstance(parts[1], list) and parts[1]:
        return Comparison(name=_property(parts[0]), test="in", values=tuple(_literal(value) for value in parts[1]))
    if operator == "between" and len(parts) == 3:
        return Comparison(name=_property(parts[0]), test="between", values=tuple(_literal(each) for each in parts[1:]))
    if operator in ("isNull", "in", "between"):
        raise _wrong(f'"args" of "{operator}" are not valid in CQL2')
    raise _wrong(f'"{operator:.40}" is not supported. {SERVED}')


def _compared(operator: str, parts: Sequence[object]) -> Comparison:
    if len(parts) != 2:
        raise _wrong(f'"args" of "{operator}" are a property and a constant')
    first, second = parts
    if isinstance(second, dict) and not isinstance(first, dict):
        first, second, operator = second, first, _FLIPPED[operator]
    return Comparison(name=_property(first), test=operator, values=(_literal(second),))


def _property(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("property"), str):
        return str(value["property"])
    named = value.get("op") if isinstance(value, dict) else None
    raise _wrong(f'"{named:.40}" is not supported here. {SERVED}' if isinstance(named, str) else "it lacks a property")


def _literal(value: object) -> Literal:
    if isinstance(value, str | int | float | bool):
        return value
    raise _wrong("a constant must be text, a number or a boolean")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    """number, string, quoted, word, sign or end."""
    text: str
    """Text as written, without quotation marks."""

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs


_END = _Token(kind="end", text="the end")


@dataclass(slots=True)
class _Reader:
    """Reads the tokens one after the other."""

    tokens: tuple[_Token, ...]
    place: int = field(default=0)

    @property
    def next(self) -> _Token:
        return self.tokens[self.place] if self.place < len(self.tokens) else _END

    def take(self) -> _Token:
        token = self.next
        self.place += 1
        return token

    def skip(self, *words: str) -> bool:
        """Whether the next token is one of these keywords or signs; if so, move past it."""
        found = self.next.is_word(*words) or self.next.is_sign(*words)
        self.place += found
        return found

    def expect(self, word: str) -> None:
        if not self.skip(word):
            raise _wrong(f"'{word}' is missing before '{self.next.text:.40}'")


def _tokens(text: str) -> Iterator[_Token]:
    place = count = 0
    end = len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        assert found is not None, "the last group takes anything"
        kind = str(found.lastgroup)
        own = found[kind]
        count += 1
        if count > MOST_TOKENS:
            raise _wrong(f"it has more than {MOST_TOKENS} words and symbols")
        if kind == "other":
            raise _wrong(f"'{own}' is not supported, or a quotation mark is missing. {SERVED}")
        if kind == "word" and UNSERVED.fullmatch(own):
            raise _wrong(f"'{own}' is not supported. {SERVED}")
        yield _Token(kind=kind, text=own[1:-1].replace("''", "'") if kind in ("string", "quoted") else own)
        place = found.end()


def _either(reader: _Reader, level: int) -> Predicate:
    if level > DEEPEST_FILTER:
        raise _wrong(f"it is nested deeper than {DEEPEST_FILTER} levels")
    parts = [_all(reader, level)]
    while reader.skip("OR"):
        parts.append(_all(reader, level))
    return parts[0] if len(parts) == 1 else Combination(operator="or", parts=tuple(parts))


def _all(reader: _Reader, level: int) -> Predicate:
    parts = [_maybe_not(reader, level)]
    while reader.skip("AND"):
        parts.append(_maybe_not(reader, level))
    return parts[0] if len(parts) == 1 else Combination(operator="and", parts=tuple(parts))


def _maybe_not(reader: _Reader, level: int) -> Predicate:
    if level > DEEPEST_FILTER:
        raise _wrong(f"it is nested deeper than {DEEPEST_FILTER} levels")
    if reader.skip("NOT"):
        return Combination(operator="not", parts=(_maybe_not(reader, level + 1),))
    if reader.skip("("):
        inner = _either(reader, level + 1)
        reader.expect(")")
        return inner
    return _comparison(reader)


def _comparison(reader: _Reader) -> Predicate:
    first = reader.take()
    if first.kind in ("number", "string") or first.is_word("TRUE", "FALSE"):  # 20 > eo:cloud_cover
        sign = reader.take()
        if not sign.is_sign(*COMPARISONS):
            raise _wrong(f"a comparison is missing after '{first.text:.40}'")
        return Comparison(name=_name(reader.take(), reader), test=_FLIPPED[sign.text], values=(_constant(first),))
    name = _name(first, reader)
    if reader.next.is_sign(*COMPARISONS):
        sign = reader.take()
        return Comparison(name=name, test=sign.text, values=(_constant(reader.take()),))
    if reader.skip("IS"):
        negated = reader.skip("NOT")
        reader.expect("NULL")
        return _negated(Comparison(name=name, test="isNull"), negated)
    negated = reader.skip("NOT")
    if reader.skip("IN"):
        return _negated(Comparison(name=name, test="in", values=tuple(_list(reader))), negated)
    if reader.skip("BETWEEN"):
        low = _constant(reader.take())
        reader.expect("AND")
        return _negated(Comparison(name=name, test="between", values=(low, _constant(reader.take()))), negated)
    raise _wrong(f"a comparison is missing between '{name:.40}' and '{reader.next.text:.40}'. {SERVED}")


def _list(reader: _Reader) -> Iterator[Literal]:
    reader.expect("(")
    yield _constant(reader.take())
    while reader.skip(","):
        yield _constant(reader.take())
    reader.expect(")")


def _negated(predicate: Predicate, negated: bool) -> Predicate:
    return Combination(operator="not", parts=(predicate,)) if negated else predicate


def _name(token: _Token, reader: _Reader) -> str:
    if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.upper() in KEYWORDS):
        raise _wrong(f"a property is missing before '{token.text:.40}'")
    if reader.next.is_sign("("):
        raise _wrong(f"the function '{token.text:.40}' is not supported. {SERVED}")
    return token.text


def _constant(token: _Token) -> Literal:
    if token.kind == "string":
        return token.text
    if token.kind == "number":
        sign, digits = (token.text[0], token.text[1:]) if token.text[0] in "+-" else ("+", token.text)
        number = whole_number(digits)  # `int` rejects thousands of digits, `float` does not
        return float(token.text) if number is None else -number if sign == "-" else number
    if token.is_word("TRUE", "FALSE"):
        return token.text.upper() == "TRUE"
    raise _wrong(f"a constant is missing before '{token.text:.40}'; text stands in single quotation marks")


def _wrong(violation: str) -> InvalidRequest:
    return InvalidRequest.at(PARAMETER, violation)
