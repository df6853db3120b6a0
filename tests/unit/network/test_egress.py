"""What an item names is reached under the policy only: by the first address, by a redirect, by a name that resolves
otherwise the next time, by a link of a catalogue's answer; and no file outside of the catalogue's folder."""

from __future__ import annotations

import _socket
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.catalogs.item import absolute
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable, CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.network import connections
from arpent.network.policy import EgressPolicy, policy_of
from arpent.settings import Settings
from arpent.worker import egress_policy, services_of
from tests.support.cogs import formula, write
from tests.support.http_server import QuietHandler, served
from tests.support.stac_api import stac_api
from tests.support.web import serve


@pytest.fixture(autouse=True)
def plain_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses in odd spellings are looked up; the guard of the tests' network knows only usual ones. It still guards
    connections."""
    monkeypatch.setattr(socket, "getaddrinfo", _socket.getaddrinfo)


@dataclass
class Redirects:
    """A server that leads elsewhere."""

    url: str = ""
    target: str = ""
    status: int = 302
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of each request."""


@contextmanager
def redirecting() -> Iterator[Redirects]:
    state = Redirects()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            state.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(state.status)
            self.send_header("location", state.target or f"{state.url}{self.path}/on")
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

    with served(Handler) as state.url:
        yield state


def reader(*urls: str, folders: tuple[str, ...] = (), further: tuple[str, ...] = ()) -> CogReader:
    return CogReader(retry_seconds=0.2, policy=policy_of(urls, folders, further))


