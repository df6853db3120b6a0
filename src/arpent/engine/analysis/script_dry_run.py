"""Dry run: finds errors in a script, and a resolution that is too coarse, before any pixel is read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.errors import ResolutionTooCoarse, ScriptError, ScriptExecutionError, ScriptOutOfMemory
from arpent.domain.feature import Features
from arpent.domain.grid import Resolution, Size
from arpent.domain.ports.scripts import ScriptAnswer, ScriptSession
from arpent.engine.analysis.dry_run_scenes import DRY_RUN_NUMBERS, PARTS, DryRunScenes, dry_run_inputs, made_up_scenes
from arpent.engine.band_bindings import BandBinding, has_scenes
from arpent.raster.footprints.reach import geographic

METRES_PER_DEGREE = 111_319.49


def dry_run(
    session: ScriptSession, bindings: Sequence[BandBinding], seen: Sequence[DryRunScenes], *, complete: bool = False
) -> tuple[str, ...]:
    """Run the script on made-up samples, first in scenes of the job (`seen`), then in made-up scenes, until it no
    longer throws for all samples. Returns a hint if it throws in the first scenes: real samples may not make it throw.

    Raises ScriptTimeout or ScriptOutOfMemory. Raises ScriptExecutionError if the script throws everywhere and either
    uses an undefined name, or sees no scenes, or `seen` holds all scenes of the job (`complete`).
    """
    scened = has_scenes(bindings)
    real = tuple(seen) if scened else ()
    answer, faults = attempt(session, bindings, (*real, *made_up_scenes(bindings)))
    if answer is None:
        undefined = all(fault.error_class == "ReferenceError" for _, fault in faults)
        if undefined or not scened or (complete and real):
            raise faults[0][1]
    if not faults or (answer is not None and not real):
        return ()
    scenes, fault = faults[0]
    words = f"The script throws for all made-up samples {scenes.where}: {fault}"
    return (f"{words}. Unless real samples avoid it, intervals will have this error instead of numbers.",)


def attempt(
    session: ScriptSession, bindings: Sequence[BandBinding], candidates: Sequence[DryRunScenes]
) -> tuple[ScriptAnswer | None, tuple[tuple[DryRunScenes, ScriptError], ...]]:
    """Run the script on made-up samples, each a segment, in one candidate after the other until it does not throw for
    all of them. Returns that answer (None if it throws everywhere) and the errors from the candidates before. Raises
    ScriptTimeout or ScriptOutOfMemory."""
    faults: list[tuple[DryRunScenes, ScriptError]] = []
    for scenes in candidates:
        try:
            kept = session.preprocess(scenes.scenes, scenes.interval)
            left = [[group[row] for row in rows] for group, rows in zip(scenes.scenes, kept, strict=True)]
            session.update_output(left)
        except ScriptExecutionError as error:
            faults.append((scenes, error))
            continue
        for samples in PARTS:
            count = len(range(*samples.indices(len(DRY_RUN_NUMBERS))))
            answer = session.evaluate(dry_run_inputs(bindings, left, samples), np.arange(count + 1))
            if len(answer.failures) < count:
                return answer, tuple(faults)
            if isinstance(answer.failures[0], ScriptOutOfMemory):
                raise answer.failures[0]
        faults.append((scenes, answer.failures[1]))
    return None, tuple(faults)


DEGREES = " Note that resx and resy are in degrees here: 0.00009 for about 10 m, or give the features in metres (UTM)."


def check_resolution(features: Features, sampling: Resolution | Size, bindings: Sequence[BandBinding]) -> None:
    """Refuse samples with more metres per side than a collection allows; the usual cause is a resolution in metres
    that is read as degrees. Raises ResolutionTooCoarse."""
    if isinstance(sampling, Size):
        return
    bounds = features.bounds
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if not len(bounds):
        return
    metres = _metres(bounds, features.crs, sampling)
    note = DEGREES if features.crs.is_geographic else ""
    for binding in bindings:
        limit = binding.collection.maximum_resolution
        name = next(iter(binding.collection.aliases), binding.collection.id)
        if metres > limit:
            words = f"{metres:.2f}" if metres < 1e12 else f"{metres:.3g}"
            raise ResolutionTooCoarse(
                f"Your request of {words} meters per pixel exceeds the limit {limit:.2f} meters per pixel of the "
                f"collection {name}. Please revise the resolution (or corresponding width/height) to make sure it is "
                f"in supported range.{note}"
            )


def _metres(bounds: NDArray[np.float64], crs: CRS, sampling: Resolution) -> float:
    """Coarser side of a sample in metres at the features' location."""
    if not crs.is_geographic:
        return max(sampling.x, sampling.y) * float(crs.axis_info[0].unit_conversion_factor)
    latitude = float(np.median(geographic(bounds, crs)[:, [1, 3]]))
    return max(sampling.x * math.cos(math.radians(latitude)), sampling.y) * METRES_PER_DEGREE
