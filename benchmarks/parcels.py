"""Parcels: the input of the peers, and the numbers that arpent and the peers compute from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer


@dataclass(frozen=True, kw_only=True)
class Parcels:
    """Parcels and the scenes over which they are summarised."""

    shapes: NDArray[np.object_]
    """(n,): geometries in the imagery's CRS."""
    scenes: tuple[Path, ...]
    """Folders that hold B04.tif, B08.tif and SCL.tif, one per date."""

    def some(self, rows: NDArray[np.intp], dates: int) -> Parcels:
        """The parcels in these rows, on the first `dates` dates."""
        return Parcels(shapes=self.shapes[rows], scenes=self.scenes[:dates])


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Results of arpent or a peer, to be compared with one another."""

    count: NDArray[np.float64]
    """(dates, n): number of valid pixels; exactextract sums the covered shares of pixels."""
    mean: NDArray[np.float64]
    """(dates, n): mean NDVI; NaN where there is no valid pixel."""

    @staticmethod
    def empty(parcels: Parcels) -> Numbers:
        """Results to be filled in: counts of 0, and means of NaN."""
        shape = (len(parcels.scenes), len(parcels.shapes))
        return Numbers(count=np.zeros(shape), mean=np.full(shape, np.nan))

    def take(self, date: int, told: Iterable[Mapping[str, float | None]]) -> None:
        """Fill in one date from a library's results, one mapping with `count` and `mean` per parcel."""
        for row, one in enumerate(told):
            self.count[date, row] = one["count"] or 0
            mean = one["mean"]
            self.mean[date, row] = np.nan if mean is None else mean

    def at(self, rows: NDArray[np.intp]) -> Numbers:
        """The results for the parcels in these rows."""
        return Numbers(count=self.count[:, rows], mean=self.mean[:, rows])


def read(features: Path, catalog: Path, dates: int) -> Parcels:
    """Read parcels and reproject them to the imagery's CRS, which must not be part of what is measured."""
    about, _, wkb, _ = pyogrio.raw.read(features)
    shapes = np.asarray(shapely.from_wkb(wkb), object)
    scenes = tuple(sorted(catalog.iterdir())[:dates])
    with rasterio.open(scenes[0] / "B04.tif") as image:
        there = CRS.from_user_input(image.crs.to_wkt())
    if CRS.from_user_input(about["crs"]) != there:
        x, y = Transformer.from_crs(about["crs"], there, always_xy=True).transform(*shapely.get_coordinates(shapes).T)
        shapes = shapely.set_coordinates(shapes, np.column_stack((x, y)))
    return Parcels(shapes=shapes, scenes=scenes)


def spread(count: int, some: int) -> NDArray[np.intp]:
    """At most `some` of `count` rows, spread evenly over the file."""
    return np.unique(np.linspace(0, count - 1, min(some, count)).astype(np.intp))
