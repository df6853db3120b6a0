"""Parcels as the peers get them, and the numbers that they find."""

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
    """What is summarised."""

    shapes: NDArray[np.object_]
    """(n,): in the imagery's CRS."""
    scenes: tuple[Path, ...]
    """Folders with B04.tif, B08.tif and SCL.tif."""

    def some(self, rows: NDArray[np.intp], dates: int) -> Parcels:
        """These parcels, on the first dates."""
        return Parcels(shapes=self.shapes[rows], scenes=self.scenes[:dates])


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What somebody found, to be held against what others found."""

    count: NDArray[np.float64]
    """(dates, n): valid pixels; exactextract's are shares of pixels."""
    mean: NDArray[np.float64]
    """(dates, n): NaN where there is no pixel."""

    @staticmethod
    def empty(parcels: Parcels) -> Numbers:
        """Nothing yet."""
        shape = (len(parcels.scenes), len(parcels.shapes))
        return Numbers(count=np.zeros(shape), mean=np.full(shape, np.nan))

    def take(self, date: int, told: Iterable[Mapping[str, float | None]]) -> None:
        """One date, as libraries tell it."""
        for row, one in enumerate(told):
            self.count[date, row] = one["count"] or 0
            mean = one["mean"]
            self.mean[date, row] = np.nan if mean is None else mean

    def at(self, rows: NDArray[np.intp]) -> Numbers:
        """Of these parcels."""
        return Numbers(count=self.count[:, rows], mean=self.mean[:, rows])


def read(features: Path, catalog: Path, dates: int) -> Parcels:
    """Geometries, reprojected to the imagery's CRS beforehand: that is not what is measured here."""
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
    """At most `some` rows, evenly over the file."""
    return np.unique(np.linspace(0, count - 1, min(some, count)).astype(np.intp))
