"""Trial: what can be found wrong with script, calculations and resolution before any pixel is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arpent.engine.feeds import Feed
from arpent.engine.footing import geographic
from arpent.errors import ResolutionTooCoarse, ScriptExecutionError
from arpent.model.calculation import Calculations
from arpent.model.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.model.feature import Features
from arpent.model.grid import Resolution, Size
from arpent.ports import Scene, ScriptInput, ScriptSession
from arpent.zonal.histogram import check

TRIAL_NUMBERS = (0, 1200, 3400)
"""Digital numbers the script is tried on: no data, dark, bright."""
TRIAL_SCENES = 2
METRES_PER_DEGREE = 111_319.49


def check_calculations(evalscript: Evalscript, calculations: Calculations, *, lenient: bool) -> None:
    """Every histogram must fit its output's sample type. Raises InvalidRequest."""
    for output in evalscript.outputs:
        for band in output.bands:
            histogram = calculations.of(output.id, band).histogram
            if histogram is not None:
                check(histogram, output.sample_type, lenient=lenient)


def try_out(session: ScriptSession, feeds: Sequence[Feed]) -> None:
    """Run the script on a few made-up samples. Raises ScriptTimeout or ScriptOutOfMemory, and ScriptExecutionError
    if it throws for every one of them; a script may well throw for some."""
    offsets = np.arange(len(TRIAL_NUMBERS) + 1)
    answer = session.evaluate([_trial_input(feed) for feed in feeds], offsets)
    if len(answer.failures) == len(TRIAL_NUMBERS):
        raise answer.failures.get(1) or ScriptExecutionError("evaluatePixel throws for every sample")


def _trial_input(feed: Feed) -> ScriptInput:
    scened = feed.input.mosaicking is not Mosaicking.SIMPLE
    shape = (TRIAL_SCENES, len(TRIAL_NUMBERS)) if scened else (len(TRIAL_NUMBERS),)
    numbers = np.broadcast_to(np.array(TRIAL_NUMBERS, np.uint16), shape)
    categorical = {want.band.name for want in feed.wants if want.band.categorical}
    values = tuple(
        (numbers > 0).astype(np.uint8) if name == DATA_MASK else np.ascontiguousarray(numbers % 12 if name in categorical else numbers)
        for name in feed.input.bands
    )
    fields = {"dateFrom": "2020-06-01T00:00:00Z", "dateTo": "2020-06-01T23:59:59Z", "tiles": [], "date": "2020-06-01T10:00:00Z"}
    scenes = tuple(Scene(fields=fields) for _ in range(TRIAL_SCENES)) if scened else ()
    return ScriptInput(values=values, scales=feed.scales, scenes=scenes)


def check_resolution(features: Features, sampling: Resolution | Size, feeds: Sequence[Feed]) -> None:
    """No more metres per sample than a collection allows; degrees taken for metres are the usual cause."""
    if isinstance(sampling, Size):
        return
    bounds = features.bounds
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if not len(bounds):
        return
    metres = _metres(bounds, features, sampling)
    for feed in feeds:
        limit = feed.collection.maximum_resolution
        if metres > limit:
            raise ResolutionTooCoarse(
                f"Your request of {metres:.2f} meters per pixel exceeds the limit {limit:.2f} meters per pixel of the "
                f"collection {feed.collection.aliases[0] if feed.collection.aliases else feed.collection.id}. Please revise "
                "the resolution (or corresponding width/height) to make sure it is in supported range."
                + (" Note that resx and resy are in degrees here." if features.crs.is_geographic else "")
            )


def _metres(bounds: np.ndarray[tuple[int, ...], np.dtype[np.float64]], features: Features, sampling: Resolution) -> float:
    """Coarser side of a sample in metres, where the features are."""
    if not features.crs.is_geographic:
        factor = features.crs.axis_info[0].unit_conversion_factor
        return max(sampling.x, sampling.y) * factor
    latitude = float(np.median(geographic(bounds, features.crs)[:, [1, 3]]))
    return max(sampling.x * np.cos(np.radians(latitude)), sampling.y) * METRES_PER_DEGREE


