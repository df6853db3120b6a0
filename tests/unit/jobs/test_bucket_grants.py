"""Which client may use which buckets with what the server has: when a request is made, and at every step after."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from arpent import worker
from arpent.adapters.objects.granted import GrantedObjects
from arpent.domain.boundary.client_ids import LOCAL, external_id, id_in_paths
from arpent.domain.errors import ArpentError, InvalidRequest, StorageDenied
from arpent.domain.location import Credentials, Location
from arpent.jobs.bucket_grants import EVERYBODY, grants_of, is_grant
from arpent.settings import Settings
from arpent.wiring import server, store
from arpent.wiring.access import warn_of_shared_buckets
from tests.unit.wire.bodies import BATCH, REMOVE, text

GRANTS = {"anna": ["fields", "results/anna", "own/<CLIENT_ID>/x"], "*": ["shared/in"], "root": ["*"]}
KEYLESS = {f"{place}.s3.{name}": REMOVE for place in ("input.features", "output")
           for name in ("accessKey", "secretAccessKey")}  # fmt: skip


def location(path: str, **credentials: str) -> Location:
    bucket, _, key = path.partition("/")
    return Location(scheme="s3", bucket=bucket, key=key, credentials=Credentials(**credentials))


@pytest.mark.parametrize(
    ("client", "path", "allowed"),
    [
        ("anna", "fields/a.gpkg", True), ("anna", "fields", True), ("anna", "fieldsother/a", False),
        ("anna", "results/anna/1.json", True), ("anna", "results/anna", True), ("anna", "results/annabel/x", False),
        ("anna", "results/bert/1.json", False), ("anna", "results", False), ("anna", "own/anna/x/y", True),
        ("anna", "own/bert/x/y", False), ("anna", "shared/in/a", True), ("bert", "shared/in/a", True),
        ("bert", "shared/input", False), ("bert", "fields/a.gpkg", False), ("root", "anything/at/all", True),
        ("", "fields/a", False),
    ],
)  # fmt: skip
def test_a_client_uses_what_it_was_granted(client: str, path: str, allowed: bool) -> None:
    for folder in (True, False):
        assert grants_of(GRANTS, client, folder=folder).allows(location(path)) is allowed


def test_without_any_grant_all_is_allowed() -> None:
    assert grants_of({}, "anna", folder=True).allows(location("fields/a"))


def test_own_keys_need_no_grant_but_open_no_folder() -> None:
    for own in ({"access_key": "A", "secret_access_key": "s"}, {"service_account": "x"}, {"iam_role_arn": "arn"}):
        place = location("private/a", **own)
        assert grants_of(GRANTS, "bert", folder=False).allows(place)
        assert not grants_of(GRANTS, "bert", folder=True).allows(place)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input.features.s3.url": "s3://private/x.gpkg"}, "input->features->s3->url"),
        ({"output.s3.url": "s3://results/bert/"}, "output->s3->url"),
        ({"output.s3.url": "s3://results/<ID>.json"}, "output->s3->url"),
        ({"aggregation.evalscript": REMOVE, "aggregation.evalscriptReference": {"s3": {"url": "s3://private/x.js"}}},
         "aggregation->evalscriptReference->s3->url"),
    ],
)  # fmt: skip
def test_creating_refuses_the_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    good = {**KEYLESS, "input.features.s3.url": "s3://fields/x.gpkg", "output.s3.url": "s3://results/anna/"}
    grants = {"anna": ("fields", "results/anna")}
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'a.db'}", bucket_grants=grants)
    service = server.service(settings, store.database(settings))
    service.create("anna", text(BATCH, good))
    with pytest.raises(InvalidRequest, match="ARPENT_BUCKET_GRANTS") as caught:
        service.create("anna", text(BATCH, {**good, **changes}))
    assert [name for name, _ in caught.value.violations] == [field]
    with pytest.raises(InvalidRequest):
        service.create("bert", text(BATCH, good))


class Everything:
    """A store that does all it is asked."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def read(self, location: Location, most: int | None = None) -> bytes:
        self.done.append(location.url)
        return b""

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        self.done.append(location.url)

    def write(self, location: Location, payload: bytes) -> None:
        self.done.append(location.url)

    def write_many(self, prefix: Location, entries: Any) -> None:
        self.done += [prefix.at(key).url for key, _ in entries]

    def list(self, prefix: Location) -> Iterator[str]:
        self.done.append(prefix.url)
        return iter(())


def test_each_step_asks_again() -> None:
    """A grant that was taken back, and keys that a template makes of what a feature says."""
    store = Everything()
    mine = GrantedObjects(store=store, grants=grants_of(GRANTS, "anna", folder=True))
    steps = (
        mine.read, lambda place: mine.download(place, Path("x")), lambda place: mine.write(place, b""),
        lambda place: mine.write_many(place, [(place.key, b"")]), mine.list,
    )  # fmt: skip
    for step in steps:
        step(location("results/anna/x"))
        with pytest.raises(StorageDenied, match="ARPENT_BUCKET_GRANTS"):
            step(location("results/bert/x"))
    with pytest.raises(StorageDenied):
        mine.write_many(location("results/anna/x"), [("anna/a", b""), ("bert/a", b"")])
    assert len(store.done) == len(steps)


