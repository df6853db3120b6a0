"""BILINEAR and BICUBIC against a slow formula; levels and the choice between up- and downsampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from arpent.domain.request import Resampling
from arpent.raster.mosaic import simple
from tests.support.cogs import UTM, MemoryReader, band, boxes_site, centres, collection, formula, item, source, wants

RED, SCL = band("B04"), band("SCL", categorical=True)
NEAREST, BILINEAR, BICUBIC = Resampling
BOXES = [[500001, 5099391, 500217, 5099611], [500127, 5099503, 500401, 5099707], [499990, 5099950, 500044, 5100010]]


def kernel(resampling: Resampling, distance: float) -> float:
    d = abs(distance)
    if resampling is BILINEAR:
        return max(0.0, 1.0 - d)
    if d < 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def weighted(pixels: np.ndarray, column: float, row: float, resampling: Resampling) -> tuple[float, float, int]:
    """Weighted sum, weight, and how many pixels of the window have data."""
    reach = 1 if resampling is BILINEAR else 2
    total = weight = 0.0
    count = 0
    u, v = column - 0.5, row - 0.5
    for j in range(math.floor(v) - reach + 1, math.floor(v) + reach + 1):
        for i in range(math.floor(u) - reach + 1, math.floor(u) + reach + 1):
            if 0 <= i < pixels.shape[1] and 0 <= j < pixels.shape[0] and pixels[j, i]:
                w = kernel(resampling, u - i) * kernel(resampling, v - j)
                total, weight, count = total + w * float(pixels[j, i]), weight + w, count + 1
    return total, weight, count


def slow(pixels: np.ndarray, column: float, row: float, resampling: Resampling) -> float:
    inside = 0 <= column < pixels.shape[1] and 0 <= row < pixels.shape[0]
    if not inside or not pixels[int(row), int(column)]:
        return 0.0
    if resampling is BICUBIC:
        total, weight, count = weighted(pixels, column, row, BICUBIC)
        if count == 16:
            return total
    total, weight, _ = weighted(pixels, column, row, BILINEAR)
    return total / weight


@pytest.mark.parametrize("resampling", [BILINEAR, BICUBIC])
@pytest.mark.parametrize("block", [16, 3])
def test_interpolation_equals_the_formula_across_blocks_holes_and_edges(resampling: Resampling, block: int) -> None:
    pixels = formula(80, 64) * 3 % 1999 + 1
    pixels[40:44, 10:20] = 0
    reader = MemoryReader({"r": pixels}, block=block)
    sampling = boxes_site(BOXES, 4.0)
    result = simple(
        [item("i", {"B04": "r"})], wants(RED), sampling, reader, source=source(upsampling=resampling),
        collection=collection(RED),
    )  # fmt: skip
    x, y = centres(sampling)
    places = zip((x - 500000.0) / 10.0, (5100000.0 - y) / 10.0, strict=True)
    expected = [slow(pixels, column, row, resampling) for column, row in places]
    np.testing.assert_allclose(result.values[0], expected, rtol=1e-5, atol=1e-3)
    assert result.values[0].dtype == np.float32
    assert result.mask.tolist() == [int(value != 0) for value in expected]
    assert max(reader.blocks.values()) == 1


def test_classes_are_never_interpolated() -> None:
    reader = MemoryReader({"s": formula(80, 64, "uint8")})
    result = simple(
        [item("i", {"SCL": "s"})], wants(SCL), boxes_site(BOXES, 4.0), reader,
        source=source(upsampling=BICUBIC, downsampling=BICUBIC), collection=collection(SCL),
    )  # fmt: skip
    assert result.values[0].dtype == np.uint8
    assert set(result.values[0].tolist()) <= {0, *np.unique(reader.images["s"]).tolist()}


@pytest.mark.parametrize(
    ("resolution", "downsampling", "level"),
    [(10, BILINEAR, 0), (19, BILINEAR, 0), (20, BILINEAR, 1), (39, BICUBIC, 1), (50, BICUBIC, 2), (50, NEAREST, 0)],
)
def test_an_overview_is_read_only_if_it_is_not_coarser_than_the_request(
    resolution: float, downsampling: Resampling, level: int
) -> None:
    full = formula(80, 64)
    reader = MemoryReader({"r": full}, overviews={"r": [full[::2, ::2], full[::4, ::4]]})
    side = resolution * 12
    sampling = boxes_site([[500000, 5100000 - side, 500000 + side, 5100000]], resolution)
    simple(
        [item("i", {"B04": "r"})], wants(RED), sampling,
        reader, source=source(downsampling=downsampling), collection=collection(RED),
    )  # fmt: skip
    assert {block.level for _, _, block in reader.blocks} == {level}


def test_each_feature_is_resampled_as_if_it_were_alone() -> None:
    """The grid is stretched to the feature: at 10 m one of these is finer than the source, the other coarser."""
    finer, coarser = [500000, 5099900, 500104, 5100000], [500200, 5099900, 500296, 5100000]
    reader = MemoryReader({"r": formula(80, 64)})

    def read(*boxes: list[int]) -> np.ndarray:
        return simple(
            [item("i", {"B04": "r"})], wants(RED), boxes_site(boxes), reader,
            source=source(upsampling=BILINEAR, downsampling=NEAREST), collection=collection(RED),
        ).values[0]  # fmt: skip

    np.testing.assert_array_equal(read(finer, coarser), np.concatenate((read(finer), read(coarser))))
    assert (read(finer) % 1 != 0).any() != (read(coarser) % 1 != 0).any()


@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4"), ("u2", "f8"), ("f8", "u2"), ("u2", "u4")])
def test_numbers_are_rounded_by_the_type_of_their_own_image(types: tuple[str, str]) -> None:
    """Each feature has an image of its own: what a neighbour's holds must not show."""
    boxes = [[500001, 5099391, 500217, 5099611], [500301, 5099391, 500517, 5099611]]
    pixels = formula(80, 64).astype(np.float64) / (1 if "u" in "".join(types) else 7)
    reader = MemoryReader({kind: pixels.astype(kind) for kind in types})
    degrees = Transformer.from_crs(UTM, 4326, always_xy=True)
    items = [
        item(kind, {"B04": kind}, footprint=shapely.box(*degrees.transform_bounds(*box)))
        for kind, box in zip(types, boxes, strict=True)
    ]

    def read(*boxes: list[int]) -> np.ndarray:
        return simple(
            items, wants(RED), boxes_site(boxes), reader, source=source(upsampling=BILINEAR),
            collection=collection(RED),
        ).values[0]  # fmt: skip

    np.testing.assert_array_equal(read(*boxes), np.concatenate([read(box) for box in boxes]))


