"""The cheap scan: what it must find, and whom it must not blame."""

from __future__ import annotations

import pytest

from arpent.evalscript.names import (
    built_in,
    misnamed,
    own_functions,
    suggestion,
    unasked_bands,
    uncalled_functions,
    unknown_calls,
)
from arpent.evalscript.service_functions import has_parameter


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("let n = indx(1, 2);", [("indx", 1, 9)]),
        ("\n  new Vizualizer([])", [("Vizualizer", 2, 7)]),
        ("f(1); f(2);", [("f", 1, 1)]),
        ("index(1, 2); new ColorRampVisualizer([]); Math.max(1); isFinite(2); [].map(Number)", []),
        ("function f() {} f(); const g = (x) => x; g(1); let h; h = f; h();", []),
        ("function a(call) { return call(1) }", []),
        ("const o = { area(x) { return x } }; class K { size(a, b) { return a } }", []),
        ("s.filter(o => o.good()).map((o) => o.x)", []),
        ('// gone(1)\n/* gone(2) */ "gone(3)"; `gone(4)`; const p = /gone(5)/', []),
        ("if (a) { while (b) {} } switch (c) {} return (d)", []),
        ("const { run } = tools; run(1)", []),
    ],
)
def test_unknown_calls(source: str, found: list[tuple[str, int, int]]) -> None:
    assert [(one.word, one.line, one.column) for one in unknown_calls(source)] == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("s.B04 + s.B08", ["B08"]),
        ("samples[0].B08", ["B08"]),
        ("s.B08; s.B08", ["B08"]),
        ("s.nonsense + x.B04", []),
        ("const o = { B08: 1 }; o.B08", []),
        ("s.B08 = 3; s.B04", []),
    ],
)
def test_unasked_bands(source: str, found: list[str]) -> None:
    assert [one.word for one in unasked_bands(source, ["B04"], ["B04", "B08"])] == found


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [("B8", ["B8A", "B08"], "B08"), ("b8a", ["B08", "B8A"], "B8A"), ("B1", ["B01", "B11"], "B01"), ("QQ", ["B01"], "")],
)
def test_suggestion(word: str, known: list[str], near: str) -> None:
    assert suggestion(word, known) == (f"; did you mean '{near}'?" if near else "")


def test_what_is_built_in() -> None:
    assert {"index", "valueInterpolate", "ColorMapVisualizer", "blueRed"} <= built_in()
    assert own_functions("function one() {}\nconst two = function three() {} // function four") == ("one", "three")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("function a() {}", ["a"]),
        ("function a() {} a()", []),
        ("function a() {} const b = [].map(a)", []),
        ("const a = (x) => x; const b = function () {}; let c = y => y; var d = 3;", ["a", "b", "c"]),
        ("function a() { function inner() {} const own = () => 1 }", ["a"]),
        ("// a()\nfunction a() {}", ["a"]),
        ("s.a(); function a() {}", ["a"]),
        ("async function a() {} function* b() {}", ["a", "b"]),
        ("const { a } = s; class K { f() {} }", []),
    ],
)
def test_uncalled_functions(source: str, found: list[str]) -> None:
    assert [one.word for one in uncalled_functions(source)] == found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("preprocessScenes", "preProcessScenes"), ("preProcessScene", "preProcessScenes"),
        ("PreProcessScenes", "preProcessScenes"), ("processScenes", "preProcessScenes"),
        ("evaluatepixel", "evaluatePixel"), ("evaluatePixels", "evaluatePixel"), ("evalutePixel", "evaluatePixel"),
        ("filterscenes", "filterScenes"), ("filterScene", "filterScenes"), ("setUp", "setup"),
        ("updateOutputs", "updateOutput"), ("updateoutput", "updateOutput"),
        ("updateOutputMetaData", "updateOutputMetadata"),
        ("stretch", None), ("calcNDVI", None), ("validate", None), ("preProcessScenes", None), ("setup", None),
        ("isCloud", None), ("mergeScenes", None),
    ],
)  # fmt: skip
def test_misnamed(name: str, meant: str | None) -> None:
    found = [(one.place.word, one.place.line, one.meant) for one in misnamed(f"\nfunction {name}(x) {{ return x }}")]
    assert found == ([(name, 2, meant)] if meant else [])
    assert not [*misnamed(f"function {name}(x) {{ return x }} {name}(1)")], "somebody calls it"


MANY = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "/`" + "`\\" * MANY + "`/", "`\\" * MANY, "'\\" * MANY, '"\\' * MANY, "=/\\" * MANY, "/*" * MANY,
        "\n".join(f"function f{number}() {{}} f{number}()" for number in range(MANY // 10)),
        "function f(){" * (MANY // 10), "let a = (" * (MANY // 10), "setup = " + " " * MANY, "setup = " * MANY,
    ],
    ids=["regular expression", "template", "quotes", "double quotes", "slashes", "comments", "functions", "nested",
         "constants", "blanks", "setup"],
)  # fmt: skip
def test_time_grows_as_the_script_does(text: str) -> None:
    """With time that grows as its square each of them takes minutes."""
    assert list(misnamed(text)) == []
    assert not has_parameter(text)
    assert list(unknown_calls(text)) == []
    assert list(unasked_bands(text, [], ["B04"])) == []
