"""GeoPackages and results in buckets of the table: their keys, where a request brings none; keys that end meanwhile."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import source_table
from arpent.domain.errors import StorageDenied, StorageUnavailable
from arpent.domain.location import Credentials, Location
from arpent.network import renewal
from arpent.network.source import ArchiveSource
from tests.support.archives import Archive, archive

PLACE = Location(scheme="s3", bucket="results", key="a/b.json")


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    for name, value in {"KEY": "testkey", "SECRET": "TOPSECRET", "EARTH": "earth"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # of something else
    with archive(tmp_path, wants="keys", region="own") as running:
        yield running


def store(at: Archive, **given: Any) -> CloudObjects:
    entry = {"match": "s3://results", "endpoint": at.url, "region": "own", **given}
    table = source_table({"mine": ArchiveSource.model_validate(entry)}, ())
    return CloudObjects(retries=0, retry_seconds=2, access=TableAccess(table))


KEYS = {"access_key": "env:KEY", "secret_key": "env:SECRET"}
ENDING = {"login_host": "127.0.0.1", "token": "env:EARTH"}


def test_the_keys_of_the_table_are_used(at: Archive, tmp_path: Path) -> None:
    objects = store(at, **KEYS)
    objects.write(PLACE, b"x")
    assert pickle.loads(pickle.dumps(objects)).read(PLACE) == b"x"
    objects.download(PLACE, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x"


def test_no_more_connections_than_allowed(at: Archive) -> None:
    at.pause = 0.01
    objects = store(at, **KEYS, connections=2)
    objects.write_many(PLACE, ((f"{number}", b"x") for number in range(40)))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: objects.read(PLACE.at(f"{number}")), range(40))) == {b"x"}
    assert 1 <= at.most_in_flight <= 2


def test_a_requests_own_keys_go_first(at: Archive) -> None:
    own = Credentials(access_key="other", secret_access_key="x")
    with pytest.raises(StorageDenied, match="InvalidAccessKeyId"):
        store(at, **KEYS).write(Location(scheme="s3", bucket="results", key="k", credentials=own), b"x")
    assert "Credential=other/" in at.asked[-1][1]["authorization"], "at the endpoint of the table"


def test_keys_that_end_are_got_anew(at: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    at.uses = 3
    objects = store(at, s3_credentials_url=f"{at.url}/s3credentials", **ENDING)
    for number in range(10):
        objects.write(PLACE.at(str(number)), b"x")
        assert objects.read(PLACE.at(str(number))) == b"x"
    assert len(at.given) >= 7
    objects.download(PLACE.at("1"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"access_key": "env:NOT_SET", "secret_key": "env:SECRET"}, "source mine lacks keys: set the variable NOT_SET"),
        ({**KEYS, "region": "other"}, r"another region.*the bucket is not in other: set `region` of the source mine"),
        ({"access_key": "env:EARTH", "secret_key": "env:SECRET"}, "the keys of the source mine are wrong"),
        ({"unsigned": True}, "the bucket is not public"),
    ],
)
def test_what_is_missing_is_said(given: dict[str, Any], words: str, at: Archive) -> None:
    for action in ("read", "write"):
        with pytest.raises(StorageDenied, match=words) as caught:
            getattr(store(at, **given), action)(PLACE, *([b"x"] if action == "write" else []))
        assert "TOPSECRET" not in str(caught.value)


def test_a_service_of_keys_that_is_away_may_come_back(at: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arpent.adapters.sources.token_service.RETRIES", 0)
    at.token_faults = [(503, {})]
    objects = store(at, s3_credentials_url=f"{at.url}/s3credentials", **ENDING)
    with pytest.raises(StorageUnavailable, match="keys of source mine cannot be obtained") as caught:
        objects.write(PLACE, b"x")
    assert caught.value.transient
    monkeypatch.setattr(renewal, "PAUSE_SECONDS", 0.0)
    objects.write(PLACE, b"x")