@pytest.mark.parametrize("resampling", [BILINEAR, BICUBIC])
def test_an_infinite_pixel_costs_only_samples_that_it_has_a_share_in(resampling: Resampling) -> None:
    pixels = (formula(12, 12) % 100 + 1.0).astype(np.float32)
    pixels[5, 5] = math.inf
    pixels[2, 7] = 0.0
    mosaic = simple(
        [item("i", {"B04": "r"})], wants(RED), boxes_site([[500000, 5099880, 500120, 5100000]], 10.0),
        MemoryReader({"r": pixels}), source=source(upsampling=resampling), collection=collection(RED),
    )  # fmt: skip
    np.testing.assert_array_equal(mosaic.values[0].reshape(12, 12), pixels, "samples on the centres of pixels")
    mosaic = simple(
        [item("i", {"B04": "r"})], wants(RED), boxes_site([[500000, 5099880, 500120, 5100000]], 4.0),
        MemoryReader({"r": pixels}), source=source(upsampling=resampling), collection=collection(RED),
    )  # fmt: skip
    infinite = ~np.isfinite(mosaic.values[0].reshape(30, 30))
    reach = 1.5 if resampling is BILINEAR else 2.5
    rows, columns = np.nonzero(infinite)
    assert len(rows)
    assert np.abs((rows + 0.5) * 0.4 - 5.5).max() < reach
    assert np.abs((columns + 0.5) * 0.4 - 5.5).max() < reach
    near_hole = np.s_[9:11, 14:16]  # where BICUBIC becomes BILINEAR, and the infinite pixel is in its outer ring
    assert np.isfinite(mosaic.values[0].reshape(30, 30)[near_hole]).all()
