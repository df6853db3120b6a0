"""Statistics: answers a synchronous request for one polygon or box, with the same engine but without a job."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely

from arpent.domain.errors import ArpentError, InvalidRequest
from arpent.domain.feature import Features
from arpent.domain.grid import MAXIMUM_SIDE, Grids, Resolution, Size
from arpent.domain.request import Bounds, Request
from arpent.engine.analysis.check_calculations import check_calculations
from arpent.engine.analysis.script_dry_run import check_resolution
from arpent.engine.band_bindings import BandBinding, bind_bands
from arpent.engine.budget import check_grid, check_numbers
from arpent.engine.hints import Filtered, of_filters, of_offers
from arpent.engine.processing.acquisitions import count_filtered, intervals_with_acquisitions
from arpent.engine.processing.compute import compute_on_grids
from arpent.engine.processing.process import script_of
from arpent.engine.processing.sample_geometry import without_samples
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing_units import LEAST_REQUEST
from arpent.engine.services import Limits, Services
from arpent.evalscript.lint import script_hints
from arpent.wire.result.render import render_response
from arpent.zonal.pixel_rules import check_metres


def statistics(request: Request, services: Services, limits: Limits) -> tuple[bytes, float, tuple[str, ...]]:
    """(response as JSON bytes, processing units, hints) of a synchronous request. Raises CallerError, ScriptError or
    WorldError; LimitExceeded before anything large is allocated."""
    assert isinstance(request.features, Bounds), "a synchronous request has bounds"
    if limits.synchronous is not None:
        services = replace(services, synchronous=limits.synchronous)
    with ScriptSupervisor(services.runtime, script_of(request, services), opened_before=False) as session:
        evalscript = session.evalscript
        bindings = bind_bands(evalscript, request, services.collections)
        check_calculations(evalscript, request.calculations, lenient=limits.lenient_histograms)
        features, grids = _feature_and_grid(request.features, request)
        if services.synchronous is not None:
            check_numbers(evalscript, request.calculations, len(request.intervals))
            check_grid(grids, evalscript, [len(one.requests) for one in bindings], services.synchronous)
        check_resolution(features, _resolution(request.sampling, grids), bindings)
        check_metres(features.crs, request.pixels)
        (result,) = compute_on_grids(request, features, grids, session, services)
    if result.failures and result.failures[0].unforeseen:
        raise ArpentError(result.failures[0].message)
    if result.failures:
        raise InvalidRequest.at("input->bounds->geometry", result.failures[0].message)
    remarks = (*script_hints(evalscript), *of_offers(bindings))
    if not any(interval.present.any() for interval in result.intervals):
        remarks += _filter_hints(request, bindings, features, grids, services)
    return render_response(result, 0), max(LEAST_REQUEST, result.processing_units), remarks


def _filter_hints(
    request: Request, bindings: tuple[BandBinding, ...], features: Features, grids: Grids, services: Services
) -> tuple[str, ...]:
    """Hints about filters and missing bands that may be the reason why there is no data."""
    if not any(_has_filters(one) for one in bindings):
        return ()
    geometry = without_samples(features, grids)
    filtered = tuple(Filtered(len(features)) for _ in bindings)
    for found in intervals_with_acquisitions(bindings, request.intervals, geometry, services):
        if found.error is None:
            count_filtered(filtered, found, bindings, geometry)
    return tuple(of_filters(bindings, request.intervals, filtered))


def _has_filters(binding: BandBinding) -> bool:
    """Whether the input may exclude items, or has a collection with filters or joins, whose items may lack bands."""
    source, collection = binding.source, binding.collection
    return (
        source.time_range is not None
        or source.max_cloud_coverage < 100
        or bool(collection.filters)
        or bool(collection.joins)
    )


def _resolution(sampling: Resolution | Size, grids: Grids) -> Resolution:
    """The requested resolution, or the one that results from the requested number of samples."""
    if isinstance(sampling, Resolution):
        return sampling
    across, down = grids.pixel_size[0]
    return Resolution(x=float(across), y=float(down))


def _feature_and_grid(bounds: Bounds, request: Request) -> tuple[Features, Grids]:
    """The feature and its grid. The box determines the grid, the geometry determines the mask; if one is missing, the
    other takes its place."""
    geometry = bounds.geometry if bounds.geometry is not None else shapely.box(*(bounds.box or ()))
    box = np.array([bounds.box if bounds.box is not None else shapely.bounds(geometry)], np.float64)
    grids = Grids.over(box, request.sampling)
    for parameter, side, count in (("resx", "width", grids.width[0]), ("resy", "height", grids.height[0])):
        if count > MAXIMUM_SIDE:
            violation = f"`{side} = {count}`, calculated from {parameter}, is larger than allowed {MAXIMUM_SIDE}."
            raise InvalidRequest(f"{violation}\n", ((f"aggregation->{parameter}", violation),))
    features = Features(
        crs=bounds.crs, ids=np.zeros(1, np.int64), identifiers=(None,), geometries=np.array([geometry], object)
    )
    return features, grids
