"""What is evaluated when, and which name means what: compiled code gives the interpreter's bits, or leaves it to it."""

from __future__ import annotations

import pytest

from tests.unit.evalscript.compile.conftest import Judge

ORDER = [
    "const a = [1, 2]; let i = 0; a[i] = i++ + 5; return [a[0] + 10 * a[1]]",
    "const a = [1, 2]; let i = 0; a[i] += i++; return [a[0] + 10 * a[1]]",
    "const a = [1, 2]; let i = 0; a[i++] = s.a; return [a[0] + 10 * a[1] + i]",
    "const a = [1, 2, 3]; let i = 0; a[++i]++; return [a[1] + 100 * i]",
    "const a = [[1, 2], [3, 4]]; let i = 0; a[i++][i] = s.a; return [a[0][1] + 10 * a[1][1]]",
    "let o = { x: 1 }; const p = o; o.x = (o = { x: 5 }, 9); return [p.x + 10 * o.x]",
    "let o = { x: 1 }; const p = o; o.x += (o = { x: 5 }, 9); return [p.x + 10 * o.x]",
    "const o = { n: 1 }; o.n *= o.n += 3; return [o.n]",
    "let i = 0; const a = [0, 0]; [i, a[i]] = [1, 5]; return [10 * a[1] + a[0]]",
    "let x = s.a; (x) += 2; return [x]",
    "const o = s.a > 0 ? { v: 1 } : { v: 2 }; o.v += s.b; return [o.v]",
    "return [[1, 2].push([].push(5))]",
    "return [typeof Array === 'function' ? 1 : 0, typeof Math === 'object' ? 1 : 0]",
]
OF_THE_INTERPRETER = [
    "const o = { m() { return 1 } }; return [o.m(o.m = () => 2)]",
    "return [[1, 2, 1].indexOf(1, 1)]",
    "return [[1, 2, 1].includes(2, 2) ? 1 : 0]",
    "class P { constructor() { this.x = 1; return [7] } } return [new P().x === undefined ? 1 : 0]",
    "function g() { return 1 } { function g() { return 2 } } return [g()]",
    "function g() { return 1 } if (s.a > 0) function g() { return 2 } return [g()]",
    "let x = 0; switch (s.a > 0 ? 1 : 2) { case 1: case (x += 10, 2): break } return [x]",
    "let x = 1; try { { let y = x; let x = 2 } } catch (e) { return [9] } return [x]",
    "var undefined = 5; return [undefined === 5 ? 1 : 0]",
    "return { 0: s.a }",
    "const m = Math; return [m.max(s.a, 0)]",
]
CHANGED_ELSEWHERE = [
    ("const a = { v: 1 }, b = a;", "b.v = 2", "a.v"),
    ("const b = { v: 1 }, a = { inner: b };", "b.v = 2", "a.inner.v"),
    ("const a = { v: 1 }; let b = {}; b.q = a;", "b.q.v = 2", "a.v"),
    ("const b = [1, 2], a = [b];", "b.push(3)", "a[0].length"),
    ("const g = { x: 1 }; const o = { f() { g.x = 2 } };", "o.f()", "g.x"),
    ("let k = 1, h; h = function () { k = 2 };", "h()", "k"),
    ("let k = 1; class P { static m() { k = 5 } }", "P.m()", "k"),
    ("const make = () => { const c = { n: 1 }; return [() => c.n, v => { c.n = v }] }; const [get, set] = make();",
     "set(5)", "get()"),
    ("const make = () => { const c = { n: 1 }; return { get: () => c.n, set: v => { c.n = v } } }; const o = make(); "
     "const g = o.get;", "o.set(5)", "g()"),
    ("const o = { m: Math };", "o.m.max = () => 5", "Math.max(1, 2)"),
    ("", "const m = Math; m.max = () => 5", "Math.max(1, 2)"),
]  # fmt: skip
"""(top level, what runs before evaluatePixel, what evaluatePixel reads)"""


@pytest.mark.parametrize("body", ORDER)
def test_in_the_interpreters_order(judged: Judge, body: str) -> None:
    verdict = judged(body, width=2)
    assert verdict.reason is None
    assert verdict.agreed


@pytest.mark.parametrize("body", OF_THE_INTERPRETER)
def test_left_to_the_interpreter(judged: Judge, body: str) -> None:
    assert judged(body).reason is not None


@pytest.mark.parametrize(("top", "before", "read"), CHANGED_ELSEWHERE)
def test_what_was_changed_under_another_name(judged: Judge, top: str, before: str, read: str) -> None:
    assert judged(f"return [{read}]", more=f"{top} function updateOutput(output) {{ {before} }}").reason is not None


def test_a_table_that_nobody_changes_is_compiled(judged: Judge) -> None:
    more = 'const names = ["a"], table = [3, 5]; function updateOutput(output) { names.length }'
    verdict = judged("return [table[1] * s.a]", more=more)
    assert verdict.reason is None
    assert verdict.agreed
