"""Features: polygons with their ids and identifiers, stored as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.boundary.measures import Measures, joined_measures, measures_of
from arpent.domain.boundary.outlines import fault_of_outline, valid_outlines
from arpent.domain.boundary.rings import Rings, rings_of, take_rings

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""
_UNPARSED = np.zeros(0, np.object_)
"""Placeholder for geometries that are available as WKB only."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """n features of one table, in one CRS.

    Geometries are given either as `geometries` or as `wkb` with `measures`. WKB is parsed when `geometries` is first
    accessed: code that only counts, splits or passes on features, such as a runner, never needs them parsed.
    """

    crs: CRS
    """CRS of the geometries; x (longitude) first."""
    ids: NDArray[np.int64]
    """(n,): primary keys."""
    identifiers: tuple[str | None, ...]
    """(n,): the `identifier` column; None where it is missing."""
    geometries: NDArray[np.object_] = field(default_factory=lambda: _UNPARSED, repr=False)
    """(n,): shapely geometries as in the file; may be None, empty or invalid."""
    valid: NDArray[np.bool_] | None = None
    """(n,): whether each geometry is valid as OGC defines it, except that rings may share edges; None: not checked yet.
    """
    flaws: Mapping[int, str] = field(default_factory=dict)
    """Primary key → why the geometry in the file is not used, or why it is invalid."""
    wkb: NDArray[np.object_] | None = field(default=None, repr=False, compare=False)
    """(n,): the same geometries as ISO WKB (bytes; None where a geometry is missing), kept if they were read from WKB,
    so that it need not be written again. None: not kept."""
    measures: InitVar[Measures | None] = None
    """Measures of geometries that are given as WKB; None: they are computed when first needed."""

    def __post_init__(self, measures: Measures | None) -> None:
        if self.geometries is _UNPARSED and len(self.ids):
            assert self.wkb is not None, "there are geometries, or WKB"
            object.__delattr__(self, "geometries")
            if measures is not None:
                self.__dict__["measured"] = measures

    if not TYPE_CHECKING:  # otherwise mypy would not report misspelt names

        def __getattr__(self, name: str) -> object:
            """Parse the geometries when they are first accessed; Python calls this only for missing attributes."""
            if name != "geometries":
                raise AttributeError(f"Features have no {name!r}")
            self.parse()
            return self.geometries

    def __len__(self) -> int:
        return len(self.ids)

    def parse(self) -> None:
        """Parse the geometries now if they are available as WKB only, so that parts taken later need not do so."""
        if "geometries" not in self.__dict__:
            object.__setattr__(self, "geometries", np.asarray(shapely.from_wkb(self.wkb), np.object_))

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """(n, 4): minx, miny, maxx, maxy; NaN for empty geometries."""
        known = self._known
        bounds: NDArray[np.float64] = shapely.bounds(self.geometries) if known is None else known.bounds
        return bounds

    @cached_property
    def measured(self) -> Measures:
        """Bounds, areas and other measures of the geometries."""
        return measures_of(self.geometries)

    @property
    def _known(self) -> Measures | None:
        """`measured`, if it has been given or computed; otherwise None."""
        return self.__dict__.get("measured")

    @cached_property
    def rings(self) -> Rings:
        """All rings of the polygons: vertices (V, 2), where each ring begins (R + 1,), and where each feature's rings
        begin (n + 1,); see `rings_of`."""
        return rings_of(self.geometries)

    @property
    def validity(self) -> NDArray[np.bool_]:
        """(n,): `valid`, or the result of checking now. The check takes as long as rasterising the polygons, so do it
        only once per job."""
        return valid_outlines(self.geometries) if self.valid is None else self.valid

    def checked(self) -> Features:
        """The features with `valid` set, and with the reason for each invalid outline in `flaws`."""
        valid = self.validity
        rows = np.flatnonzero(~valid)
        outlines = self.take(rows).geometries  # usually none; valid ones need not be parsed
        faults = {
            int(self.ids[row]): fault_of_outline(outline)
            for row, outline in zip(rows.tolist(), outlines, strict=True)
            if shapely.get_type_id(outline) in POLYGONS
        }
        return self._with(valid=valid, flaws={**self.flaws, **faults} if faults else self.flaws)

    def reshaped(self, geometries: NDArray[np.object_], crs: CRS | None = None) -> Features:
        """The features with other geometries (n,), and another CRS if given. Validity and measures are not kept."""
        return Features(
            crs=self.crs if crs is None else crs,
            ids=self.ids,
            identifiers=self.identifiers,
            geometries=geometries,
            flaws=self.flaws,
        )

    def renamed(self, identifiers: Sequence[str | None]) -> Features:
        """The features with other identifiers (n,)."""
        return self._with(identifiers=tuple(identifiers))

    def take(self, rows: NDArray[np.intp], *, rings: bool = False) -> Features:
        """The features at these rows, in this order. `rings`: also take their part of `rings`, which is faster than
        computing the rings again for each of many parts."""
        names = self.identifiers
        found = self._with(
            rows,
            ids=self.ids[rows],
            identifiers=tuple([names[row] for row in rows.tolist()]),
            valid=None if self.valid is None else self.valid[rows],
            flaws={key: self.flaws[key] for key in self.ids[rows].tolist() if key in self.flaws} if self.flaws else {},
        )
        if rings:
            found.__dict__["rings"] = take_rings(self.rings, rows)
        return found

    def _with(self, rows: NDArray[np.intp] | slice = slice(None), **changed: object) -> Features:
        """The features with some fields changed and the geometries of these rows: parsed if they are already, otherwise
        as WKB."""
        fields = {"ids": self.ids, "identifiers": self.identifiers, "valid": self.valid, "flaws": self.flaws} | changed
        if self.wkb is not None:
            fields["wkb"] = self.wkb[rows]
        if "geometries" in self.__dict__:
            fields["geometries"] = self.geometries[rows]
        found = Features(crs=self.crs, **fields)  # type: ignore[arg-type]
        if (known := self._known) is not None:
            found.__dict__["measured"] = known.take(rows)
        return found

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all geometries in one call: pickling them one by one takes three times as long."""
        columns = (self.crs, self.ids, self.identifiers, self.as_wkb(), self.valid, dict(self.flaws), self._known)
        return _revive, columns

    def as_wkb(self) -> NDArray[np.object_]:
        """(n,): the geometries as ISO WKB; None where a geometry is missing."""
        return np.asarray(shapely.to_wkb(self.geometries, flavor="iso"), np.object_) if self.wkb is None else self.wkb


