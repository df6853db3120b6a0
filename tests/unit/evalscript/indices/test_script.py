"""Index scripts: every index that a collection has the bands for, with the package spyndex as the referee, and values
that a person works out."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import spyndex
from py_mini_racer import MiniRacer

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import InvalidRequest
from arpent.evalscript.indices.bands import BANDS
from arpent.evalscript.indices.composites import COMPOSITES
from arpent.evalscript.indices.formulas import index_of, indices, javascript
from arpent.evalscript.indices.masks import MASKS, usual_mask
from arpent.evalscript.indices.script import IndexQuery, available, index_script

REFLECTANCES = {"B": 0.05, "G": 0.08, "R": 0.1, "RE1": 0.2, "N": 0.4, "S1": 0.25, "S2": 0.15}
BY_HAND = {
    "ndvi": 0.3 / 0.5,
    "ndwi": -0.32 / 0.48,
    "mndwi": (0.08 - 0.25) / (0.08 + 0.25),
    "ndmi": 0.15 / 0.65,
    "evi": 2.5 * 0.3 / (0.4 + 0.6 - 0.375 + 1),
    "evi2": 2.5 * 0.3 / (0.4 + 0.24 + 1),
    "savi": 1.5 * 0.3 / 1.0,
    "ndre": 0.2 / 0.6,
    "nbr": 0.25 / 0.55,
    "gndvi": 0.32 / 0.48,
    "sr": 4.0,
    "bsi": (0.35 - 0.45) / (0.35 + 0.45),
    "gari": (0.4 - (0.08 - (0.05 - 0.1))) / (0.4 + (0.08 - (0.05 - 0.1))),
    "ndsi": (0.08 - 0.25) / (0.08 + 0.25),
    "ndbi": (0.25 - 0.4) / (0.25 + 0.4),
}
LEAST = {"sentinel-2-l2a": 190, "hls": 190, "landsat-ot-l2": 120, "landsat-tm-l2": 110}
"""Number of indices that a collection has, at least."""


def evaluated(script: str, *samples: Any) -> list[Any]:
    """What evaluatePixel of a script returns for each of these, in V8."""
    context = MiniRacer()
    context.eval(script)
    told = "(function (given) { return evaluatePixel(given); })"
    answers = [context.eval(f"JSON.stringify({told}({json.dumps(sample)}))") for sample in samples]
    return [json.loads(str(answer)) for answer in answers]


def sample_of(collection: str, roles: Mapping[str, float], **others: float) -> dict[str, float]:
    bands = BANDS[collection]
    return {bands[role]: value for role, value in roles.items() if role in bands} | {"dataMask": 1, **others}


@pytest.mark.parametrize("collection", BANDS)
def test_every_index_is_what_the_package_computes(collection: str) -> None:
    """All indices of a collection in one script."""
    names = [name for name, index in indices().items() if available(index, collection)]
    assert len(names) >= LEAST.get(collection, 40)
    script = index_script(IndexQuery(index=names, collection=collection))
    draw = random.Random(collection)
    for _ in range(3):
        values = {band: draw.uniform(0.02, 0.6) for band in dict.fromkeys(BANDS[collection].values())}
        roles = {role: values[band] for role, band in BANDS[collection].items()}
        (answer,) = evaluated(script, {**values, "dataMask": 1})
        assert answer.pop("dataMask") == [1]
        assert len(answer) == len(names)
        for name in names:
            index = indices()[name]
            params = {role: roles[role] for role in index.roles} | dict(index.constants)
            expected = spyndex.computeIndex(name, params)
            (found,) = answer[index.output]
            if isinstance(expected, complex):  # a root of a negative number
                assert found is None
            else:
                assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("name", BY_HAND)
def test_the_value_worked_out_by_hand(name: str) -> None:
    script = index_script(IndexQuery(index=[name]))
    (answer,) = evaluated(script, sample_of("sentinel-2-l2a", REFLECTANCES))
    assert answer[name][0] == pytest.approx(BY_HAND[name], rel=1e-12)


@pytest.mark.parametrize("collection", BANDS)
def test_the_bands_are_those_of_the_collection(collection: str) -> None:
    known = load_collections(None)[collection]
    assert set(BANDS[collection].values()) <= set(known.bands)
    assert set(BANDS[collection]) <= set(spyndex.bands)
    for mask in MASKS.values():
        assert mask.bands.get(collection, "dataMask") in {*known.bands, "dataMask"}


@pytest.mark.parametrize(
    ("collection", "platform"),
    [("sentinel-2-l2a", "sentinel2a"), ("landsat-ot-l2", "landsat8"), ("landsat-tm-l2", "landsat5"),
     ("landsat-etm-l2", "landsat7")],
)  # fmt: skip
def test_the_roles_are_those_of_the_package(collection: str, platform: str) -> None:
    """Their bands are written without the zero: B4."""
    checked = 0
    for role, band in BANDS[collection].items():
        theirs = getattr(spyndex.bands[role], platform, None)
        if theirs is not None:
            assert theirs.band == band.replace("B0", "B"), role
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize(
    ("mask", "collection", "clear", "cloudy"),
    [
        ("scl", "sentinel-2-l2a", [2, 4, 5, 6, 7], [0, 1, 3, 8, 9, 10, 11]),
        ("cld", "sentinel-2-l2a", [0, 39, 39.9], [40, 100]),
        ("qa_pixel", "landsat-ot-l2", [21824, 21888, 21952], [1, 22280, 23888, 30048, 54596, 2, 4, 8, 16, 32]),
        ("qa_pixel", "landsat-tm-l1", [5440], [5504 | 8, 5440 | 16]),
        ("fmask", "hls", [0, 32, 64, 128, 224], [1, 2, 4, 8, 16, 255]),
    ],
)
def test_what_is_clear(mask: str, collection: str, clear: Sequence[float], cloudy: Sequence[float]) -> None:
    script = index_script(IndexQuery(index=["ndvi"], collection=collection, mask=mask))
    band = MASKS[mask].bands[collection]
    for values, seen in ((clear, [1]), (cloudy, [0])):
        samples = [sample_of(collection, REFLECTANCES, **{band: value}) for value in values]
        assert [answer["dataMask"] for answer in evaluated(script, *samples)] == [seen] * len(values)
    (gap,) = evaluated(script, {**sample_of(collection, REFLECTANCES, **{band: clear[0]}), "dataMask": 0})
    assert gap["dataMask"] == [0]


def days(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    """(NDVI, SCL) per acquisition; the reflectances add up to one."""
    return [{"B08": (1 + ndvi) / 2, "B04": (1 - ndvi) / 2, "SCL": scl, "dataMask": 1} for ndvi, scl in pairs]


@pytest.mark.parametrize(
    ("composite", "values"), [("max", [0.8, 0.8]), ("min", [0.2, 0.2]), ("mean", [0.45, 0.5]), ("median", [0.4, 0.5])]
)
def test_composites(composite: str, values: Sequence[float]) -> None:
    """Of 0.2, 0.8 (and 0.4, 0.4), without the cloudy 0.9 and -0.9; SCL 8 and 9 are clouds."""
    script = index_script(IndexQuery(index=["ndvi"], mask="scl", composite=composite))
    two = days((0.9, 8), (0.2, 4), (0.8, 5), (-0.9, 9))
    four = [*two, *days((0.4, 4), (0.4, 4))]
    nothing = days((0.9, 8))
    black = [{"B08": 0, "B04": 0, "SCL": 4, "dataMask": 1}]
    answers = evaluated(script, four, two, nothing, [], black, [*black, *two])
    assert [answer["ndvi"][0] for answer in answers[:2]] == pytest.approx(values)
    assert [answer["dataMask"] for answer in answers] == [[1], [1], [0], [0], [1], [1]]
    assert [answer["ndvi"] for answer in answers[2:5]] == [[None]] * 3
    assert answers[5]["ndvi"] == pytest.approx(answers[1]["ndvi"])
    assert set(COMPOSITES) == {"max", "min", "mean", "median"}


def test_constants_can_be_given() -> None:
    script = index_script(IndexQuery(index=["savi", "nirvh2"], constants={"L": 1, "k": 0, "lambdaN": 1, "lambdaR": 1}))
    (answer,) = evaluated(script, sample_of("sentinel-2-l2a", REFLECTANCES))
    assert answer["savi"][0] == pytest.approx(2 * 0.3 / 1.5)


def test_one_script_has_each_index_once() -> None:
    script = index_script(IndexQuery(index=["NDVI", "ndvi", "evi"]))
    assert script.count('id: "ndvi"') == 1
    assert "https://" in script, "it says where an index was published"


def test_a_formula_that_is_no_arithmetic_is_left_out() -> None:
    assert javascript("-a**2 / (b - -1.5)") == "(-(a ** 2)) / (b - (-1.5))"
    for formula in ("f(a)", "a if b else c", "a.b", "a[0]", "a; b", "'a'", "True", "a % b"):
        assert javascript(formula) is None
    assert len(indices()) > 220


def test_what_cannot_be_is_said() -> None:
    for query, word in (
        (IndexQuery(index=["ndvo"]), "ndvi"),
        (IndexQuery(index=[]), "ndvi"),
        (IndexQuery(index=["bai"]), "BAI or BaI"),
        (IndexQuery(index=["ndre"], collection="landsat-ot-l2"), "RE1"),
        (IndexQuery(index=["ndvi"], collection="sentinel-1-grd"), "sentinel-1-grd"),
        (IndexQuery(index=["ndvi"], collection="sentinel-2-l1c", mask="scl"), "lacks its band"),
        (IndexQuery(index=["ndvi"], mask="clouds"), "qa_pixel"),
        (IndexQuery(index=["ndvi"], composite="best"), "median"),
        (IndexQuery(index=["fai"]), "--constant lambdaN="),
        (IndexQuery(index=["ndvi"], constants={"L": 1}), "no index has|No index has"),
    ):
        with pytest.raises(InvalidRequest, match=word):
            index_script(query)
    with pytest.raises(InvalidRequest, match="clouds"):
        usual_mask("sentinel-2-l1c")
    assert index_of("BaI").output == "BaI"
