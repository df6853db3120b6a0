"""Estimate: how much imagery a job will read and how long it will take, from the catalogue and image headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.evalscript import Mosaicking
from arpent.domain.feature import Features
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.raster import Raster
from arpent.domain.interval import Interval
from arpent.engine.analysis.dry_run_scenes import DryRunScenes
from arpent.engine.analysis.partitioning import assign_blocks
from arpent.engine.band_bindings import BandBinding
from arpent.engine.hints import Filtered
from arpent.engine.processing.acquisitions import Acquisitions, count_filtered, intervals_with_acquisitions
from arpent.engine.processing.final_attempt import FinalAttemptReader
from arpent.engine.processing.inputs import scenes_of
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing_units import area, band_samples, fusion
from arpent.engine.services import Services
from arpent.raster.mosaicking_order import orbits

COMPRESSED_SHARE = 0.6
"""Approximate stored bytes per decoded byte of Sentinel-2 imagery; used if an image's header does not state it."""
HEADERS = 64
"""Maximum number of image headers that are read per band."""
MOST_DRY_RUN_SCENES = 24
"""Maximum number of intervals whose scenes the dry run uses."""
BYTES_PER_SECOND = 120e6
"""Approximate compressed bytes that one core reads, decodes and evaluates per second (benchmarks/README.md)."""
SECONDS_PER_RESULT = 40e-6
"""Additional seconds per feature and interval: statistics, rendering, writing."""
SECONDS_PER_PARTITION = 0.1
"""Additional seconds per partition: starting an interpreter, opening files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandReads:
    """What has to be read for one band of one input."""

    passes: float
    """Mean number of scenes read per feature, summed over all intervals. SIMPLE counts one per interval with data,
    since it stops at the first scene that fills the feature."""
    rasters: tuple[Raster, ...]
    """One header per source grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableImagery:
    """Imagery found for a sample of the features, which is spread evenly over all of them."""

    depth: int
    """Largest number of scenes that one feature sees in one interval, over all inputs; 1 for SIMPLE."""
    reached: NDArray[np.bool_]
    """(sample,): whether any item reaches the feature in any interval."""
    acquisitions: float
    """Mean number of acquisitions per feature, summed over all intervals."""
    band_samples: NDArray[np.float64]
    """(sample,): factor B x S of the processing units, summed over the intervals with data."""
    items: int
    """Number of different items."""
    rasters: tuple[Raster, ...]
    """One header per source grid, of the first band of each input."""
    readings: tuple[BandReads, ...] = ()
    """What has to be read, per input and band."""
    scenes: tuple[DryRunScenes, ...] = ()
    """Scenes of the intervals that have the most scenes, those with the most first: all scenes that reach any
    feature."""
    all_scenes: bool = True
    """Whether `scenes` covers all intervals that have scenes."""
    filtered: tuple[Filtered, ...] = ()
    """Per input: what its filters excluded."""


NOTHING = AvailableImagery(
    depth=1, reached=np.zeros(0, bool), acquisitions=0.0, band_samples=np.zeros(0), items=0, rasters=()
)
"""The imagery of a job without usable features."""


def available_imagery(
    bindings: Sequence[BandBinding], intervals: Sequence[Interval], geometry: SampleGeometry, services: Services
) -> AvailableImagery:
    """Search each interval once and summarise the imagery of the sampled features. Images whose host is unavailable are
    skipped, since only the estimate depends on them. Raises CatalogUnavailable."""
    services = replace(services, reader=FinalAttemptReader(services.reader))
    count = len(geometry.features)
    reached, weights = np.zeros(count, bool), np.zeros(count)
    depth, acquisitions = 1, 0.0
    passes = np.zeros(len(bindings))
    items: list[dict[str, Item]] = [{} for _ in bindings]
    factor = fusion(binding.collection.id for binding in bindings)
    trials = _DeepestScenes(bindings)
    filtered = tuple(Filtered(count) for _ in bindings)
    for one in intervals_with_acquisitions(bindings, intervals, geometry, services):
        if one.error is not None:
            raise one.error
        count_filtered(filtered, one, bindings, geometry)
        found, present = one.inputs, one.present
        scenes = [_scenes(*parts) for parts in zip(bindings, found, strict=True)]
        depth = max(depth, *(int(depths.max(initial=1)) for depths in scenes))
        for binding, depths in zip(bindings, scenes, strict=True):
            weights += present * depths * band_samples([(binding.input.bands, 1)]) * factor
        reached |= present
        trials.add(one.interval, found)
        acquisitions += sum(float(each.reach.sum()) for each in found) / max(1, count)
        passes += [float(depths.mean()) for depths in scenes]
        for known, each in zip(items, found, strict=True):
            known |= {item.id: item for item in each.items}
    readings = _readings(bindings, passes.tolist(), items, services)
    return AvailableImagery(
        depth=depth,
        reached=reached,
        acquisitions=acquisitions,
        band_samples=weights,
        items=len(set().union(*items)),
        rasters=_different([raster for reading in _first_bands(bindings, readings) for raster in reading.rasters]),
        readings=readings,
        scenes=trials.deepest_first(),
        all_scenes=trials.complete,
        filtered=filtered,
    )


