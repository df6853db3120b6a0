"""The built-ins of evalscripts give the documented values (sentinelhub.md 5.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.ports.scripts import ScriptInput
from tests.support.published import Case, one_test_each

WORKED_OUT = [
    # what follows from the documented definitions: expression, value
    ("index(1, -1)", 0),
    ("colorBlend(0.5, [0, 1], [[0, 0], [1, 2]])", [0.5, 1]),
    ("normalizeRGB([255, 51, 0])", [1, 0.2, 0]),
    ("ColorMapVisualizer.createDefaultColorMap().process(0.15)", [1, 1, 0.2]),
    ("new ColorRampVisualizer([[200, 0xFF0000], [300, 0x0000FF]]).inverse().process(199)", [0, 0, 1]),
    ("ColorRampVisualizer.createBlueRed(10, 20).process(20)", [0.5019607843137255, 0, 0]),
    ("ColorRampVisualizer.createOceanColor(0, 1).process(1)", [105 / 255, 0, 0]),
    ("new HighlightCompressVisualizer(0.1, 0.4).process(0.4)", 0.9259259259259259),
    ("decodeS3OLCIQualityFlags(2147483649).land", 1),
    ("decodeS3OLCIQualityFlags(2147483649).saturatedB21", 1),
    ("decodeS3OLCIQualityFlags(1048576).saturatedB01", 1),
    ("Object.keys(decodeS3OLCIQualityFlags(0)).length", 32),
]
FRESH = [
    "new ColorRampVisualizer([[0, 0xFF0000], [1, 0x0000FF]]).process",
    "new ColorMapVisualizer([[0, 0xFF0000], [1, 0x0000FF]]).process",
    "ColorGradientVisualizer.createBlueRed(0, 1).process",
]


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 128, require_mask=False) as runtime:
        yield runtime


def value_of(runtime: V8Runtime, expression: str) -> object:
    """Value of an expression, through console.log of a script."""
    setup = "function setup() { return { input: ['B'], output: { bands: 1 } } }"
    body = f"console.log(JSON.stringify([{expression}]))"
    with runtime.open(f"//VERSION=3\n{setup}\nfunction evaluatePixel() {{ {body} }}") as session:
        answer = session.evaluate([ScriptInput(values=(np.zeros(1),), scales=((1, 0),))], np.array([0, 1]))
    assert not answer.failures, answer.failures
    return json.loads(answer.log[0])[0]


def expression_of(case: Case) -> str:
    given = case["input"]
    if "expression" in given:
        return str(given["expression"])
    arguments = ", ".join(json.dumps(argument) for argument in given["args"])
    if "class" in given:
        return f"new {given['class']}({arguments}).process({json.dumps(given['process'])})"
    return f"{given['function']}({arguments})"


@one_test_each("evalscript_function", "evalscript_visualizer", "evalscript_expression")
def test_a_documented_value(runtime: V8Runtime, case: Case) -> None:
    value, expected = value_of(runtime, expression_of(case)), case["expected"]
    if isinstance(expected, dict):
        assert value == expected
    else:
        np.testing.assert_allclose(value, expected, rtol=case["tolerance"], atol=case["tolerance"])


@pytest.mark.parametrize(("expression", "expected"), WORKED_OUT)
def test_a_value_that_follows(runtime: V8Runtime, expression: str, expected: object) -> None:
    np.testing.assert_allclose(value_of(runtime, expression), expected, rtol=1e-12)


@pytest.mark.parametrize("call", FRESH)
def test_an_answer_is_a_fresh_array(runtime: V8Runtime, call: str) -> None:
    """What a script appends to an answer is not in the next one."""
    visualizer = call.rsplit(".", 1)[0]
    code = f"(() => {{ const f = {visualizer}; f.process(-1).push(9); return f.process(-1).length }})()"
    assert value_of(runtime, code) == 3


def test_an_interpolated_array_is_not_the_callers(runtime: V8Runtime) -> None:
    code = "(() => { const c = [[0], [1]]; valueInterpolate(-1, [0, 1], c).push(9); return c[0].length })()"
    assert value_of(runtime, code) == 1
