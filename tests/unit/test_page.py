"""What the page may reach of an installation: a client's own buckets, and files below them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from arpent.domain.errors import ArpentError, StorageDenied
from arpent.settings import Settings
from arpent.wiring.page import (
    JobAsked,
    _result_view,
    describe_features,
    page_offers,
    store_upload,
    upload_places,
    view_results,
)
from tests.unit.wire.bodies import BATCH, text


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("fields", "shared", "other"):
        (tmp_path / "buckets" / name).mkdir(parents=True)
    (tmp_path / "buckets" / "link").symlink_to(tmp_path)
    (tmp_path / "buckets" / "file").touch()
    grants = {"me": ["fields", "shared/<CLIENT_ID>", "absent"], "boss": ["*"]}
    return Settings(buckets=tmp_path / "buckets", bucket_grants=grants)


def test_a_client_may_upload_where_its_grants_allow(settings: Settings) -> None:
    assert upload_places(settings, "me") == ["fields", "shared/me"]
    assert upload_places(settings, "boss") == ["fields", "other", "shared"]
    assert upload_places(settings, "you") == []
    assert upload_places(Settings(buckets=settings.buckets), "you") == ["fields", "other", "shared"]
    assert upload_places(Settings(buckets=Path("nowhere")), "you") == []
    assert upload_places(Settings(), "me") == []


def test_each_client_may_have_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "me" / "fields").mkdir(parents=True)
    (tmp_path / "you" / "theirs").mkdir(parents=True)
    assert upload_places(Settings(buckets=tmp_path / "<CLIENT_ID>"), "me") == ["fields"]


def test_an_upload_is_stored_and_described(settings: Settings) -> None:
    square = {"type": "Polygon", "coordinates": [[[15, 45], [15.1, 45], [15.1, 45.1], [15, 45]]]}
    fields = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": square}]}
    url = "s3://shared/me/uploads/1/a.geojson"
    store_upload(settings, "me", url, json.dumps(fields).encode())
    told = json.loads(describe_features(settings, ("me", url)))
    assert (told["features"], told["crs"], told["metresPerUnit"]) == (1, "EPSG:4326", None)
    assert told["bbox"] == [15, 45, 15.1, 45.1]
    with pytest.raises(StorageDenied):
        describe_features(settings, ("you", url))
    with pytest.raises(StorageDenied):
        store_upload(settings, "you", url, b"")
    with pytest.raises(ArpentError):
        describe_features(settings, ("me", "s3://fields/../other/x.gpkg"))


def test_results_are_read_with_the_clients_grants(settings: Settings) -> None:
    asked = JobAsked(id="3f0d7c3a-0000-4000-8000-000000000001", owner="you", body=text(BATCH), moment="1", analysis="1")
    with pytest.raises(StorageDenied):
        view_results(settings, (asked, "overview", ()))
    assert "AKIA" not in repr(asked)


def test_the_features_of_a_job_outlast_a_moment(settings: Settings) -> None:
    kept = settings.model_dump_json(exclude={"database_url", "secret_key"})
    asked = JobAsked(id="3f0d7c3a-0000-4000-8000-000000000002", owner="me", body=text(BATCH), moment="1", analysis="1")
    first, later = _result_view(kept, asked), _result_view(kept, replace(asked, moment="2"))
    assert first is not later
    assert first._features is later._features
    assert _result_view(kept, replace(asked, moment="2", analysis="2"))._features is not first._features


def test_the_form_offers_indices_where_their_bands_are() -> None:
    listed = {each["id"]: each for each in page_offers(Settings())["collections"]}  # type: ignore[attr-defined]
    two, one, radar = listed["sentinel-2-l2a"], listed["sentinel-2-l1c"], listed["sentinel-1-grd"]
    assert {"ndvi", "ndrei"} <= {index["id"] for index in two["indices"]}
    assert (two["masks"], one["masks"]) == (True, False)
    assert radar["indices"] == []
