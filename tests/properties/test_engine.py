"""A feature's result depends on nothing but the feature: not on neighbours, order, partitioning or repetition."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.engine import Engine, wish
from tests.support.parcels import Parcel, good_parcels
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI
from tests.support.season_scripts import ANOMALY, CHANGE, FILTERED, PER_SCENE
from tests.support.seasons import make_season

S2 = "sentinel-2-l2a"
PARCELS = good_parcels(12)
EPSG = (32633, 3794)
SMOOTH = {"type": S2, "processing": {"upsampling": "BICUBIC", "downsampling": "BILINEAR"}}
OWN_EDGES = {"default": {"histograms": {"default": {"nBins": 4}}}}
EARLY = {"from": "2023-06-01T00:00:00Z", "to": "2023-06-12T00:00:00Z"}
MONTH = {"of": "P1M"}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "simple": wish(NDVI.text, aggregationInterval={"of": "P6D"}),
    "smooth and coarse": wish(GREENEST_DAY.text, SMOOTH, resx=31.0, resy=17.0, calculations=OWN_EDGES),
    "smooth and fine": wish(NDVI.text, SMOOTH, resx=4.0, resy=6.0),
    "days": wish(GREENEST_DAY.text, calculations=OWN_EDGES),
    "tiles": wish(GREENEST_TILE.text, aggregationInterval=MONTH),
    "filtered": wish(FILTERED.text, aggregationInterval=MONTH),
    "band per scene": wish(PER_SCENE.text, aggregationInterval={"of": "P10D"}),
    "two sources": wish(
        CHANGE.text, {"type": S2, "id": "early", "dataFilter": {"timeRange": EARLY}}, {"type": S2, "id": "late"}
    ),
    "one and many": wish(ANOMALY.text, {"type": S2, "id": "best"}, {"type": S2, "id": "season"}),
}

Choice = tuple[list[Parcel], list[int]]


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    """Some parcels in some order, and where they are cut into partitions."""
    parcels = draw(st.lists(st.sampled_from(PARCELS), min_size=1, max_size=len(PARCELS), unique_by=lambda one: one.id))
    return parcels, draw(st.lists(st.integers(1, len(parcels)), max_size=4, unique=True))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("engine")
    return Engine.over(make_season(folder / "stac"), folder)


@pytest.fixture(scope="module")
def alone(engine: Engine) -> Any:
    """(body's name, EPSG, place among the parcels) → the parcel's file when it is a job by itself."""

    @cache
    def file(name: str, epsg: int, place: int) -> bytes:
        return engine.files(BODIES[name], [PARCELS[place]], epsg)[PARCELS[place].id]

    return file


def check(engine: Engine, alone: Any, name: str, choice: Choice, epsg: int) -> None:
    parcels, cuts = choice
    expected = {parcel.id: alone(name, epsg, PARCELS.index(parcel)) for parcel in parcels}
    assert engine.files(BODIES[name], parcels, epsg, cuts) == expected


@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=2, deadline=None)
@given(choice=choices(), epsg=st.sampled_from(EPSG))
def test_company_does_not_matter(engine: Engine, alone: Any, name: str, choice: Choice, epsg: int):
    check(engine, alone, name, choice, epsg)


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=10, deadline=None)
@given(choice=choices(), epsg=st.sampled_from(EPSG))
def test_company_does_not_matter_in_many_cases(engine: Engine, alone: Any, name: str, choice: Choice, epsg: int):
    check(engine, alone, name, choice, epsg)


@pytest.mark.parametrize("name", BODIES)
def test_a_second_run_writes_the_same_bytes(engine: Engine, name: str):
    first = engine.files(BODIES[name], PARCELS)
    assert engine.files(BODIES[name], PARCELS) == first
    assert len(set(first.values())) == len(PARCELS)
