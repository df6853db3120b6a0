"""Feature: one parcel. Features: many of them, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.boundary.outlines import fault_of_outline, valid_outlines
from arpent.domain.boundary.rings import rings_of

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """n features of one table, in one CRS."""

    crs: CRS
    """CRS of the geometries; x (longitude) first."""
    ids: NDArray[np.int64]
    """(n,): primary keys."""
    identifiers: tuple[str | None, ...]
    """(n,): the `identifier` column; None where it is missing."""
    geometries: NDArray[np.object_]
    """(n,): shapely geometries as in the file; may be None, empty or invalid."""
    valid: NDArray[np.bool_] | None = None
    """(n,): whether each geometry is valid as OGC defines it, except that rings may share edges; None: not checked yet.
    """
    flaws: Mapping[int, str] = field(default_factory=dict)
    """Primary key → why the geometry in the file is not used, or why it is not valid."""
    wkb: tuple[bytes | None, ...] | None = field(default=None, repr=False, compare=False)
    """(n,): the same geometries as WKB, where they were just read from it: what is only passed on need not be written
    again. None: not kept."""

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """(n, 4): minx, miny, maxx, maxy; NaN for empty geometries."""
        bounds: NDArray[np.float64] = shapely.bounds(self.geometries)
        return bounds

    @cached_property
    def rings(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """All rings of the polygons: vertices (V, 2), where each ring begins (R + 1,), where each feature's rings do
        (n + 1,); see `rings_of`."""
        return rings_of(self.geometries)

    @property
    def validity(self) -> NDArray[np.bool_]:
        """(n,): `valid`, checked now if it was not. The check takes as long as rasterising the polygon, so do it once
        per job."""
        return valid_outlines(self.geometries) if self.valid is None else self.valid

    def checked(self) -> Features:
        """The features with `valid`, and with why each outline that is not valid is not, in `flaws`."""
        valid = self.validity
        faults = {
            int(self.ids[row]): fault_of_outline(self.geometries[row])
            for row in np.flatnonzero(~valid & ~shapely.is_missing(self.geometries))
            if shapely.get_type_id(self.geometries[row]) in POLYGONS
        }
        return replace(self, valid=valid, flaws={**self.flaws, **faults} if faults else self.flaws)

    def take(self, rows: NDArray[np.intp]) -> Features:
        """The features at these rows, in this order."""
        return Features(
            crs=self.crs,
            ids=self.ids[rows],
            identifiers=tuple([self.identifiers[row] for row in rows.tolist()]),
            geometries=self.geometries[rows],
            valid=None if self.valid is None else self.valid[rows],
            flaws={key: self.flaws[key] for key in self.ids[rows].tolist() if key in self.flaws} if self.flaws else {},
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all geometries in one call: one by one takes three times as long."""
        return _revive, (self.crs, self.ids, self.identifiers, self.as_wkb(), self.valid, dict(self.flaws))

    def as_wkb(self) -> list[bytes | None]:
        """(n,): the geometries as ISO WKB; None where there is none."""
        if self.wkb is not None:
            return list(self.wkb)
        found: list[bytes | None] = shapely.to_wkb(self.geometries, flavor="iso").tolist()
        return found


def _revive(
    crs: CRS,
    ids: NDArray[np.int64],
    identifiers: tuple[str | None, ...],
    wkb: list[bytes | None],
    valid: NDArray[np.bool_] | None,
    flaws: Mapping[int, str],
) -> Features:
    geometries = np.asarray(shapely.from_wkb(np.array(wkb, np.object_)), np.object_)
    return Features(crs=crs, ids=ids, identifiers=identifiers, geometries=geometries, valid=valid, flaws=flaws)
