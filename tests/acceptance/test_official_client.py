"""The `sentinelhub` package from PyPI, pointed at arpent by two settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely
from sentinelhub import (
    CRS,
    BBox,
    DataCollection,
    SentinelHubBatchStatistical,
    SentinelHubCatalog,
    SentinelHubStatistical,
    SHConfig,
)
from sentinelhub.api.batch import utils as batch_utils
from sentinelhub.api.batch.base import BatchRequestStatus, BatchUserAction
from sentinelhub.api.batch.statistical import BatchStatisticalRequest
from sentinelhub.api.batch.utils import monitor_batch_statistical_job
from sentinelhub.data_utils import get_failed_statistical_requests, statistical_to_dataframe
from sentinelhub.exceptions import DownloadFailedException

from tests.support import client
from tests.support.parcels import bad_parcels, good_parcels, reproject
from tests.support.scripts import SEED
from tests.support.server import Server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def config(server: Server, credentials: tuple[str, str]) -> SHConfig:
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = credentials
    config.sh_base_url = server.url
    config.sh_token_url = server.token_url
    return config


@pytest.fixture
def batch(config: SHConfig) -> SentinelHubBatchStatistical:
    return SentinelHubBatchStatistical(config)


@pytest.fixture(autouse=True)
def short_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's monitor insists on 15 s between polls, out of courtesy to the real service."""
    for name in ("_MIN_STAT_SLEEP_TIME", "_MIN_ANALYSIS_SLEEP_TIME"):
        monkeypatch.setattr(batch_utils, name, 0)


def make(batch: SentinelHubBatchStatistical, features: str = "parcels-32633.gpkg") -> BatchStatisticalRequest:
    body = client.seed_body(f"s3://fields/{features}", SEED.text)
    return batch.create(
        input_features=batch.s3_specification(f"s3://fields/{features}", access_key="key", secret_access_key="hush"),
        input_data=body["input"]["data"],
        aggregation=body["aggregation"],
        calculations={"default": {"statistics": {"default": {"percentiles": {"k": [5, 50, 95]}}}}},
        output=batch.s3_specification("s3://results/py", access_key="key", secret_access_key="hush"),
    )


def read(server: Server, request: BatchStatisticalRequest) -> list[dict[str, Any]]:
    """The result files, found where AwsBatchStatisticalResults looks: `<url>/<id>/*.json`, no sub-folders."""
    job = {"id": request.request_id, "request": request.request}
    return list(client.results(server, job).values())


def test_create_analyse_start_monitor_read(
    server: Server, batch: SentinelHubBatchStatistical, config: SHConfig
) -> None:
    request = make(batch)
    assert request.status is BatchRequestStatus.CREATED
    assert request.user_action is BatchUserAction.NONE
    assert request.created is not None
    assert request.cost_pu == 0

    assert batch.start_analysis(request) in ("", None, b"")
    analysed = batch_utils.monitor_batch_statistical_analysis(request, config, sleep_time=0.05)
    assert analysed.status is BatchRequestStatus.ANALYSIS_DONE

    batch.start_job(request)
    final = monitor_batch_statistical_job(request, config, sleep_time=0.05, analysis_sleep_time=0.05)
    assert final["completionPercentage"] == 100
    done = batch.get_request(request)
    assert done.status is BatchRequestStatus.DONE
    assert done.cost_pu is not None
    assert done.cost_pu > 0
    told = batch.get_status(request.request_id)
    assert told["status"] == "DONE"
    assert told["progress"]["rows"]["withNumbers"] > 0, "an extension that the package lets pass"

    answers = read(server, done)
    table = statistical_to_dataframe(answers)
    assert {"output_B04_B0_mean", "output_B04_B0_percentiles_50.0", "interval_from", "identifier"} <= set(table)
    assert set(table["identifier"].dropna()) >= {"FOI.000", "FOI.001", "FOI.011"}
    assert get_failed_statistical_requests(answers) == []


