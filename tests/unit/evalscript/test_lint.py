"""Remarks on scripts."""

from __future__ import annotations

import pytest

from arpent.domain.errors import ScriptSetupError
from arpent.domain.evalscript import Evalscript
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.evalscript.lint import Gravity, check_script, lint
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
