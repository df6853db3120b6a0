"""Zones: metres are metres on the ground in every CRS of the features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import CRS, Geod, Transformer

from arpent.api import explain as explaining
from arpent.api.zones import in_metres, one_in_metres
from arpent.domain.feature import Features


def features(centres: list[tuple[float, float]], crs: int = 4326, side: float = 0.01) -> Features:
    shapes = [shapely.box(x - side, y - side, x + side, y + side) for x, y in centres]
    return Features(
        crs=CRS.from_epsg(crs),
        ids=np.arange(len(shapes)),
        identifiers=(None,) * len(shapes),
        geometries=np.array([*shapes], object),
    )


def zones(given: Features) -> dict[int, list[int]]:
    return {group.crs.to_epsg() or 0: group.ids.tolist() for group in in_metres(given)}


def test_features_of_one_country_share_a_zone_and_far_ones_have_their_own() -> None:
    assert zones(features([(14, 46), (15, 46), (18.9, 46), (11.2, 46)])) == {32633: [0, 1, 2, 3]}
    assert zones(features([(14, 46), (15, 46), (25, 46), (-58, -34)])) == {32633: [0, 1], 32635: [2], 32721: [3]}


@pytest.mark.parametrize("crs", [32633, 3035, 3794, 2154])
def test_metres_of_a_request_stay_as_they_are(crs: int) -> None:
    given = features([(500_000, 100_000)], crs, 50)
    assert next(in_metres(given)) is given


@pytest.mark.parametrize(("crs", "middle"), [(3857, (1_600_000, 5_800_000)), (25833, (500_000, 5_100_000))])
def test_others_are_carried_and_keep_their_size_on_the_ground(crs: int, middle: tuple[float, float]) -> None:
    given = features([middle], crs, 500)
    (carried,) = in_metres(given)
    assert carried.crs.to_epsg() == 32633
    ring = shapely.get_coordinates(carried.geometries[0])
    ground = shapely.get_coordinates(given.geometries[0])
    degrees = Transformer.from_crs(crs, 4326, always_xy=True).transform(ground[:, 0], ground[:, 1])
    length = Geod(ellps="WGS84").line_length(*degrees)
    assert np.hypot(*np.diff(ring, axis=0).T).sum() == pytest.approx(length, rel=1e-3)


def test_a_feature_at_180_degrees_lies_in_the_zone_of_its_place() -> None:
    """However it is written: divided, in one piece beyond 180, or with a jump."""
    west, east = shapely.box(179.9, -17.1, 180, -17), shapely.box(-180, -17.1, -179.95, -17)
    divided, jumping = shapely.MultiPolygon([west, east]), shapely.box(-179.95, -17.1, 179.9, -17)
    given = features([(179.97, -17.05)])
    for shape in (divided, jumping, shapely.box(179.9, -17.1, 180.05, -17), shapely.box(-180.1, -17.1, -179.95, -17)):
        given.geometries[0] = shape
        (carried,) = in_metres(replace(given))
        assert carried.crs.to_epsg() in (32760, 32701)
        assert shapely.area(carried.geometries[0]) == pytest.approx(15_961 * 11_063, rel=0.01)
    assert zones(features([(180.05, 17)])) == {32601: [0]}


def test_features_without_a_place_go_with_the_others() -> None:
    given = features([(14, 46), (15, 46)])
    given.geometries[1] = None
    assert zones(given) == {32633: [0, 1]}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_feature_is_carried_as_among_the_others(place: int) -> None:
    """17.9 and 18.1 degrees lie on either side of a zone's edge."""
    given = features([(17.9, 46), (18.1, 46), (-58, -34)])
    carried = one_in_metres(given, place)
    assert carried.ids.tolist() == [place]
    (group,) = (group for group in in_metres(given) if place in group.ids)
    assert carried.crs == group.crs
    assert carried.geometries[0] == group.geometries[group.ids.tolist().index(place)]


def test_a_feature_is_explained_on_the_grid_of_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Features] = []
    monkeypatch.setattr(explaining, "explain_one", lambda request, one, begins, services: seen.append(one))
    given = [shapely.box(x, 46, x + 0.01, 46.01) for x in (17.9, 18.1)]
    explaining.explain(given, tmp_path, feature=1, start="2023-06-01", end="2023-07-01", index="ndvi")
    assert [one.crs.to_epsg() for one in seen] == [group.crs.to_epsg() for group in in_metres(features([(17.9, 46)]))]
    assert [one.ids.tolist() for one in seen] == [[1]]
