"""A made-up country: two overlapping tiles of imagery whose pixel values are a formula, and a STAC item for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

EPSG = 32633
WEST, NORTH = 600_000.0, 5_100_000.0
SIDE = 256
"""Pixels per side of a tile, at 10 m."""
TILES = {"33TXM": 0.0, "33TYM": 2_000.0}
"""Tile → how far its west edge lies from WEST; 560 m belong to both."""
BANDS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "SCL": "scl"}
CLASSES = np.array([4, 4, 4, 5, 6, 8, 9], np.uint8)


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """One scene of one tile."""

    tile: str
    instant: str
    """ISO, UTC."""
    cloud_cover: float
    swath: bool = False
    """The swath ends within the tile: no data beyond a slanting line."""
    sequence: int = 0
    """Of several processings of the same acquisition the highest counts."""

    @property
    def when(self) -> datetime:
        return datetime.fromisoformat(self.instant).astimezone(UTC)

    @property
    def id(self) -> str:
        return f"S2A_{self.tile}_{self.when:%Y%m%d}_{self.sequence}_L2A"


SEASON = (
    Acquisition(tile="33TXM", instant="2023-06-03T10:00:05Z", cloud_cover=40.0),
    Acquisition(tile="33TYM", instant="2023-06-03T10:00:19Z", cloud_cover=10.0),
    Acquisition(tile="33TXM", instant="2023-06-08T10:00:05Z", cloud_cover=5.0),
    Acquisition(tile="33TYM", instant="2023-06-13T10:00:19Z", cloud_cover=60.0),
    Acquisition(tile="33TXM", instant="2023-06-18T10:00:05Z", cloud_cover=30.0, swath=True),
    Acquisition(tile="33TYM", instant="2023-06-18T10:00:19Z", cloud_cover=20.0, swath=True),
    Acquisition(tile="33TXM", instant="2023-06-28T10:00:05Z", cloud_cover=80.0),
    Acquisition(tile="33TYM", instant="2023-06-28T10:00:19Z", cloud_cover=70.0),
    Acquisition(tile="33TXM", instant="2023-07-03T10:00:05Z", cloud_cover=1.0, swath=True),
    Acquisition(tile="33TYM", instant="2023-07-03T10:00:19Z", cloud_cover=2.0, swath=True),
    Acquisition(tile="33TXM", instant="2023-07-13T10:00:05Z", cloud_cover=15.0, sequence=0),
    Acquisition(tile="33TXM", instant="2023-07-13T10:00:05Z", cloud_cover=15.0, sequence=1),
    Acquisition(tile="33TXM", instant="2023-08-02T10:00:05Z", cloud_cover=25.0),
    Acquisition(tile="33TYM", instant="2023-08-02T10:00:19Z", cloud_cover=35.0),
)
"""Two months: days with one tile and with both, cloudy days, a swath edge, a day processed twice, an empty gap."""

IMAGED = (WEST, NORTH - 2_560.0, WEST + 4_560.0, NORTH)
"""minx, miny, maxx, maxy of both tiles."""


def make_imagery(folder: Path, season: tuple[Acquisition, ...] = SEASON) -> Path:
    """Write COGs and items: `folder/<item id>/{B02.tif, …, <item id>.json}`. Returns the folder."""
    for acquisition in season:
        home = folder / acquisition.id
        home.mkdir(parents=True)
        for band in BANDS:
            _write_cog(home / f"{band}.tif", digital_numbers(band, acquisition), _transform(band, acquisition))
        (home / f"{acquisition.id}.json").write_text(json.dumps(item(acquisition), indent=1))
    return folder


def digital_numbers(band: str, acquisition: Acquisition) -> NDArray[np.uint16]:
    """The formula: a rough ground, greener towards August, another in each band, tile and processing; 0 = no data."""
    x, y = _centres(band, acquisition)
    step = _transform(band, acquisition).a
    column, row = np.floor((x - WEST) / step).astype(np.int64), np.floor((NORTH - y) / step).astype(np.int64)
    day = acquisition.when.timetuple().tm_yday
    noise = (column * 7919 + row * 104729 + day * 1299709 + column * row * 31 + acquisition.sequence * 17) % 1009
    if band == "SCL":
        numbers = CLASSES[noise % len(CLASSES)].astype(np.uint16)
    else:
        level = {"B02": 400, "B03": 700, "B04": 600 + 3 * (day - 150), "B08": 2600 - 4 * (day - 150)}[band]
        field = ((column // 9) * 37 + (row // 7) * 53) % 211
        numbers = (level + 2 * field + noise + list(TILES).index(acquisition.tile) * 5).astype(np.uint16)
        if band == "B08":
            numbers[noise % 97 == 3] = 0
    if acquisition.swath:
        numbers[x > WEST + 1_900.0 + 0.35 * (NORTH - y)] = 0
    return numbers


def item(acquisition: Acquisition) -> dict[str, object]:
    """The STAC item, as Earth Search writes it; hrefs are relative."""
    footprint = _footprint(acquisition.tile)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
        "id": acquisition.id,
        "collection": "sentinel-2-l2a",
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "bbox": list(footprint.bounds),
        "properties": {
            "datetime": acquisition.instant,
            "created": f"2023-09-0{acquisition.sequence + 1}T00:00:00Z",
            "updated": f"2023-09-0{acquisition.sequence + 1}T00:00:00Z",
            "platform": "sentinel-2a",
            "constellation": "sentinel-2",
            "eo:cloud_cover": acquisition.cloud_cover,
            "proj:epsg": EPSG,
            "grid:code": f"MGRS-{acquisition.tile}",
            "s2:datatake_id": f"GS2A_{acquisition.when:%Y%m%d}T100001_040000_N05.09",
            "s2:sequence": str(acquisition.sequence),
            "s2:processing_baseline": "05.09",
            "earthsearch:boa_offset_applied": True,
        },
        "assets": {key: _asset(band, acquisition) for band, key in BANDS.items()},
        "links": [],
    }


def _asset(band: str, acquisition: Acquisition) -> dict[str, object]:
    transform = _transform(band, acquisition)
    side = int(SIDE * 10 / transform.a)
    return {
        "href": f"./{band}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "proj:shape": [side, side],
        "proj:transform": list(transform)[:6],
        "raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}],
    }


def _transform(band: str, acquisition: Acquisition) -> Affine:
    step = 20.0 if band == "SCL" else 10.0
    return Affine(step, 0.0, WEST + TILES[acquisition.tile], 0.0, -step, NORTH)


def _centres(band: str, acquisition: Acquisition) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    transform = _transform(band, acquisition)
    side = int(SIDE * 10 / transform.a)
    steps = (np.arange(side) + 0.5) * transform.a
    return np.meshgrid(transform.c + steps, transform.f - steps)


def _footprint(tile: str) -> shapely.Polygon:
    west = WEST + TILES[tile]
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    square = shapely.segmentize(shapely.box(west, NORTH - SIDE * 10, west + SIDE * 10, NORTH), 500.0)
    return shapely.transform(square, lambda xy: np.column_stack(to_degrees(xy[:, 0], xy[:, 1])))


def _write_cog(path: Path, numbers: NDArray[np.uint16], transform: Affine) -> None:
    """Overviews hold averages, so that whoever reads one for a full-size pixel is found out."""
    with rasterio.open(
        path, "w", driver="COG", width=numbers.shape[1], height=numbers.shape[0], count=1, dtype="uint16",
        crs=f"EPSG:{EPSG}", transform=transform, nodata=0, blocksize=128, compress="deflate", predictor=2,
        overview_resampling="average",
    ) as image:  # fmt: skip
        image.write(numbers, 1)
