"""Acquisitions: the items that one input of the script uses in one interval, and which features each item reaches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors
from arpent.domain.errors import ArpentError, AssetUnreadable
from arpent.domain.evalscript import Mosaicking
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_choice import is_clear, refusing_field
from arpent.domain.interval import Interval
from arpent.engine.band_bindings import BandBinding
from arpent.engine.hints import Filtered
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing.search_prefetch import SearchPrefetch
from arpent.engine.services import Services
from arpent.engine.stage_timer import SEARCH
from arpent.raster.footprints.antimeridian import image_outline
from arpent.raster.mosaicking_order import arrange

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisitions:
    """The items of one input in one interval."""

    candidates: tuple[Item, ...]
    """Items that the catalogue has in the box of all features, in mosaicking order."""
    items: tuple[Item, ...]
    """Candidates that pass all filters and reach some feature, in the same order."""
    reach: NDArray[np.bool_]
    """(items, n): whether the item reaches the feature."""

    def take(self, rows: NDArray[np.intp]) -> Acquisitions:
        """The acquisitions of some of the features, without items that reach none of these."""
        reach = self.reach[:, rows]
        kept = np.flatnonzero(reach.any(axis=1))
        return replace(self, items=tuple(self.items[row] for row in kept), reach=reach[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalAcquisitions:
    """One interval, with the acquisitions of each input of the script."""

    interval: Interval
    """Interval of the acquisitions."""
    inputs: tuple[Acquisitions, ...]
    """Acquisitions per input; empty if there is an error."""
    error: Exception | None = None
    """An unforeseen error that occurred in the search for them."""
    kept: NDArray[np.bool_] | None = None
    """(n,): features whose numbers an earlier request has computed already; None: no feature."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,): whether any item of any input reaches the feature."""
        present: NDArray[np.bool_] = np.any([one.reach.any(axis=0) for one in self.inputs], axis=0)
        return present

    def take(self, rows: NDArray[np.intp]) -> IntervalAcquisitions:
        """The same interval, reduced to some of the features."""
        kept = None if self.kept is None else self.kept[rows]
        return replace(self, inputs=tuple(one.take(rows) for one in self.inputs), kept=kept)

    @property
    def whole(self) -> bool:
        """Whether all features have to be computed, and at least one has imagery."""
        return self.error is None and (self.kept is None or not self.kept.any()) and bool(self.present.any())

    @property
    def complete(self) -> bool:
        """Whether there is nothing to compute."""
        return self.kept is not None and not (self.present & ~self.kept).any()


def intervals_with_acquisitions(
    bindings: Sequence[BandBinding],
    intervals: Sequence[Interval],
    geometry: SampleGeometry,
    services: Services,
    *,
    prefetch: bool = False,
    mark: Callable[[IntervalAcquisitions], IntervalAcquisitions] = lambda found: found,
) -> Iterator[IntervalAcquisitions]:
    """Each interval with the acquisitions of each binding; estimate, processing, explanation and synchronous requests
    all loop over this. `mark`: function that each interval passes through, which may set `kept`. `prefetch`: whether
    the reader fetches headers for the next interval while the caller works on one, unless the next is complete. Raises
    CatalogUnavailable."""
    if not intervals:
        return
    services = replace(services, catalog=SearchPrefetch(catalog=services.catalog, end=intervals[-1].end))
    found = (mark(_acquired(bindings, interval, geometry, services)) for interval in intervals)
    yield from _one_ahead(found, bindings, services) if prefetch else found


def _one_ahead(
    found: Iterator[IntervalAcquisitions], bindings: Sequence[BandBinding], services: Services
) -> Iterator[IntervalAcquisitions]:
    before: IntervalAcquisitions | None = None
    for one in found:
        inputs = () if one.complete else one.inputs
        for binding, acquisitions in zip(bindings, inputs, strict=False):  # no inputs if there is an error
            services.reader.prepare(_first_hrefs(binding, acquisitions.items))
        if before is not None:
            yield before
        before = one
    if before is not None:
        yield before


def _acquired(
    bindings: Sequence[BandBinding], interval: Interval, geometry: SampleGeometry, services: Services
) -> IntervalAcquisitions:
    try:
        with panics_as_errors(), services.stopwatch.stage(SEARCH):
            inputs = tuple(acquire(binding, interval, geometry, services) for binding in bindings)
            return IntervalAcquisitions(interval=interval, inputs=inputs)
    except ArpentError:
        raise
    except Exception as error:
        if (fault := environment_fault(error)) is not None:
            raise fault from error
        log.exception("The acquisitions of an interval cannot be determined")
        return IntervalAcquisitions(interval=interval, inputs=(), error=error)


