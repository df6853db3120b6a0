"""Arithmetic and conditions made at random give the same bits compiled as interpreted."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.evalscript.compile.conftest import Judge

LEAVES = st.one_of(
    st.sampled_from(["s.a", "s.b", "s.c", "t", "u"]), st.integers(-3, 3).map(lambda one: f"({one})"),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda one: f"({one!r})"),
    st.sampled_from(["true", "null", "undefined", "NaN", "-0", "Infinity", "1e308"]),
)  # fmt: skip
BINARY = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>", "<", "<=", ">", ">=", "===", "!==", "==", "!=",
          "&&", "||"]  # fmt: skip
CALLS = ["Math.min", "Math.max", "Math.round", "Math.floor", "Math.ceil", "Math.trunc", "Math.abs", "Math.sign",
         "Math.sqrt", "Math.fround", "isNaN", "index", "Number.isInteger", "!", "-", "~"]  # fmt: skip


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(st.sampled_from(CALLS), inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda parts: "({} ? {} : {})".format(*parts)),
        st.tuples(inner, inner).map(lambda parts: "[{}, {}][{} > 0 ? 1 : 0]".format(*parts, parts[0])),
    )


EXPRESSIONS = st.recursive(LEAVES, deeper, max_leaves=8)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    both = st.tuples(EXPRESSIONS, inner, inner)
    return st.one_of(
        st.tuples(inner, inner).map(" ".join),
        both.map(lambda parts: "if ({}) {{ {} }} else {{ {} }}".format(*parts)),
        both.map(lambda parts: "for (let i = 0; i < 3; i++) {{ if ({}) {{ {} continue; }} {} }}".format(*parts)),
        both.map(lambda parts: "for (const u of [1, s.b]) {{ {1} if ({0}) break; {2} }}".format(*parts)),
        both.map(lambda parts: "switch ({}) {{ case 1: {} case s.b: {} break; default: t = 7; }}".format(*parts)),
    )


STATEMENTS = st.recursive(
    st.one_of(
        EXPRESSIONS.map(lambda one: f"t = {one};"), EXPRESSIONS.map(lambda one: f"u += +{one};"),
        st.tuples(EXPRESSIONS, EXPRESSIONS).map(lambda parts: "if ({}) return [{}, t, u];".format(*parts)),
        EXPRESSIONS.map(lambda one: f"list.push({one});"), st.just("t = list.length;"),
    ),
    nested,
    max_leaves=6,
)  # fmt: skip
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(expression=EXPRESSIONS)
@QUICK
def test_expressions(judged: Judge, expression: str) -> None:
    verdict = judged(f"const t = s.a * 2, u = s.b; return [{expression}]")
    assert verdict.reason is None
    assert verdict.agreed


@given(statements=STATEMENTS)
@QUICK
def test_statements(judged: Judge, statements: str) -> None:
    """Some of them are left to the interpreter: a list may have too many lengths."""
    body = f"let t = 0, u = 1, list = []; {statements} return [t, u, list.length, list[0]]"
    assert judged(body, width=4).agreed