def test_a_folder_for_each_client(tmp_path: Path) -> None:
    for client in ("anna", "bert"):
        (tmp_path / client / "fields").mkdir(parents=True)
        (tmp_path / client / "fields" / "a").write_text(client)
    settings = Settings(buckets=tmp_path / "<CLIENT_ID>")
    worker.check_places(settings)
    for client in ("anna", "bert"):
        assert worker.services_for(client, settings).objects.read(location("fields/a")) == client.encode()
    for odd in ("../anna", "anna/../bert", ".", "", "/"):
        with pytest.raises(ArpentError, match="Cannot read"):
            worker.services_for(odd, settings).objects.read(location("fields/a"))


def test_ids_of_another_issuer_share_nothing(tmp_path: Path) -> None:
    """Signs that a path has a meaning for, or that no path can have, and ids that look like what others become."""
    anna = id_in_paths("anna@example.org")
    ids = ["/", "*", "..", "auth0|1", "auth0|2", "anna@example.org", anna, id_in_paths(anna), "-", "a/b", "a", "x-1"]
    for written in (id_in_paths, external_id):
        assert len({written(each) for each in ids}) == len(ids)
    assert [id_in_paths(each) for each in ("a", "x-1", "-")] == ["a", "x-1", "-"]
    assert anna == "x-" + sha256(b"anna@example.org").hexdigest()[:32]
    assert external_id("anna@example.org") == "anna@example.org"
    assert external_id("auth0|1") == id_in_paths("auth0|1"), "AWS takes no | there"
    settings = Settings(buckets=tmp_path / "<CLIENT_ID>")
    for each in ids:
        (tmp_path / id_in_paths(each) / "fields").mkdir(parents=True)
        worker.services_for(each, settings).objects.write(location("fields/a"), each.encode())
    for each in ids:
        assert worker.services_for(each, settings).objects.read(location("fields/a")) == each.encode()


@pytest.mark.parametrize("client", ["/", "*", ".", "bert/x", "//"])
def test_an_odd_id_widens_no_grant(client: str) -> None:
    for grant in ("results/<CLIENT_ID>", "<CLIENT_ID>", "<CLIENT_ID>/a"):
        grants = grants_of({"*": [grant]}, client, folder=True)
        own = grant.replace("<CLIENT_ID>", id_in_paths(client))
        assert grants.allows(location(f"{own}/x"))
        allowed = [path for path in ("results", "results/bert/x", "bert/x", "bert/a", "other/a/x")
                   if grants.allows(location(path))]  # fmt: skip
        assert allowed == []
        assert EVERYBODY not in grants.places(["results"])


def test_work_and_explain_ask_for_the_client(tmp_path: Path) -> None:
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "a").write_text("x")
    settings = Settings(buckets=tmp_path, bucket_grants={"anna": ("fields",)})
    for client in ("anna", LOCAL):
        assert worker.services_for(client, settings).objects.read(location("fields/a")) == b"x"
    with pytest.raises(StorageDenied, match="client bert"):
        worker.services_for("bert", settings).objects.read(location("fields/a"))


def test_several_clients_and_no_grants_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'a.db'}")
    engine = store.database(settings)
    clients = store.clients(engine)
    clients.add("anna")
    warn_of_shared_buckets(settings, engine)
    issuer = settings.model_copy(update={"oidc_issuer": "https://login.test"})
    warn_of_shared_buckets(issuer.model_copy(update={"bucket_grants": {"*": ("a",)}}), engine)
    assert "ARPENT_BUCKET_GRANTS" not in caplog.text
    warn_of_shared_buckets(issuer, engine)
    assert "ARPENT_BUCKET_GRANTS" in caplog.text
    caplog.clear()
    clients.add("bert")
    warn_of_shared_buckets(settings.model_copy(update={"bucket_grants": {"*": ("a",)}}), engine)
    warn_of_shared_buckets(settings.model_copy(update={"buckets": tmp_path / "<CLIENT_ID>"}), engine)
    assert "ARPENT_BUCKET_GRANTS" not in caplog.text
    warn_of_shared_buckets(settings, engine)
    assert "ARPENT_BUCKET_GRANTS" in caplog.text


@pytest.mark.parametrize("entry", ["a", "a/b/c", "*", "<CLIENT_ID>/x", "", "s3://a", "a/../b", "a b"])
def test_how_a_grant_is_written(entry: str) -> None:
    assert is_grant(entry) is (entry in ("a", "a/b/c", "*", "<CLIENT_ID>/x"))
