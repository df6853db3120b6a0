"""Odd tags of GeoTIFFs mean here what they mean to GDAL: where pixels lie, and which number is no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile

from arpent.adapters.images.reader import CogReader
from arpent.domain.imagery.raster import Raster

LEFT, TOP = 500000.0, 5100000.0
SCALE, TIE, MATRIX, KEYS, NO_DATA = 33550, 33922, 34264, 34735, 42113
UTM = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
POINT = (*UTM[:11], 2, *UTM[12:])
"""As UTM, but the tie point is the middle of a pixel."""
CORNER = (0, 0, 0, LEFT, TOP, 0)


def matrix(step: float) -> tuple[float, ...]:
    return (step, 0, 0, LEFT, 0, -step, 0, TOP, 0, 0, 0, 0, 0, 0, 0, 1)


def described(
    path: Path, keys: tuple[int, ...] = UTM, no_data: str = "", kind: str = "int16", **tags: tuple[float, ...]
) -> Raster:
    codes = {"scale": SCALE, "tie": TIE, "matrix": MATRIX}
    extra: list[Any] = [(codes[name], "d", len(values), values, True) for name, values in tags.items()]
    extra.append((KEYS, "H", len(keys), keys, True))
    if no_data:
        extra.append((NO_DATA, "s", 0, no_data, True))
    tifffile.imwrite(path, np.ones((16, 16), kind), extratags=extra, metadata=None)
    reader = CogReader()
    try:
        return reader.describe(str(path))
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("keys", "tags"),
    [
        (UTM, {"scale": (10.0, 10.0, 0.0), "tie": CORNER}),
        (UTM, {"scale": (10.0, 10.0, 0.0), "tie": (10.5, 20.25, 0, LEFT + 105, TOP - 202.5, 0)}),
        (UTM, {"scale": (10.0, -10.0, 0.0), "tie": CORNER}),
        (UTM, {"scale": (-10.0, 10.0, 0.0), "tie": CORNER}),
        (UTM, {"scale": (10.0, 10.0, 0.0), "tie": CORNER, "matrix": matrix(20.0)}),
        (UTM, {"matrix": matrix(20.0)}),
        (POINT, {"matrix": matrix(20.0)}),
        (POINT, {"scale": (10.0, 10.0, 0.0), "tie": CORNER}),
    ],
)
def test_pixels_lie_where_gdal_says(tmp_path: Path, keys: tuple[int, ...], tags: dict[str, Any]) -> None:
    path = tmp_path / "image.tif"
    found = described(path, keys, **tags)
    with rasterio.open(path) as image:
        assert tuple(found.transform) == tuple(image.transform)


@pytest.mark.parametrize(
    ("text", "number"),
    [("-9999", -9999), (" 255.0 ", 255), ("2.55e2", 255), ("0,5", 0.5), ("1_0", 1), ("7abc", 7), ("x7", None)],
)
def test_the_number_that_the_tag_begins_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, number: float | None
) -> None:
    found = described(tmp_path / "image.tif", no_data=text, scale=(10.0, 10.0, 0.0), tie=CORNER)
    assert found.no_data == number
    assert not caplog.records


@pytest.mark.parametrize("text", ["1.#QNAN", "-1.#IND", "1.#INF", "-1.#INF", "nan", "inf"])
def test_what_is_no_number_is_no_number_of_pixels(tmp_path: Path, text: str) -> None:
    path = tmp_path / "image.tif"
    found = described(path, no_data=text, kind="float32", scale=(10.0, 10.0, 0.0), tie=CORNER)
    with rasterio.open(path) as image:
        assert image.nodata is not None
        assert found.no_data == pytest.approx(image.nodata, nan_ok=True)
