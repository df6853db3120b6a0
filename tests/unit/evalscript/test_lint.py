"""Remarks on scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arpent.domain.errors import ScriptSetupError
from arpent.domain.evalscript import Evalscript
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.evalscript.lint import LONGEST_HINT, MOST_HINTS, MOST_NAMES, Gravity, check_script, lint, script_hints
from arpent.evalscript.setup import read_setup

S2 = Collection(
    id="sentinel-2-l2a",
    aliases=(),
    stac_collections=(),
    bands={
        name: Band(name=name, assets=(name,), units=(Unit(name="REFLECTANCE"), Unit(name="DN")))
        for name in ("B04", "B08", "B8A")
    },
)
PIXEL = "function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.dataMask] } }"


def understood(
    bands: tuple[str, ...] = ("B04", "dataMask"), units: str | None = None, pixel: str = PIXEL, mask: object = 1
) -> Evalscript:
    outputs = [{"id": "x", "bands": 1}, {"id": "y", "bands": 1}] + ([{"id": "dataMask", "bands": mask}] if mask else [])
    given = {"input": [{"bands": list(bands), "units": units}], "output": outputs}
    source = (
        f"//VERSION=3\nfunction setup() {{ return {{ input: {list(bands)}, units: '{units}' }} }} // dataMask\n{pixel}"
    )
    return read_setup(source, given, frozenset({"evaluatePixel"}), require_mask=False)


def test_a_good_script_has_no_remarks() -> None:
    assert lint(understood(), {"0": S2}) == ()
    check_script(understood(), {"0": S2})


@pytest.mark.parametrize(
    ("evalscript", "message"),
    [
        (understood(("B4", "dataMask")), "no band 'B4'; did you mean 'B04'?"),
        (understood(("b8a", "dataMask")), "did you mean 'B8A'?"),
        (understood(("datamask", "B04", "dataMask")), "did you mean 'dataMask'?"),
        (understood(("QQQ", "dataMask")), "no band 'QQQ'. It has B04, B08, B8A, dataMask"),
        (understood(units="REFLECTANCES"), "B04 in 'REFLECTANCES'; did you mean 'REFLECTANCE'?"),
        (understood(mask=None), "has no dataMask"),
    ],
)
def test_errors(evalscript: Evalscript, message: str) -> None:
    first = lint(evalscript, {"0": S2})[0]
    assert first.gravity is Gravity.ERROR
    assert message in first.message
    with pytest.raises(ScriptSetupError):
        check_script(evalscript, {"0": S2})


def test_place() -> None:
    assert lint(understood(("B99", "dataMask")), {"0": S2})[0].line == 2


@pytest.mark.parametrize(
    ("evalscript", "message"),
    [
        (understood(pixel="function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.B04 > 0] } }"), "never used"),
        (
            understood(("B04",), pixel="function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.B04] } }"),
            "not among",
        ),
        (understood(pixel="function evaluatePixel(s) { s.dataMask; return { dataMask: [1] } }"), "always 1"),
        (understood(mask=["x"]), "'y' is not masked"),
    ],
)
def test_warnings(evalscript: Evalscript, message: str) -> None:
    remarks = lint(evalscript, {"0": S2})
    assert [remark.gravity for remark in remarks] == [Gravity.WARNING]
    assert message in remarks[0].message
    check_script(evalscript, {"0": S2})


@pytest.mark.parametrize(
    "pixel", ["const { dataMask } = s;", "s['dataMask'];", "s . dataMask", "samples.map(({B04, dataMask}) => 1)"]
)
def test_ways_to_use_the_mask(pixel: str) -> None:
    assert lint(understood(pixel=f"function evaluatePixel(s) {{ {pixel} }}"), {"0": S2}) == ()


def test_inputs_without_a_collection_are_not_checked() -> None:
    assert lint(understood(("B99", "dataMask")), {}) == ()


@pytest.mark.parametrize(
    ("more", "message", "told"),
    [
        ("function preprocessScenes(c) { return c }", "did you mean 'preProcessScenes', which chooses scenes?", True),
        ("const updateoutput = (o, c) => 1", "did you mean 'updateOutput'", True),
        ("function mergeScenes(c) { return c }", "nothing calls mergeScenes: of a script's functions arpent", False),
        ("function preProcessScenes(c) { return c }", None, False),
        ("function helper() { return 1 } const x = helper();", None, False),
    ],
)
def test_functions_that_nobody_calls(more: str, message: str | None, told: bool) -> None:
    script = understood(pixel=f"{PIXEL}\n{more}")
    remarks = lint(script, {"0": S2})
    assert [(remark.gravity, remark.line) for remark in remarks] == ([(Gravity.WARNING, 4)] if message else [])
    assert message is None or message in remarks[0].message
    assert bool(script_hints(script)) is told
    assert not told or script_hints(script)[0].startswith("line 4: nothing calls")


def test_hints_are_few_and_short() -> None:
    names = [*(f"preProcessScenes{number}" for number in range(100)), "preProcessScene" + "s" * 10]
    script = understood(pixel="\n".join((PIXEL, *(f"function {name}() {{}}" for name in names))))
    long = replace(script, remarks=("x" * 1000,) * 3, source=PIXEL)
    assert len(script_hints(script)) == MOST_HINTS
    assert [len(hint) for hint in script_hints(long)] == [LONGEST_HINT] * 3


MANY = 100_000


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("\n".join(f"f{number}(1)" for number in range(MANY // 5)), MOST_NAMES),
        ("\n".join(f"function f{number}() {{ g{number}(1) }}" for number in range(MANY // 5)), MOST_NAMES),
        ("f(" * MANY, 1), ("f(1);" * MANY, 1), ("a[" * MANY, 0), ("a$" * MANY, 0), ("['x']" * MANY, 0),
        ("/*" * MANY, 0), ("function " * MANY, 0),
    ],
    ids=["calls", "functions", "open calls", "one call", "brackets", "dollars", "keys", "comments", "function"],
)  # fmt: skip
def test_time_grows_as_the_script_does(text: str, names: int) -> None:
    """With time that grows as its square each of them takes minutes."""
    evalscript = replace(understood(), source=text)
    assert len([one for one in lint(evalscript, {"0": S2}) if one.undefined]) == names
