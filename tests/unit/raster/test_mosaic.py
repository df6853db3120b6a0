"""First item that has data wins; nothing is read twice, and nothing that is not needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine

from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.collection import Unit
from arpent.domain.imagery.item import Asset, Calibration, CalibrationFile, Item
from arpent.domain.imagery.raster import Georeference
from arpent.raster.canvas import Canvas
from arpent.raster.mosaic import Mosaic, simple, stack
from arpent.raster.sampling_plan import SamplingPlan
from tests.support.cogs import (
    DN,
    REFLECTANCE,
    TRANSFORM,
    MemoryReader,
    band,
    boxes_site,
    centres,
    collection,
    formula,
    item,
    source,
    wants,
)  # fmt: skip

RED, NIR, SCL = band("B04"), band("B08"), band("SCL", categorical=True, units=(DN,))
BOXES = [[500003, 5099395, 500217, 5099611], [500120, 5099500, 500400, 5099705], [500555, 5099205, 500577, 5099222]]


def image(seed: int, *holes: tuple[slice, slice]) -> np.ndarray:
    pixels = formula(80, 64, seed=seed)
    for place in holes:
        pixels[place] = 0
    return pixels


def mosaic(items: list[Item], reader: MemoryReader, sampling: SamplingPlan, *bands: object) -> Mosaic:
    return simple(items, wants(*bands), sampling, reader, source=source(), collection=collection(RED, NIR, SCL))


def oracle(scenes: list[list[np.ndarray]], sampling: SamplingPlan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample by sample, item by item: values (bands, N), mask, used."""
    x, y = centres(sampling)
    values = np.zeros((len(scenes[0]), len(x)), np.int64)
    used = np.full(len(x), -1)
    for n in range(len(x)):
        column, row = int((x[n] - TRANSFORM.c) // 10), int((TRANSFORM.f - y[n]) // 10)
        for number, bands in enumerate(scenes):
            pixels = [
                one[row, column] if 0 <= row < one.shape[0] and 0 <= column < one.shape[1] else 0 for one in bands
            ]
            if all(pixels):
                values[:, n], used[n] = pixels, number
                break
    return values, (used >= 0).astype(int), used


def test_a_mosaic_of_holes_equals_the_slow_oracle() -> None:
    sampling = boxes_site([*BOXES, [500600, 5099300, 500700, 5099400]])
    left, top, hole = (slice(None), slice(0, 20)), (slice(0, 45), slice(None)), (slice(40, 60), slice(5, 30))
    scenes = [[image(1, left), image(2, hole)], [image(3, top), image(4)], [image(5), image(6, hole)]]
    images = {
        f"{band}{number}": one for number, pair in enumerate(scenes) for band, one in zip("rn", pair, strict=True)
    }
    items = [item(str(number), {"B04": f"r{number}", "B08": f"n{number}"}) for number in range(3)]
    reader = MemoryReader(images)
    result = mosaic(items, reader, sampling, RED, NIR)
    values, mask, used = oracle(scenes, sampling)
    np.testing.assert_array_equal(result.used, used)
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(np.stack(result.values), values)
    assert set(used.tolist()) == {-1, 0, 1, 2}, "the case must exercise every item, and samples outside"
    assert max(reader.blocks.values()) == 1, "a block was decoded twice"


@pytest.mark.parametrize("row", [0, 20, 40, 79])
@pytest.mark.parametrize("bands", [(RED,), (RED, NIR)])
def test_one_pixel_without_data_in_any_block_is_found(row: int, bands: tuple[object, ...]) -> None:
    """Hits are counted from the first block with such a pixel on, and then for the blocks before it, too."""
    sampling = boxes_site([[500000, 5099200, 500640, 5100000]])
    images = {"r": image(1, (slice(row, row + 1), slice(30, 31))), "n": image(2)}
    found = mosaic([item("i", {"B04": "r", "B08": "n"})], MemoryReader(images), sampling, *bands)
    pixels = [images[name][sampling.samples.rows, sampling.samples.columns] for name in ("r", "n")[: len(bands)]]
    expected = np.logical_and.reduce([one != 0 for one in pixels])
    assert 0 < expected.sum() < len(expected)
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(found.used, np.where(expected, 0, -1))
    for values, one in zip(found.values, pixels, strict=True):
        np.testing.assert_array_equal(values, np.where(expected, one, 0))


def test_samples_beyond_an_image_have_no_data_though_all_others_have() -> None:
    sampling = boxes_site([[500000, 5099900, 500050, 5099980], [500600, 5099300, 500700, 5099400]])
    found = mosaic([item("i", {"B04": "r"})], MemoryReader({"r": image(1)}), sampling, RED)
    x, _ = centres(sampling)
    np.testing.assert_array_equal(found.mask, x < 500_640)
    assert 0 < found.mask.sum() < len(found.mask)


def test_only_blocks_with_samples_are_read_and_only_down_to_the_last_row() -> None:
    reader = MemoryReader({"r": image(1)})
    mosaic([item("i", {"B04": "r"})], reader, boxes_site([[500000, 5099900, 500050, 5099980]]), RED)
    ((href, _, block),) = reader.blocks
    assert (href, block.row, block.column, block.rows) == ("r", 0, 0, 10)


def test_reading_stops_when_every_sample_is_filled() -> None:
    reader = MemoryReader({"r0": image(1), "r1": image(2)})
    result = mosaic([item("0", {"B04": "r0"}), item("1", {"B04": "r1"})], reader, boxes_site(BOXES[:2]), RED)
    assert result.mask.all()
    assert reader.described == {"r0"}


def test_the_next_item_gives_only_the_blocks_that_are_still_empty() -> None:
    sampling = boxes_site([[500000, 5099200, 500640, 5100000]])
    reader = MemoryReader({"r0": image(1, (slice(0, 16), slice(16, 32))), "r1": image(2)})
    mosaic([item("0", {"B04": "r0"}), item("1", {"B04": "r1"})], reader, sampling, RED)
    assert [(block.row, block.column) for href, _, block in reader.blocks if href == "r1"] == [(0, 1)]


def test_an_item_that_does_not_reach_an_empty_feature_is_never_opened() -> None:
    elsewhere = shapely.box(-10, -10, -9, -9)
    reader = MemoryReader({"r0": image(1), "r1": image(2)})
    items = [item("0", {"B04": "r0"}, footprint=elsewhere), item("1", {"B04": "r1"})]
    result = mosaic(items, reader, boxes_site(BOXES[:1]), RED)
    assert reader.described == {"r1"}
    assert set(result.used.tolist()) == {1}


def test_an_item_without_one_of_the_bands_gives_nothing() -> None:
    reader = MemoryReader({"r0": image(1), "r1": image(2), "n1": image(3)})
    items = [item("0", {"B04": "r0"}), item("1", {"B04": "r1", "B08": "n1"})]
    assert set(mosaic(items, reader, boxes_site(BOXES[:1]), RED, NIR).used.tolist()) == {1}


def test_one_band_in_two_units_is_read_once() -> None:
    reader = MemoryReader({"r": image(1)})
    both = (*wants(RED, unit=REFLECTANCE), *wants(RED, unit=DN))
    result = simple(
        [item("i", {"B04": "r"})], both, boxes_site(BOXES), reader, source=source(), collection=collection(RED)
    )
    np.testing.assert_array_equal(*result.values)
    assert max(reader.blocks.values()) == 1
    assert result.mask.any()


def test_a_script_of_nothing_but_the_mask_asks_the_mask_band() -> None:
    classes = image(1, (slice(0, 50), slice(None))).astype(np.uint8)
    reader = MemoryReader({"s": classes, "r": image(2)})
    only = simple(
        [item("i", {"SCL": "s", "B04": "r"})], (), boxes_site(BOXES), reader,
        source=source(), collection=collection(RED, SCL, mask_band="SCL"),
    )  # fmt: skip
    assert only.values == ()
    assert 0 < only.mask.mean() < 1
    assert reader.described == {"s"}


def test_types_widen_when_items_differ() -> None:
    reader = MemoryReader({"a": image(1, (slice(0, 60), slice(None))), "b": image(2).astype(np.float32)})
    result = mosaic([item("0", {"B04": "a"}), item("1", {"B04": "b"})], reader, boxes_site(BOXES[:1]), RED)
    assert result.values[0].dtype == np.float32
    assert result.mask.all()


def test_no_items_give_holes() -> None:
    result = mosaic([], MemoryReader({}), boxes_site(BOXES), RED, NIR)
    assert not result.mask.any()
    assert [values.any() for values in result.values] == [False, False]


def test_a_stack_is_one_mosaic_per_group() -> None:
    sampling = boxes_site(BOXES)
    images = {f"r{n}": image(n, (slice(0, 30 + 10 * n), slice(None))) for n in range(4)}
    items = [item(str(n), {"B04": f"r{n}"}) for n in range(4)]
    groups = [[items[2], items[0]], [items[1]], [items[3], items[1], items[0]]]
    reader = MemoryReader(images)
    whole = stack(groups, wants(RED), sampling, reader, source=source(), collection=collection(RED))
    assert whole.values[0].shape == whole.mask.shape == (3, len(sampling.samples))
    for number, group in enumerate(groups):
        one = mosaic(group, MemoryReader(images), sampling, RED)
        np.testing.assert_array_equal(whole.values[0][number], one.values[0])
        np.testing.assert_array_equal(whole.mask[number], one.mask)
        np.testing.assert_array_equal(whole.used[number], one.used)
    assert whole.mask.mean() > 0.2


def test_bands_of_another_resolution_use_their_own_grid() -> None:
    class TwoGrids(MemoryReader):
        def describe(self, href: str, place: Georeference | None = None) -> object:  # type: ignore[override]
            self.transform = TRANSFORM if href == "r" else TRANSFORM @ Affine.scale(2.0)
            return super().describe(href, place)

    classes = formula(40, 32, "uint8")
    result = mosaic(
        [item("i", {"B04": "r", "SCL": "s"})], TwoGrids({"r": image(1), "s": classes}), boxes_site(BOXES[:2]), RED, SCL
    )
    x, y = centres(boxes_site(BOXES[:2]))
    expected = classes[((TRANSFORM.f - y) // 20).astype(int), ((x - TRANSFORM.c) // 20).astype(int)]
    np.testing.assert_array_equal(result.values[1], expected)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_a_features_samples_do_not_depend_on_its_neighbours(order: list[int]) -> None:
    reader = MemoryReader({"r": image(1)})
    together = boxes_site([BOXES[k] for k in order])
    whole = mosaic([item("i", {"B04": "r"})], reader, together, RED).values[0]
    for place, k in enumerate(order):
        alone = mosaic([item("i", {"B04": "r"})], reader, boxes_site([BOXES[k]]), RED).values[0]
        part = slice(together.samples.offsets[place], together.samples.offsets[place + 1])
        np.testing.assert_array_equal(whole[part], alone)


def test_more_bands_than_a_byte_counts_fill_a_sample() -> None:
    bands = [band(f"B{number:03}") for number in range(260)]
    pixels = image(1)
    reader = MemoryReader({one.name: pixels for one in bands})
    result = simple(
        [item("i", {one.name: one.name for one in bands})], wants(*bands), boxes_site(BOXES[2:]), reader,
        source=source(), collection=collection(*bands),
    )  # fmt: skip
    assert result.mask.any()


@pytest.mark.parametrize("items", [1, 32_768, 32_769, 100_000])
def test_the_last_of_many_items_is_told_from_none(items: int) -> None:
    canvas = Canvas(1, 2, (0.0,), items)
    canvas.hits[0] = 1
    canvas.commit(0, items - 1, None)
    assert canvas.used.tolist() == [[items - 1, -1]]


@pytest.mark.parametrize("cut", [(slice(0, 9), slice(None)), (slice(None), slice(0, 8))], ids=["rows", "columns"])
def test_a_block_of_other_sides_than_the_header_said_is_not_gathered(cut: tuple[slice, slice]) -> None:
    """The header was read again in between, and the image was another one by then."""

    class Replaced(MemoryReader):
        def read(self, requests: object, band: int = 0) -> object:  # type: ignore[override]
            for href, block, pixels in super().read(requests, band):  # type: ignore[arg-type]
                yield href, block, np.ascontiguousarray(pixels[cut])

    sampling = boxes_site([[500000, 5099200, 500640, 5100000]])
    with pytest.raises(AssetUnreadable, match="item 0 was replaced while it was read") as caught:
        mosaic([item("0", {"B04": "r"})], Replaced({"r": image(1)}), sampling, RED)
    assert caught.value.transient


def test_what_a_file_told_before_its_image_was_read_holds_afterwards() -> None:
    """The file, asked again after the read, could fail, and all features with it. One that fails before costs its
    image."""

    class Once(MemoryReader):
        def calibration(self, file: CalibrationFile) -> Calibration:
            if self.blocks or file.href == "b_MTL.txt":
                raise AssetUnreadable("its file may not be read", href=file.href)
            return Calibration(scale=2.0, offset=1.0)

    unit = Unit(name="REFLECTANCE", calibration="toa-reflectance")
    red = band("B04", units=(unit,))
    items = []
    for name in "ab":
        file = CalibrationFile(rule="toa-reflectance", href=f"{name}_MTL.txt", image=name)
        asset = Asset(href=name, calibrations={"toa-reflectance": file})
        items.append(replace(item(name, {}), assets={"B04": asset}))
    found = stack(
        [items[:1], items[1:]], wants(red, unit=unit), boxes_site(BOXES[:1]), Once({"a": image(1), "b": image(2)}),
        source=source(), collection=collection(red),
    )  # fmt: skip
    assert len(found.faults) == 1
    alone = simple(
        items[:1], wants(red, unit=unit), boxes_site(BOXES[:1]), Once({"a": image(1)}),
        source=source(), collection=collection(red),
    )  # fmt: skip
    stored = mosaic([item("a", {"B04": "a"})], MemoryReader({"a": image(1)}), boxes_site(BOXES[:1]), RED)
    np.testing.assert_array_equal(alone.values[0], 2.0 * stored.values[0] + 1.0)
