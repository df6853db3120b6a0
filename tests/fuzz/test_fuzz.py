"""Mutated requests and files, from a seed that is printed (README.md): nothing dies, hangs or shows itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.fuzz import api, files, mutate, web
from tests.fuzz.plan import faults, plan
from tests.support.server import Server

pytestmark = pytest.mark.slow

REQUESTS = plan(150, 6)
FILES = plan(150, 6)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server over an empty catalogue, and a token."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "stac").mkdir()
    server = Server(folder=folder, catalog=folder / "stac", settings={"SCRIPT_SECONDS": "4"})
    try:
        server.start()
        client, secret = server.add_client()
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        yield server, requests.post(server.token_url, form, timeout=10).json()["access_token"]
    finally:
        server.close()


@pytest.mark.parametrize("kind", web.MAKERS)
def test_requests(running: tuple[Server, str], kind: str) -> None:
    server, token = running

    def look(number: int) -> str | None:
        sent = web.made(mutate.case(REQUESTS.seed, number, kind), kind, token)
        return web.fault(sent, *web.exchange(server, sent))

    found = faults(REQUESTS, kind, look)
    assert not found, "\n".join(found)
    assert server.process is not None
    assert server.process.poll() is None, server.log[-2000:]
    assert requests.get(f"{server.url}/healthz", timeout=10).ok
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{server.batch}?count=100", headers=headers, timeout=10).status_code == 200
    assert "Traceback" not in server.log, server.log[server.log.index("Traceback") :][:6000]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    return files.originals(tmp_path_factory.mktemp("good") / "files")


@pytest.mark.parametrize("kind", files.SUFFIXES)
def test_files(good: dict[str, list[bytes]], tmp_path: Path, kind: str) -> None:
    reader = files.Reader()
    path = tmp_path / f"case{files.SUFFIXES[kind]}"

    def look(number: int) -> str | None:
        path.write_bytes(files.made(mutate.case(FILES.seed, number, kind), kind, good[kind]))
        return reader.fault(kind, path)

    try:
        for payload in good[kind]:
            path.write_bytes(payload)
            assert reader.fault(kind, path) is None
        found = faults(FILES, kind, look)
    finally:
        reader.close()
    print(f"{kind}: the reading process ended {reader.deaths} times")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("kind", ["ill api", "odd item"])
def test_searches(kind: str) -> None:
    def look(number: int) -> str | None:
        ill = api.made(mutate.case(FILES.seed, number, kind), kind)
        wrong = api.fault(ill)
        return f"{wrong} ({ill})" if wrong else None

    found = faults(FILES, kind, look)
    assert not found, "\n".join(found)


def test_the_same_seed_makes_the_same_case() -> None:
    for kind in web.MAKERS:
        one, other = (web.made(mutate.case(7, 3, kind), kind, "token") for _ in range(2))
        assert one == other
    assert len({web.made(mutate.case(7, number, "batch"), "batch", "token") for number in range(50)}) > 45


@pytest.mark.parametrize(
    ("received", "word"),
    [
        (b"HTTP/1.1 500 X\r\n\r\n{}", "500"),
        (b"HTTP/1.1 400 X\r\n\r\nInvalid HTTP", "no JSON"),
        (b'HTTP/1.1 400 X\r\n\r\n{"detail": 1}', "no known shape"),
        (
            b'HTTP/1.1 400 X\r\n\r\n{"error":{"status":400,"reason":"x","code":"x","message":"Input should be int"}}',
            "Input should",
        ),
        (b'HTTP/1.1 400 X\r\n\r\n{"error":{"status":400,"reason":"x","code":"x","message":"fine"}}', None),
        (b"HTTP/1.1 503 X\r\n\r\nx", "no JSON"),
        (b'HTTP/1.1 200 X\r\n\r\n{"data":[]}', None),
        (b"", None),
    ],
)
def test_a_fault_is_seen(received: bytes, word: str | None) -> None:
    found = web.fault(b"GET", received, 0.1)
    assert found is None if word is None else word in str(found)
    assert "no answer" in str(web.fault(b"GET", received, 11.0))
