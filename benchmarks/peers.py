"""Peers: the same NDVI, masked by SCL, for the same dates and files, computed with tools that are in common use.

Only the two loops read a window for each parcel, similar to Sentinel Hub's grids; exactextract weights pixels by their
covered share, a label image assigns each pixel to one parcel, rasterstats to all parcels that it touches. Counts and
means of each peer are compared with arpent's (`agreement`), to detect one that is faster because it does other work.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.windows import Window

from benchmarks import whole
from benchmarks.clock import Taken, take
from benchmarks.parcels import Numbers, Parcels, spread

SAMPLE, CHECKED = 2000, 150
"""Number of parcels on which slow peers are measured, and number of parcels whose numbers are compared."""
COUNT_SPREAD, MEAN_SPREAD = 0.6, 0.02
"""A peer agrees if it finds at least this share of arpent's pixels (and at most the inverse), and the median difference
of means is below the second number."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to do the work, and how much of the work is measured."""

    work: Callable[[Parcels], Numbers]
    """Function that does the work."""
    parcels: int | None = None
    """Number of parcels that are measured, spread over the file; None: all."""
    dates: int | None = None
    """Number of dates that are measured; None: all."""
    images: bool = True
    """Whether whole images are decoded, which costs the same per date however many parcels there are."""
    package: str | None = None
    """Package that has to be installed; None: none."""

    @property
    def installed(self) -> bool:
        """Whether the peer's package is installed."""
        try:
            return self.package is None or importlib.util.find_spec(self.package) is not None
        except ModuleNotFoundError:  # the parent package is missing
            return False


def loop(parcels: Parcels, *, opened: bool) -> Numbers:
    """Read one window per parcel with rasterio; `opened`: files stay open, so that GDAL's block cache is warm."""
    found = Numbers.empty(parcels)
    for date, scene in enumerate(parcels.scenes):
        paths = [scene / f"{name}.tif" for name in whole.BANDS]
        held = [rasterio.open(path) for path in paths] if opened else []
        for row, shape in enumerate(parcels.shapes):
            images = held or [rasterio.open(path) for path in paths]
            found.count[date, row], found.mean[date, row] = one_window(shape, images)
            if not opened:
                for image in images:
                    image.close()
        for image in held:
            image.close()
    return found


def one_window(shape: shapely.Geometry, images: list[rasterio.DatasetReader]) -> tuple[int, float]:
    """Number of clear pixels in a shape, and their mean NDVI, from the window that encloses it."""
    transform = images[0].transform
    left, bottom, right, top = shape.bounds
    column, row = int((left - transform.c) // transform.a), int((top - transform.f) // transform.e)
    width = int(-((transform.c - right) // transform.a)) - column
    height = int(-((transform.f - bottom) // transform.e)) - row
    window = Window(column, row, max(1, width), max(1, height))
    red, near = (image.read(1, window=window, boundless=False).astype(np.float32) for image in images[:2])
    half = Window(window.col_off / 2, window.row_off / 2, window.width / 2, window.height / 2)
    classes = images[2].read(1, window=half, out_shape=red.shape)
    outside = geometry_mask([shape], red.shape, rasterio.windows.transform(window, transform), all_touched=True)
    keep = ~outside & whole.CLEAR[classes] & (red > 0)
    values = ((near - red) / np.maximum(near + red, 1))[keep]
    if not len(values):
        return 0, np.nan
    values.min(), values.max(), values.std()
    return len(values), float(values.mean())


PEERS: Mapping[str, Peer] = {
    "label image, NDVI where parcels are": Peer(work=whole.labelled_pixels),
    "label image, NDVI of whole images": Peer(work=whole.label_image),
    "odc-stac, label image, bincount": Peer(work=whole.odc_stac, package="odc.stac"),
    "exactextract": Peer(work=whole.exact_extract, dates=1, package="exactextract"),
    "rasterstats": Peer(work=whole.raster_stats, parcels=SAMPLE, dates=1, package="rasterstats"),
    "rasterio loop, files open": Peer(work=partial(loop, opened=True), parcels=SAMPLE, dates=1, images=False),
    "rasterio loop, opened per feature": Peer(
        work=partial(loop, opened=False), parcels=CHECKED, dates=1, images=False
    ),
}  # fmt: skip


def rows_of(peer: Peer, count: int) -> NDArray[np.intp]:
    """Rows of the parcels on which a peer is measured, including those that are compared."""
    if peer.parcels is None:
        return np.arange(count)
    return np.union1d(spread(count, peer.parcels), compared(count))


def compared(count: int) -> NDArray[np.intp]:
    """Rows of the parcels whose numbers are compared with arpent's."""
    return spread(count, CHECKED)


def measure(peer: Peer, parcels: Parcels) -> tuple[Taken, str, Numbers]:
    """Time, a note, and the numbers of the compared parcels. If only a sample is measured, the time is extrapolated,
    and the note says so."""
    many, dates = len(parcels.shapes), len(parcels.scenes)
    rows = rows_of(peer, many)
    chosen = parcels.some(rows, peer.dates or dates)
    days = len(chosen.scenes)
    if peer.package:
        importlib.import_module(peer.package)  # imports are not measured, as for arpent
    kept: list[Numbers] = []
    taken = take(lambda: kept.append(peer.work(chosen)))
    numbers = kept[0].at(np.searchsorted(rows, compared(many)))
    if len(rows) == many and days == dates:
        return taken, "", numbers
    note = f"extrapolated from {len(rows)} parcels, {days} of {dates} dates"
    share, times = many / len(rows), dates / days
    if not peer.images:
        return taken.scaled(share * times), note, numbers
    base = take(lambda: whole.ndvi(chosen.scenes[0])).scaled(days)  # the time that does not depend on parcels
    both = Taken(
        cpu=base.cpu + max(0.0, taken.cpu - base.cpu) * share, wall=base.wall + max(0.0, taken.wall - base.wall) * share
    )
    return both.scaled(times), note, numbers


def agreement(ours: Numbers, theirs: Numbers) -> dict[str, float | bool]:
    """How far a peer's numbers are from arpent's, on the dates that the peer computed, and whether they agree."""
    count, mean = ours.count[: len(theirs.count)], ours.mean[: len(theirs.mean)]
    seen = (count >= 10) & (theirs.count > 0)  # with few pixels, one more or less makes a large difference
    if not seen.any():
        return {"compared": 0, "agrees": False}
    ratio = float(theirs.count[seen].sum() / count[seen].sum())
    difference = float(np.median(np.abs(theirs.mean[seen] - mean[seen])))
    missed = float(np.mean(theirs.count[count >= 10] == 0))
    return {
        "compared": int(seen.sum()), "pixels": ratio, "means": difference, "missed": missed,
        "agrees": COUNT_SPREAD < ratio < 1 / COUNT_SPREAD and difference < MEAN_SPREAD and missed < 0.05,
    }  # fmt: skip


def told(found: Mapping[str, float | bool]) -> str:
    """The result of `agreement` in words."""
    if not found["compared"]:
        return "nothing to compare"
    words = f"pixels {found['pixels']:.2f} of ours, means +-{found['means']:.4f}"
    return words if found["agrees"] else f"DOES NOT AGREE: {words}"
