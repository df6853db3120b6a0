"""What every ObjectStore does: run over a folder, a small S3 on loopback, and a real gateway where there is one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.boundary.wanted import while_held
from arpent.domain.errors import StorageDenied, StorageNotFound, WorkLost
from arpent.domain.location import Credentials, Location
from arpent.domain.ports.storage import ObjectStore
from tests.support.loopback_s3 import loopback_s3


@dataclass
class World:
    store: ObjectStore
    home: Location
    """A prefix the test may fill."""


@pytest.fixture(params=["folder", "loopback", pytest.param("gateway", marks=pytest.mark.services)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    keys = Credentials(access_key="testkey", secret_access_key="testsecret", region="us-east-1")
    home = Location(scheme="s3", bucket="bucket", key=f"home-{secrets.token_hex(4)}", credentials=keys)
    if request.param == "folder":
        (tmp_path / "buckets" / "bucket").mkdir(parents=True)
        yield World(FolderObjects(tmp_path / "buckets"), home)
    elif request.param == "loopback":
        with loopback_s3() as server:
            yield World(CloudObjects({"AWS_ENDPOINT_URL_S3": server.url}, retries=2), home)
    else:
        endpoint = os.environ.get("ARPENT_TEST_S3_ENDPOINT")
        if not endpoint:
            pytest.skip("needs an S3 gateway: run `make test-services`, or set ARPENT_TEST_S3_ENDPOINT to its URL")
        bucket = os.environ.get("ARPENT_TEST_S3_BUCKET", "bucket")
        yield World(CloudObjects({"AWS_ENDPOINT_URL_S3": endpoint}), replace(home, bucket=bucket))


class TestObjectStore:
    @pytest.mark.parametrize("name", ["a.json", "deep/er/ü é.json", "100%.json", "a+b=c.json", "<ID>.json"])
    def test_reads_what_was_written(self, world: World, name: str) -> None:
        place = world.home.child(name)
        world.store.write(place, b"one")
        world.store.write(place, b"two")
        assert world.store.read(place) == b"two"
        assert list(world.store.list(world.home)) == [place.key]

    def test_empty_objects(self, world: World) -> None:
        world.store.write(world.home.child("empty"), b"")
        assert world.store.read(world.home.child("empty")) == b""

    @pytest.mark.parametrize("count", [1, 3, 100])
    def test_lost_work_replaces_nothing(self, world: World, count: int) -> None:
        """Whatever was handed over before: a process may stand still at any time until an object has its name."""
        keys = [f"{world.home.key}/{number}" for number in range(count)]
        world.store.write_many(world.home, ((key, b"good") for key in keys))
        lost: list[str] = []

        def check() -> None:
            if lost:
                raise WorkLost(lost[0])

        def late() -> Iterator[tuple[str, bytes]]:
            yield from ((key, b"late") for key in keys)
            lost.append("The process stood still")

        with while_held(check):
            with pytest.raises(WorkLost):
                world.store.write_many(world.home, late())
            with pytest.raises(WorkLost):
                world.store.write(world.home.at(keys[0]), b"late")
        assert {world.store.read(world.home.at(key)) for key in keys} == {b"good"}
        assert sorted(world.store.list(world.home)) == sorted(keys)
        world.store.write(world.home.at(keys[0]), b"later")
        assert world.store.read(world.home.at(keys[0])) == b"later", "what is not held is written as ever"

    def test_downloads_in_pieces(self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        payload = os.urandom(2500)
        world.store.write(world.home.child("big"), payload)
        monkeypatch.setattr("arpent.adapters.objects.cloud.CHUNK", 1000)
        world.store.download(world.home.child("big"), tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == payload
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]

    def test_writes_many_from_a_generator(self, world: World) -> None:
        keys = [f"{world.home.key}/{number}.json" for number in range(700)]
        world.store.write_many(world.home, ((key, key.encode()) for key in keys))
        assert sorted(world.store.list(world.home)) == sorted(keys)
        assert world.store.read(world.home.at(keys[-1])) == keys[-1].encode()

    def test_a_failing_generator_fails_the_call(self, world: World) -> None:
        def entries() -> Iterator[tuple[str, bytes]]:
            yield (f"{world.home.key}/one", b"1")
            raise RuntimeError("no more")

        with pytest.raises(RuntimeError, match="no more"):
            world.store.write_many(world.home, entries())

    def test_a_prefix_ends_at_a_slash(self, world: World) -> None:
        world.store.write(world.home.child("a/x"), b"")
        world.store.write(world.home.child("ab/x"), b"")
        assert list(world.store.list(world.home.child("a"))) == [world.home.child("a/x").key]
        assert list(world.store.list(world.home.child("a/"))) == [world.home.child("a/x").key]
        assert list(world.store.list(world.home.child("none"))) == []

    @pytest.mark.parametrize("action", ["read", "download"])
    def test_a_missing_object_is_named(self, world: World, action: str, tmp_path: Path) -> None:
        place = world.home.child("gone.gpkg")
        calls: dict[str, Callable[[], object]] = {
            "read": lambda: world.store.read(place),
            "download": lambda: world.store.download(place, tmp_path / "copy"),
        }
        with pytest.raises(StorageNotFound) as caught:
            calls[action]()
        assert "read" in str(caught.value)
        assert place.bucket in str(caught.value)
        assert place.key in str(caught.value)
        assert not caught.value.transient
        assert not (tmp_path / "copy").exists()

    def test_a_missing_bucket_is_named(self, world: World) -> None:
        place = Location(scheme="s3", bucket="nobucket", key="a/b", credentials=world.home.credentials)
        with pytest.raises(StorageNotFound, match=r"write s3://nobucket/a/b.*no bucket 'nobucket'"):
            world.store.write(place, b"")
        with pytest.raises(StorageNotFound, match="no bucket 'nobucket'"):
            world.store.write_many(place, [("a/b", b"")])
        with pytest.raises(StorageNotFound, match="no bucket 'nobucket'"):
            list(world.store.list(place))

    @pytest.mark.parametrize("key", ["../other/x", "a/../../x", "a/./x"])
    def test_keys_do_not_climb(self, world: World, key: str) -> None:
        place = world.home.at(key)
        for call in (lambda: world.store.read(place), lambda: world.store.write(place, b"x")):
            with pytest.raises(StorageDenied):
                call()
