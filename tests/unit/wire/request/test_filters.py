"""Filters of `dataFilter` that some collections have: read, and refused where a collection lacks them or the value."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import InvalidRequest
from arpent.wire.request.parse import check_collections, parse_batch
from tests.unit.wire.bodies import BATCH, text

COLLECTIONS = load_collections()


def check(collection: str, data_filter: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    body = json.loads(text(BATCH))
    body["input"]["data"] = [{"type": collection, "dataFilter": dict(data_filter)}]
    request = parse_batch(json.dumps(body))
    check_collections(request, COLLECTIONS.get)
    return request.sources[0].filters


@pytest.mark.parametrize(
    ("collection", "given"),
    [
        ("sentinel-1-grd", {"acquisitionMode": "IW", "polarization": "DV", "resolution": "HIGH"}),
        ("sentinel-1-grd", {"orbitDirection": "ASCENDING", "timeliness": "NRT3h"}),
        ("landsat-ot-l1", {"tiers": "TIER_1_AND_RT"}),
        ("landsat-etm-l2", {"tiers": "TIER_1"}),
        ("hls", {"constellation": "SENTINEL"}),
        ("sentinel-2-l2a", {"tiers": "ALL_TIERS"}),
        ("dem", {"demInstance": "COPERNICUS_90"}),
    ],
)
def test_taken(collection: str, given: dict[str, object]) -> None:
    wanted = {name: value for name, value in given.items() if name != "demInstance"}
    assert dict(check(collection, given)) == wanted


@pytest.mark.parametrize(
    ("collection", "name", "value", "told"),
    [
        ("sentinel-1-grd", "orbitDirection", "BOTH", "is 'BOTH'; sentinel-1-grd has ASCENDING, DESCENDING"),
        ("sentinel-1-grd", "acquisitionMode", "iw", "has SM, IW, EW, WV"),
        ("landsat-ot-l2", "tiers", "TIER_1_AND_RT", "has TIER_1, ALL_TIERS"),
        ("sentinel-2-l2a", "tiers", "TIER_1", "is not a filter of sentinel-2-l2a"),
        ("sentinel-2-l2a", "orbitDirection", "ASCENDING", "is not a filter of sentinel-2-l2a"),
        ("hls", "constellation", "MODIS", "has LANDSAT, SENTINEL"),
        ("dem", "demInstance", "MAPZEN", "no open archive has it"),
    ],
)
def test_refused_by_name(collection: str, name: str, value: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        check(collection, {name: value})
    assert [parameter for parameter, _ in caught.value.violations] == [f"input->data->0->dataFilter->{name}"]


def test_collections_that_no_open_archive_serves_are_refused_with_the_reason() -> None:
    for collection in ("sentinel-3-olci", "sentinel-3-slstr", "sentinel-5p-l2"):
        with pytest.raises(InvalidRequest, match="NetCDF in the geometry of the satellite's swath"):
            check(collection, {})
