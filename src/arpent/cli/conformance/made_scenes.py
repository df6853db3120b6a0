"""Made scenes: the suite's data set: STAC items and images whose numbers can be worked out by hand, and polygons.

There are three acquisitions of one tile of 64 x 64 pixels of 10 m. Digital numbers (reflectance x 10000) are
    1 June    B04 = 1000 + 10 x column, B08 = 2000 + 10 x row, no clouds
    3 June    B04 = 3000, B08 = 4000, no data in the columns 0 to 15, clouds in the southern half
    15 June   B04 = 5000 + row, B08 = 6000, no clouds
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from arpent.cli.conformance.bodies import Box, batch
from arpent.cli.conformance.target import Scene

EPSG = 32633
UTM = f"http://www.opengis.net/def/crs/EPSG/0/{EPSG}"
WEST, NORTH = 600_000.0, 5_100_000.0
SIDE, PIXEL, EMPTY = 64, 10.0, 16
"""Pixels per side, metres per pixel, and columns without data on 3 June."""
DAYS = ("2023-06-01", "2023-06-03", "2023-06-15")
AT = (16.2966, 46.04334)
"""Longitude and latitude of the tile's centre."""
SCENE = Scene(longitude=AT[0], latitude=AT[1], day=DAYS[0])
LAST_DAY = "2023-07-01"
"""End of a time range that contains all three acquisitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One polygon in the file of features."""

    id: int
    identifier: str
    ring: tuple[tuple[float, float], ...]
    """Corners in metres of EPSG:32633; the last repeats the first."""


def block(row: int, column: int, height: int, width: int) -> Box:
    """The box of a block of pixels: west, south, east, north in metres."""
    west, north = WEST + column * PIXEL, NORTH - row * PIXEL
    return (west, north - height * PIXEL, west + width * PIXEL, north)


def ring_of(box: Box) -> tuple[tuple[float, float], ...]:
    """The corners of a box as a closed ring."""
    west, south, east, north = box
    return ((west, south), (east, south), (east, north), (west, north), (west, south))


FIELDS = (
    Field(id=3, identifier="aligned", ring=ring_of(block(10, 20, 8, 12))),
    Field(
        id=4,
        identifier="slanted",
        ring=tuple((WEST + x, NORTH - y) for x, y in ((203.1, 401.7), (388.4, 397.2), (301.9, 251.3), (203.1, 401.7))),
    ),
    Field(id=9, identifier="no-data", ring=ring_of(block(30, 2, 5, 5))),
)


def make_data_set(folder: Path) -> None:
    """Write into `folder` a catalogue (catalog/), a bucket with features (buckets/conformance/), and a request
    for `arpent run` (request.json)."""
    import numpy as np
    import shapely
    from affine import Affine

    from arpent.landscape.archive import Acquisition, write_acquisition

    catalog = folder / "catalog"
    catalog.mkdir(parents=True, exist_ok=True)
    bucket = folder / "buckets" / "conformance"
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "features.gpkg").write_bytes(features_file())
    days = {"from": f"{DAYS[0]}T00:00:00Z", "to": f"{LAST_DAY}T00:00:00Z"}
    request = batch("s3://conformance/features.gpkg", "s3://conformance/results/", {}, timeRange=days)
    (folder / "request.json").write_text(json.dumps(request, indent=1) + "\n", encoding="utf-8")
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    constant = np.ones((SIDE, SIDE), np.int64)
    bands = (
        {"B04": 1000 + 10 * columns, "B08": 2000 + 10 * rows},
        {"B04": 3000 * (columns >= EMPTY), "B08": 4000 * (columns >= EMPTY)},
        {"B04": 5000 + rows, "B08": 6000 * constant},
    )
    for number, (day, numbers) in enumerate(zip(DAYS, bands, strict=True)):
        classes = np.full((SIDE // 2, SIDE // 2), 4, np.uint8)
        west = WEST
        if number == 1:
            classes[SIDE // 4 :] = 9
            classes[:, : EMPTY // 2] = 0
            west += EMPTY * PIXEL
        acquisition = Acquisition(
            tile="33TWM",
            instant=datetime.fromisoformat(f"{day}T10:00:31").replace(tzinfo=UTC),
            orbit=79,
            platform="sentinel-2a",
            transform=Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH),
            footprint=shapely.box(west, NORTH - SIDE * PIXEL, WEST + SIDE * PIXEL, NORTH),
        )
        write_acquisition(catalog, acquisition, {k: v.astype(np.uint16) for k, v in numbers.items()}, classes)


def features_file() -> bytes:
    """A GeoPackage with the polygons of FIELDS."""
    import numpy as np
    import pyogrio
    import shapely

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.gpkg"
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb([shapely.Polygon(each.ring) for each in FIELDS]),
            field_data=[np.array([each.identifier for each in FIELDS], object)],
            fields=["identifier"],
            layer="fields",
            crs=f"EPSG:{EPSG}",
            geometry_type="Polygon",
            driver="GPKG",
            layer_options={"FID": "id", "SPATIAL_INDEX": "NO"},
        )
        with closing(sqlite3.connect(path)) as tables, tables:  # from the last row, so that no key is used twice
            for row, field in reversed(list(enumerate(FIELDS, 1))):
                tables.execute("UPDATE fields SET id = ? WHERE id = ?", (field.id, row))
        return path.read_bytes()
