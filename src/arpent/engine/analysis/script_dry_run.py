"""Dry run: what can be found wrong with script, calculations and resolution before any pixel is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.calculation import Calculations
from arpent.domain.errors import ResolutionTooCoarse, ScriptExecutionError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.domain.feature import Features
from arpent.domain.grid import Resolution, Size
from arpent.domain.ports.scripts import Scene, ScriptAnswer, ScriptInput, ScriptSession
from arpent.engine.band_bindings import BandBinding
from arpent.raster.footprints import geographic
from arpent.zonal.histogram import check_histogram

TRIAL_NUMBERS = (0, 1200, 3400)
"""Digital numbers the script is tried on: no data, dark, bright."""
TRIAL_CLASSES = 12
"""Class bands see numbers below this one."""
TRIAL_SCENES = 2
TRIAL_SCENE: Mapping[str, object] = {
    "date": "2020-06-01T10:00:00Z",
    "dateFrom": "2020-06-01T00:00:00Z",
    "dateTo": "2020-06-01T23:59:59Z",
    "cloudCoverage": 10.0,
    "dataPath": "s3://trial/tile",
    "shId": 1,
    "tiles": [{"date": "2020-06-01T10:00:00Z", "cloudCoverage": 10.0, "dataPath": "s3://trial/tile", "shId": 1}],
}
"""An orbit and a tile in one; a script reads what its mosaicking gives it."""
METRES_PER_DEGREE = 111_319.49


def check_calculations(evalscript: Evalscript, calculations: Calculations, *, lenient: bool) -> None:
    """Every histogram must fit its output's sample type. Raises InvalidRequest."""
    for output in evalscript.outputs:
        for band in output.bands:
            histogram = calculations.of(output.id, band).histogram
            if histogram is not None:
                check_histogram(histogram, output.sample_type, lenient=lenient)


def try_out(session: ScriptSession, bindings: Sequence[BandBinding]) -> None:
    """Run the script on a few made-up samples. Raises ScriptTimeout or ScriptOutOfMemory, and ScriptExecutionError
    if it throws for every one of them; a script may well throw for some."""
    answer = trial(session, bindings)
    if len(answer.failures) == len(TRIAL_NUMBERS):
        raise answer.failures.get(1) or ScriptExecutionError("evaluatePixel throws for every sample")


def trial(session: ScriptSession, bindings: Sequence[BandBinding]) -> ScriptAnswer:
    """What the script makes of the made-up samples, each a segment. Raises ScriptTimeout or ScriptOutOfMemory."""
    return session.evaluate([_trial_input(binding) for binding in bindings], np.arange(len(TRIAL_NUMBERS) + 1))


def _trial_input(binding: BandBinding) -> ScriptInput:
    scened = binding.input.mosaicking is not Mosaicking.SIMPLE
    shape = (TRIAL_SCENES, len(TRIAL_NUMBERS)) if scened else (len(TRIAL_NUMBERS),)
    numbers = np.ascontiguousarray(np.broadcast_to(np.array(TRIAL_NUMBERS, np.uint16), shape))
    categorical = {requested.band.name for requested in binding.requests if requested.band.categorical}
    values = tuple(
        (numbers > 0).astype(np.uint8)
        if name == DATA_MASK
        else (numbers % TRIAL_CLASSES if name in categorical else numbers)
        for name in binding.input.bands
    )
    scenes = (Scene(fields=TRIAL_SCENE),) * TRIAL_SCENES if scened else ()
    return ScriptInput(values=values, scales=binding.scales, scenes=scenes)


def check_resolution(features: Features, sampling: Resolution | Size, bindings: Sequence[BandBinding]) -> None:
    """No more metres per sample than a collection allows; degrees taken for metres are the usual cause."""
    if isinstance(sampling, Size):
        return
    bounds = features.bounds
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if not len(bounds):
        return
    metres = _metres(bounds, features.crs, sampling)
    note = " Note that resx and resy are in degrees here." if features.crs.is_geographic else ""
    for binding in bindings:
        limit = binding.collection.maximum_resolution
        name = next(iter(binding.collection.aliases), binding.collection.id)
        if metres > limit:
            raise ResolutionTooCoarse(
                f"Your request of {metres:.2f} meters per pixel exceeds the limit {limit:.2f} meters per pixel of the "
                f"collection {name}. Please revise the resolution (or corresponding width/height) to make sure it is "
                f"in supported range.{note}"
            )


def _metres(bounds: NDArray[np.float64], crs: CRS, sampling: Resolution) -> float:
    """Coarser side of a sample in metres, where the features are."""
    if not crs.is_geographic:
        return max(sampling.x, sampling.y) * float(crs.axis_info[0].unit_conversion_factor)
    latitude = float(np.median(geographic(bounds, crs)[:, [1, 3]]))
    return max(sampling.x * math.cos(math.radians(latitude)), sampling.y) * METRES_PER_DEGREE
