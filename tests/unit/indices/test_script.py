"""Index scripts: the values that a person works out by hand, and every index of every collection that has its bands."""

from __future__ import annotations

import re

import pytest

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import InvalidRequest
from arpent.indices.formulas import BANDS, INDICES
from arpent.indices.masks import MASKS
from arpent.indices.script import index_script

REFLECTANCES = {"B": 0.05, "G": 0.08, "R": 0.1, "RE1": 0.2, "N": 0.4, "S1": 0.25, "S2": 0.15}
BY_HAND = {
    "ndvi": 0.3 / 0.5,
    "ndwi": -0.32 / 0.48,
    "ndmi": 0.15 / 0.65,
    "evi": 2.5 * 0.3 / (0.4 + 0.6 - 0.375 + 1),
    "savi": 1.5 * 0.3 / 1.0,
    "ndre": 0.2 / 0.6,
    "nbr": 0.25 / 0.55,
}


@pytest.mark.parametrize("name", INDICES)
def test_the_formula_gives_the_value_worked_out_by_hand(name: str) -> None:
    found = eval(INDICES[name].expression, {}, REFLECTANCES)  # the expressions are arithmetic in both languages
    assert found == pytest.approx(BY_HAND[name], rel=1e-12)
    assert set(re.findall(r"[A-Z]+\d?", INDICES[name].expression)) == set(INDICES[name].roles)


@pytest.mark.parametrize("collection", BANDS)
def test_the_bands_are_those_of_the_collection(collection: str) -> None:
    known = load_collections(None)[collection]
    assert set(BANDS[collection].values()) <= set(known.bands)
    if collection in MASKS:
        assert known.bands[MASKS[collection].band].categorical


def test_what_cannot_be_is_said() -> None:
    for names, collection, clouds, word in (
        (["ndvo"], "sentinel-2-l2a", False, "ndvi"),
        ([], "sentinel-2-l2a", False, "ndvi"),
        (["ndre"], "landsat-ot-l2", False, "RE1"),
        (["ndvi"], "sentinel-1-grd", False, "sentinel-1-grd"),
        (["ndvi"], "sentinel-2-l1c", True, "clouds"),
    ):
        with pytest.raises(InvalidRequest, match=word):
            index_script(names, collection, mask_clouds=clouds)
