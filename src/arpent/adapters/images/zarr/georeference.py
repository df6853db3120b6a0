"""Georeference of a Zarr array: its CRS and transform, from attributes, groups, grid mapping or coordinates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from arpent.adapters.images.zarr.layout import ArrayLayout
from arpent.adapters.images.zarr.store import Node
from arpent.domain.boundary.crs_text import crs_of_text
from arpent.domain.imagery.raster import COLUMNS_AND_ROWS

Attributes = Mapping[str, Any]
Find = Callable[[str], Node | None]
"""Name of a node in the array's group → the node; None if there is none."""
Coordinates = Callable[[str, int], NDArray[np.float64] | None]
"""(name of an axis, number n of its pixels) → (n,) centres of the pixels; None if there is no such coordinate array.
Raises ValueError."""

_UNEVEN = 1e-3
"""Tolerance in pixels: how far a coordinate may lie from its evenly spaced place."""
_TRANSFORMS = (("proj:transform", "proj:shape"), ("spatial:transform", "spatial:shape"))


def crs_of(layout: ArrayLayout, groups: list[Attributes], find: Find) -> CRS:
    """The first CRS declared by the array, its grid mapping, or its groups (innermost first); COLUMNS_AND_ROWS if there
    is none."""
    mapping = _grid_mapping(layout, groups, find)
    for attributes in (layout.attributes, *([mapping] if mapping else []), *groups):
        for value in _declared_crs(attributes):
            if (crs := crs_of_text(value)) is not None:
                return crs
    return COLUMNS_AND_ROWS


def transform_of(layout: ArrayLayout, groups: list[Attributes], find: Find, coordinates: Coordinates) -> Affine:
    """Transform from pixel corner (column, row) to x, y; the identity if the store gives none. Raises ValueError if
    coordinates are not evenly spaced."""
    for attributes in (layout.attributes, *groups[:1]):  # outer groups may be of another resolution
        for name, shape in _TRANSFORMS:
            sides = attributes.get(shape)
            if isinstance(sides, list) and sides[-2:] != list(layout.shape[-2:]):
                continue
            numbers = _numbers(attributes.get(name))
            if numbers is not None and len(numbers) in (6, 9):
                return Affine(*numbers[:6])
    mapping = _grid_mapping(layout, groups, find) or {}
    if isinstance(text := mapping.get("GeoTransform"), str | list):
        numbers = _numbers(text.split()[:6] if isinstance(text, str) else text)
        if numbers is not None and len(numbers) == 6:
            return Affine.from_gdal(*numbers)
    if not layout.dimensions:
        return Affine.identity()
    rows, columns = layout.dimensions[-2:]
    x, y = coordinates(columns, layout.shape[-1]), coordinates(rows, layout.shape[-2])
    if x is None or y is None:
        return Affine.identity()
    left, across = _start(x, columns)
    top, down = _start(y, rows)
    return Affine(across, 0.0, left - across / 2, 0.0, down, top - down / 2)


def _grid_mapping(layout: ArrayLayout, groups: list[Attributes], find: Find) -> Attributes | None:
    """The attributes of the variable that holds the projection, by the CF conventions; xarray names it spatial_ref.
    None if there is none."""
    named = next(
        (one["grid_mapping"] for one in (layout.attributes, *groups[:1]) if isinstance(one.get("grid_mapping"), str)),
        "spatial_ref",
    )
    if not re.fullmatch(r"\w{1,80}", named):
        return None
    node = find(named)
    return None if node is None else node.attributes


def _declared_crs(attributes: Attributes) -> Iterator[object]:
    """All attribute values that may declare a CRS, in order of precedence."""
    for name in ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson", "crs_wkt", "spatial_ref", "crs"):
        yield attributes.get(name)
    other, discovery = attributes.get("other_metadata"), attributes.get("stac_discovery")
    if isinstance(other, dict):
        yield other.get("horizontal_CRS_code")
    if isinstance(discovery, dict) and isinstance(inner := discovery.get("properties"), dict):
        for name in ("proj:code", "proj:epsg"):
            yield inner.get(name)


def _numbers(value: object) -> list[float] | None:
    try:
        found = [float(one) for one in value] if isinstance(value, list) else None
    except (TypeError, ValueError):
        return None
    return found if found is not None and all(map(math.isfinite, found)) else None


def _start(centres: NDArray[np.float64], name: str) -> tuple[float, float]:
    """The first centre and the distance between centres. Raises ValueError if they are not evenly spaced."""
    if len(centres) < 2:
        raise ValueError(f"its coordinate {name[:40]} has one value, which gives no pixel size")
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    places = centres[0] + step * np.arange(len(centres))
    if not math.isfinite(step) or not step or not (np.abs(centres - places) <= _UNEVEN * abs(step)).all():
        raise ValueError(f"its coordinate {name[:40]} is not evenly spaced")
    return float(centres[0]), step
