"""Refusals: checks of the documented errors, by status and shape."""

from __future__ import annotations

from typing import Any

from arpent.cli.conformance.bodies import CONSTANTS, NOWHERE, box_at, statistical
from arpent.cli.conformance.check import Checks, expect
from arpent.cli.conformance.shapes import error_of
from arpent.cli.conformance.target import BATCH, JSON, STATISTICS, Target

CHECKS = Checks("error")
BOX = box_at(NOWHERE, 300, 200)
BAD = "COMMON_BAD_PAYLOAD"
ABSENT = "00000000-0000-4000-8000-000000000000"


def refused(target: Target, body: dict[str, Any], code: str = BAD) -> dict[str, Any]:
    """The error with which a synchronous request is refused."""
    return error_of(target.call("POST", STATISTICS, json=body), 400, code)


@CHECKS.add("1.5")
def unknown_request(target: Target) -> None:
    """A batch request that does not exist is answered with 404 and COMMON_NOT_FOUND."""
    error_of(target.call("GET", f"{BATCH}/{ABSENT}"), 404, "COMMON_NOT_FOUND")


@CHECKS.add("1.2")
def action_on_nothing(target: Target) -> None:
    """Starting a batch request that does not exist is answered with 404."""
    error_of(target.call("POST", f"{BATCH}/{ABSENT}/start", headers=JSON), 404)


@CHECKS.add("1.5")
def empty_body(target: Target) -> None:
    """A batch request without a body is refused with 400 and COMMON_BAD_PAYLOAD."""
    error_of(target.call("POST", BATCH, headers=JSON), 400, BAD)


@CHECKS.add("1.5")
def no_json(target: Target) -> None:
    """A body that is not JSON is refused with 400 and COMMON_BAD_PAYLOAD."""
    error_of(target.call("POST", STATISTICS, data="{", headers=JSON), 400, BAD)


@CHECKS.add("1.5")
def missing_field(target: Target) -> None:
    """A body without `aggregation` is refused, and `errors` or the message names the field."""
    body = statistical(NOWHERE, BOX)
    del body["aggregation"]
    error = refused(target, body)
    expect("aggregation" in str(error), f"nothing in the error names aggregation: {error}")


@CHECKS.add("1.5")
def too_wide(target: Target) -> None:
    """A grid of more than 2500 pixels a side is refused, and the size is named."""
    error = refused(target, statistical(NOWHERE, box_at(NOWHERE, 26_240, 100)))
    expect("2500" in str(error), f"nothing in the error names the limit of 2500: {error}")


@CHECKS.add("1.5")
def both_samplings(target: Target) -> None:
    """width and height together with resx and resy are refused."""
    refused(target, statistical(NOWHERE, BOX, width=30, height=20))


@CHECKS.add("1.5")
def too_coarse(target: Target) -> None:
    """More than 1500 m a pixel of Sentinel-2 L2A is refused with COMMON_EXCEPTION."""
    refused(target, statistical(NOWHERE, box_at(NOWHERE, 80_000, 80_000), resx=8000, resy=8000), "COMMON_EXCEPTION")


@CHECKS.add("2.4")
def whole_edges_of_floats(target: Target) -> None:
    """Edges written as integers for an output of floats are refused."""
    body = statistical(NOWHERE, BOX)
    body["calculations"] = {"seven": {"histograms": {"default": {"nBins": 5, "lowEdge": -1, "highEdge": 1}}}}
    refused(target, body)


@CHECKS.add("1.5")
def open_ring(target: Target) -> None:
    """A polygon whose ring is not closed is refused."""
    body = statistical(NOWHERE, BOX)
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north]]
    body["input"]["bounds"] = {
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": body["input"]["bounds"]["properties"],
    }
    refused(target, body)


@CHECKS.add("1.5")
def unknown_value(target: Target) -> None:
    """A mosaicking order that does not exist is refused."""
    body = statistical(NOWHERE, BOX)
    body["input"]["data"][0]["dataFilter"] = {"mosaickingOrder": "conformance"}
    refused(target, body)


@CHECKS.add("2.3")
def interval_below_a_day(target: Target) -> None:
    """An aggregation interval of an hour is refused."""
    refused(target, statistical(NOWHERE, BOX, aggregationInterval={"of": "PT1H"}))


@CHECKS.add("2.3")
def instant_without_zone(target: Target) -> None:
    """A time range of dates without time and zone is refused."""
    refused(target, statistical(NOWHERE, BOX, timeRange={"from": "2024-06-01", "to": "2024-06-02"}))


@CHECKS.add("5.1")
def script_without_mask(target: Target) -> None:
    """A script without the output dataMask is refused with 400."""
    script = CONSTANTS.replace('{ id: "dataMask", bands: 1 }', '{ id: "other", bands: 1 }')
    error_of(target.call("POST", STATISTICS, json=statistical(NOWHERE, BOX, script)), 400)
