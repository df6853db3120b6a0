"""Projection: the georeference of an asset's pixels according to the projection extension of STAC."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import shapely
from affine import Affine
from pyproj import CRS

from arpent.adapters.catalogs.harmonization import Document, number_of, properties
from arpent.domain.boundary.crs_text import crs_of_text
from arpent.domain.imagery.raster import Georeference

_CODES = ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson")


def georeference_of(item: Document, asset: Document, ground: shapely.Geometry) -> Georeference | None:
    """The georeference from the fields of the asset, or of the item where the asset has none; None if both have none.
    The item's transform counts only together with its shape, because assets may have pixels of different sizes.
    `ground`: the item's footprint."""
    own = properties(item)
    crs = next((found for fields in (asset, own) if (found := _crs(fields)) is not None), None)
    transform, size, bounds = _transform(asset), _size(asset), _numbers(asset.get("proj:bbox"), 4)
    if transform is None:
        told = _size(own)
        transform = _transform(own) if told is not None and size in (None, told) else None
        size, bounds = told, bounds or _numbers(own.get("proj:bbox"), 4)
    if crs is None and transform is None:
        return None
    return Georeference(
        crs=crs, transform=transform, size=size, bounds=tuple(bounds) if bounds else None, ground=ground,  # type: ignore[arg-type]
    )  # fmt: skip


def _crs(fields: Document) -> CRS | None:
    for name in _CODES:
        value = fields.get(name)
        found = _named(value) if isinstance(value, str | int) else crs_of_text(value)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=256)
def _named(value: str | int) -> CRS | None:
    return crs_of_text(value)


def _transform(fields: Document) -> Affine | None:
    for count in (6, 9):
        if (numbers := _numbers(fields.get("proj:transform"), count)) is not None:
            return Affine(*numbers[:6])
    return None


def _size(fields: Document) -> tuple[int, int] | None:
    shape = _numbers(fields.get("proj:shape"), 2)
    return (int(shape[1]), int(shape[0])) if shape is not None else None


def _numbers(value: object, count: int) -> list[float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        return None
    found = [number_of(each) for each in value]
    return [each for each in found if each is not None] if None not in found else None
