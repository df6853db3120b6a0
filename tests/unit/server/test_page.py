"""The page's files and its routes, over HTTP."""

from __future__ import annotations

import gzip
import socket
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from arpent.server.page import form, results
from arpent.wire.result.view import Shown
from tests.support.server import wait_for
from tests.unit.server.fakes import UPLOAD, World
from tests.unit.server.test_batch import PATHS, create, error

WISH = {"output": "ndvi", "band": "B0", "statistic": "mean", "from": "2023-06-01T00:00:00Z"}


@pytest.fixture
def built(here: World) -> World:
    """A page that has been built; the app has read the name of its folder, so it is filled."""
    folder = Path(here.built)
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><title>arpent</title>")
    (folder / "docs.html").write_text("<!doctype html><title>docs</title>")
    (folder / "assets" / "page-1.js").write_text("1;" * 1000)
    (folder / "assets" / "page-1.js.gz").write_bytes(gzip.compress(b"1;" * 1000))
    (folder / "assets" / "worker-1.mjs").write_text("2;")
    (folder / "assets" / "style-1.css").write_text("p{}")
    (folder / "assets" / "secret.key").write_text("hush")
    (folder / "other.js").write_text("hush")
    return here


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_let_nothing_in_from_elsewhere(built: World, path: str) -> None:
    answer = requests.get(built.url + path, timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["worker-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("page-1.js", "text/javascript"), ("worker-1.mjs", "text/javascript"), ("style-1.css", "text/css")],
)
def test_assets_have_types_and_are_kept(built: World, name: str, kind: str) -> None:
    answer = requests.get(f"{built.url}/assets/{name}", headers={"accept-encoding": "identity"}, timeout=10)
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers


def test_an_asset_is_sent_compressed_to_who_takes_that(built: World) -> None:
    answer = requests.get(built.url + "/assets/page-1.js", headers={"accept-encoding": "gzip"}, timeout=10)
    assert (answer.headers["content-encoding"], answer.text) == ("gzip", "1;" * 1000)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert int(answer.headers["content-length"]) < 100


@pytest.mark.parametrize(
    "path",
    [
        "secret.key",
        "..%2Fother.js",
        "%2e%2e/other.js",
        ".hidden.js",
        "absent.js",
        "page-1.js.gz",
        "a%00.js",
        f"{'a' * 5000}.js",
    ],
)
def test_nothing_else_is_served(built: World, path: str) -> None:
    session = requests.Session()
    prepared = session.prepare_request(requests.Request("GET", f"{built.url}/assets/x"))
    prepared.url = f"{built.url}/assets/{path}"
    answer = session.send(prepared, timeout=10)
    assert answer.status_code == 404
    assert "hush" not in answer.text


def test_a_page_that_is_not_built_says_how(here: World) -> None:
    for name in ("index.html", "docs.html"):
        Path(here.built, name).unlink(missing_ok=True)
    answer = requests.get(here.url + "/", timeout=10)
    assert answer.status_code == 200
    assert "make page" in answer.text
    assert "content-security-policy" in answer.headers


BELOW = ("", "/scale", "/tiles/0/0/0", "/values", "/features/1", "/table")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("below", BELOW)
def test_results_are_their_owners(here: World, path: str, below: str) -> None:
    url = f"{here.url}{path}/{create(here)}/results{below}"
    assert requests.get(url, WISH, timeout=10).status_code == 401
    assert requests.get(url, WISH, headers=here.bearer("you"), timeout=10).status_code == 404
    assert here.shown == []
    assert requests.get(url, WISH, headers=here.bearer(), timeout=10).status_code == 200
    assert len(here.shown) == 1


def test_what_a_map_asks_for_reaches_the_results(here: World) -> None:
    job = create(here)
    base, headers = f"{here.url}{PATHS[0]}/{job}/results", here.bearer()
    start = datetime(2023, 6, 1, tzinfo=UTC)
    tile = requests.get(base + "/tiles/3/2/1", WISH, headers=headers, timeout=10)
    assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert "authorization" in tile.headers["vary"]  # another client of this browser must not get it
    assert tile.headers["content-encoding"] == "gzip"
    requests.get(base + "/tiles/0/0/0", headers=headers, timeout=10)
    requests.get(base + "/scale", WISH, headers=headers, timeout=10)
    requests.get(base + "/values", WISH | {"count": "20", "offset": "40"}, headers=headers, timeout=10)
    requests.get(base + "/features/-7", headers=headers, timeout=10)
    table = requests.get(base + "/table", {"format": "parquet"}, headers=headers, timeout=10)
    assert f"arpent-{job}.parquet" in table.headers["content-disposition"]
    assert "content-encoding" not in table.headers  # Parquet is compressed
    wish = Shown("ndvi", "B0", "mean", start)
    assert here.shown == [
        (job, "tile", (wish, (3, 2, 1))),
        (job, "tile", (Shown("", "", ""), (0, 0, 0))),
        (job, "scale", (Shown("ndvi", "B0", "mean"),)),
        (job, "values", (wish, 40, 20)),
        (job, "series", (-7,)),
        (job, "table", ("parquet",)),
    ]


class Held:
    """A view that is being computed until somebody ends it."""

    def __init__(self) -> None:
        self.future: Future[bytes] = Future()

    def begun(self) -> bool:
        return True

    def cancel(self) -> None:
        """It is a map's: it goes on."""


def sent(here: World, head: str, body: bytes = b"") -> socket.socket:
    """A connection over which the beginning of a request was sent."""
    host, _, port = here.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    token = here.bearer()["Authorization"]
    connection.sendall(f"{head}\r\nhost: x\r\nauthorization: {token}\r\n\r\n".encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """The status of the answer; closes the connection."""
    with connection:
        return int(connection.recv(1000).split()[1])


def test_who_hangs_up_while_waiting_is_not_served(here: World) -> None:
    job, held = create(here), [Held() for _ in range(results.AT_ONCE)]
    here.views.extend(held)
    first = [sent(here, f"GET {PATHS[0]}/{job}/results/tiles/0/0/0 HTTP/1.1") for _ in held]
    wait_for(lambda: len(here.shown) == results.AT_ONCE, 20, "views that are computed")
    before = here.service.asked
    gone = sent(here, f"GET {PATHS[0]}/{job}/results/features/1 HTTP/1.1")
    stays = sent(here, f"GET {PATHS[-1]}/{job}/results HTTP/1.1")  # all paths share the turns
    wait_for(lambda: here.service.asked == before + 2, 20, "two that wait")
    gone.close()
    requests.get(here.url + "/page/form", headers=here.bearer(), timeout=10)  # the server has seen that by now
    assert len(here.shown) == results.AT_ONCE
    for each in held:
        each.future.set_result(b"")
    assert [status_of(each) for each in (*first, stays)] == [200] * (results.AT_ONCE + 1)
    assert [method for _, method, _ in here.shown] == ["tile"] * results.AT_ONCE + ["overview"]


@pytest.mark.parametrize(
    ("below", "query", "named"),
    [
        ("/tiles/0/1/0", {}, "zoom"), ("/tiles/25/0/0", {}, "zoom"), ("/tiles/a/0/0", {}, "zoom"),
        ("/tiles/1/-1/0", {}, "column"), ("/values", {"offset": "x"}, "offset"),
        ("/table", {"format": "xls"}, "format"),
        ("/scale", {"output": "ndvi"}, "band"), ("/values", WISH | {"from": "yesterday"}, "from"),
        ("/values", WISH | {"output": "x" * 300}, "output"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(here: World, below: str, query: dict[str, str], named: str) -> None:
    url = f"{here.url}{PATHS[0]}/{create(here)}/results{below}"
    status, _, message = error(requests.get(url, query, headers=here.bearer(), timeout=10))
    assert status == 400
    assert f"`{named}`" in message
    assert here.shown == []


def test_the_form_is_told_what_there_is(here: World) -> None:
    assert requests.get(here.url + "/page/form", timeout=10).status_code == 401
    mine = requests.get(here.url + "/page/form", headers=here.bearer(), timeout=10).json()
    assert (mine["places"], mine["uploadBytes"]) == (["fields", "shared/me"], UPLOAD)
    assert requests.get(here.url + "/page/form", headers=here.bearer("you"), timeout=10).json()["places"] == []


def test_a_script_of_indices(here: World) -> None:
    query = {"index": ["ndvi", "ndwi"], "collection": "sentinel-2-l2a", "mask": "true"}
    told = requests.get(here.url + "/page/script", query, headers=here.bearer(), timeout=10).json()
    assert all(part in told["evalscript"] for part in ("ndvi", "ndwi", "SCL"))
    query = {"index": ["ndvii"], "collection": "sentinel-2-l2a"}
    status, _, message = error(requests.get(here.url + "/page/script", query, headers=here.bearer(), timeout=10))
    assert (status, "ndvi" in message) == (400, True)


def test_a_file_is_described(here: World) -> None:
    url = here.url + "/page/features"
    answer = requests.get(url, {"url": "s3://fields/a.gpkg"}, headers=here.bearer(), timeout=10)
    assert answer.json() == {"features": 3}
    assert error(requests.get(url, headers=here.bearer(), timeout=10))[0] == 400


def upload(here: World, content: bytes, client: str = "me", **query: str) -> requests.Response:
    return requests.post(here.url + "/page/files", content, params=query, headers=here.bearer(client), timeout=20)


def test_an_upload_is_stored_below_a_place_of_the_client(here: World) -> None:
    content = b"x" * (UPLOAD - 1)  # more than any other body may have
    urls = [upload(here, content, place="fields", name="my fields.gpkg").json()["url"] for _ in range(2)]
    assert all(url.startswith("s3://fields/uploads/") and url.endswith("/my fields.gpkg") for url in urls)
    assert len(set(urls)) == 2  # none replaces another
    assert here.stored == dict.fromkeys(urls, content)


@pytest.mark.parametrize(
    ("client", "place", "name"),
    [
        ("me", "other", "a.gpkg"), ("you", "fields", "a.gpkg"), ("me", "fields/..", "a.gpkg"), ("me", "", "a.gpkg"),
        ("me", "fields", "../a.gpkg"), ("me", "fields", "a/b.gpkg"), ("me", "fields", "a.exe"),
        ("me", "fields", ".gpkg"),
        ("me", "fields", "a\n.gpkg"), ("me", "fields", "x" * 200 + ".gpkg"),
    ],
)  # fmt: skip
def test_an_upload_elsewhere_is_refused(here: World, client: str, place: str, name: str) -> None:
    assert error(upload(here, b"x", client, place=place, name=name))[0] == 400
    assert here.stored == {}


def test_an_upload_has_a_limit_and_an_owner(here: World) -> None:
    assert error(upload(here, b"x" * (UPLOAD + 1), place="fields", name="a.gpkg"))[0] == 413
    parts = (b"x" * 50_000 for _ in range(UPLOAD // 50_000 + 1))  # without Content-Length
    assert error(upload(here, parts, place="fields", name="a.gpkg"))[0] == 413  # type: ignore[arg-type]
    assert error(upload(here, b"", place="fields", name="a.gpkg"))[0] == 400
    bare = requests.post(here.url + "/page/files", b"x", params={"place": "fields", "name": "a.gpkg"}, timeout=10)
    assert bare.status_code == 401
    assert here.stored == {}


def test_uploads_under_way_are_counted(here: World) -> None:
    head = "POST /page/files?place=fields&name=a.gpkg HTTP/1.1\r\ncontent-length: 4\r\nexpect: 100-continue"
    begun = [sent(here, head) for _ in range(form.OF_CLIENT)]
    for each in begun:  # "100 Continue" is sent when the body is asked for: the upload has its turn
        assert each.recv(1000).startswith(b"HTTP/1.1 100 ")
        each.sendall(b"xx")
    one = {"place": "fields", "name": "a.gpkg"}
    assert upload(here, b"x", **one).status_code == 429
    assert b"xxxx" not in here.stored.values()
    for each in begun:
        each.sendall(b"xx")
    assert [status_of(each) for each in begun] == [201] * form.OF_CLIENT
    assert b"xxxx" in here.stored.values()
    assert upload(here, b"x", **one).status_code == 201


def test_the_larger_limit_is_of_uploads_alone(here: World) -> None:
    answer = requests.post(here.url + PATHS[0], b"x" * (UPLOAD - 1), headers=here.bearer(), timeout=10)
    assert answer.status_code == 413