class _DeepestScenes:
    """Collects the scenes of the intervals that have the most scenes."""

    def __init__(self, bindings: Sequence[BandBinding]) -> None:
        self._bindings = bindings
        self._kept: list[DryRunScenes] = []
        self.complete = True

    def add(self, interval: Interval, found: Sequence[Acquisitions]) -> None:
        scenes = tuple(scenes_of(*parts) for parts in zip(self._bindings, (one.items for one in found), strict=True))
        if not any(scenes):
            return
        self._kept.append(DryRunScenes(scenes=scenes, interval=interval, made_up=False))
        if len(self._kept) > MOST_DRY_RUN_SCENES:
            self.complete = False
            self._kept = sorted(self._kept, key=_depth, reverse=True)[:MOST_DRY_RUN_SCENES]

    def deepest_first(self) -> tuple[DryRunScenes, ...]:
        return tuple(sorted(self._kept, key=_depth, reverse=True))


def _depth(scenes: DryRunScenes) -> int:
    return max(len(group) for group in scenes.scenes)


def estimate(
    found: AvailableImagery,
    *,
    intervals: int,
    sample: NDArray[np.intp],
    sample_count: NDArray[np.int64],
    size: float,
    seconds: float,
) -> Mapping[str, float]:
    """The estimate of a job with n features, of which `found` covers the rows `sample`. `size`: bytes to read;
    `seconds`: duration. If `found` covers all features, the processing units are exact, unless preProcessScenes drops
    scenes."""
    features = len(sample_count)
    areas = area(sample_count)
    seen = float(np.sum(areas[sample]))
    share = float(np.sum(areas)) / seen if seen else 0.0
    return {
        "features": features,
        "intervals": intervals,
        "acquisitions": round(found.acquisitions * features),
        "items": found.items,
        "bytes": round(size),
        "minutes": round(seconds / 60, 3),
        "processingUnits": float(np.sum(areas[sample] * found.band_samples)) * share,
    }


def seconds_of(size: float, results: int, partitions: int, parallelism: int) -> float:
    """Seconds to read `size` bytes and write `results` (features times intervals) in this number of partitions."""
    whole = size / BYTES_PER_SECOND + results * SECONDS_PER_RESULT + partitions * SECONDS_PER_PARTITION
    return whole / max(1, min(parallelism, partitions))


def bytes_to_read(found: AvailableImagery, features: Features, partition: NDArray[np.int64]) -> float:
    """Stored bytes of the blocks under two corners of each feature. A block counts once per scene and partition;
    `partition` (n,): number of each feature's partition."""
    corners = features.bounds.reshape(-1, 2)
    owner = np.repeat(partition, 2)
    blocks: dict[tuple[object, ...], int] = {}
    size = 0.0
    for reading in found.readings:
        key = tuple(_grid(raster) for raster in reading.rasters)
        if key not in blocks:
            layout = assign_blocks(corners, features.crs, reading.rasters)
            place = owner * (layout.block.max(initial=0) + 1) + layout.block
            blocks[key] = len(np.unique(place[layout.inside]))
        sizes = [_block_bytes(raster) for raster in reading.rasters]
        size += blocks[key] * reading.passes * (float(np.mean(sizes)) if sizes else 0.0)
    return size


def _scenes(binding: BandBinding, found: Acquisitions) -> NDArray[np.int64]:
    """(n,): number of scenes, and so of samples per pixel, of the input at each feature."""
    if binding.input.mosaicking is Mosaicking.SIMPLE:
        reached = np.logical_or.reduce(found.reach, axis=0)
        return np.asarray(reached, np.int64)
    if binding.input.mosaicking is Mosaicking.TILE:
        counts: NDArray[np.int64] = np.sum(found.reach, axis=0, dtype=np.int64)
        return counts
    place = {id(item): row for row, item in enumerate(found.items)}
    days = [found.reach[[place[id(item)] for item in day]].any(axis=0) for day in orbits(found.items)]
    return np.sum(days, axis=0, dtype=np.int64) if days else np.zeros(found.reach.shape[1], np.int64)


def _readings(
    bindings: Sequence[BandBinding], passes: Sequence[float], items: Sequence[Mapping[str, Item]], services: Services
) -> tuple[BandReads, ...]:
    return tuple(
        BandReads(passes=each, rasters=_rasters(requested.band.name, tuple(known.values()), services))
        for binding, each, known in zip(bindings, passes, items, strict=True)
        for requested in binding.requests
    )


def _first_bands(bindings: Sequence[BandBinding], readings: Sequence[BandReads]) -> Iterator[BandReads]:
    """The reading of the first band of each input."""
    place = 0
    for binding in bindings:
        yield from readings[place : place + 1] if binding.requests else ()
        place += len(binding.requests)


def _rasters(band: str, items: Sequence[Item], services: Services) -> tuple[Raster, ...]:
    """The band's image headers, one per source grid. An image that cannot be read is skipped, since headers only guide
    the partitioning."""
    assets = [item.assets[band] for item in items if band in item.assets][:HEADERS]
    services.reader.prepare([asset.href for asset in assets])
    rasters = []
    for asset in assets:
        try:
            rasters.append(services.reader.describe(asset.href, asset.georeference))
        except AssetUnreadable:
            continue
    return _different(rasters)


def _different(rasters: Sequence[Raster]) -> tuple[Raster, ...]:
    """The first header of each source grid."""
    grids: dict[tuple[object, ...], Raster] = {}
    for raster in rasters:
        grids.setdefault(_grid(raster), raster)
    return tuple(grids.values())


def _grid(raster: Raster) -> tuple[object, ...]:
    level = raster.levels[0]
    return raster.crs.srs, tuple(raster.transform), raster.width, raster.height, level.block_width, level.block_height


def _block_bytes(raster: Raster) -> float:
    if raster.block_bytes is not None:
        return raster.block_bytes
    level = raster.levels[0]
    return level.block_width * level.block_height * raster.dtype.itemsize * COMPRESSED_SHARE
