"""Against exactextract from end to end, on whole scenes: polygons along the pixels, where all definitions agree."""

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
from tests.support.world import Acquisition, make_imagery

SCALE = 0.0001


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Red image of one scene, alone in a catalogue; `made`, or that of a day in the real ones."""
    if request.param == "made":
        acquisition = Acquisition(tile="33TXM", instant="2023-08-08T10:00:05Z", cloud_cover=5.0, swath=True)
        return make_imagery(tmp_path / "stac", (acquisition,)) / acquisition.id / "B04.tif"
    catalog = request.getfixturevalue("shared_data") / "stac" / "s2-l2a-33t-120m"
    image = next(catalog.rglob(f"*33TWM_{request.param}*/B04.tif"))
    shutil.copytree(image.parent, tmp_path / "stac" / "scene")
    return tmp_path / "stac" / "scene" / image.name


@pytest.mark.parametrize("scene", ["made", "20230813", "20230815"], indirect=True)
def test_statistics_along_pixels(scene: Path, tmp_path: Path):
    with rasterio.open(scene) as image:
        parcels = along_the_pixels(image.bounds, image.transform.a, image.width)
        epsg, step = image.crs.to_epsg(), image.transform.a
    body = wish(
        SEED.text, resx=step, resy=step, timeRange={"from": "2023-08-01T00:00:00Z", "to": "2023-08-31T00:00:00Z"}
    )
    answers = Engine.over(tmp_path / "stac", tmp_path).answers(body, parcels, epsg)
    shapes = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(parcel.geometry)}
        for parcel in parcels
    ]
    found = exactextract.exact_extract(str(scene), shapes, ["count", "min", "max", "mean", "stdev"])
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
    assert compared > 50


def along_the_pixels(bounds: rasterio.coords.BoundingBox, step: float, side: int) -> list[Parcel]:
    """Unions of boxes whose sides are pixels' sides, in an image of `side` pixels; some have holes or two parts."""
    dice = np.random.default_rng(7)
    parcels = []
    for number in range(240):
        corner = np.array([bounds.left, bounds.bottom]) + step * dice.integers(0, side - 45, 2)
        low = dice.integers(0, 25, (4, 2))
        size = dice.integers(1, 20, (4, 2))
        boxes = shapely.box(*(corner + step * low).T, *(corner + step * (low + size)).T)
        geometry = shapely.difference(shapely.union_all(boxes[:3]), boxes[3])
        if geometry.geom_type in ("Polygon", "MultiPolygon") and not geometry.is_empty:
            parcels.append(Parcel(id=number + 1, identifier=None, geometry=geometry))
    return parcels
