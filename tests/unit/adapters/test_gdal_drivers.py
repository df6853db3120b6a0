"""GDAL opens the formats of a table, one file at a time, and nothing that this file or its neighbours name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from arpent.adapters.images.gdal_fallback import SIGNATURES
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula, write
from tests.support.web import serve

LERC = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "lerc"}
VRT = """<VRTDataset rasterXSize="10" rasterYSize="10"><SRS>EPSG:32633</SRS>
<GeoTransform>300000,10,0,5000000,0,-10</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
WMS = '<GDAL_WMS><Service name="TMS"><ServerUrl>{}/x</ServerUrl></Service></GDAL_WMS>'
RAW = VRT.replace('band="1"', 'band="1" subClass="VRTRawRasterBand"')


@pytest.mark.parametrize("name", ["a.tif", "a.jp2", "a.vrt", "a.xml"])
@pytest.mark.parametrize("kind", ["vrt", "vrt of all", "raw", "wms", "netpbm", "csv", "blank before"])
def test_what_names_other_files_is_not_opened(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "private.pgm").write_bytes(b"P5 10 10 255 " + bytes(range(100, 200)))
    with serve(tmp_path) as web:
        content = {
            "vrt": VRT.format(relative=1, source="private.pgm"),
            "vrt of all": VRT.format(relative=0, source=f"/vsicurl/{web.url}/private.pgm"),
            "raw": RAW.format(relative=0, source="/etc/passwd"),
            "wms": WMS.format(web.url),
            "netpbm": "P5 10 10 255 " + "x" * 100,
            "csv": "x,y,z\n0,0,1\n1,0,1\n0,1,1\n1,1,1\n",
            "blank before": "\n  " + VRT.format(relative=1, source="private.pgm"),
        }[kind]
        (tmp_path / name).write_text(content)
        reader = CogReader()
        for href in (str(tmp_path / name), f"{web.url}/{name}"):
            with pytest.raises(AssetUnreadable, match="neither a GeoTIFF nor JPEG 2000") as caught:
                reader.describe(href)
            assert not caught.value.transient
        reader.close()
        assert not [path for path in web.asked if name not in path]


@pytest.mark.parametrize(
    "path", ["/vsicurl/http://127.0.0.1:9/a.tif", "/vsizip//tmp/a.zip/a.tif", "GTIFF_DIR:1:/etc/passwd"]
)
def test_a_name_of_gdals_own_is_no_image(path: str) -> None:
    with pytest.raises(AssetUnreadable):
        CogReader().describe(path)


def test_a_remote_image_comes_through_our_own_client_and_nothing_beside_it(tmp_path: Path) -> None:
    pixels = formula(100, 80, "uint8")
    write(tmp_path / "a.tif", pixels, **LERC)
    write(tmp_path / "a.tif.ovr", pixels)
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    with serve(tmp_path) as web:
        reader = CogReader()
        href = f"{web.url}/a.tif?signature=secret"
        assert reader.describe(href).width == 80
        ((_, _, part),) = reader.read([(href, [Block(level=0, row=0, column=0)])])
        np.testing.assert_array_equal(part, pixels[:64, :64])
        reader.close()
        assert {path.partition("?")[0] for path in web.asked} == {"/a.tif", "/a.tif.msk"}  # nothing else tells no data


@pytest.mark.parametrize("options", [{}, {"nodata": 0}])
def test_a_mask_beside_a_remote_image_is_asked_for_where_it_is_silent(tmp_path: Path, options: dict[str, int]) -> None:
    """As for images that our own reader reads."""
    pixels, valid = formula(100, 80, "uint8"), np.ones((100, 80), np.bool_)
    valid[10:20] = False
    path = write(tmp_path / "a.tif", pixels, **LERC, **options)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as image:
        image.write_mask(valid)
    with serve(tmp_path) as web:
        reader = CogReader()
        href = f"{web.url}/a.tif?signature=secret"
        assert reader.describe(href).masked is (not options)
        ((_, _, part),) = reader.read([(href, [Block(level=0, row=0, column=0)])])
        np.testing.assert_array_equal(part.data, pixels[:64, :64])
        if options:
            assert "/a.tif.msk?signature=secret" not in web.asked
        else:
            np.testing.assert_array_equal(~np.ma.getmaskarray(part), valid[:64, :64])
        assert reader.versions(href).keys() <= {href, f"{web.url}/a.tif.msk?signature=secret"}
        reader.close()


def test_a_mask_that_cannot_be_asked_for_now_is_worth_another_try(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", formula(100, 80, "uint8"), **LERC)
    with serve(tmp_path) as web:
        web.away = ".msk"
        reader = CogReader(retry_seconds=0.1)
        with pytest.raises(AssetUnreadable, match="answered 503") as caught:
            reader.describe(f"{web.url}/a.tif")
        assert caught.value.transient
        reader.close()


def test_a_server_that_fails_midway_is_worth_another_try(tmp_path: Path) -> None:
    """GDAL only knows that bytes did not come; we know why."""
    pixels = np.random.default_rng(1).integers(0, 255, (1024, 1024)).astype("u1")
    write(tmp_path / "a.tif", pixels, **LERC)
    with serve(tmp_path) as web:
        reader = CogReader(retry_seconds=0.1)
        href = f"{web.url}/a.tif"
        reader.describe(href)
        web.status = 503
        with pytest.raises(AssetUnreadable, match="answered 503") as caught:
            list(reader.read([(href, [Block(level=0, row=15, column=15)])]))
        assert caught.value.transient
        web.status = 0
        ((_, _, part),) = reader.read([(href, [Block(level=0, row=15, column=15)])])
        np.testing.assert_array_equal(part, pixels[-64:, -64:])
        reader.close()


def test_jpeg_2000_is_read(tmp_path: Path) -> None:
    pixels = formula(128, 128)
    path = tmp_path / "a.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=128, height=128, count=1, dtype="uint16", crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 300000, 0, -10, 5000000), QUALITY="100", REVERSIBLE="YES",
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    reader = CogReader()
    level = reader.describe(str(path)).levels[0]
    ((_, _, part),) = reader.read([(str(path), [Block(level=0, row=0, column=0)])])
    np.testing.assert_array_equal(part[:128, :128], pixels)
    assert (level.width, level.height) == (128, 128)
    reader.close()


def test_the_table_names_drivers_that_there_are() -> None:
    with rasterio.Env() as gdal:
        assert {driver for _, driver in SIGNATURES} <= gdal.drivers().keys()
