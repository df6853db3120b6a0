"""Names in calculations: the script's own, or refused with the likely meaning."""

from __future__ import annotations

import pytest

from arpent.domain.calculation import Calculations, Histogram, OutputCalculations
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import Evalscript
from arpent.engine.analysis.check_calculations import check_calculations
from arpent.evalscript.setup import read_setup

BINS = Histogram(bin_count=4)


def script(*functions: str) -> Evalscript:
    outputs = [{"id": "red", "bands": 1}, {"id": "veg", "bands": ["ndvi", "evi"]}, {"id": "dataMask", "bands": 1}]
    given = {"input": ["B04", "dataMask"], "output": outputs}
    return read_setup("//VERSION=3", given, frozenset({"setup", "evaluatePixel", *functions}))


def wish(output: str, histogram: str | None = None, percentiles: str | None = None) -> Calculations:
    entry = OutputCalculations(
        histograms={histogram: BINS} if histogram else {}, percentiles={percentiles: (50.0,)} if percentiles else {}
    )
    return Calculations(outputs={output: entry})


@pytest.mark.parametrize(
    "wished",
    [
        wish("red", "B0", "B0"), wish("red", "default", "default"), wish("veg", "evi", "ndvi"), wish("red"),
        wish("default", "evi", "default"), wish("default", "B0"), wish("dataMask", "B0"), Calculations(),
    ],
)  # fmt: skip
def test_names_of_the_script(wished: Calculations) -> None:
    check_calculations(script(), wished, lenient=False)


@pytest.mark.parametrize(
    ("wished", "at", "fault"),
    [
        (wish("ndvi", "B0"), "calculations->ndvi", "the script has no output 'ndvi'. It has red, veg, default"),
        (wish("Red"), "calculations->Red", "no output 'Red'; did you mean 'red'?"),
        (wish("red", "B1"), "calculations->red->histograms->B1", "no band 'B1'"),
        (wish("veg", percentiles="ndwi"), "calculations->veg->statistics->ndwi", "did you mean 'ndvi'?"),
        (wish("veg", "B0"), "calculations->veg->histograms->B0", "It has ndvi, evi, default"),
        (wish("default", "B7"), "calculations->default->histograms->B7", "It has B0, ndvi, evi, default"),
        (wish("defaults"), "calculations->defaults", "did you mean 'default'?"),
    ],
)
def test_other_names_are_refused(wished: Calculations, at: str, fault: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_calculations(script(), wished, lenient=False)
    ((parameter, violation),) = caught.value.violations
    assert parameter == at
    assert fault in violation
    assert fault in str(caught.value)


def test_bands_that_update_output_may_make() -> None:
    check_calculations(script("updateOutput"), wish("red", "B7"), lenient=False)
    with pytest.raises(InvalidRequest):
        check_calculations(script("updateOutput"), wish("red", "ndvi"), lenient=False)
