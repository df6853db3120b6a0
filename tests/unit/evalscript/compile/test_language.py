"""Pieces of the language give the same bits compiled as interpreted; what cannot be compiled says so."""

from __future__ import annotations

import pytest

from tests.unit.evalscript.compile.conftest import Judge

NUMBERS = [
    "s.a + s.b * s.c - s.a / s.b", "s.a % s.b", "-s.a", "+s.a", "s.a & s.b", "s.a | 3", "s.a ^ s.b", "~s.a", "s.a << 3",
    "s.a >> s.b", "s.a >>> s.b", "1 << s.a", "Math.min(s.a, s.b, s.c)", "Math.max(s.a, 0)", "Math.max(0, -s.a, s.b)",
    "Math.min()", "Math.round(s.a)", "Math.floor(s.a)", "Math.ceil(s.a)", "Math.trunc(s.a)", "Math.sqrt(s.a)",
    "Math.abs(s.a)", "Math.sign(s.a)", "Math.fround(s.a)", "1 / Math.round(s.a)", "1 / Math.max(s.a, s.b)",
    "1 / Math.min(s.a, s.b)", "1 / Math.ceil(s.a)", "1 / Math.trunc(s.a)", "1 / Math.sign(s.a)", "1 / (s.a % 2)",
    "s.a > s.b", "s.a >= s.b", "s.a === s.b", "s.a != s.b", "!s.a", "!!s.a + 1", "s.a && s.b", "s.a || s.b",
    "s.a ?? s.b", "s.x ?? 7", "s.a > 0 ? s.b : s.c", "s.a > 0 && s.b", "(s.a > 0) + (s.b > 0)",
    "(s.a > 0) === (s.b > 0)",
    "(s.a > 0) == 1", "s.x == null", "s.a === undefined", "isNaN(s.a)", "isFinite(s.a)", "Number.isInteger(s.a)",
    "Number.isNaN(s.x)", "Number.isFinite(s.a)", "Number(s.a > 0)", "Number(null)", "[1, 2, 3].includes(s.a)",
    "[1, NaN].includes(s.a)", "[1, 2].indexOf(s.a)", "[s.a, s.b].map(x => x * 2).reduce((p, q) => p + q)",
    "[s.a, s.b, s.c].some(x => x > 1)", "[s.a, s.b].every(x => x > 0)", "[s.a, s.b].find(x => x > 0)",
    "[s.a, s.b].findIndex(x => x > 0)", "Math.max(...[s.a, s.b, s.c])",
    "Array.from({ length: 3 }, (_, i) => i * s.a)[2]",
    "typeof s.a === 'number' ? 1 : 2", "(s.a > 0 ? s.b : undefined) + 1", "(s.a > 0 ? undefined : 5) || 9",
    "[10, 20, 30][s.a > 0 ? 1 : s.b > 0 ? 2 : 0]", "[10, 20][s.a > 0 ? 1 : 7]", "((x, y = 3) => x * y)(s.a)",
    "((...all) => all.length + all[1])(s.a, s.b)", "index(s.a, s.b)", "inverse(s.a)", "valueMap(s.a, [0, 1], [5, 6])",
    "valueInterpolate(s.a, [-1, 0, 1], [3, 5, 9])", "combine([s.a], [s.b], 0.3)[0]", "rgb2int([s.a, s.b, 1])",
    "new HighlightCompressVisualizer(0, 0.4).process(s.a)", "new DefaultVisualizer(0, 0.4).process(s.a)",
    "decodeL8C2Qa(s.a).cloud", "decodeS3OLCIQualityFlags(s.a).bright", "0x1F + 1e3 + .5 + 1_000", "s['a'] + s[`b`]",
    "Math.PI * s.a", "Infinity - s.a", "void 0 ?? s.a", "(s.a, s.b)", "Object.keys(s).length", "Object.values(s)[1]",
    "(({ a, q: [x = 4] = [], z = 3 }) => a + x + z)(s)", "(() => { try { return s.a } catch (e) { return 1 } })()",
]  # fmt: skip
BODIES = [
    "if (s.a > 1) return [1]; if (s.b > 1) return [2]; else if (s.c > 1) return [3]; return [4]",
    "let x = 0; if (s.a > 0) { x = s.b; if (s.c > 0) return [x]; x++; } x += 2; return [x]",
    "if (s.a > 0) return [s.a]",
    "if (s.a > 0) return null; return [1]",
    "if (s.a > 0) return 5; return [1]",
    "return s.a > 0 ? [s.b] : []",
    "let r = [1]; if (s.a > 0) r.push(s.b); return [r.length + (r[1] || 0)]",
    "let r; if (s.a > 0) r = [1, 2]; else r = [s.b]; r.push(s.c); return [r[r.length - 1]]",
    "const q = { n: 1 }; if (s.a > 0) q.n = s.b; else q.n += 2; return [q.n]",
    "const q = {}; if (s.a > 0) q.n = s.b; return [q.n === undefined ? 9 : q.n]",
    "const p = [1], q = s.a > 0 ? p : [2]; q[0] = s.b; return [p[0] + 10 * q[0]]",
    "let n = 0; for (let i = 0; i < 5; i++) { if (s.a > i) continue; if (s.b > i) break; n += i * s.c } return [n]",
    "for (const x of [s.a, s.b, s.c]) { if (x > 0) return [x] } return [-1]",
    "let k = 4; while (k > 0 && !(s.a >= k)) k -= 1; return [[5, 4, 3, 2, 1][k]]",
    "let i = 0; do { i++ } while (i < 3); for (const k in s) i += s[k]; return [i]",
    "switch (s.a) { case 0: return [1]; case 1: case 1.5: return [2]; default: return [3] }",
    "let x = 0; switch (true) { case s.a > 1: x += 1; case s.b > 1: x += 10; break; case s.c > 1: x = 5 } return [x]",
    "function f(x) { if (x > 0) return x; return g(-x) } function g(y) { return y * 2 } return [f(s.a)]",
    "const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i * s.a); "
    "const r = fs.map(f => f()); return [r[0] + r[2]]",
    "const fs = []; for (var i = 0; i < 3; i++) fs.push(() => i * s.a); return [fs.map(f => f())[0]]",
    "s.a = 3; s.z = s.b; const t = { ...s, b: 1 }; return [t.a + t.b + t.z]",
    "let [x, y] = [s.a, s.b]; [x, y] = [y, x]; return [x - y]",
    "var x = 1; { var x = s.a } return [x]",
    "n = s.a; m = n + 1; return [m]",
    "let a; a ??= s.a; a ||= 7; a &&= a + 1; return [a]",
    "const a = s.a, b = s.b; return [a > b ? a : b, a, b]",
    "class P { constructor(x) { this.x = x } twice() { return this.x * 2 } static of(x) { return new P(x) } } "
    "return [P.of(s.a).twice()]",
    "const v = new ColorRampVisualizer([[0, 0xFF0000], [1, 0x00FF00], [2, 0x0000FF]]); return v.process(s.a)",
    "return new ColorMapVisualizer([[0, 0xFF0000], [1, 0x00FF00]]).process(s.a)",
    "return ColorGradientVisualizer.createWhiteGreen(-1, 1).process(s.a)",
    "return ColorRampVisualizer.createOceanColor(-1, 1).process(s.a)",
    "const c = colorBlend(s.a, [0, 1, 2], [[0, 0, 0], [1, 0, 0], [1, 1, 1]]); c.push(s.b); return c",
]  # fmt: skip
INTERPRETED = [
    "return [Array.from({ length: 6000 }).length]",
    "return [Math.pow(s.a, 2)]", "return [s.a ** 2]", "return [Math.exp(s.a)]", "console.log(1); return [1]",
    "if (s.a > 0) throw 1; return [1]", "return [new Date().getTime()]", "total += s.a; return [total]",
    "list.push(s.a); return [list.length]", "thing.x = s.a; return [thing.x]", "return [[1, 2, 3][s.a]]",
    "return ['x']", "return [[1]]", "return [s.x.y]", "return [nothing]",
    "return [f(9)]", "return [s.a.toFixed(2)]", "return [[3, 1].sort()[0]]", "return [this.x]", "return [eval('1')]",
    "return [/x/.test('x')]", "return [early]; let early = 1",
    "if (s.a > 0) kept = s.b; return [kept]", "return [[2, 1, 3].sort((p, q) => p > q)[0]]",
    "let t = 'x'; for (let i = 0; i < 60; i++) t += t.length > 9 ? 'y' : t; return [t.length > 1e4 ? 1 : f(1)]",
    "let t = 0; for (let i = 0; i < 999; i++) for (let k = 0; k < 999; k++) t = k; return [t]",
    "return [" + "(" * 900 + "s.a" + ")" * 900 + "]",
]  # fmt: skip
MISREAD = [
    # What the grammar takes for one statement, and the language for two.
    *(f"function g() {{ return{end}{value} }} return [g() === undefined ? 1 : 2]"
      for end in ("\n", "\r", "\u2028", "\u2029", " /* \n */ ", " // a\n")
      for value in ("(s.a)", "-s.a", "[s.a]", "+s.a")),
    "let a = s.a, c = 2; const b = a /*\n*/ ++\n c; return [a + c * 10 + b * 100]",
    "let a = s.a\n/* \n */ --> 5\nreturn [a]", "return [s.a <!-- 5\n]",
    # A block, not an object.
    "const g = x => {a: x}; return [g(1) === undefined ? 1 : 2]", "{a: s.a} return [1]",
    # Escapes.
    "const o = {a: s.a, \\u0061: 3}; return [o.a]", "const o = {a: s.a}; return [o.\\u0061]",
    "const \\u0061 = 1; return [a]",
    # One name, two variables; and a variable that is there but is not declared.
    "function g(a, b = () => a) { var a = 9; return b() } return [g(3)]",
    "function g(a, b = () => a) { function a() {} return b() } return [g(s.a) === s.a ? 1 : 2]",
    "let z = 7; switch (s.a > 1 ? 1 : 2) { case z: let z = 1; break; case 2: return [4] } return [1]",
    "let t; switch (s.a > 1) { case true: let z = 1; break; case false: t = typeof z === 'undefined' } return [+t]",
    "switch (s.a > 1 ? 1 : 2) { case 1: let z = 1; break; case 2: z = 5 } return [1]",
]  # fmt: skip
GLOBALS = "let total = 0, kept; const list = [], thing = {}; function f(n) { return n + f(n) };"


