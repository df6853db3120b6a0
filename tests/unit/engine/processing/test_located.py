"""An item whose footprint can be read in two ways lies where its image says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.errors import AssetUnreadable
from arpent.domain.evalscript import Input, Mosaicking
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Asset, Item
from arpent.domain.interval import Interval
from arpent.domain.request import Source
from arpent.engine.analysis.estimate import available_imagery
from arpent.engine.band_bindings import BandBinding
from arpent.engine.processing.acquisitions import located
from arpent.engine.processing.final_attempt import PATIENCE, FinalAttemptReader
from arpent.engine.processing.sample_geometry import without_samples
from arpent.engine.services import Services

LIKELY = shapely.box(170.0, 0.0, 180.0, 10.0)
DAY = Interval(start=datetime(2025, 6, 1, tzinfo=UTC), end=datetime(2025, 6, 2, tzinfo=UTC))
COLLECTION = Collection(id="sentinel-2-l2a", aliases=(), stac_collections=(), bands={})
DOUBTFUL = Item(
    id="a", collection=COLLECTION.id, instant=DAY.start, created=None, cloud_cover=None,
    footprint=shapely.box(-180.0, 0.0, 180.0, 10.0), likely=LIKELY, assets={"B04": Asset(href="https://a.test/b04.tif")},
)  # fmt: skip
BINDING = BandBinding(
    input=Input(datasource=None, bands=("B04",), units=(None,), mosaicking=Mosaicking.SIMPLE),
    source=Source(id="0", collection=COLLECTION.id),
    collection=COLLECTION,
    requests=(),
)


class World:
    """A catalogue of one item whose image cannot be read."""

    def __init__(self, *, transient: bool) -> None:
        self.error = AssetUnreadable("image b04.tif does not answer", transient=transient)

    def describe(self, *_: object) -> None:
        raise self.error

    def prepare(self, *_: object) -> None:
        return

    def search(self, *_: object) -> tuple[Item, ...]:
        return (DOUBTFUL,)

    @property
    def services(self) -> Services:
        mine = cast(Any, self)
        return Services(
            objects=mine, catalog=mine, reader=mine, runtime=mine, collections=mine, features=mine, table=None
        )


def test_one_that_cannot_be_read_for_a_moment_is_waited_for() -> None:
    """The other reading may be the right one: features there would have no imagery, without a word."""
    with pytest.raises(AssetUnreadable, match="does not answer"):
        located(DOUBTFUL, BINDING, World(transient=True).services)
    found = located(DOUBTFUL, BINDING, World(transient=False).services)
    assert found == replace(DOUBTFUL, footprint=LIKELY, likely=None)


def test_one_whose_store_is_away_at_last_may_lie_at_both() -> None:
    """Features of both readings have an error that START takes up; where it is refused for good, the likely one counts
    alone."""
    services = World(transient=True).services
    final = replace(services, reader=FinalAttemptReader(services.reader))
    for _ in range(2 * PATIENCE):
        assert located(DOUBTFUL, BINDING, final) == replace(DOUBTFUL, likely=None)


def test_an_analysis_does_without() -> None:
    """It would wait, and fail, for an item that may lie on the other side of the globe."""
    shapes = np.array([shapely.box(175.0, 1.0, 175.001, 1.001)], object)
    features = Features(crs=CRS.from_epsg(4326), ids=np.arange(1), identifiers=(None,), geometries=shapes)
    geometry = without_samples(features, Grids.over(features.bounds, Resolution(x=0.0001, y=0.0001)))
    seen = available_imagery([BINDING], [DAY], geometry, World(transient=True).services)
    assert seen.reached.tolist() == [True]
