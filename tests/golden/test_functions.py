"""The built-ins of evalscripts give the documented values (golden.json; FACTS 5.4)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.ports.scripts import ScriptInput

DATA = os.environ.get("ARPENT_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
SHARED = Path(DATA).parent / "reference" / "golden.json"
KINDS = ("evalscript_function", "evalscript_visualizer")
DOCUMENTED = [
    # the rest of the documentation's samples: expression, value
    ("index(1, -1)", 0),
    ("inverse(5)", 0.2),
    ("valueMap(12, [1, 3, 5, 7, 10], [100, 300, 500, 700, 900])", 900),
    ("valueInterpolate(50)", 50),
    ("colorBlend(0.5, [0, 1], [[0, 0], [1, 2]])", [0.5, 1]),
    ("rgb2int([1, 0, 1])", 65537),
    ("normalizeRGB([255, 51, 0])", [1, 0.2, 0]),
    ("combine([100, 0, 0], [0, 100, 0], 1)", [100, 0, 0]),
    ("JAVA_DOUBLE_MAX_VAL", 1.7976931348623157e308),
    ("ColorMapVisualizer.createDefaultColorMap().process(0.15)", [1, 1, 0.2]),
    ("new ColorRampVisualizer([[200, 0xFF0000], [300, 0x0000FF]]).inverse().process(199)", [0, 0, 1]),
    ("new ColorRampVisualizer([[200, [1, 0, 0]], [300, [0, 0, 1]]]).process(250)", [127 / 255, 0, 127 / 255]),
    ("ColorRampVisualizer.createRedTemperature(0, 1).process(0)", [0, 0, 0]),
    ("ColorRampVisualizer.createRedTemperature(0, 1).process(0.3)", [1, 0.43137254901960786, 0]),
    ("ColorRampVisualizer.createRedTemperature(0, 1).process(0.5)", [1, 0.5137254901960784, 0]),
    ("ColorRampVisualizer.createRedTemperature(0, 1).process(0.8)", [1, 0.8, 0.5764705882352941]),
    ("ColorRampVisualizer.createWhiteGreen(0, 1).process(0.3)", [0, 0.4, 0]),
    ("ColorRampVisualizer.createWhiteGreen(0, 1).process(0.5)", [1 / 3, 0.6, 0]),
    ("ColorRampVisualizer.createWhiteGreen(0, 1).process(0.8)", [191 / 255, 217 / 255, 127 / 255]),
    ("ColorRampVisualizer.createBlueRed(0, 1).process(0)", [0, 0, 0.5019607843137255]),
    ("ColorRampVisualizer.createBlueRed(0, 1).process(0.3)", [0, 0.6980392156862745, 1]),
    ("ColorRampVisualizer.createBlueRed(0, 1).process(0.8)", [1, 0.2980392156862745, 0]),
    ("ColorRampVisualizer.createBlueRed(10, 20).process(20)", [0.5019607843137255, 0, 0]),
    ("ColorRampVisualizer.createOceanColor(0, 1).process(1)", [105 / 255, 0, 0]),
    ("ColorGradientVisualizer.createRedTemperature(0, 1).process(0.3)", [0.43137254901960786, 0, 0]),
    ("ColorGradientVisualizer.createRedTemperature(0, 1).process(0.5)", [183 / 255, 12 / 255, 0]),
    ("ColorGradientVisualizer.createRedTemperature(0, 1).process(0.8)", [1, 0.6196078431372549, 0.2]),
    ("ColorGradientVisualizer.createWhiteGreen(0, 1).process(0.3)", [0, 0.2980392156862745, 0]),
    ("ColorGradientVisualizer.createWhiteGreen(0, 1).process(0.5)", [0.16862745098039217, 0.5019607843137255, 0]),
    ("ColorGradientVisualizer.createWhiteGreen(0, 1).process(0.8)", [2 / 3, 0.8, 1 / 3]),
    ("ColorGradientVisualizer.createBlueRed(0, 1).process(0.3)", [0, 0.7019607843137254, 1]),
    ("ColorGradientVisualizer.createBlueRed(0, 1).process(0.5)", [0.5019607843137255, 1, 0.5019607843137255]),
    ("new HighlightCompressVisualizer(0.1, 0.4).process(0)", 0),
    ("new HighlightCompressVisualizer(0.1, 0.4).process(0.4)", 0.9259259259259259),
    ("new HighlightCompressVisualizer(0.1, 0.4).process(0.7)", 1),
    ("decodeS3OLCIQualityFlags(2147483649).land", 1),
    ("decodeS3OLCIQualityFlags(2147483649).saturatedB21", 1),
    ("decodeS3OLCIQualityFlags(1048576).saturatedB01", 1),
    ("Object.keys(decodeS3OLCIQualityFlags(0)).length", 32),
]  # fmt: skip
FRESH = [
    "new ColorRampVisualizer([[0, 0xFF0000], [1, 0x0000FF]]).process",
    "new ColorMapVisualizer([[0, 0xFF0000], [1, 0x0000FF]]).process",
    "ColorGradientVisualizer.createBlueRed(0, 1).process",
]


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 128, require_mask=False) as runtime:
        yield runtime


def evaluate(runtime: V8Runtime, expressions: list[str]) -> list[object]:
    """Values of expressions, through console.log of one script."""
    lines = "\n".join(f"console.log(JSON.stringify([{expression}]))" for expression in expressions)
    setup = "function setup() { return { input: ['B'], output: { bands: 1 } } }"
    script = f"//VERSION=3\n{setup}\nfunction evaluatePixel() {{ {lines} }}"
    with runtime.open(script) as session:
        answer = session.evaluate([ScriptInput(values=(np.zeros(1),), scales=((1, 0),))], np.array([0, 1]))
    assert not answer.failures, answer.failures
    return [json.loads(line)[0] for line in answer.log[: len(expressions)]]


def expression_of(case: dict) -> str:
    given = case["input"]
    arguments = ", ".join(json.dumps(argument) for argument in given["args"])
    if "class" in given:
        return f"new {given['class']}({arguments}).process({json.dumps(given['process'])})"
    return f"{given['function']}({arguments})"


@pytest.mark.skipif(not SHARED.exists(), reason="golden.json is not here")
def test_golden_cases(runtime: V8Runtime) -> None:
    cases = [case for case in json.loads(SHARED.read_text()) if case["kind"] in KINDS]
    assert len(cases) == 26
    for case, value in zip(cases, evaluate(runtime, [expression_of(case) for case in cases]), strict=True):
        expected = case["expected"]
        if isinstance(expected, dict):
            assert value == expected, case["id"]
        else:
            np.testing.assert_allclose(
                value, expected, rtol=case["tolerance"], atol=case["tolerance"], err_msg=case["id"]
            )


def test_documented_samples(runtime: V8Runtime) -> None:
    for (expression, expected), value in zip(
        DOCUMENTED, evaluate(runtime, [text for text, _ in DOCUMENTED]), strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=expression)


def test_arrays_are_fresh(runtime: V8Runtime) -> None:
    texts = [
        f"(() => {{ const f = {text.rsplit('.', 1)[0]}; f.process(-1).push(9); return f.process(-1).length }})()"
        for text in FRESH
    ]
    texts += ["(() => { const c = [[0], [1]]; valueInterpolate(-1, [0, 1], c).push(9); return 2 + c[0].length })()"]
    assert evaluate(runtime, texts) == [3] * len(texts)
