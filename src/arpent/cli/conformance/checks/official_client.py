"""Official client: the calls of the `sentinelhub` package from PyPI, if it is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arpent.cli.conformance.bodies import CONSTANTS, box_at, day_after
from arpent.cli.conformance.buckets import NO_KEYS
from arpent.cli.conformance.check import Checks, NotChecked, equal, expect
from arpent.cli.conformance.checks.batch import idle
from arpent.cli.conformance.checks.catalog import COLLECTION, find_scene
from arpent.cli.conformance.target import Target

CHECKS = Checks("client")
ABSENT = "the package sentinelhub is not installed: pip install 'arpent[conformance]'"
INSECURE = "OAUTHLIB_INSECURE_TRANSPORT"


@contextmanager
def library(target: Target) -> Iterator[tuple[Any, Any]]:
    """The package, and its configuration for the target. Raises NotChecked if it is not installed."""
    try:
        sentinelhub = importlib.import_module("sentinelhub")
    except ImportError:
        raise NotChecked(ABSENT) from None
    config = sentinelhub.SHConfig(use_defaults=True)
    config.sh_base_url, config.sh_token_url = target.url, target.token_url
    config.sh_client_id, config.sh_client_secret = target.client_id, target.client_secret
    config.max_download_attempts = 1
    before = os.environ.get(INSECURE)
    if target.token_url.startswith("http:"):
        os.environ[INSECURE] = "1"
    try:
        yield sentinelhub, config
    finally:
        os.environ.pop(INSECURE, None) if before is None else os.environ.update({INSECURE: before})


def aggregation(package: Any, days: tuple[str, str]) -> Any:
    """The aggregation of constants at 10 m."""
    return package.SentinelHubStatistical.aggregation(
        evalscript=CONSTANTS, time_interval=days, aggregation_interval="P1D", resolution=(10, 10)
    )


@CHECKS.add("1.6")
def session(target: Target) -> None:
    """The client gets a token and reads it."""
    with library(target) as (package, config):
        expect(package.SentinelHubSession(config=config).token.get("access_token"), "it holds no token")


@CHECKS.add("1.3")
def batch(target: Target) -> None:
    """The client creates and shows a batch request, and understands every field of it."""
    idle(target)
    with library(target) as (package, config):
        client = package.SentinelHubBatchStatistical(config)
        keys = {"access_key": NO_KEYS["accessKey"], "secret_access_key": NO_KEYS["secretAccessKey"]}
        made = client.create(
            input_features=client.s3_specification("s3://conformance/none.gpkg", **keys),
            input_data=[package.SentinelHubStatistical.input_data(package.DataCollection.SENTINEL2_L2A)],
            aggregation=aggregation(package, ("2024-06-01", "2024-06-30")),
            calculations={"default": {"statistics": {"default": {"percentiles": {"k": [50]}}}}},
            output=client.s3_specification("s3://conformance/none/", **keys),
        )
        equal("status", made.status, package.BatchRequestStatus.CREATED)
        equal("completion_percentage", made.completion_percentage, 0)
        expect(made.cost_pu is not None, "cost_pu is None")
        equal("request_id of get_request", client.get_request(made).request_id, made.request_id)
        equal("status of get_status", client.get_status(made)["status"], "CREATED")


@CHECKS.add("1.5")
def refusal(target: Target) -> None:
    """The client reports the refusal of an action as an error, with the status 400."""
    idle(target)
    with library(target) as (package, config):
        client = package.SentinelHubBatchStatistical(config)
        try:
            client.stop_job(idle(target)["id"])
        except package.exceptions.DownloadFailedException as error:
            equal("the status", error.request_exception.response.status_code, 400)
        else:
            expect(False, "stopping a request that is CREATED was not refused")


@CHECKS.add("1.6")
def synchronous(target: Target) -> None:
    """The client's synchronous request is answered, by a collection that carries this server's address."""
    scene = find_scene(target)
    with library(target) as (package, config):
        here = package.DataCollection.SENTINEL2_L2A.define_from("S2_CONFORMANCE", service_url=target.url)
        request = package.SentinelHubStatistical(
            aggregation=aggregation(package, (scene.day, day_after(scene.day))),
            input_data=[package.SentinelHubStatistical.input_data(here)],
            bbox=package.BBox(box_at(scene, 300, 200), package.CRS.POP_WEB),
            config=config,
        )
        (answer,) = request.get_data()
        stats = answer["data"][0]["outputs"]["seven"]["bands"]["B0"]["stats"]
        equal("(mean, sampleCount)", (stats["mean"], stats["sampleCount"]), (7.0, 600))


@CHECKS.add("1.1")
def catalogue(target: Target) -> None:
    """The client's catalogue search finds the day of an acquisition."""
    scene = find_scene(target)
    with library(target) as (package, config):
        here = package.DataCollection.SENTINEL2_L2A.define_from("S2_CONFORMANCE", service_url=target.url)
        box = package.BBox(box_at(scene, 300, 200), package.CRS.POP_WEB).transform(package.CRS.WGS84)
        days = (f"{scene.day}T00:00:00Z", f"{scene.day}T23:59:59Z")
        found = list(package.SentinelHubCatalog(config).search(here, bbox=box, time=days))
        expect(found, "it finds nothing")
        equal("the collection of each", {each["collection"] for each in found}, {COLLECTION})
