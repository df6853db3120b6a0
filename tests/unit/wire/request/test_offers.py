"""What a collection's pixels are: an equal wish is met, another refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import InvalidRequest
from arpent.wire.request.parse import check_collections, parse_batch
from tests.unit.wire.bodies import BATCH, text

COLLECTIONS = load_collections()
S1, S2, DEM = "sentinel-1-grd", "sentinel-2-l2a", "dem"


def check(collection: str, **entry: Any) -> None:
    request = parse_batch(text(BATCH, {"input.data": [{"type": collection, **entry}]}))
    check_collections(request, COLLECTIONS.get)


@pytest.mark.parametrize(
    ("collection", "entry"),
    [
        (S1, {}),
        (S1, {"processing": {"backCoeff": "GAMMA0_TERRAIN", "orthorectify": True}}),
        (S1, {"processing": {"backCoeff": "GAMMA0_TERRAIN", "orthorectify": "True"}}),
        (S1, {"processing": {"orthorectify": "true"}}),
        (S1, {"processing": {"orthorectify": None, "backCoeff": None}}),
        (S2, {"processing": {"orthorectify": False}}),
        (S2, {"processing": {"orthorectify": "False"}}),
        (DEM, {"dataFilter": {"demInstance": "COPERNICUS_30"}}),
        (DEM, {}),
        ("DEM", {"dataFilter": {"demInstance": "COPERNICUS_30"}}),
    ],
)
def test_met(collection: str, entry: dict[str, Any]) -> None:
    check(collection, **entry)


@pytest.mark.parametrize(
    ("collection", "section", "name", "value", "told"),
    [
        (S1, "processing", "backCoeff", "SIGMA0_ELLIPSOID", "the pixels of sentinel-1-grd are GAMMA0_TERRAIN"),
        (S1, "processing", "backCoeff", "GAMMA0_ELLIPSOID", "are GAMMA0_TERRAIN"),
        (S1, "processing", "orthorectify", False, "are true"),
        (S1, "processing", "orthorectify", "false", "are true"),
        (S1, "processing", "backCoeff", ["GAMMA0_TERRAIN"], "are GAMMA0_TERRAIN"),
        (S2, "processing", "orthorectify", {}, "is not supported yet"),
        (S1, "processing", "demInstance", "MAPZEN", "is not supported yet"),
        (S2, "processing", "orthorectify", True, "is not supported yet"),
        (S2, "processing", "backCoeff", "GAMMA0_TERRAIN", "is not supported yet"),
        (DEM, "dataFilter", "demInstance", "MAPZEN", "are COPERNICUS_30"),
    ],
)
def test_refused_by_name(collection: str, section: str, name: str, value: object, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        check(collection, **{section: {name: value}})
    assert [parameter for parameter, _ in caught.value.violations] == [f"input->data->0->{section}->{name}"]
