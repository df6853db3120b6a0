"""A broken image costs the features that need it, and only those; the next item never takes its place unseen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.ports.imagery import Block
from arpent.raster.mosaic import Mosaic, simple, stack
from arpent.raster.sampling_plan import SamplingPlan
from tests.support.cogs import MemoryReader, band, boxes_site, collection, formula, item, source, wants

RED, NIR = band("B04"), band("B08")
LEFT, RIGHT, BELOW = [500000, 5099900, 500050, 5099980], [500400, 5099900, 500450, 5099980], [500000, 5099400, 500050,
                                                                                             5099450]  # fmt: skip
SITE_BOXES = [LEFT, RIGHT, BELOW]


@dataclass
class BrokenReader(MemoryReader):
    """Some images cannot be opened, some have blocks that cannot be decoded."""

    closed: frozenset[str] = frozenset()
    bad: frozenset[tuple[str, int, int]] = frozenset()
    """(href, row, column)."""
    transient: bool = False

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        if href in self.closed:
            raise AssetUnreadable(f"image {href} does not exist", href=href, transient=self.transient)
        return super().describe(href, place)

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        for href, block, pixels in super().read(requests, band):
            if (href, block.row, block.column) in self.bad:
                place = (block.level, block.row, block.column)
                raise AssetUnreadable(f"image {href}: {place}", href=href, block=place, transient=self.transient)
            yield href, block, pixels


def image(seed: int, *holes: tuple[slice, slice]) -> NDArray[np.generic]:
    pixels = formula(80, 64, seed=seed)
    for place in holes:
        pixels[place] = 0
    return pixels


def mosaic(
    reader: MemoryReader, sampling: SamplingPlan, count: int = 1, *, bands: tuple[object, ...] = (RED,)
) -> Mosaic:
    prefixes = {"B04": "r", "B08": "n"}
    items = [item(f"I{k}", {one.name: f"{prefixes[one.name]}{k}" for one in bands}) for k in range(count)]  # type: ignore[attr-defined]
    return simple(items, wants(*bands), sampling, reader, source=source(), collection=collection(RED, NIR))  # type: ignore[arg-type]


def lost(result: Mosaic) -> list[bool]:
    return np.any([fault.features for fault in result.faults], axis=0).tolist()


def of(sampling: SamplingPlan, feature: int) -> slice:
    return slice(sampling.samples.offsets[feature], sampling.samples.offsets[feature + 1])


def test_a_broken_block_costs_the_features_on_it() -> None:
    sampling = boxes_site(SITE_BOXES)
    whole = mosaic(MemoryReader({"r0": image(1)}), sampling)
    reader = BrokenReader({"r0": image(1)}, bad=frozenset({("r0", 0, 0)}))
    result = mosaic(reader, sampling)
    assert lost(result) == [True, False, False]
    (fault,) = result.faults
    assert "item I0, band B04: image r0" in fault.message
    assert not result.mask[of(sampling, 0)].any()
    for feature in (1, 2):
        np.testing.assert_array_equal(result.values[0][of(sampling, feature)], whole.values[0][of(sampling, feature)])
        assert result.mask[of(sampling, feature)].all()


def test_every_broken_block_is_found_in_two_readings() -> None:
    sampling = boxes_site(SITE_BOXES)
    reader = BrokenReader({"r0": image(1)}, bad=frozenset({("r0", 0, 0), ("r0", 0, 2), ("r0", 3, 0)}))
    result = mosaic(reader, sampling)
    assert lost(result) == [True, True, True]
    assert max(reader.blocks.values()) <= 2


def test_the_next_item_does_not_take_its_place() -> None:
    sampling = boxes_site([LEFT, RIGHT])
    reader = BrokenReader({"r0": image(1), "r1": image(2)}, bad=frozenset({("r0", 0, 0)}))
    result = mosaic(reader, sampling, 2)
    assert lost(result) == [True, False]
    assert not any(href == "r1" for href, _, _ in reader.blocks), "nobody needs the second item"


def test_who_is_full_already_does_not_need_it() -> None:
    """The first item has a hole on the right: only that feature asks the broken second one."""
    sampling = boxes_site([LEFT, RIGHT])
    images = {"r0": image(1, (slice(None), slice(30, 64))), "r1": image(2), "r2": image(3)}
    for broken in (BrokenReader(images, closed=frozenset({"r1"})), BrokenReader(images, bad=frozenset({("r1", 0, 2)}))):
        result = mosaic(broken, sampling, 3)
        assert lost(result) == [False, True]
        assert result.mask[of(sampling, 0)].all()
        assert set(result.used[of(sampling, 0)].tolist()) == {0}
        assert "item I1, band B04" in result.faults[0].message


def test_an_item_that_cannot_be_opened_costs_those_its_footprint_reaches() -> None:
    sampling = boxes_site([LEFT, [500700, 5099900, 500750, 5099980]])
    reader = BrokenReader({"r0": image(1)}, closed=frozenset({"r0"}))
    left = shapely.box(14.9, 45.9, 15.00825, 46.1)
    items = [item("I0", {"B04": "r0"}, footprint=left)]
    result = simple(items, wants(RED), sampling, reader, source=source(), collection=collection(RED))
    assert lost(result) == [True, False]


def test_one_band_is_enough_to_lose_the_item() -> None:
    sampling = boxes_site([LEFT, RIGHT])
    reader = BrokenReader({"r0": image(1), "n0": image(2)}, bad=frozenset({("n0", 0, 0)}))
    whole = mosaic(MemoryReader({"r0": image(1), "n0": image(2)}), sampling, bands=(RED, NIR))
    result = mosaic(reader, sampling, bands=(RED, NIR))
    assert lost(result) == [True, False]
    for broken, intact in zip(result.values, whole.values, strict=True):
        np.testing.assert_array_equal(broken[of(sampling, 1)], intact[of(sampling, 1)])


def test_a_scene_that_is_broken_costs_the_feature_not_the_other_scenes_of_others() -> None:
    sampling = boxes_site([LEFT, RIGHT])
    images = {f"r{k}": image(k + 1) for k in range(3)}
    items = [[item(f"I{k}", {"B04": f"r{k}"})] for k in range(3)]
    intact = stack(items, wants(RED), sampling, MemoryReader(images), source=source(), collection=collection(RED))
    reader = BrokenReader(images, bad=frozenset({("r1", 0, 0)}))
    result = stack(items, wants(RED), sampling, reader, source=source(), collection=collection(RED))
    (fault,) = result.faults
    assert fault.features.tolist() == [True, False]
    np.testing.assert_array_equal(result.values[0][:, of(sampling, 1)], intact.values[0][:, of(sampling, 1)])
    assert result.mask[:, of(sampling, 1)].all()
    assert not result.mask[:, of(sampling, 0)].any()


@pytest.mark.parametrize("fault", [{"closed": frozenset({"r0"})}, {"bad": frozenset({("r0", 0, 0)})}])
def test_what_may_pass_is_raised(fault: dict[str, frozenset[str]]) -> None:
    with pytest.raises(AssetUnreadable):
        mosaic(BrokenReader({"r0": image(1)}, transient=True, **fault), boxes_site(SITE_BOXES))  # type: ignore[arg-type]


@dataclass
class HealingReader(BrokenReader):
    """Each block is damaged so many times, and whole afterwards."""

    times: int = 1

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        if self.times:
            self.times -= 1
            yield from super().read(requests, band)
        else:
            yield from MemoryReader.read(self, requests, band)


def test_a_block_that_is_damaged_for_a_moment_costs_nothing() -> None:
    """It would cost each feature of the partition all of its intervals."""
    sampling = boxes_site(SITE_BOXES)
    whole = mosaic(MemoryReader({"r0": image(1)}), sampling)
    result = mosaic(HealingReader({"r0": image(1)}, bad=frozenset({("r0", 0, 0)})), sampling)
    assert not result.faults
    np.testing.assert_array_equal(result.values[0], whole.values[0])


@dataclass
class MoodyReader(BrokenReader):
    """Each block is damaged whenever others are read with it, and whole alone."""

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        alone = sum(len(blocks) for _, blocks in requests) == 1
        yield from MemoryReader.read(self, requests, band) if alone else super().read(requests, band)


def test_a_block_that_is_damaged_again_and_again_costs_its_features() -> None:
    """Reading ends, and others keep their samples."""
    sampling = boxes_site(SITE_BOXES)
    result = mosaic(MoodyReader({"r0": image(1)}, bad=frozenset({("r0", 0, 0)})), sampling)
    once = mosaic(BrokenReader({"r0": image(1)}, bad=frozenset({("r0", 0, 0)})), sampling)
    assert result.faults
    assert [str(each) for each in result.faults] == [str(each) for each in once.faults]
