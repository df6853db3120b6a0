"""Against exactextract from end to end, on a real scene: polygons along its pixels, where all definitions agree."""

from __future__ import annotations

import shutil
from pathlib import Path

import exactextract
import numpy as np
import pytest
import rasterio
import shapely

from tests.support.engine import Engine, wish
from tests.support.parcels import Parcel
from tests.support.scripts import SEED

SCALE = 0.0001


@pytest.mark.parametrize(("date", "least"), [("20230813", 50), ("20230815", 50)])
def test_statistics_of_real_pixels(shared_data: Path, tmp_path: Path, date: str, least: int):
    catalog = shared_data / "stac" / "s2-l2a-33t-120m"
    image_path = next(catalog.rglob(f"*33TWM_{date}*/B04.tif"))
    shutil.copytree(image_path.parent, tmp_path / "stac" / "scene")
    with rasterio.open(image_path) as image:
        parcels = along_the_pixels(image.bounds, image.transform.a)
        epsg, step = image.crs.to_epsg(), image.transform.a
    body = wish(
        SEED.text, resx=step, resy=step, timeRange={"from": "2023-08-01T00:00:00Z", "to": "2023-08-31T00:00:00Z"}
    )
    answers = Engine.over(tmp_path / "stac", tmp_path).answers(body, parcels, epsg)
    shapes = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(parcel.geometry)}
        for parcel in parcels
    ]
    found = exactextract.exact_extract(str(image_path), shapes, ["count", "min", "max", "mean", "stdev"])
    compared = 0
    for parcel, theirs in zip(parcels, (entry["properties"] for entry in found), strict=True):
        if not answers[parcel.id]["response"]["data"]:
            assert not theirs["count"], parcel.id  # beyond the footprint there are no pixels either
            continue
        (entry,) = answers[parcel.id]["response"]["data"]
        ours = entry["outputs"]["output_B04"]["bands"]["B0"]["stats"]
        assert ours["sampleCount"] - ours["noDataCount"] == theirs["count"]
        if theirs["count"]:
            compared += 1
            for name, other in (("min", "min"), ("max", "max"), ("mean", "mean"), ("stDev", "stdev")):
                assert ours[name] == pytest.approx(theirs[other] * SCALE, rel=2e-7, abs=1e-8), (parcel.id, name)
    assert compared > least


def along_the_pixels(bounds: rasterio.coords.BoundingBox, step: float) -> list[Parcel]:
    """Unions of boxes whose sides are pixels' sides; some have holes or two parts."""
    dice = np.random.default_rng(7)
    parcels = []
    for number in range(240):
        corner = np.array([bounds.left, bounds.bottom]) + step * dice.integers(0, 850, 2)
        low = dice.integers(0, 25, (4, 2))
        size = dice.integers(1, 20, (4, 2))
        boxes = shapely.box(*(corner + step * low).T, *(corner + step * (low + size)).T)
        geometry = shapely.difference(shapely.union_all(boxes[:3]), boxes[3])
        if geometry.geom_type in ("Polygon", "MultiPolygon") and not geometry.is_empty:
            parcels.append(Parcel(id=number + 1, identifier=None, geometry=geometry))
    return parcels
