"""Archive: writes COGs with STAC items in Earth Search's style, and a GeoPackage of the parcels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from arpent.landscape.fields import Fields

EPSG = 32633
"""EPSG code of the CRS of all files."""
ASSETS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "SCL": "scl"}
"""Band → STAC asset key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One tile of one pass."""

    tile: str
    """MGRS tile: 33TWM."""
    instant: datetime
    """Sensing time, UTC."""
    orbit: int
    """Number of the relative orbit."""
    platform: str
    """Satellite: sentinel-2a."""
    transform: Affine
    """(column, row) of a 10 m pixel's corner → metres."""
    footprint: shapely.Polygon
    """Area with data, in metres."""

    @property
    def name(self) -> str:
        """STAC item id: S2A_33TWM_20200515_0_L2A."""
        return f"S2{self.platform[-1].upper()}_{self.tile}_{self.instant:%Y%m%d}_0_L2A"


def write_acquisition(
    folder: Path,
    acquisition: Acquisition,
    numbers: Mapping[str, NDArray[np.uint16]],
    classes: NDArray[np.uint8],
    blocks: tuple[int, int] | None = None,
) -> None:
    """Write a COG for each band of `numbers`, one for the classes, and their STAC item, to a folder of their own.

    `blocks`: pixels per side of a block of the bands, and of the classes; None: 512, or 256 for small images.
    """
    place = folder / acquisition.name
    place.mkdir(parents=True, exist_ok=True)
    for band, pixels in numbers.items():
        _write_cog(place / f"{band}.tif", pixels, acquisition.transform, "AVERAGE", blocks and blocks[0])
    _write_cog(place / "SCL.tif", classes, acquisition.transform @ Affine.scale(2), "NEAREST", blocks and blocks[1])
    item = _item(acquisition, classes, (*numbers, "SCL"))
    (place / f"{acquisition.name}.json").write_text(json.dumps(item, indent=1) + "\n", encoding="utf-8")


def write_parcels(path: Path, fields: Fields) -> tuple[str, ...]:
    """Write the parcels with ids 1 to n; returns the values of their `identifier`."""
    shapes = fields.shapes[: fields.parcels]
    identifiers = tuple(f"{crop}-{number:04d}" for number, crop in enumerate(fields.crops[: fields.parcels], 1))
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2020-09-01T00:00:00.000Z"})  # same seed, same bytes
    try:
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(shapes),
            field_data=[np.array(identifiers, object)],
            fields=["identifier"],
            layer="parcels",
            crs=f"EPSG:{EPSG}",
            geometry_type="MultiPolygon",
            promote_to_multi=True,
            driver="GPKG",
            layer_options={"FID": "id"},
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
    return identifiers


def _write_cog(path: Path, pixels: NDArray[np.generic], transform: Affine, resampling: str, block: int | None) -> None:
    with rasterio.open(
        path,
        "w",
        driver="COG",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype,
        crs=f"EPSG:{EPSG}",
        transform=transform,
        nodata=0,
        compress="DEFLATE",
        predictor="STANDARD",
        blocksize=block or (512 if max(pixels.shape) > 1024 else 256),
        overview_resampling=resampling,
    ) as image:
        image.write(pixels, 1)


def _item(acquisition: Acquisition, classes: NDArray[np.uint8], bands: tuple[str, ...]) -> dict[str, object]:
    """The STAC item as Earth Search writes it, with its misleading offset of -0.1: a flag says that the offset is
    already applied."""
    seen = int(np.count_nonzero(classes))
    cloudy = int(np.count_nonzero((classes == 8) | (classes == 9)))
    day, letter = acquisition.instant, acquisition.platform[-1].upper()
    footprint = _degrees(acquisition.footprint)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": acquisition.name,
        "collection": "sentinel-2-l2a",
        "links": [],
        "bbox": list(footprint.bounds),
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "properties": {
            "datetime": day.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "created": (day + timedelta(hours=8)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "platform": acquisition.platform,
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "eo:cloud_cover": round(100 * cloudy / max(seen, 1), 6),
            "proj:epsg": EPSG,
            "grid:code": f"MGRS-{acquisition.tile}",
            "sat:relative_orbit": acquisition.orbit,
            "s2:product_type": "S2MSI2A",
            "s2:processing_baseline": "05.00",
            "s2:datatake_id": f"GS2{letter}_{day:%Y%m%d}T100031_{day.toordinal() % 100_000:06d}_N05.00",
            "s2:sequence": "0",
            "s2:nodata_pixel_percentage": round(100 * (1 - seen / classes.size), 6),
            "earthsearch:boa_offset_applied": True,
        },
        "assets": {ASSETS[band]: _asset(band) for band in ASSETS if band in bands},
    }


def _asset(band: str) -> dict[str, object]:
    scaled = {"scale": 0.0001, "offset": -0.1} if band != "SCL" else {}
    size = 20 if band == "SCL" else 10
    kind = "uint8" if band == "SCL" else "uint16"
    return {
        "href": f"./{band}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"] if band == "SCL" else ["data", "reflectance"],
        "raster:bands": [{"nodata": 0, "data_type": kind, "spatial_resolution": size, **scaled}],
    }


def _degrees(footprint: shapely.Polygon) -> shapely.Polygon:
    transformer = Transformer.from_crs(EPSG, 4326, always_xy=True)
    corners = shapely.get_coordinates(footprint)
    moved = np.column_stack(transformer.transform(corners[:, 0], corners[:, 1]))
    return shapely.Polygon(np.round(moved, 7))
