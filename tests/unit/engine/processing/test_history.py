"""What an interval's fingerprint notices of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.collections.files import load_collections
from arpent.domain.evalscript import Input, Mosaicking
from arpent.domain.feature import Features
from arpent.domain.imagery.item import Asset, CalibrationFile, Item
from arpent.domain.interval import Interval
from arpent.domain.request import Source
from arpent.engine.band_bindings import BandBinding, bind_input
from arpent.engine.processing.acquisitions import Acquisitions, IntervalAcquisitions
from arpent.engine.processing.history import feature_fingerprints, interval_states

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2023, 6, 1, tzinfo=UTC), end=datetime(2023, 7, 1, tzinfo=UTC))
MASKING = str(COLLECTION.mask_band)
ITEM = Item(
    id="one", collection="sentinel-2-l2a", instant=JUNE.start, created=None, cloud_cover=None,
    footprint=shapely.box(15, 46, 16, 47), assets={MASKING: Asset(href="old.tif"), "B08": Asset(href="nir.tif")},
)  # fmt: skip


def binding(*bands: str) -> BandBinding:
    asked = Input(datasource=None, bands=bands, units=(None,) * len(bands), mosaicking=Mosaicking.SIMPLE)
    return bind_input(asked, Source(id="0", collection="sentinel-2-l2a"), COLLECTION)


def state(item: Item, *bands: str) -> int:
    there = Acquisitions(candidates=(item,), items=(item,), reach=np.ones((1, 1), np.bool_))
    return int(interval_states(IntervalAcquisitions(interval=JUNE, inputs=(there,)), (binding(*bands),))[0])


@pytest.mark.parametrize(
    ("bands", "changed", "noticed"),
    [(("dataMask",), MASKING, True), (("dataMask",), "B08", False), (("B08", "dataMask"), "B08", True)],
)
def test_another_file_of_a_band_that_is_read(bands: tuple[str, ...], changed: str, noticed: bool) -> None:
    """A script that asks for dataMask only reads the band that decides it."""
    other = replace(ITEM, assets={**ITEM.assets, changed: Asset(href="new.tif")})
    assert (state(ITEM, *bands) != state(other, *bands)) == noticed


@pytest.mark.parametrize(
    ("href", "noticed"),
    [
        ("https://a.test/b.tif?sig=2&se=3", False),
        ("https://a.test/c.tif?sig=1", True),
        ("https://a.test/b.tif?n=2", True),
    ],
)
def test_a_signature_names_no_file(href: str, noticed: bool) -> None:
    """An API that signs in each answer would have every row computed anew."""
    one, other = (
        replace(
            ITEM,
            assets={MASKING: Asset(href=each, calibrations={"toa": CalibrationFile(rule="toa", href=each, image="b")})},
        )
        for each in ("https://a.test/b.tif?sig=1&se=2", href)
    )
    assert (state(one, MASKING) != state(other, MASKING)) == noticed


def test_an_item_whose_own_address_is_none() -> None:
    """It costs nobody else: its images may lie at good ones."""
    one, other = (replace(ITEM, href=f"https://[a.test/{name}") for name in "ab")
    assert state(one, MASKING) != state(other, MASKING)


@pytest.mark.parametrize(("bands", "noticed"), [(("B08", "CLD"), True), (("B08",), False)])
@pytest.mark.parametrize("change", [{"properties": {"updated": "2023-09-01"}}, {"created": JUNE.end}, {"id": "other"}])
def test_what_the_catalogue_says_of_a_joined_item(
    bands: tuple[str, ...], noticed: bool, change: dict[str, Any]
) -> None:
    """A cloud mask that is made anew under the same address, where a script reads it."""
    mask = replace(ITEM, id="mask", assets={"CLD": Asset(href="mask.tif")})
    whole = {**ITEM.assets, **mask.assets}
    before, after = (replace(ITEM, assets=whole, joined=(one,)) for one in (mask, replace(mask, **change)))
    assert (state(before, *bands) != state(after, *bands)) == noticed


SQUARE, HOLE = shapely.box(0, 0, 100, 100), shapely.box(40, 40, 60, 60)
TWO = shapely.box(200, 0, 300, 100)
RING = shapely.Polygon(SQUARE.exterior, [HOLE.exterior])
SHAPES = [
    SQUARE, HOLE, TWO, RING, shapely.MultiPolygon([SQUARE, TWO]), shapely.MultiPolygon([TWO, SQUARE]),
    shapely.Polygon(),
    shapely.box(0, 0, 100, np.nextafter(100, 0)), shapely.box(0, 0, np.nextafter(100, 200), 100), SQUARE.reverse(),
    *(shapely.box(x, y, x + 10, y + 10) for x in range(60) for y in range(60)),
]  # fmt: skip


def fingerprints(shapes: Sequence[shapely.Geometry | None], epsg: int = 32633) -> list[bytes]:
    these = Features(
        crs=CRS.from_epsg(epsg), ids=np.arange(len(shapes)), identifiers=(None,) * len(shapes),
        geometries=np.array([*shapes, None], object)[:-1],
    )  # fmt: skip
    return [one.tobytes() for one in feature_fingerprints(these)]


def test_no_two_geometries_have_one_fingerprint() -> None:
    found = fingerprints(SHAPES)
    assert len(set(found)) == len(SHAPES)
    assert not set(found) & set(fingerprints(SHAPES, 32634)), "the CRS counts"
    numbers = np.unpackbits(np.frombuffer(b"".join(found), np.uint8).reshape(-1, 16), axis=1).mean(axis=0)
    assert 0.4 < numbers.min() <= numbers.max() < 0.6, "every bit of it is used"


def test_a_fingerprint_depends_on_no_neighbour_and_on_no_height() -> None:
    found = fingerprints(SHAPES[:10])
    assert fingerprints(SHAPES[9::-1]) == found[::-1]
    assert [fingerprints([shape])[0] for shape in SHAPES[:10]] == found
    assert fingerprints([shapely.force_3d(shape, 7.0) for shape in SHAPES[:6]]) == found[:6]
    assert fingerprints([shapely.MultiPolygon([SQUARE])]) == found[:1], "the same samples belong to it"
