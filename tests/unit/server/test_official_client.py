"""The `sentinelhub` package from PyPI, unchanged, drives the server (sentinelhub.md 1.3, 1.6)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sentinelhub import (
    CRS,
    BatchRequestStatus,
    BatchUserAction,
    BBox,
    DataCollection,
    SentinelHubBatchStatistical,
    SentinelHubStatistical,
    SHConfig,
)
from sentinelhub.api.base import SentinelHubFeatureIterator
from sentinelhub.exceptions import DownloadFailedException

from tests.unit.server.fakes import CLIENTS, World
from tests.unit.wire.bodies import SCRIPT, SECRET


@pytest.fixture
def config(here: World, monkeypatch: pytest.MonkeyPatch) -> SHConfig:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    config = SHConfig(use_defaults=True)
    config.sh_client_id, config.sh_client_secret = "me", CLIENTS["me"]
    config.sh_base_url = here.url
    config.sh_token_url = f"{here.url}/auth/realms/main/protocol/openid-connect/token"
    return config


def aggregation() -> dict[str, object]:
    made: dict[str, object] = SentinelHubStatistical.aggregation(
        evalscript=SCRIPT, time_interval=("2020-06-01", "2020-07-31"), aggregation_interval="P30D", resolution=(10, 10)
    )
    return made


def test_batch(here: World, config: SHConfig) -> None:
    client = SentinelHubBatchStatistical(config)

    def access(url: str) -> dict[str, object]:
        made: dict[str, object] = client.s3_specification(url, access_key="AKIA", secret_access_key=SECRET)
        return made

    made = client.create(
        input_features=access("s3://bucket/parcels.gpkg"),
        input_data=[
            SentinelHubStatistical.input_data(DataCollection.SENTINEL2_L2A, mosaicking_order="leastCC", maxcc=0.5)
        ],
        aggregation=aggregation(),
        calculations={"default": {"statistics": {"default": {"percentiles": {"k": [50]}}}}},
        output=access("s3://bucket/results/"),
    )
    assert made.status is BatchRequestStatus.CREATED
    assert made.completion_percentage == 0
    assert made.cost_pu == 0.0
    assert made.user_action is BatchUserAction.NONE
    assert made.created is not None
    assert made.request["output"]["s3"]["url"] == "s3://bucket/results/"
    assert SECRET not in json.dumps(made.request)

    client.start_analysis(made)
    client.start_job(made)
    assert client.get_status(made)["status"] == "PROCESSING"
    client.stop_job(made)
    stopped = client.get_request(made)
    assert stopped.status is BatchRequestStatus.STOPPED
    assert stopped.user_action is BatchUserAction.STOP
    assert stopped.user_action_updated is not None
    with pytest.raises(DownloadFailedException, match="Illegal to change userAction from STOP to STOP"):
        client.stop_job(made)


def test_the_list_is_followed_to_its_end(here: World, config: SHConfig) -> None:
    body = {
        "input": {"features": {"s3": {"url": "s3://b/k.gpkg"}}, "data": [{"type": "sentinel-2-l2a"}]},
        "aggregation": aggregation(),
        "output": {"s3": {"url": "s3://b/out"}},
    }
    made = [here.service.create("me", json.dumps(body)).id for _ in range(205)]
    client = SentinelHubBatchStatistical(config)
    pages = SentinelHubFeatureIterator(client=client.client, url=client.service_url, params={"count": 50})
    listed = [request["id"] for request in pages]
    assert sorted(listed) == sorted(made)


def test_the_documented_example(here: World, config: SHConfig) -> None:
    page = Path(__file__).parents[3].joinpath("docs", "api.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "define_from" in block]
    names: dict[str, object] = {"config": config, "evalscript": SCRIPT}
    exec(example, names)
    assert names["answers"] == [{"data": [], "status": "OK"}]
    assert [owner for owner, _ in here.asked] == ["me"]


def test_a_dem_by_the_name_of_what_it_is(here: World, config: SHConfig) -> None:
    collection = DataCollection.DEM_COPERNICUS_30.define_from("DEM_HERE", service_url=here.url)
    request = SentinelHubStatistical(
        aggregation=aggregation(),
        input_data=[SentinelHubStatistical.input_data(collection)],
        bbox=BBox((414315, 4958219, 414859, 4958819), CRS.UTM_33N),
        config=config,
    )
    assert request.get_data() == [{"data": [], "status": "OK"}]
    assert here.asked[0][1].sources[0].collection == "dem"


def test_synchronous(here: World, config: SHConfig) -> None:
    collection = DataCollection.SENTINEL2_L2A.define_from("S2_HERE", service_url=here.url)
    request = SentinelHubStatistical(
        aggregation=aggregation(),
        input_data=[SentinelHubStatistical.input_data(collection)],
        bbox=BBox((414315, 4958219, 414859, 4958819), CRS.UTM_33N),
        config=config,
    )
    assert request.get_data() == [{"data": [], "status": "OK"}]
    ((owner, asked),) = here.asked
    assert owner == "me"
    assert asked.sources[0].collection == "sentinel-2-l2a"