@pytest.mark.parametrize("expression", NUMBERS)
def test_expression(judged: Judge, expression: str) -> None:
    verdict = judged(f"return [{expression}]")
    assert verdict.reason is None
    assert verdict.agreed


@pytest.mark.parametrize("body", BODIES)
def test_statements(judged: Judge, body: str) -> None:
    verdict = judged(body, width=3)
    assert verdict.reason is None
    assert verdict.agreed


@pytest.mark.parametrize("body", INTERPRETED)
def test_left_to_the_interpreter(judged: Judge, body: str) -> None:
    assert judged(body, more=GLOBALS).reason is not None


@pytest.mark.parametrize("body", MISREAD)
def test_what_the_grammar_misreads(judged: Judge, body: str) -> None:
    """In a branch that few samples reach the referee would not see it."""
    assert judged(body).agreed


@pytest.mark.parametrize(
    "body",
    [
        "return (\n s.a\n ) ? [\n1] : [2]",
        "let a = s.a\n++a\n--a\nreturn [a]",
        "const g = x => ({a: x}); return [g(s.a).a]",
        "switch (s.a > 1 ? 1 : 2) { case 1: { const z = s.b; return [z] } default: { let z = 2; return [z] } }",
        "let t; switch (s.a > 1) { case true: const y = s.b; t = y; break; default: const z = 2; t = z } return [t]",
        "function g(a, b = x => x) { var c = 9; return b(a) + c } return [g(s.a)]",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_compiled(judged: Judge, body: str) -> None:
    verdict = judged(body)
    assert verdict.reason is None
    assert verdict.agreed


@pytest.mark.parametrize("scenes", [0, 1, 2, 12, 40])
@pytest.mark.parametrize(
    "body",
    [
        "let m = -1; for (let i = 0; i < s.length; i++) if (s[i].a > m) m = s[i].a; return [m]",
        "let n = 0; for (const x of s) { if (!x.b) continue; n += x.a } return [n, s.length]",
        "return [s.map(x => x.a).reduce((p, q) => p + q, 0)]",
        "let n = 0; s.forEach((x, i) => { if (x.a > 0) n = i }); return [n]",
        "if (!s.length) return [-1]; return [s[0].a]",
    ],
)
def test_scenes(judged: Judge, body: str, scenes: int) -> None:
    verdict = judged(body, mosaicking="ORBIT", scenes=scenes, width=2)
    assert verdict.reason is None
    assert verdict.agreed


def test_the_old_form_of_scenes_is_left_to_the_interpreter(judged: Judge) -> None:
    for body, compiled in (("c.orbits.length", True), ("c.length", False), ("c[0] ? 1 : 0", False)):
        verdict = judged(f"return [s[0].a + ({body})]", mosaicking="ORBIT", parameters="s, c")
        assert (verdict.reason is None) is compiled
        assert verdict.agreed


def test_fusion(judged: Judge) -> None:
    bands = '[{ datasource: "p", bands: ["a"] }, { datasource: "q", bands: ["b"], mosaicking: "TILE" }]'
    verdict = judged("return [s.p[0].a + s.q[2].b + s.q.length]", bands=bands)
    assert verdict == judged("return [1]", bands=bands)
    assert verdict.reason is None


@pytest.mark.parametrize(
    ("more", "compiled"),
    [
        ("const limit = 3;", True),
        ("var limit = 3; function preProcessScenes(c) { limit; return c }", True),
        ("var limit = 3; function preProcessScenes(c) { limit = 4; return c }", False),
        ("var limit = 3; function filterScenes(s) { limit; return s }", True),
        ("var limit = 3; function filterScenes(s) { limit = 4; return s }", False),
        ("var limit = 3; const change = () => { limit++ }; function preProcessScenes(c) { change(); return c }", False),
        ("var limit = new Date();", False),
        ("'use strict'; const limit = 3;", False),
        ("Math.max = () => 1; const limit = 3;", False),
        ("function updateOutputMetadata() {} const limit = 3;", False),
    ],
)
def test_the_top_level(judged: Judge, more: str, compiled: bool) -> None:
    verdict = judged("return [s.a + limit]", more=more)
    assert (verdict.reason is None) is compiled
    assert verdict.agreed
