"""A host that has failed for minutes is asked once for each request; its first answer ends that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from arpent.adapters.catalogs import stac_api as catalogs
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable, CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.network import outages
from arpent.network.outages import Outages
from tests.support.archives import archive
from tests.support.cogs import formula, write
from tests.support.stac_api import stac_api
from tests.support.world import SEASON, item


def test_it_lasts_from_the_first_failure_to_the_next_answer() -> None:
    now = [0.0]
    seen = Outages(lambda: now[0])
    seen.failed("host")
    for now[0] in (1.0, 100.0, 179.0):
        seen.failed("host")
        assert not seen.is_long("host")
    now[0] = 180.0
    assert seen.is_long("host")
    assert not seen.is_long("other")
    seen.answered("host")
    assert not seen.is_long("host")
    seen.failed("host")
    now[0] = 359.0
    assert not seen.is_long("host")


@pytest.mark.parametrize("root", ["{url}", "s3://bucket"])
def test_an_image_of_a_host_that_failed_for_long_is_asked_for_once(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testkey",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bucket").mkdir()
    for name in ("a.tif", "bucket/a.tif"):
        write(tmp_path / name, formula(64, 64), nodata=0)
    with archive(tmp_path, status=503) as at:
        monkeypatch.setenv("AWS_ENDPOINT_URL", at.url)
        reader, href = CogReader(retry_seconds=30.0), f"{root.format(url=at.url)}/a.tif"
        monkeypatch.setattr(outages, "PATIENCE_SECONDS", 0.0)
        for _ in range(5):
            with pytest.raises(AssetUnreadable, match="503") as caught:
                reader.describe(href)
            assert caught.value.transient
        first = len(at.asked)
        assert first <= (5 if "{" in root else 20), (
            "one try each; that of a bucket before the outage was known has more"
        )
        at.status = 0
        assert reader.describe(href).width == 64
        monkeypatch.setattr(outages, "PATIENCE_SECONDS", 100.0)
        reader.close()


def test_a_search_of_an_api_that_failed_for_long_is_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    month = Interval(start=datetime(2023, 6, 1, tzinfo=UTC), end=datetime(2023, 7, 1, tzinfo=UTC))
    collection, box = load_collections()["sentinel-2-l2a"], (10.0, 40.0, 20.0, 50.0)
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(catalogs, "BRIEF_SECONDS", 1e-6)
    with stac_api([item(SEASON[0])]) as api:
        catalog = ApiCatalog(api.url, retries=0, backoff=0.01)
        api.faults = [503]
        with pytest.raises(CatalogUnavailable, match="does not answer"):
            catalog.search(collection, month, box)
        with pytest.raises(CatalogUnavailable, match=r"no complete answer within 1e-06 s"):
            catalog.search(collection, month, box)
        monkeypatch.setattr(catalogs, "BRIEF_SECONDS", 10.0)
        assert len(catalog.search(collection, month, box)) == 1
