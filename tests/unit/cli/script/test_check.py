"""What `arpent script check` remarks about a script's dry run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.cli.script.check import Inspection, inspect
from arpent.evalscript.lint import Gravity

SETUP = """//VERSION=3
function setup() { return { input: ["B04", "dataMask"],
  output: [{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }] } }
"""
RETURNS = "return { x: [s.B04], dataMask: [s.dataMask] }"


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 256, require_mask=False) as runtime:
        yield runtime


def checked(runtime: V8Runtime, body: str) -> Inspection:
    return inspect(f"{SETUP}function evaluatePixel(s) {{ {body} }}", runtime, (), {})


def messages(inspection: Inspection) -> list[str]:
    return [remark.message for remark in inspection.remarks]


def test_what_is_missing_in_the_answers_is_a_warning(runtime: V8Runtime) -> None:
    inspection = checked(runtime, "if (s.B04 > 0) return; " + RETURNS)
    found = [one for one in inspection.remarks if one.message.startswith("evaluatePixel returned nothing for ")]
    assert [one.gravity for one in found] == [Gravity.WARNING]
    assert found[0].message.endswith(" samples of the trial")
    assert inspection.log == ()


def test_a_line_of_the_script_is_not_taken_for_one(runtime: V8Runtime) -> None:
    words = "evaluatePixel returned nothing for 3 samples"
    inspection = checked(runtime, f"console.log('{words}'); {RETURNS}")
    assert not any("returned nothing" in message for message in messages(inspection))
    assert set(inspection.log) >= {words}


def test_an_undefined_name_is_remarked_once_and_refused(runtime: V8Runtime) -> None:
    inspection = checked(runtime, "return { x: [indx(s.B04, 1)], dataMask: [1] }")
    about = [one for one in inspection.remarks if one.undefined == "indx"]
    assert [(one.gravity, one.line) for one in about] == [(Gravity.ERROR, 4)]
    assert "did you mean" in about[0].message
    assert inspection.refused


def test_an_error_that_only_sounds_like_one_has_no_name(runtime: V8Runtime) -> None:
    inspection = checked(runtime, "throw new Error('ReferenceError: indx is not defined')")
    assert not any(one.undefined for one in inspection.remarks)
