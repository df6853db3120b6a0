"""What HTTP itself asks: methods, what is not served, bodies and forms that are none; all of it without a token."""

from __future__ import annotations

import errno
import gzip
import json
import re
import socket
from pathlib import Path

import pytest
import requests

from arpent.server.access.auth import MOST_FORM_BYTES, TOKEN_PATHS
from arpent.server.other_apis import APIS, other_api_message
from tests.unit.server.fakes import CLIENTS, World
from tests.unit.wire.bodies import BATCH, SCRIPT, text

BASE = "/api/v1/statistics/batch"
ALLOWED = {
    BASE: {"GET", "POST", "HEAD", "OPTIONS"},
    "/statistics/batch/v1": {"GET", "POST", "HEAD", "OPTIONS"},
    f"{BASE}/some-id": {"GET", "HEAD", "OPTIONS"},
    f"{BASE}/some-id/status": {"GET", "HEAD", "OPTIONS"},
    f"{BASE}/some-id/start": {"POST", "OPTIONS"},
    "/api/v1/statistics": {"POST", "OPTIONS"},
    "/healthz": {"GET", "HEAD", "OPTIONS"},
    "/openapi.json": {"GET", "HEAD", "OPTIONS"},
    **{path: {"POST", "OPTIONS"} for path in TOKEN_PATHS},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def methods_of(answer: requests.Response) -> set[str]:
    return set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ALLOWED)
def test_a_refused_method_names_those_that_are_allowed(here: World, path: str) -> None:
    for method in METHODS:
        answer = requests.request(method, here.url + path, timeout=10)
        assert (answer.status_code == 405) is (method not in ALLOWED[path]), method
        if answer.status_code == 405:
            assert methods_of(answer) == ALLOWED[path]
            assert method == "HEAD" or answer.json()["error"]["code"] == "COMMON_METHOD_NOT_ALLOWED"
    answer = requests.options(here.url + path, timeout=10)
    assert (answer.status_code, methods_of(answer)) == (200, ALLOWED[path])


def test_options_of_a_path_that_is_none(here: World) -> None:
    answer = requests.options(here.url + "/nothing", timeout=10)
    assert (answer.status_code, "allow" in answer.headers) == (200, False)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_head_is_get_without_a_body(here: World) -> None:
    for path, headers in (("/healthz", {}), (BASE, here.bearer())):
        full = requests.get(here.url + path, headers=headers, timeout=10)
        bare = requests.head(here.url + path, headers=headers, timeout=10)
        assert (bare.status_code, bare.content) == (full.status_code, b"")
        assert bare.headers["content-length"] == full.headers["content-length"]
    assert requests.head(here.url + BASE, timeout=10).status_code == 401


@pytest.mark.parametrize("path", [path for paths, _ in APIS.values() for path in paths])
def test_what_is_not_served_says_what_it_is_and_what_to_do(here: World, path: str) -> None:
    for method, below in (("POST", ""), ("GET", ""), ("GET", "/x/y"), ("PUT", "/3")):
        answer = requests.request(method, here.url + path + below, json={}, timeout=10)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "COMMON_NOT_FOUND")
        assert re.match(r"This is the .+, which arpent does not serve\. [A-Z].+\.$", error["message"])


def test_what_is_served_is_no_such_path() -> None:
    served = (*ALLOWED, "/docs", "/readyz", "/metrics", "/", "/ogcx", "/api/v1", "/batch")
    assert [path for path in served if other_api_message(path)] == []
    assert "Feature Information" in str(other_api_message("/ogc/fis/abc"))
    assert "WMS" in str(other_api_message("/ogc/wms/abc"))


def test_the_page_lists_what_is_not_served() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "api.md").read_text(encoding="utf-8")
    missing = [path for paths, _ in APIS.values() for path in paths if f"`{path}`" not in page]
    assert missing == []


FORM = "application/x-www-form-urlencoded"
FORMS = {
    "many fields": (FORM, "&".join(f"a{number}=1" for number in range(51)).encode()),
    "very many fields": (FORM, b"a=1&" * 20_000),
    "no UTF-8": (FORM, b"grant_type=client_credentials&client_id=\xff&client_secret=%ff"),
    "NUL": (FORM, b"grant_type=client_credentials&client_id=me%00&client_secret=%00"),
    "half a character": (FORM, b"grant_type=client_credentials&client_id=%ed%a0%80&client_secret=x"),
    "broken escapes": (FORM, b"grant_type=client_credentials&client_id=%zz&client_secret=%"),
    "no body": (FORM, b""),
    "no type": ("", b"grant_type=client_credentials"),
    "odd type": (";;;===", b"grant_type=client_credentials"),
    "multipart": ("multipart/form-data; boundary=x", b"--x--"),
}


@pytest.mark.parametrize("case", FORMS)
@pytest.mark.parametrize("path", TOKEN_PATHS[:1])
def test_a_form_that_is_none_gets_no_token(here: World, path: str, case: str) -> None:
    kind, payload = FORMS[case]
    answer = requests.post(here.url + path, payload, headers={"content-type": kind}, timeout=10)
    assert answer.status_code in (400, 401), answer.text
    assert set(answer.json()) == {"error", "error_description"}


