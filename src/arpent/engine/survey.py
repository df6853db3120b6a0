"""Survey: what a job will meet, from the catalogue alone: how deep the scenes lie, and what it will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.engine.acquisitions import Acquisitions, acquire
from arpent.engine.cost import area, band_samples, fusion
from arpent.engine.feeds import Feed
from arpent.engine.footing import Footing
from arpent.engine.world import World
from arpent.errors import AssetUnreadable
from arpent.model.evalscript import Mosaicking
from arpent.model.interval import Interval
from arpent.model.raster import Raster
from arpent.raster.order import orbits

COMPRESSED_SHARE = 0.6
"""Compressed bytes per decoded byte of Sentinel-2 imagery, about."""
BYTES_PER_SECOND = 120e6
"""Compressed bytes one core reads, decodes and evaluates in a second, about (benchmarks/README.md)."""
SECONDS_PER_RESULT = 40e-6
"""What a feature costs per interval on top: statistics, rendering, writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found for a sample of the features, spread evenly over them."""

    depth: int
    """Most scenes that one feature sees in one interval, over all inputs; 1 for SIMPLE."""
    reached: NDArray[np.bool_]
    """(sample,): some item reaches the feature in some interval."""
    acquisitions: float
    """Acquisitions per feature, over all intervals, on average."""
    band_samples: NDArray[np.float64]
    """(sample,): B x S of the processing units, summed over the intervals with data."""
    items: int
    """Different items."""
    rasters: tuple[Raster, ...]
    """One header per source grid, of the first band asked for."""


NOTHING = Survey(depth=1, reached=np.zeros(0, bool), acquisitions=0.0, band_samples=np.zeros(0), items=0, rasters=())
"""What a job without usable features meets."""


def survey(feeds: Sequence[Feed], intervals: Sequence[Interval], footing: Footing, world: World) -> Survey:
    """Search every interval once. Raises CatalogUnavailable."""
    count = len(footing.features)
    reached, weights = np.zeros(count, bool), np.zeros(count)
    depth, acquisitions = 1, 0.0
    items: dict[str, str] = {}
    factor = fusion(feed.collection.id for feed in feeds)
    for interval in intervals:
        found = [acquire(feed, interval, footing, world) for feed in feeds]
        present = np.any([one.reach.any(axis=0) for one in found], axis=0)
        scenes = [_scenes(feed, one) for feed, one in zip(feeds, found, strict=True)]
        depth = max(depth, *(int(each.max(initial=1)) for each in scenes))
        for feed, each in zip(feeds, scenes, strict=True):
            weights += present * each * band_samples([(feed.input.bands, 1)]) * factor
        reached |= present
        acquisitions += sum(float(one.reach.sum()) for one in found) / max(1, count)
        items |= {
            item.id: _href(feed, item.assets) for feed, one in zip(feeds, found, strict=True) for item in one.items
        }
    return Survey(
        depth=depth,
        reached=reached,
        acquisitions=acquisitions,
        band_samples=weights,
        items=len(items),
        rasters=_rasters([href for href in items.values() if href], world),
    )


def estimate(
    found: Survey,
    feeds: Sequence[Feed],
    *,
    blocks: int,
    sample_count: NDArray[np.int64],
    intervals: int,
    parallelism: int,
) -> Mapping[str, float]:
    """What the job will take; `blocks` counts the home blocks of the features on one date."""
    features = len(sample_count)
    dates = found.items / max(1, len(found.rasters))
    bytes_per_block = sum(_block_bytes(found.rasters) for feed in feeds for _ in feed.wants) * COMPRESSED_SHARE
    size = blocks * dates * bytes_per_block
    seconds = (size / BYTES_PER_SECOND + features * intervals * SECONDS_PER_RESULT) / max(1, parallelism)
    weight = float(found.band_samples.mean()) if len(found.band_samples) else 0.0
    return {
        "features": features,
        "acquisitions": round(found.acquisitions * features),
        "items": found.items,
        "bytes": round(size),
        "minutes": round(seconds / 60, 3),
        "processingUnits": float(np.sum(area(sample_count)) * weight),
    }


def _scenes(feed: Feed, found: Acquisitions) -> NDArray[np.int64]:
    """(n,): samples per pixel of one input."""
    if feed.input.mosaicking is Mosaicking.SIMPLE:
        return np.ones(found.reach.shape[1], np.int64)
    if feed.input.mosaicking is Mosaicking.TILE:
        counts: NDArray[np.int64] = np.sum(found.reach, axis=0, dtype=np.int64)
        return counts
    place = {item.id: row for row, item in enumerate(found.items)}
    days = [found.reach[[place[item.id] for item in day]].any(axis=0) for day in orbits(found.items)]
    return np.sum(days, axis=0, dtype=np.int64) if days else np.zeros(found.reach.shape[1], np.int64)


def _href(feed: Feed, assets: Mapping[str, object]) -> str:
    for want in feed.wants:
        if want.band.name in assets:
            return str(getattr(assets[want.band.name], "href", ""))
    return ""


def _rasters(hrefs: Sequence[str], world: World) -> tuple[Raster, ...]:
    """One header per source grid. An image that cannot be read now is no reason to fail: it only guides the cut."""
    grids: dict[tuple[object, ...], Raster] = {}
    for href in hrefs[:64]:
        try:
            raster = world.reader.describe(href)
        except AssetUnreadable:
            continue
        grids.setdefault((raster.crs.to_wkt(), tuple(raster.transform), raster.width, raster.height), raster)
    return tuple(grids.values())


def _block_bytes(rasters: Sequence[Raster]) -> float:
    if not rasters:
        return 0.0
    sizes = [raster.levels[0].block_width * raster.levels[0].block_height * raster.dtype.itemsize for raster in rasters]
    return float(np.mean(sizes))
