"""Calls in other processes as HTTP shows them: queues that are full, workers that die, clients that hang up."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest
import requests
from anyio import to_thread
from fastapi import FastAPI
from starlette.types import Message

from arpent.domain.errors import LimitExceeded, RateLimited, WorkerDied
from arpent.server.health import health_routes
from arpent.server.options import ServerOptions
from arpent.server.threads import LISTERS, WRITERS
from tests.unit.server.fakes import World, world
from tests.unit.wire.bodies import BATCH, text

URL = "/api/v1/statistics"
BATCH_URL = f"{URL}/batch"
PATIENCE = 20


class Waiting:
    """A call that has not ended."""

    def __init__(self, *, begun: bool) -> None:
        self.future: Future[tuple[bytes, float]] = Future()
        self.cancelled = False
        self._begun = begun

    def begun(self) -> bool:
        return self._begun

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world(ServerOptions(patience=0.5)) as here:
        yield here


def ask(here: World, outcome: object) -> requests.Response:
    here.outcomes.append(outcome)
    return requests.post(
        here.url + URL, "{}", headers={"Content-Type": "application/json"} | here.bearer(), timeout=PATIENCE
    )


def test_a_full_queue_has_the_real_services_shape(here: World) -> None:
    answer = ask(here, RateLimited("You have 2 requests under way and 16 waiting.", seconds=2.5))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2500")
    assert answer.json() == {
        "status": 429, "reason": "Too Many Requests", "message": "You have 2 requests under way and 16 waiting.",
        "code": "RATE_LIMIT_EXCEEDED",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WorkerDied("A worker process died (SIGSEGV)"), 503),
        (LimitExceeded("It took longer than the 120 s. Shorten the time range"), 400),
    ],
)
def test_what_ends_a_worker_is_said(here: World, error: Exception, status: int) -> None:
    answer = ask(here, error)
    assert answer.status_code == status
    assert answer.json()["error"]["message"] == str(error)


def test_nobody_waits_for_ever_for_a_place(here: World) -> None:
    call = Waiting(begun=False)
    answer = ask(here, call)
    assert answer.status_code == 429
    assert "busy" in answer.json()["message"]
    assert call.cancelled


def test_a_client_that_hangs_up_ends_its_call(here: World) -> None:
    call = Waiting(begun=True)
    here.outcomes.append(call)
    address = urlsplit(here.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
        head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: {here.bearer()['Authorization']}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        time.sleep(0.8)
        assert not call.cancelled, "it waits beyond the patience, as it has begun"
    end = time.monotonic() + PATIENCE
    while not call.cancelled:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert requests.get(here.url + "/healthz", timeout=PATIENCE).status_code == 200


def test_a_large_body_is_checked_elsewhere(here: World) -> None:
    def create(body: dict[str, object]) -> requests.Response:
        headers = {"Content-Type": "application/json"} | here.bearer()
        return requests.post(f"{here.url}{URL}/batch", json.dumps(body), headers=headers, timeout=PATIENCE)

    small = {"input": {}}
    assert create(small).status_code == 400
    assert here.checked == []
    assert create(small | {"junk": "x" * 70_000}).status_code == 400
    assert here.checked == ["me"]


def test_wrong_entries_are_counted_and_the_first_hundred_named(here: World) -> None:
    entries = [{"type": 1, "dataFilter": {"maxCloudCoverage": "x"}} for _ in range(5_000)]
    body = json.dumps({"input": {"data": entries}})
    headers = {"Content-Type": "application/json"} | here.bearer()
    answer = requests.post(f"{here.url}{URL}/batch", body, headers=headers, timeout=60)
    assert answer.status_code == 400
    assert len(answer.content) < 100_000
    error = answer.json()["error"]
    assert len(error["errors"]) == 100
    assert "10003 fields, the first 100" in error["message"]


def test_health_needs_no_thread() -> None:
    app, sent = FastAPI(), []
    app.include_router(health_routes(None, None, None))  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": []}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def asked() -> None:
        threads = to_thread.current_default_thread_limiter()
        for _ in range(int(threads.total_tokens)):
            await threads.acquire_on_behalf_of(object())
        await asyncio.wait_for(app(scope, receive, send), PATIENCE)

    asyncio.run(asked())
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("where", ["act", "create", "list"])
def test_who_reads_does_not_wait_for_those_who_write(here: World, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Another program holds SQLite's lock, say: each change waits in a thread, and more wait than there are threads."""
    headers = here.bearer() | {"Content-Type": "application/json"}
    job = requests.post(here.url + BATCH_URL, text(BATCH), headers=headers, timeout=PATIENCE).json()["id"]
    over, waiting = Event(), []

    def wait(*_: object, **__: object) -> None:
        waiting.append(1)
        over.wait(60)
        raise WorkerDied("It is over.")

    monkeypatch.setattr(here.service, where, wait)
    path, method = f"{BATCH_URL}/{job}/start" if where == "act" else BATCH_URL, "GET" if where == "list" else "POST"
    with ThreadPoolExecutor(60) as pool:
        asked = [
            pool.submit(requests.request, method, here.url + path, data=text(BATCH), headers=headers, timeout=60)
            for _ in range(60)
        ]
        try:
            while len(waiting) < min(WRITERS, LISTERS):
                time.sleep(0.01)
            for _ in range(20):
                answer = requests.get(f"{here.url}{BATCH_URL}/{job}/status", headers=headers, timeout=PATIENCE)
                assert answer.status_code == 200
        finally:
            over.set()
        assert {each.result().status_code for each in asked} == {503}
