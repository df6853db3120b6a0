"""Parcels of the made-up country, good and bad, and GeoPackages of them in any CRS."""

from __future__ import annotations

import random
import sqlite3
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyogrio.raw
import shapely
from pyproj import Transformer
from shapely import affinity

from tests.support.world import EPSG, IMAGED, NORTH, WEST


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One row of a GeoPackage."""

    id: int
    geometry: shapely.Geometry | None
    """In EPSG:32633."""
    identifier: str | None
    kind: str = "field"
    """What it is there for."""


def good_parcels(count: int = 16) -> tuple[Parcel, ...]:
    """Fields of many shapes within the imagery, and one of each special kind; ids have gaps and start at 3."""
    special: dict[str, shapely.Geometry] = {
        "overlap": _field(2_280.3, 1_200.7, 140, 90, 0.3),
        "overlap edge": _field(2_552.1, 900.4, 150, 80, 0.1),
        "swath edge": _field(2_350.6, 1_400.2, 260, 120, -0.2),
        "hole": _field(700.4, 500.8, 200, 160, 0.2).difference(_field(700.4, 500.8, 70, 50, 0.4)),
        "two parts": shapely.union(_field(1_000.7, 2_000.3, 90, 60, 0.5), _field(1_180.2, 2_060.9, 50, 40, 0.0)),
        "tiny": _field(1_503.3, 1_604.6, 4.0, 3.0, 0.2),
        "sliver": _field(1_601.1, 300.9, 230.0, 2.5, 0.4),
        "aligned box": shapely.box(WEST + 300, NORTH - 1_100, WEST + 400, NORTH - 1_020),
        "across the border": _field(4_540.5, 700.3, 130, 90, 0.6),
        "outside the imagery": _field(9_000.2, 1_000.1, 100, 100, 0.0),
    }
    special["the same again"] = special["overlap"]
    parcels = [*special.items(), *(("field", geometry) for geometry in _fields(count))]
    return tuple(
        Parcel(
            id=3 + 4 * row + row % 3, geometry=geometry, kind=kind, identifier=f"FOI.{row:03d}" if row != 5 else None
        )
        for row, (kind, geometry) in enumerate(parcels)
    )


def bad_parcels() -> tuple[Parcel, ...]:
    """What people really send: each must get a reason, and none may disturb the others."""
    bow_tie = shapely.Polygon([(600_500, 5_099_500), (600_600, 5_099_400), (600_600, 5_099_500), (600_500, 5_099_400)])
    rows: list[tuple[str, shapely.Geometry | None]] = [
        ("null", None),
        ("empty", shapely.Polygon()),
        ("invalid", bow_tie),
        ("point", shapely.Point(600_700, 5_099_300)),
        ("line", shapely.LineString([(600_700, 5_099_300), (600_800, 5_099_200)])),
    ]
    return tuple(
        Parcel(id=9_001 + row, geometry=geometry, kind=kind, identifier=f"BAD.{kind}")
        for row, (kind, geometry) in enumerate(rows)
    )


def write_geopackage(
    path: Path,
    parcels: Sequence[Parcel],
    epsg: int | None = EPSG,
    *,
    identifier: bool = True,
    layer: str = "parcels",
) -> Path:
    """Write them, reprojected vertex by vertex; the primary key is the parcel's id. `epsg=None`: no CRS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = [None if parcel.geometry is None else reproject(parcel.geometry, epsg or EPSG) for parcel in parcels]
    fields = {"crop": [parcel.kind for parcel in parcels]}
    if identifier:
        fields["identifier"] = [parcel.identifier for parcel in parcels]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        pyogrio.raw.write(
            path,
            geometry=np.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes], object),
            field_data=[np.array(values, object) for values in fields.values()],
            fields=list(fields),
            geometry_type="Unknown",
            crs=None if epsg is None else f"EPSG:{epsg}",
            layer=layer,
            driver="GPKG",
            layer_options={"SPATIAL_INDEX": "NO", "FID": "id"},
        )
    with sqlite3.connect(path) as table:  # from the end, so that no key is taken twice
        for row in reversed(range(len(parcels))):
            table.execute(f'UPDATE "{layer}" SET id = ? WHERE id = ?', (parcels[row].id, row + 1))
    table.close()
    return path


def reproject(geometry: shapely.Geometry, epsg: int, source: int = EPSG) -> shapely.Geometry:
    """Vertex by vertex, x (longitude) first."""
    if epsg == source or geometry.is_empty:
        return geometry
    change = Transformer.from_crs(source, epsg, always_xy=True).transform
    return shapely.transform(geometry, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))


def _field(east: float, south: float, width: float, height: float, turn: float) -> shapely.Polygon:
    """A rectangle around the point so far east of WEST and south of NORTH, turned by so many radians."""
    x, y = WEST + east, NORTH - south
    box = shapely.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return affinity.rotate(box, turn, use_radians=True)


def _fields(count: int) -> list[shapely.Polygon]:
    """Irregular fields at seeded places, wholly inside the imagery."""
    dice = random.Random(2023)
    fields: list[shapely.Polygon] = []
    while len(fields) < count:
        centre = dice.uniform(150, 4_400), dice.uniform(150, 2_400)
        corners = [
            (dice.uniform(20, 110) * np.cos(angle), dice.uniform(20, 110) * np.sin(angle))
            for angle in np.sort([dice.uniform(0, 2 * np.pi) for _ in range(dice.randint(4, 9))])
        ]
        field = shapely.Polygon([(WEST + centre[0] + x, NORTH - centre[1] + y) for x, y in corners])
        if field.is_valid and field.area > 500 and shapely.box(*IMAGED).contains(field):
            fields.append(field)
    return fields