def refused(reading: CogReader, href: str) -> str:
    with pytest.raises(AssetUnreadable) as caught:
        reading.describe(href)
    reading.close()
    assert not caught.value.transient
    return str(caught.value)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let names resolve to these addresses, one answer after the other; returns what was asked."""
    true = socket.getaddrinfo
    asked: list[str] = []

    def install(*answers: list[str]) -> list[str]:
        remaining = list(answers)

        def resolve(host: str, port: int, *arguments: Any, **options: Any) -> Any:
            if host[0].isdigit() or ":" in host:
                return true(host, port, *arguments, **options)
            asked.append(host)
            found = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(connections.socket, "getaddrinfo", resolve)
        return asked

    return install


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.",
             "[::ffff:127.0.0.1]", "\uff11\uff12\uff17.0.0.1", "0"],
)  # fmt: skip
def test_an_href_does_not_reach_this_machine_however_it_is_spelt(tmp_path: Path, host: str) -> None:
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web:
        said = refused(reader(), f"http://{host}:{web.url.rpartition(':')[2]}/a.tif")
        assert "may not be read" in said
        assert web.asked == []


def test_a_host_that_the_operator_names_is_reached(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web:
        for allowed in (reader(web.url), reader(further=("127.0.0.1",)), reader(further=(web.url[7:],))):
            assert allowed.describe(f"{web.url}/a.tif").width == 64
            allowed.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_checked_as_an_href_is(tmp_path: Path, status: int) -> None:
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web, redirecting() as leading:
        leading.target, leading.status = f"{web.url}/a.tif", status
        assert "ARPENT_REACHABLE" in refused(reader(leading.url), f"{leading.url}/x.tif")
        assert web.asked == []
        both = reader(leading.url, web.url)
        assert both.describe(f"{leading.url}/x.tif").width == 64
        both.close()


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "file:///etc/passwd", "s3://bucket/key", "ftp://h/x",
               "http://u@127.0.0.1/x", "//10.0.0.1/x", "http://[", "//[::1", "http://127.0.0.1:99999999/"],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(target: str) -> None:
    with redirecting() as leading:
        leading.target = target
        assert "may not be read" in refused(reader(leading.url), f"{leading.url}/x.tif")


def test_redirects_end() -> None:
    with redirecting() as leading:
        assert "redirects" in refused(reader(leading.url), f"{leading.url}/x.tif")
        assert len(leading.asked) == connections.MOST_HOPS + 1


def test_a_name_that_leads_inside_is_refused(tmp_path: Path, resolves: Callable[..., list[str]]) -> None:
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web:
        port = web.url.rpartition(":")[2]
        for addresses in (["127.0.0.1"], ["203.0.114.1", "127.0.0.1"], ["169.254.169.254"]):
            resolves(addresses)
            assert "ARPENT_REACHABLE" in refused(reader(), f"http://images.example:{port}/a.tif")
        assert web.asked == []


def test_a_name_is_resolved_once_for_check_and_connection(
    monkeypatch: pytest.MonkeyPatch, resolves: Callable[..., list[str]]
) -> None:
    """DNS rebinding: public when it is checked, this machine when it is connected to."""
    asked = resolves(["8.8.8.8"], ["127.0.0.1"])
    connected: list[Any] = []

    def connect(address: tuple[str, int], *_: object) -> socket.socket:
        connected.append(address)
        raise OSError(111, "refused")

    monkeypatch.setattr(connections, "create_connection", connect)
    reading = CogReader(retry_seconds=0, policy=EgressPolicy())
    with pytest.raises(AssetUnreadable):
        reading.describe("http://images.example/a.tif")
    assert (asked, connected) == (["images.example"], [("8.8.8.8", 80)])


def test_items_of_a_folder_lead_into_it_only(tmp_path: Path) -> None:
    stac = tmp_path / "stac"
    stac.mkdir()
    inside, outside = write(stac / "a.tif", formula(64, 64)), write(tmp_path / "b.tif", formula(64, 64))
    os.symlink(outside, stac / "link.tif")
    os.mkfifo(stac / "pipe.tif")
    source = str(stac / "item.json")
    for href in ("../b.tif", "./link.tif", f"file://{outside}", str(outside), "/etc/passwd", "/dev/zero", "./pipe.tif"):
        assert "may not be read" in refused(reader(folders=(str(stac),)), absolute(href, source))
    for href in ("a.tif", f"file://{inside}", f"file://localhost{inside}"):
        assert reader(folders=(str(stac),)).describe(absolute(href, source)).width == 64
    assert reader(folders=(str(stac),), further=(str(outside),)).describe(absolute("../b.tif", source)).width == 64


@pytest.mark.parametrize("spelt", ["file://{}", "FILE://{}", "file://localhost{}", "file:{}", "File:{}"])
def test_items_of_an_api_name_no_file(tmp_path: Path, spelt: str) -> None:
    path = write(tmp_path / "a.tif", formula(64, 64))
    href = absolute(spelt.format(path), "https://stac.example/items/1")
    assert "may not be read" in refused(CogReader(policy=policy_of([], [str(tmp_path)])), href)


COLLECTION = load_collections()["sentinel-2-l2a"]
YEAR = Interval(start=datetime(2023, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 1, tzinfo=UTC))
BOX = (14.0, 44.0, 17.0, 47.0)


def item(number: int) -> dict[str, object]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"S2A_{number}", "collection": COLLECTION.stac_collections[0],
        "bbox": list(BOX), "properties": {"datetime": "2023-06-01T10:00:00Z"},
        "links": [{"rel": "self", "href": "/etc/item.json"}],
        "geometry": {"type": "Polygon", "coordinates": [[[14, 44], [17, 44], [17, 47], [14, 47], [14, 44]]]},
        "assets": {"red": {"href": "passwd"}},
    }  # fmt: skip


def test_a_self_link_does_not_make_an_api_a_folder() -> None:
    with stac_api([item(1)]) as api:
        (found,) = ApiCatalog(api.url, policy=policy_of([api.url], [])).search(COLLECTION, YEAR, BOX)
        assert [asset.href for asset in found.assets.values()] == [f"{api.url}/passwd"]


def test_a_next_page_elsewhere_is_refused() -> None:
    with stac_api([item(number) for number in range(5)]) as api, redirecting() as other:
        true = api.answer

        def answer(method: str, path: str, body: dict[str, object]) -> tuple[int, object]:
            status, found = true(method, path, body)
            return status, json.loads(
                json.dumps(found).replace(f'"next", "href": "{api.url}', f'"next", "href": "{other.url}')
            )

        api.answer = answer  # type: ignore[method-assign]
        with pytest.raises(CatalogUnavailable, match=r"leads to an address.*ARPENT_REACHABLE") as caught:
            ApiCatalog(api.url, policy=policy_of([api.url], [])).search(COLLECTION, YEAR, BOX)
        assert not caught.value.transient
        assert other.asked == []


def test_a_catalogue_that_redirects_is_followed_to_allowed_hosts_only_and_without_its_password() -> None:
    with redirecting() as leading, redirecting() as other:
        leading.target = f"{other.url}/v1"
        named = leading.url.replace("http://", "http://me:hush@")
        with pytest.raises(CatalogUnavailable, match="leads to an address"):
            ApiCatalog(named, policy=policy_of([named], [])).search(COLLECTION, YEAR, BOX)
        assert other.asked == []
        other.status = 404
        with pytest.raises(CatalogUnavailable):
            ApiCatalog(named, policy=policy_of([named, other.url.replace("127.0.0.1", "localhost")], [])).search(
                COLLECTION, YEAR, BOX
            )
        assert "authorization" in leading.asked[0]
        assert all("authorization" not in headers for headers in other.asked)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "mailto:me"])
def test_a_catalogue_that_redirects_to_what_is_no_web_address_is_told_at_once(target: str) -> None:
    with redirecting() as leading:
        leading.target = target
        with pytest.raises(CatalogUnavailable, match="redirects to an address that is not https or http") as caught:
            ApiCatalog(leading.url, policy=policy_of([leading.url], [])).search(COLLECTION, YEAR, BOX)
        assert not caught.value.transient
        assert len(leading.asked) == 1


def test_the_settings_become_the_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text("{}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://10.0.0.5:9000")
    policy = egress_policy(
        Settings(
            catalog="http://stac.local/v1", catalogs={"dem": str(tmp_path / "items.json")}, reachable="images.local"
        )  # type: ignore[arg-type]
    )
    assert policy.hosts == {("stac.local", 80), ("10.0.0.5", 9000), ("images.local", None)}
    assert policy.folders == (os.path.realpath(tmp_path),)


def test_workers_read_under_the_policy(tmp_path: Path) -> None:
    (tmp_path / "stac").mkdir()
    write(tmp_path / "b.tif", formula(64, 64))
    services = services_of(Settings(catalog=str(tmp_path / "stac")))
    with pytest.raises(AssetUnreadable, match="ARPENT_REACHABLE"):
        services.reader.describe(str(tmp_path / "b.tif"))
