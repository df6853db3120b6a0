"""Acquisitions: the items that an input of the script uses in one interval, and which features they reach."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors
from arpent.domain.errors import ArpentError, AssetUnreadable
from arpent.domain.evalscript import Mosaicking
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.engine.band_bindings import BandBinding
from arpent.engine.hints import Filtered
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing.search_prefetch import SearchAhead
from arpent.engine.services import Services
from arpent.engine.stage_timer import SEARCH
from arpent.raster.footprints.antimeridian import image_outline
from arpent.raster.mosaicking_order import arrange

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisitions:
    """The items of one input in one interval."""

    items: tuple[Item, ...]
    """In mosaicking order."""
    reach: NDArray[np.bool_]
    """(items, n): whether the item reaches the feature."""

    def over(self, rows: NDArray[np.intp]) -> Acquisitions:
        """The acquisitions for some of the features, without items that reach none of them."""
        reach = self.reach[:, rows]
        kept = np.flatnonzero(reach.any(axis=1))
        return Acquisitions(items=tuple(self.items[row] for row in kept), reach=reach[kept])


def one_after_another(
    bindings: Sequence[BandBinding], intervals: Sequence[Interval], geometry: SampleGeometry, services: Services
) -> Iterator[tuple[Interval, list[Acquisitions] | Exception]]:
    """Each interval with the acquisitions of each binding, or with an unforeseen error of finding them. While the
    caller works on one interval, the reader fetches headers for the next. Raises CatalogUnavailable."""
    if not intervals:
        return
    services = replace(services, catalog=SearchAhead(catalog=services.catalog, end=intervals[-1].end))
    current = _acquired(bindings, intervals[0], geometry, services)
    for interval, following in pairwise(intervals):
        after = _acquired(bindings, following, geometry, services)
        yield interval, current
        current = after
    yield intervals[-1], current


def _acquired(
    bindings: Sequence[BandBinding], interval: Interval, geometry: SampleGeometry, services: Services
) -> list[Acquisitions] | Exception:
    try:
        with panics_as_errors():
            return _acquire_all(bindings, interval, geometry, services)
    except ArpentError:
        raise
    except Exception as error:
        if (fault := environment_fault(error)) is not None:
            raise fault from error
        log.exception("The acquisitions of an interval cannot be told")
        return error


def _acquire_all(
    bindings: Sequence[BandBinding], interval: Interval, geometry: SampleGeometry, services: Services
) -> list[Acquisitions]:
    with services.stopwatch.stage(SEARCH):
        found = [acquire(binding, interval, geometry, services) for binding in bindings]
    for binding, one in zip(bindings, found, strict=True):
        services.reader.prepare(_first_hrefs(binding, one.items))
    return found


def _first_hrefs(binding: BandBinding, items: Sequence[Item]) -> list[str]:
    """Images that will be opened in any case, unless preProcessScenes drops them; for SIMPLE only those of the first
    item."""
    if binding.input.mosaicking is Mosaicking.SIMPLE:
        items = items[:1]
    complete = (item for item in items if all(requested.band.name in item.assets for requested in binding.requests))
    return [item.assets[requested.band.name].href for item in complete for requested in binding.requests]


def acquire(
    binding: BandBinding,
    interval: Interval,
    geometry: SampleGeometry,
    services: Services,
    filtered: Filtered | None = None,
) -> Acquisitions:
    """The input's acquisitions in the interval, filtered by cloud cover and in mosaicking order. Excluded items are
    added to `filtered`. Raises CatalogUnavailable."""
    items, reach = [], []
    for item in candidates(binding, interval, geometry, services):
        if not clear(item, binding):
            if filtered is not None:
                filtered.add(item, geometry.reached(item.footprint))
            continue
        reached = geometry.reached(item.footprint)
        if reached.any():
            items.append(item)
            reach.append(reached)
    if filtered is not None:
        filtered.taken += len(items)
    return Acquisitions(items=tuple(items), reach=np.array(reach, bool).reshape(len(items), len(geometry.features)))


def candidates(
    binding: BandBinding, interval: Interval, geometry: SampleGeometry, services: Services
) -> tuple[Item, ...]:
    """The catalogue's items in mosaicking order, before filters. Raises CatalogUnavailable."""
    window = interval if binding.source.time_range is None else interval.intersection(binding.source.time_range)
    found = () if window is None else services.catalog.search(binding.collection, window, geometry.box)
    return arrange([located(item, binding, services) for item in found], binding.source.mosaicking_order)


def located(item: Item, binding: BandBinding, services: Services) -> Item:
    """The item. If its footprint can be read in two ways, the image decides where it lies."""
    if item.likely is None:
        return item
    outline = None
    wanted = [one.band.name for one in binding.requests if one.band.name in item.assets] or list(item.assets)
    if wanted:
        with suppress(AssetUnreadable):
            raster = services.reader.describe(item.assets[wanted[0]].href)
            outline = image_outline(raster.crs, raster.transform, raster.width, raster.height)
    return replace(item, footprint=item.likely if outline is None else outline, likely=None)


def clear(item: Item, binding: BandBinding) -> bool:
    """Whether its cloud cover is at most `maxCloudCoverage`. An item without cloud cover passes only if the request
    sets no limit."""
    if binding.collection.cloud_cover is None or binding.source.max_cloud_coverage >= 100:
        return True
    return item.cloud_cover is not None and item.cloud_cover <= binding.source.max_cloud_coverage