def _first_hrefs(binding: BandBinding, items: Sequence[Item]) -> list[str]:
    """Images that are certain to be opened, unless preProcessScenes drops them; for SIMPLE only those of the first
    item."""
    if binding.input.mosaicking is Mosaicking.SIMPLE:
        items = items[:1]
    complete = (item for item in items if all(requested.band.name in item.assets for requested in binding.requests))
    return [item.assets[requested.band.name].href for item in complete for requested in binding.requests]


def acquire(binding: BandBinding, interval: Interval, geometry: SampleGeometry, services: Services) -> Acquisitions:
    """The input's acquisitions in the interval, filtered and in mosaicking order. Raises CatalogUnavailable, and
    AssetUnreadable as `located` does."""
    window = interval if binding.source.time_range is None else interval.intersection(binding.source.time_range)
    found = () if window is None else services.catalog.search(binding.collection, window, geometry.box)
    arranged = arrange([located(item, binding, services) for item in found], binding.source.mosaicking_order)
    candidates, items, reach = [], [], []
    for item in arranged:
        if item.superseded is not None and not geometry.reached(item).any():
            continue
        candidates.append(item)
        if passes_filters(item, binding) and (reached := geometry.reached(item)).any():
            items.append(item)
            reach.append(reached)
    return Acquisitions(
        candidates=tuple(candidates),
        items=tuple(items),
        reach=np.array(reach, bool).reshape(len(items), len(geometry.features)),
    )


def count_filtered(
    filtered: Sequence[Filtered], found: IntervalAcquisitions, bindings: Sequence[BandBinding], geometry: SampleGeometry
) -> None:
    """Count in `filtered`, per input, the items that its filters exclude and let through in this interval."""
    for counts, acquisitions, binding in zip(filtered, found.inputs, bindings, strict=True):
        bands = [requested.band.name for requested in binding.requests]
        harmonize = binding.source.harmonize_values
        shifted = [requested.band.name for requested in binding.requests if requested.shifted(harmonize)]
        for item, reached in zip(acquisitions.items, acquisitions.reach, strict=True):
            counts.take(item, bands, reached)
            if any(band in item.assets and not item.assets[band].harmonization_told for band in shifted):
                counts.doubtful.add(item.id)
        for item in acquisitions.candidates:
            if (refused := refusing_filter(item, binding)) is not None:
                counts.drop(item, refused[0], geometry.reached(item), silent=refused[1])
            elif not passes_cloud_filter(item, binding):
                counts.add(item, geometry.reached(item))


def located(item: Item, binding: BandBinding, services: Services) -> Item:
    """The item, with a definite footprint: if it can be interpreted in two ways, the image decides where it lies.
    Raises AssetUnreadable for an image that may be readable later."""
    if item.likely is None:
        return item
    outline = None
    wanted = [one.band.name for one in binding.requests if one.band.name in item.assets] or list(item.assets)
    if wanted:
        asset = item.assets[wanted[0]]
        try:
            raster = services.reader.describe(asset.href, asset.georeference)
            outline = image_outline(raster.crs, raster.transform, raster.width, raster.height)
        except AssetUnreadable as error:
            if error.transient:
                raise
            if error.away:  # last attempt: features within either interpretation report the missing item
                return replace(item, likely=None)
    return replace(item, footprint=item.likely if outline is None else outline, likely=None)


def passes_filters(item: Item, binding: BandBinding) -> bool:
    """Whether no filter of the request excludes the item, cloud cover included."""
    return refusing_filter(item, binding) is None and passes_cloud_filter(item, binding)


def refusing_filter(item: Item, binding: BandBinding) -> tuple[str, bool] | None:
    """The first field of `dataFilter` other than cloud cover that excludes the item, and whether it does so because the
    item lacks the property. None: no such field excludes it."""
    return refusing_field(item, binding.source.filters, binding.collection.filters)


def passes_cloud_filter(item: Item, binding: BandBinding) -> bool:
    """Whether the item's cloud cover is at most `maxCloudCoverage`. An item without cloud cover passes only if the
    request sets no limit."""
    return is_clear(item, binding.source.max_cloud_coverage, binding.collection.cloud_cover)
