"""As many bands, and as many items, as a request may have: a count that runs over would make all samples no data."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.raster.canvas import Canvas
from arpent.raster.conversion import Conversion
from arpent.raster.mosaic import simple
from tests.support.cogs import DN, MemoryReader, band, boxes_site, collection, formula, item, source, wants

PLAIN = Conversion(no_data=0.0, offset=0.0, low=0.0, high=np.inf, dtype=np.dtype(np.uint16))
PIXELS = formula(16, 16)
BOX = [[500000, 5099900, 500030, 5099930]]


def filled(bands: int, items: int, item: int = 0) -> Canvas:
    """Two samples; every band has data at the first, and every band but one at the second."""
    canvas = Canvas(1, 2, (0.0,) * bands, items)
    for number in range(bands):
        canvas.widen(number, np.dtype(np.uint16))
        target = canvas.target(0, number, PLAIN)
        target.values[:] = 7
        target.hits[: 1 if number == bands - 1 else 2] += 1
    canvas.commit(0, item, None)
    return canvas


@pytest.mark.parametrize("bands", [1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537])
def test_a_sample_has_data_where_every_band_has(bands: int) -> None:
    assert filled(bands, 1).mask.tolist() == [[1, 0]]


@pytest.mark.parametrize("items", [1, 255, 256, 32767, 32768, 32769, 65536, 65537, 100_000])
def test_the_last_of_many_items_is_known_by_its_position(items: int) -> None:
    assert filled(1, items, items - 1).used.tolist() == [[items - 1, -1]]


def test_what_no_item_fills_is_a_hole_and_the_next_item_may_fill_it() -> None:
    canvas = filled(1, 2)
    assert canvas.filled(0).tolist() == [1, 0]
    assert canvas.vacant(0, np.array([0, 1, 2, 2])).tolist() == [False, True, False]
    assert canvas.finish(None)[0].tolist() == [[7, 0]]
    canvas.target(0, 0, PLAIN).hits[1] += 1
    canvas.commit(0, 1, None)
    assert (canvas.mask.tolist(), canvas.used.tolist()) == ([[1, 1]], [[0, 1]])


NONE = np.zeros(0, np.intp)


@pytest.mark.parametrize("barred", [None, np.array([False, True, False])])
@pytest.mark.parametrize("beyond", [NONE, np.array([2])])
@pytest.mark.parametrize("whole", [0, 1, 2])
def test_a_band_with_data_everywhere_needs_no_hits(whole: int, beyond: np.ndarray, barred: np.ndarray | None) -> None:
    """Of three samples with two bands; the bands that count hits have them at the first and the third."""
    canvas = Canvas(1, 3, (5.0, 6.0), 2)
    for number in range(2):
        canvas.widen(number, np.dtype(np.uint16))
        canvas.target(0, number, PLAIN).values[:] = 7
        canvas.note(beyond if number < whole else None)
    canvas.hits[[0, 2]] = 2 - whole
    canvas.commit(0, 1, barred)
    there = [1, int(whole == 2 and barred is None), int(whole == 0 or not len(beyond))]
    assert canvas.mask.tolist() == [there]
    assert canvas.used.tolist() == [[1 if one else -1 for one in there]]
    assert canvas.vacant(0, np.arange(4)).tolist() == [not one for one in there]
    assert canvas.hits.tolist() == [0, 0, 0]
    canvas.target(0, 0, PLAIN).hits[:] = 1  # of the next item, of which one band only is read
    canvas.commit(0, 0, None)
    assert canvas.mask.tolist() == [there]
    assert [one.tolist() for one in canvas.finish(None)] == [[[7 if one else hole for one in there]] for hole in (5, 6)]


def test_what_was_noted_of_an_item_is_forgotten_with_it() -> None:
    canvas = Canvas(1, 2, (0.0,), 1)
    canvas.widen(0, np.dtype(np.uint16))
    canvas.note(NONE)
    canvas.forget()
    canvas.commit(0, 0, None)
    assert canvas.mask.tolist() == [[0, 0]]


def test_a_scene_that_no_item_begins_has_holes_only() -> None:
    canvas = Canvas(2, 3, (5.0,), 1)
    assert not len(canvas.filled(1))
    assert canvas.vacant(1, np.array([0, 2, 2, 3])).tolist() == [True, False, True]
    canvas.abandon(np.array([True, False, False]))
    assert canvas.filled(0).tolist() == [1, 0, 0]
    assert canvas.finish(np.array([True, False, False]))[0].tolist() == [[5] * 3] * 2
    assert (canvas.mask.tolist(), canvas.used.tolist()) == ([[0] * 3] * 2, [[-1] * 3] * 2)


def test_a_usual_request_pays_for_no_wide_counts() -> None:
    canvas = Canvas(1, 2, (0.0,) * 13, 400)
    assert (canvas.hits.dtype, canvas.used.dtype) == (np.uint8, np.int16)


@pytest.mark.parametrize("count", [255, 256, 257])
def test_a_mosaic_of_many_bands_has_its_numbers(count: int) -> None:
    bands = [band(f"N{number}", units=(DN,)) for number in range(count)]
    scene = item("i", {one.name: one.name for one in bands})
    reader = MemoryReader({one.name: PIXELS + number for number, one in enumerate(bands)})
    sampling = boxes_site(BOX)
    found = simple([scene], wants(*bands, unit=DN), sampling, reader, source=source(), collection=collection(*bands))
    assert found.mask.tolist() == [1] * len(sampling.samples)
    assert found.used.tolist() == [0] * len(sampling.samples)
    below = (5_100_000 - 5_099_930) // 10  # rows of the image above the site
    np.testing.assert_array_equal(
        found.values[-1], PIXELS[sampling.samples.rows + below, sampling.samples.columns] + count - 1
    )  # fmt: skip


def test_the_mosaic_tells_the_canvas_how_many_items_there_are() -> None:
    """More than 16 bits can count. Those that lack the band are passed over, so that only the last is read."""
    red = band("B04", units=(DN,))
    many = [item("empty", {})] * 40_000
    sampling = boxes_site([[500000, 5099900, 500010, 5099910]])
    found = simple(
        [*many, item("last", {"B04": "r"})], wants(red, unit=DN), sampling, MemoryReader({"r": PIXELS}),
        source=source(), collection=collection(red),
    )  # fmt: skip
    assert found.used.tolist() == [40_000]
