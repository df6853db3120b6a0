"""Feature: one parcel; here many of them as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of one GeoPackage table, in one CRS."""

    crs: CRS
    """CRS of the geometries; x (longitude) first."""
    ids: NDArray[np.int64]
    """(n,): primary keys."""
    identifiers: tuple[str | None, ...]
    """(n,): the `identifier` column; None where missing."""
    geometries: NDArray[np.object_]
    """(n,): shapely geometries, as they are in the file (possibly None, empty or invalid)."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """(n, 4): minx, miny, maxx, maxy; NaN for empty geometries."""
        bounds: NDArray[np.float64] = shapely.bounds(self.geometries)
        return bounds

    def take(self, rows: NDArray[np.intp]) -> Features:
        """The features at these rows, in this order."""
        return Features(
            crs=self.crs,
            ids=self.ids[rows],
            identifiers=tuple(self.identifiers[row] for row in rows),
            geometries=self.geometries[rows],
        )
