"""Catalog: checks of the Catalog API, as the official client asks it."""

from __future__ import annotations

from typing import Any

from arpent.cli.conformance.check import Checks, NotChecked, equal, expect
from arpent.cli.conformance.shapes import json_of
from arpent.cli.conformance.target import CATALOG, Scene, Target

CHECKS = Checks("catalog")
COLLECTION = "sentinel-2-l2a"
SIDE = 0.01
"""Side of the box that is searched, in degrees."""


def search(target: Target, **fields: Any) -> dict[str, Any]:
    """A page of acquisitions at the place given by the options."""
    west, south = target.at[0] - SIDE / 2, target.at[1] - SIDE / 2
    body = {
        "collections": [COLLECTION],
        "bbox": [west, south, west + SIDE, south + SIDE],
        "datetime": f"{target.days[0]}T00:00:00Z/{target.days[1]}T23:59:59Z",
        "limit": 10,
        **fields,
    }
    return json_of(target.call("POST", f"{CATALOG}/search", json=body))


def find_scene(target: Target) -> Scene:
    """The first day with an acquisition at that place. Raises NotChecked if there is none."""
    if "scene" not in target.shared:
        found = sorted(each["properties"]["datetime"] for each in search(target, limit=100)["features"])
        if not found:
            raise NotChecked(
                f"no acquisition of {COLLECTION} at {target.at[0]:g},{target.at[1]:g} from {target.days[0]} to "
                f"{target.days[1]}: give --at, --from and --to"
            )
        target.shared["scene"] = Scene(longitude=target.at[0], latitude=target.at[1], day=found[0][:10])
    scene: Scene = target.shared["scene"]
    return scene


@CHECKS.add("1.1")
def collections(target: Target) -> None:
    """The list of collections has Sentinel-2 L2A."""
    found = json_of(target.call("GET", f"{CATALOG}/collections"))["collections"]
    expect(COLLECTION in {each["id"] for each in found}, f"it lacks {COLLECTION}: {[each['id'] for each in found]}")


@CHECKS.add("1.1")
def acquisitions(target: Target) -> None:
    """A search finds GeoJSON features of the collection with id, footprint, time and cloud cover."""
    find_scene(target)
    page = search(target)
    equal("type", page.get("type"), "FeatureCollection")
    expect("context" in page, "context is missing: the official client cannot turn the page")
    for feature in page["features"]:
        equal("collection", feature.get("collection"), COLLECTION)
        expect(isinstance(feature.get("geometry"), dict), "a feature has no geometry")
        for name in ("datetime", "eo:cloud_cover"):
            expect(name in feature["properties"], f"a feature has no {name}")


@CHECKS.add("1.1")
def time_is_kept(target: Target) -> None:
    """A search of one day finds acquisitions of that day only."""
    day = find_scene(target).day
    found = search(target, datetime=f"{day}T00:00:00Z/{day}T23:59:59Z")["features"]
    equal("the days found", {each["properties"]["datetime"][:10] for each in found}, {day})


@CHECKS.add("1.1")
def dates(target: Target) -> None:
    """`distinct: date` gives days as strings, each once."""
    day = find_scene(target).day
    found = search(target, distinct="date", datetime=f"{day}T00:00:00Z/{day}T23:59:59Z")["features"]
    equal("the days", found, [day])


@CHECKS.add("1.1")
def filtered(target: Target) -> None:
    """A filter in CQL2 text that no acquisition passes finds none."""
    find_scene(target)
    found = search(target, filter="eo:cloud_cover < 0", **{"filter-lang": "cql2-text"})["features"]
    equal("the number of acquisitions with less than 0 percent of clouds", len(found), 0)


@CHECKS.add("1.5")
def unknown_collection(target: Target) -> None:
    """A collection that does not exist is answered with 400 or 404."""
    answer = target.call("GET", f"{CATALOG}/collections/conformance-none")
    expect(answer.status_code in (400, 404), f"the status is {answer.status_code}")
