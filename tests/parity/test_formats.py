"""The same pixels as GeoTIFF, JPEG 2000 and Zarr give the same samples, and their headers can be read apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr
from affine import Affine

from arpent.adapters.images.jp2.image import Jp2Image
from arpent.adapters.images.other_formats import IsolatedHeader
from arpent.adapters.images.reader import CogReader
from arpent.adapters.images.zarr.image import ZarrImage
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from arpent.domain.request import Resampling
from arpent.raster.mosaic import simple
from tests.support.cogs import DN, REFLECTANCE, band, boxes_site, collection, formula, item, source, wants, write
from tests.support.jpeg2000 import write_jp2
from tests.support.zarrs import LEFT, STEP, TOP, write_product

PLACE = Affine(STEP, 0, LEFT, 0, -STEP, TOP)
PIXELS = formula(300, 400) % 4000
PIXELS[40:90, 100:200] = 0


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader()
    yield reader
    reader.close()


@pytest.fixture
def hrefs(tmp_path: Path) -> dict[str, str]:
    return {
        "GeoTIFF": write(
            tmp_path / "a.tif", PIXELS, PLACE, nodata=0, tiled=True, blockxsize=64, blockysize=64, compress="deflate"
        ),
        "JPEG 2000": write_jp2(tmp_path / "a.jp2", PIXELS, 64, RESOLUTIONS=1, transform=PLACE),
        "Zarr": write_product(tmp_path / "a.zarr", PIXELS, version=2),
        "Zarr, sharded": write_product(tmp_path / "b.zarr", PIXELS, version=3, shards=(128, 128), consolidated=False),
    }


@pytest.mark.parametrize("resampling", list(Resampling))
@pytest.mark.parametrize("resolution", [10.0, 25.0])
def test_same_samples(reader: CogReader, hrefs: dict[str, str], resampling: Resampling, resolution: float) -> None:
    bounds = [[LEFT + 333, TOP - 2222, LEFT + 2345, TOP - 111], [LEFT - 50, TOP - 500, LEFT + 500, TOP + 50]]
    sampling = boxes_site(bounds, resolution)
    found = {}
    for name, href in hrefs.items():
        wanted = band("B04")
        mosaic = simple(
            [item("one", {"B04": href})], wants(wanted, unit=DN), sampling, reader,
            source=source(upsampling=resampling, downsampling=resampling), collection=collection(wanted),
        )  # fmt: skip
        found[name] = (mosaic.mask, np.stack(mosaic.values))
    assert found["GeoTIFF"][0].any()
    assert not found["GeoTIFF"][0].all()
    for mask, samples in found.values():
        np.testing.assert_array_equal(mask, found["GeoTIFF"][0])
        np.testing.assert_array_equal(samples, found["GeoTIFF"][1])


def test_headers_are_read_by_another_process(hrefs: dict[str, str]) -> None:
    """What a runner does: it hears the header, and reads no pixels."""
    asked: list[object] = []

    def submit(function: Callable[[Any], Any], argument: object) -> Any:
        asked.append(argument)
        future: Future[Any] = Future()
        future.set_result(function(argument))
        return SimpleNamespace(future=future)

    here, apart = CogReader(), CogReader(other_formats=partial(IsolatedHeader, submit))
    for name, href in hrefs.items():
        assert apart.describe(href) == here.describe(href)
        if name != "GeoTIFF":
            assert isinstance(here._image(href), Jp2Image | ZarrImage)
            with pytest.raises(AssetUnreadable, match="not read in this process"):
                list(apart.read([(href, [Block(level=0, row=0, column=0)])]))
    assert asked == [href for name, href in hrefs.items() if name != "GeoTIFF"]
    here.close()
    apart.close()


@pytest.mark.parametrize(
    ("pixels", "attributes", "item_says", "served"),
    [
        (PIXELS, {"scale_factor": 0.0001, "add_offset": -0.1}, None, True),
        (PIXELS, {}, None, True),
        (PIXELS, {"scale_factor": 0.001}, None, False),
        (PIXELS * 0.0001, {}, None, False),
        (PIXELS.astype("f4"), {"scale_factor": 0.0001}, None, True),
        (PIXELS, {}, 1.0, False),
        (PIXELS, {}, 0.0001, True),
    ],
    ids=[
        "as EOPF",
        "silent",
        "another factor",
        "values",
        "floats with the factor",
        "values by the item",
        "floats by the item",
    ],
)
def test_numbers_of_another_scale_are_refused_by_name(
    reader: CogReader, tmp_path: Path, pixels: np.ndarray, attributes: dict[str, object], item_says: float | None,
    served: bool,
) -> None:  # fmt: skip
    """Reflectances that are stored as floats would otherwise be 10,000 times too small."""
    href = write_product(tmp_path / "a.zarr", pixels, version=3, consolidated=False)
    zarr.open_array(href, mode="r+").attrs.update({"_eopf_attrs": {}, **attributes})
    wanted = replace(band("B04"), units=(REFLECTANCE, DN))
    one = item("one", {"B04": href})
    one = replace(one, assets={"B04": replace(one.assets["B04"], declared_scale=item_says)})
    for unit in (REFLECTANCE, DN):
        faults = simple(
            [one], wants(wanted, unit=unit), boxes_site([[LEFT, TOP - 500, LEFT + 500, TOP]]), reader,
            source=source(), collection=collection(wanted),
        ).faults  # fmt: skip
        assert (not faults) == served
        assert all(f"B04 cannot be given in {unit.name}" in str(fault) for fault in faults)