def test_nothing_but_results_lies_beside_the_results(
    server: Server, batch: SentinelHubBatchStatistical, config: SHConfig
) -> None:
    request = make(batch)
    batch.start_job(request)
    monitor_batch_statistical_job(request, config, sleep_time=0.05, analysis_sleep_time=0.05)
    folder: Path = client.result_folder(server, {"id": request.request_id, "request": request.request})
    assert {int(path.stem) for path in folder.glob("*.json")} == {parcel.id for parcel in good_parcels()}


def test_failed_features_are_found(server: Server, batch: SentinelHubBatchStatistical, config: SHConfig) -> None:
    request = make(batch, "mixed.gpkg")
    batch.start_job(request)
    monitor_batch_statistical_job(request, config, sleep_time=0.05, analysis_sleep_time=0.05)
    failed = get_failed_statistical_requests(read(server, request))
    assert {entry["identifier"] for entry in failed} == {parcel.identifier for parcel in bad_parcels()}


def test_dates_are_found_and_then_asked_for(server: Server, config: SHConfig) -> None:
    """As notebooks do: a search, then statistics of one of the days that it found."""
    box = BBox(tuple(shapely.bounds(reproject(good_parcels()[0].geometry, 4326))), CRS.WGS84)
    days = ("2023-06-01", "2023-07-31")
    found = SentinelHubCatalog(config).search(DataCollection.SENTINEL2_L2A, time=days, bbox=box, limit=2)
    dates = sorted({when.date() for when in found.get_timestamps()})
    assert len(dates) > 2
    here = DataCollection.SENTINEL2_L2A.define_from("ARPENT_S2_L2A", service_url=server.url)
    request = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=SEED.text, time_interval=days, aggregation_interval="P1D", size=(8, 8)
        ),
        input_data=[SentinelHubStatistical.input_data(here)],
        bbox=box,
        config=config,
    )
    (answer,) = request.get_data()
    assert [each["interval"]["from"][:10] for each in answer["data"]] == [day.isoformat() for day in dates]


def test_stop_and_refused_actions(batch: SentinelHubBatchStatistical, config: SHConfig) -> None:
    request = make(batch)
    with pytest.raises(DownloadFailedException, match="Illegal to change userAction"):
        batch.stop_job(request)
    batch.start_analysis(request)
    batch_utils.monitor_batch_statistical_analysis(request, config, sleep_time=0.05)
    batch.stop_job(request)
    assert batch.get_request(request).status is BatchRequestStatus.STOPPED
    with pytest.raises(DownloadFailedException, match="Illegal to change userAction"):
        batch.stop_job(request)


def test_a_job_that_fails_ends_the_monitor(batch: SentinelHubBatchStatistical, config: SHConfig) -> None:
    request = make(batch, "is-not-there.gpkg")
    batch.start_job(request)
    with pytest.raises(RuntimeError, match=r"is-not-there\.gpkg"):
        monitor_batch_statistical_job(request, config, sleep_time=0.05, analysis_sleep_time=0.05)
    assert batch.get_status(request)["completionPercentage"] == 100


def test_the_list_pages_and_sorts(server: Server, credentials: tuple[str, str], config: SHConfig) -> None:
    config.sh_client_id, config.sh_client_secret = server.add_client("lister")
    batch = SentinelHubBatchStatistical(config)
    made = [make(batch).request_id for _ in range(5)]
    with client.signed_in(server, config.sh_client_id, config.sh_client_secret) as session:
        for sort, expected in (("created", made), ("created:desc", made[::-1])):
            seen: list[str] = []
            token: str | None = None
            while True:
                query = {"count": 2, "sort": sort} | ({} if token is None else {"viewtoken": token})
                page = session.request("GET", server.batch, params=query).json()
                assert len(page["data"]) <= 2
                seen += [entry["id"] for entry in page["data"]]
                token = page["links"].get("nextToken")
                if token is None or not page["data"]:
                    break
            assert seen == expected
