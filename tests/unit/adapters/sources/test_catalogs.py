"""Catalogues that want a login, and which alternate of an asset is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import source_table
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.network import renewal
from arpent.network.source import ArchiveSource
from tests.support.archives import Archive, archive
from tests.support.http_server import QuietHandler, served
from tests.support.stac_api import Api, stac_api
from tests.support.world import SEASON, item

JUNE = Interval(start=datetime(2023, 6, 1, tzinfo=UTC), end=datetime(2023, 7, 1, tzinfo=UTC))
COLLECTION = load_collections()["sentinel-2-l2a"]


def keys(**entries: dict[str, Any]) -> TableAccess:
    return TableAccess(source_table({name: ArchiveSource.model_validate(it) for name, it in entries.items()}, ()))


def search(url: str, access: TableAccess) -> tuple[Item, ...]:
    return open_catalog(url, access=access).search(COLLECTION, JUNE, (10.0, 40.0, 20.0, 50.0))


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api([item(acquisition) for acquisition in SEASON[:4]]) as running:
        yield running


class Guard:
    """A door before an API: it lets those in whose token the archive knows, and shows others a page or a status."""

    def __init__(self, api: Api, at: Archive) -> None:
        self.api, self.at, self.refusals, self.page = api, at, 0, False
        guard = self

        class Door(QuietHandler):
            def _serve(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
                status, answer, kind = 200, b"", "application/json"
                if not at.takes((self.headers.get("authorization") or "").removeprefix("Bearer ")):
                    guard.refusals += 1
                    status, answer, kind = (
                        (200, b"<html>log in</html>", "text/html") if guard.page else (401, b"", kind)
                    )
                else:
                    status, found = api.answer(self.command, self.path, body)
                    answer = json.dumps(found).replace(api.url, guard.url).encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _serve  # noqa: N815

        self.door = Door
        self.url = ""


@pytest.fixture
def guard(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    monkeypatch.setenv("CLIENT", "good")
    with archive(tmp_path) as at:
        made = Guard(api, at)
        with served(made.door) as made.url:
            yield made


def oidc(guard: Guard, **more: str) -> dict[str, Any]:
    token = {"token_url": f"{guard.at.url}/oidc/token", "client_id": "me", "client_secret": "env:CLIENT"}
    return {"match": guard.url, **token, **more}


def test_a_token_that_ends_within_a_search(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    guard.at.uses = 2
    assert len(search(guard.url, keys(mine=oidc(guard)))) == 4
    assert guard.refusals > 0
    assert len(guard.at.given) == guard.refusals + 1


def test_without_a_login_it_says_what_to_set(guard: Guard) -> None:
    with pytest.raises(CatalogUnavailable, match=r"HTTP 401\): set a source for https://127.0.0.1 with a `token`"):
        search(guard.url, keys())


def test_a_login_that_is_refused(guard: Guard) -> None:
    guard.at.uses = 0
    with pytest.raises(CatalogUnavailable, match="the login of source mine is refused") as caught:
        search(guard.url, keys(mine=oidc(guard)))
    assert not caught.value.transient


def test_a_secret_that_is_not_there(guard: Guard) -> None:
    with pytest.raises(
        CatalogUnavailable, match="cannot be queried: its source mine cannot log in: set the variable NO"
    ):
        search(guard.url, keys(mine=oidc(guard, client_secret="env:NO")))
    assert guard.refusals == 0


def test_a_page_to_log_in_in_place_of_an_answer(guard: Guard) -> None:
    guard.page = True
    with pytest.raises(CatalogUnavailable, match=r"its answer is not JSON.*if it is a login page: set a source for"):
        search(guard.url, keys())


def alternate(document: dict[str, Any]) -> dict[str, Any]:
    for asset in document["assets"].values():
        asset["href"] = f"https://images.invalid/{asset['href'].removeprefix('./')}"
        asset["alternate"] = {"s3": {"href": "s3://bucket/x.tif"}, "odd": "text", "https": {}}
    return document


@pytest.mark.parametrize(("wanted", "scheme"), [("s3", "s3"), ("gs", "https"), ("odd", "https"), ("https", "https")])
def test_the_alternate_of_an_asset(wanted: str, scheme: str, tmp_path: Path) -> None:
    access = keys(mine={"match": "https://images.invalid", "alternate": wanted})
    (tmp_path / "item.json").write_text(json.dumps(alternate(dict(item(SEASON[0])))))
    with stac_api([alternate(dict(item(SEASON[0])))]) as api:
        for address in (str(tmp_path), api.url):
            (found,) = search(address, access)
            assert {asset.href.partition(":")[0] for asset in found.assets.values()} == {scheme}
            (plain,) = search(address, keys())
            assert {asset.href.partition(":")[0] for asset in plain.assets.values()} == {"https"}
