"""What an interval's fingerprint notices of its items."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import shapely

from arpent.adapters.collections.files import load_collections
from arpent.domain.evalscript import Input, Mosaicking
from arpent.domain.imagery.item import Asset, Item
from arpent.domain.interval import Interval
from arpent.domain.request import Source
from arpent.engine.band_bindings import BandBinding, bind_input
from arpent.engine.processing.acquisitions import Acquisitions, IntervalAcquisitions
from arpent.engine.processing.history import interval_states

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