def test_credentials_may_stand_beside_fields_that_are_not_read(here: World) -> None:
    fields = {"grant_type": "client_credentials", "client_id": "me", "client_secret": CLIENTS["me"]}
    spare = {f"spare{number}": "x" for number in range(47)}
    assert requests.post(here.url + TOKEN_PATHS[0], fields | spare, timeout=10).status_code == 200
    answer = requests.post(here.url + TOKEN_PATHS[0], fields | spare | {"one": "more"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_form_that_anybody_may_send_is_short(here: World) -> None:
    body = b"grant_type=client_credentials&client_secret=" + b"x" * MOST_FORM_BYTES
    answer = requests.post(here.url + TOKEN_PATHS[0], body, headers={"Content-Type": FORM}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "COMMON_BAD_PAYLOAD")


@pytest.mark.parametrize("header", ["Basic é", "Basic /w==", "Basic " + "A" * 4001, "Basic =", "Basic bWUA", "Basic"])
def test_a_basic_header_that_is_none(here: World, header: str) -> None:
    form = {"grant_type": "client_credentials"}
    answer = requests.post(here.url + "/oauth/token", form, headers={"Authorization": header.encode()}, timeout=10)
    assert answer.status_code in (400, 401), answer.text
    assert "error_description" in answer.json()


NESTED = "eyJhbGciOi" + "W1tb" * 8000
TOKENS = ["a.b.c", "...", NESTED, f"{NESTED}.{NESTED}.x", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA", "W10.W10.W10", "é.é.é"]


@pytest.mark.parametrize("token", TOKENS, ids=range(len(TOKENS)))
def test_a_token_that_is_none(here: World, token: str) -> None:
    answer = requests.get(here.url + BASE, headers={"Authorization": b"Bearer " + token.encode()}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "COMMON_UNAUTHORIZED")


GOOD = text(BATCH).encode()
PART = b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + GOOD + b"\r\n--x--\r\n"
MULTIPART = "multipart/form-data; boundary=x"
BODIES = {
    "UTF-16": ("application/json", GOOD.decode().encode("utf-16"), 400),
    "UTF-7 marks": ("application/json; charset=utf-7", b"+AHs-", 400),
    "a charset that is none": ("application/json; charset=nonsense", b"\xff{", 400),
    "no JSON": ("application/json", b"<xml/>", 400),
    "many parts": (MULTIPART, PART[:-7] + b"".join(
        b'\r\n--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1' for _ in range(40)) + b"\r\n--x--\r\n", 400),
    "many files": (MULTIPART, b"".join(
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n1\r\n'
        for _ in range(40)) + b"--x--", 400),
    "no boundary": ("multipart/form-data", PART, 400),
    "another boundary": ("multipart/form-data; boundary=y", PART, 400),
    "an odd boundary": ("multipart/form-data; boundary=\xff\xfe", PART, 400),
    "an empty boundary": ("multipart/form-data; boundary=", PART, 400),
    "a part without a name": (MULTIPART, b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", 400),
    "a part without a header": (MULTIPART, b"--x\r\n\r\n1\r\n--x--\r\n", 400),
    "a part of an odd charset": (
        MULTIPART,
        PART.replace(b"\r\n\r\n{", b"\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff{", 1),
        400,
    ),
    "a charset for the form": (MULTIPART + "; charset=nonsense", PART.replace(b"{", b"\xff{", 1), 400),
    "cut off": (MULTIPART, PART[:60], 400),
    "no header's end": (MULTIPART, b"--x\r\nContent-Disposition", 400),
    "NULs": (MULTIPART, b"\0" * 500, 400),
    "a number that no double holds": ("application/json", GOOD.replace(b"{", b'{"unknown": [1e400], ', 1), 400),
    "text": ("text/plain", GOOD, 415),
    "odd type": ("/;;==", GOOD, 415),
    "a form": (FORM, GOOD, 415),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", [BASE, "/api/v1/statistics"])
def test_a_body_that_is_none(here: World, path: str, case: str) -> None:
    kind, payload, status = BODIES[case]
    headers = here.bearer() | {"Content-Type": kind.encode("latin-1")}
    answer = requests.post(here.url + path, payload, headers=headers, timeout=10)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["status"] == status
    assert not re.search(
        "(?i)maximum size|maximum number|Missing boundary|MultiPartE|codec|Traceback", error["message"]
    )


def test_a_compressed_body_is_refused_in_words(here: World) -> None:
    for encoding in ("gzip", "br", "deflate, gzip", "nonsense"):
        headers = here.bearer() | {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = requests.post(here.url + BASE, gzip.compress(GOOD), headers=headers, timeout=10)
        assert answer.status_code == 415
        assert "Content-Encoding" in answer.json()["error"]["message"]
    headers = here.bearer() | {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert requests.post(here.url + BASE, GOOD, headers=headers, timeout=10).status_code == 201


def test_a_form_that_is_one(here: World) -> None:
    answer = requests.post(here.url + BASE, PART, headers=here.bearer() | {"Content-Type": MULTIPART}, timeout=10)
    assert answer.status_code == 201
    assert json.loads(answer.text)["request"]["aggregation"]["evalscript"] == SCRIPT


def test_a_body_with_two_ends_is_refused_and_hung_up_on(here: World) -> None:
    """What a proxy took for the body would otherwise be answered as a request of its own."""
    head = f"POST {BASE} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    inner = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    port = int(here.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n" + inner)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1 + answers.count(b"not an HTTP/1.1 request")
    assert b'"ok"' not in answers


def test_a_full_disk_is_told(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads and long parts of forms lie on the disk while they arrive."""

    def get(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(here.service, "get", get)
    answer = requests.get(f"{here.url}{BASE}/1", headers=here.bearer(), timeout=10)
    assert answer.status_code == 503
    assert "No space left on device. Fix it, then send or START the request" in answer.json()["error"]["message"]