def joined_features(parts: Sequence[Features]) -> Features:
    """The features of all parts of one table, in order; there must be at least one part."""
    unparsed = all("geometries" not in part.__dict__ for part in parts)
    measures = [known for part in parts if (known := part._known) is not None]
    geometries = {} if unparsed else {"geometries": np.concatenate([part.geometries for part in parts])}
    return Features(
        crs=parts[0].crs,
        ids=np.concatenate([part.ids for part in parts]),
        identifiers=tuple(identifier for part in parts for identifier in part.identifiers),
        valid=None if any(part.valid is None for part in parts) else np.concatenate([part.valid for part in parts]),
        flaws={feature: flaw for part in parts for feature, flaw in part.flaws.items()},
        wkb=np.concatenate([part.as_wkb() for part in parts]) if all(part.wkb is not None for part in parts) else None,
        measures=joined_measures(measures) if len(measures) == len(parts) else None,
        **geometries,
    )


def _revive(
    crs: CRS,
    ids: NDArray[np.int64],
    identifiers: tuple[str | None, ...],
    wkb: NDArray[np.object_],
    valid: NDArray[np.bool_] | None,
    flaws: Mapping[int, str],
    measures: Measures | None,
) -> Features:
    return Features(crs=crs, ids=ids, identifiers=identifiers, wkb=wkb, valid=valid, flaws=flaws, measures=measures)
