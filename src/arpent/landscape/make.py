"""Make: writes the landscape; the same seed gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from arpent.landscape.archive import Acquisition, write_acquisition, write_parcels
from arpent.landscape.fields import make_fields
from arpent.landscape.scenes import PIXEL, View, look, make_ground

WEST, NORTH = 560_000.0, 5_180_000.0
"""North-west corner of the landscape in EPSG:32633, on the 60 m grid."""
TILES = ("33TWM", "33TXM")
"""Two tiles, west and east, which overlap by a quarter as neighbours in the archive do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """Paths of the landscape's files, and what was planted."""

    catalog: Path
    """Folder of STAC items and COGs (collection sentinel-2-l2a)."""
    features: Path
    """GeoPackage of the parcels, EPSG:32633."""
    crops: tuple[str, ...]
    """Crop of the parcels with id 1, 2, …"""
    identifiers: tuple[str, ...]
    """`identifier` of the parcels with id 1, 2, …"""
    start: date
    """Day of the first acquisition."""
    end: date
    """Day of the last acquisition."""


def make_landscape(
    folder: Path,
    *,
    seed: int = 20200601,
    parcels: int = 300,
    scenes: int = 22,
    tile: int = 448,
    start: date = date(2020, 5, 15),
    revisit_days: int = 5,
) -> Landscape:
    """Write `scenes` acquisitions of two tiles of `tile` x `tile` pixels (10 m), and the parcels in their middle.

    Every second pass is on the neighbouring orbit, whose swath ends within the landscape. About 40 parcels fit into a
    square kilometre. `tile` is a multiple of 8. Raises ValueError if the parcels do not fit.
    """
    if tile < 64 or tile % 8:
        raise ValueError(f"`tile` is {tile}; it must be a multiple of 8, and at least 64.")
    step = tile * 3 // 4
    shape = (tile, step + tile)
    transform = Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)
    bounds = (WEST, NORTH - shape[0] * PIXEL, WEST + shape[1] * PIXEL, NORTH)
    fields = make_fields(np.random.default_rng((seed, 0)), bounds, parcels)
    ground = make_ground(np.random.default_rng((seed, 1)), fields, transform, shape)
    catalog, features = folder / "catalog", folder / "parcels.gpkg"
    catalog.mkdir(parents=True, exist_ok=True)
    features.unlink(missing_ok=True)
    identifiers = write_parcels(features, fields)
    days = [start + timedelta(days=revisit_days * number) for number in range(scenes)]
    for number, day in enumerate(days):
        view = look(np.random.default_rng((seed, 2, number)), ground, day, number)
        for index, name in enumerate(TILES):
            _write_tile(catalog, view, (name, index * step, tile), (day, number))
    return Landscape(
        catalog=catalog,
        features=features,
        crops=tuple(str(crop) for crop in fields.crops[:parcels]),
        identifiers=identifiers,
        start=days[0],
        end=days[-1],
    )


def _write_tile(catalog: Path, view: View, cut: tuple[str, int, int], when: tuple[date, int]) -> None:
    """Write one tile (name, first column, side) of a view, unless the swath misses it; `when`: (day, number) of the
    pass."""
    name, column, side = cut
    day, number = when
    footprint = _footprint(view, column, side)
    if footprint.is_empty:
        return
    moment = datetime(day.year, day.month, day.day, 10, 0, 31, tzinfo=UTC) + timedelta(seconds=3 * (column > 0))
    acquisition = Acquisition(
        tile=name,
        instant=moment,
        orbit=79 if number % 2 else 122,
        platform="sentinel-2b" if number % 4 > 1 else "sentinel-2a",
        transform=Affine(PIXEL, 0, WEST + column * PIXEL, 0, -PIXEL, NORTH),
        footprint=footprint,
    )
    window, half = slice(column, column + side), slice(column // 2, (column + side) // 2)
    numbers = {band: pixels[:, window] for band, pixels in view.numbers.items()}
    write_acquisition(catalog, acquisition, numbers, view.classes[:, half])


def _footprint(view: View, column: int, side: int) -> shapely.Polygon:
    """Area of the tile with data, in metres."""
    tile = shapely.box(WEST + column * PIXEL, NORTH - side * PIXEL, WEST + (column + side) * PIXEL, NORTH)
    if view.swath_edge is None:
        return tile
    top, bottom = (WEST + edge * PIXEL for edge in view.swath_edge)
    swath = shapely.Polygon(((WEST, NORTH), (top, NORTH), (bottom, NORTH - side * PIXEL), (WEST, NORTH - side * PIXEL)))
    seen = shapely.intersection(tile, swath)
    return seen if isinstance(seen, shapely.Polygon) else shapely.Polygon()
