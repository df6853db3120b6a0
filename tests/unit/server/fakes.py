"""A service and clients in memory, and a real server on a free port of this machine."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, NoReturn, TypeVar, cast
from uuid import uuid4

import shapely
import uvicorn
from fastapi import FastAPI

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import (
    ActionNotAllowed,
    CatalogUnavailable,
    JobNotFound,
    RateLimited,
    StorageUnavailable,
    WorldError,
)
from arpent.domain.finding import Finding, Verdict
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.ports.clients import Client, Role, Usage
from arpent.domain.ports.execution import PendingCall
from arpent.domain.ports.imagery import AssetReader
from arpent.domain.ports.jobs import SortKey
from arpent.domain.ports.page import PageCalls
from arpent.domain.request import Request
from arpent.engine.catalog_search import search_page
from arpent.engine.guards import GuardedReader
from arpent.jobs.policy import Quota
from arpent.server.access.callers import AccessControl
from arpent.server.access.quotas import Quotas
from arpent.server.access.tokens import Tokens
from arpent.server.app import create_app
from arpent.server.calls import ProcessCalls
from arpent.server.options import ServerOptions
from arpent.wire.request.body import SentBody
from arpent.wire.request.parse import parse_batch, parse_statistical
from arpent.wiring.page import script_of_indices

Answer = TypeVar("Answer")
Box = tuple[float, float, float, float]
COLLECTIONS = load_collections()
CLIENTS = {"me": "my-secret+/%20=", "you": "your-secret"}
UPLOAD = 300_000
"""Bytes of an upload, at most: more than of any other body."""
KEY = b"0123456789abcdef0123456789abcdef"


def client(name: str, role: Role = Role.USER) -> Client:
    return Client(id=name, name=name, role=role, created=datetime(2026, 1, 1, tzinfo=UTC))


class PanicException(BaseException):
    """As pyo3's: no Exception."""


class FakeClients:
    """Clients that a test may change; `find` and `verify` are all that a server asks."""

    def __init__(self) -> None:
        self.known: dict[str, Client] = {}
        self.reset()

    def reset(self) -> None:
        self.known = {name: client(name) for name in CLIENTS}

    def change(self, name: str, **changes: Any) -> None:
        self.known[name] = replace(self.known[name], **changes)

    def verify(self, client_id: str, secret: str) -> Client | None:
        return self.known.get(client_id) if CLIENTS.get(client_id) == secret else None

    def find(self, client_id: str) -> Client | None:
        return self.known.get(client_id)


class FakeUsage:
    def __init__(self) -> None:
        self.amounts: Counter[tuple[str, Usage]] = Counter()
        self.away = False

    def add(self, client_id: str, usage: Usage, amount: float) -> None:
        if self.away:
            raise WorldError("The database does not answer", transient=True)
        self.amounts[client_id, usage] += amount  # type: ignore[assignment]

    def this_month(self, client_id: str, usage: Usage) -> float:
        return self.amounts[client_id, usage]


class FakeService:
    """START makes a job PROCESSING, STOP makes it STOPPED; anything else is refused."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.asked = 0
        """Times that a job was asked for."""

    def create(self, owner: str, body: str, *, checked: bool = False) -> Job:
        if not checked:
            parse_batch(body)
        job = Job(id=str(uuid4()), owner=owner, body=body, created=datetime.now(UTC))
        self.jobs[job.id] = job
        return job

    def get(self, owner: str | None, job_id: str) -> Job:
        self.asked += 1
        job = self.jobs.get(job_id)
        if job is None or owner not in (None, job.owner):
            raise JobNotFound(f"There is no request {job_id}")
        return job

    def list(self, owner: str | None, sort: SortKey, offset: int, count: int) -> tuple[Job, ...]:
        own = [job for job in self.jobs.values() if owner in (None, job.owner)]
        own.sort(key=lambda job: job.created, reverse=sort is SortKey.CREATED_DESCENDING)
        return tuple(own[offset : offset + count])

    def act(self, owner: str | None, job_id: str, action: UserAction) -> Job:
        job = self.get(owner, job_id)
        table = {
            (Status.CREATED, UserAction.ANALYSE): Status.ANALYSIS_DONE,
            (Status.CREATED, UserAction.START): Status.PROCESSING,
            (Status.ANALYSIS_DONE, UserAction.START): Status.PROCESSING,
            (Status.PROCESSING, UserAction.STOP): Status.STOPPED,
        }
        if (job.status, action) not in table:
            raise ActionNotAllowed(
                f"Illegal to change userAction from {job.user_action} to {action} with task status {job.status}"
            )
        after = replace(
            job,
            status=table[job.status, action],
            user_action=action,
            user_action_updated=datetime.now(UTC),
            last_updated=datetime.now(UTC),
        )
        self.jobs[job_id] = after
        return after

    def findings(self, owner: str | None, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        self.get(owner, job_id)
        every = [
            Finding(feature=row, identifier=f"p{row}", verdict=Verdict.WARNING, kind="too-small", message="Look twice.")
            for row in range(5)
        ]
        return tuple(every[offset : offset + count])


@dataclass
class World:
    """The server and its fakes, for the fixtures."""

    url: str
    service: FakeService
    tokens: Tokens
    clients: FakeClients = field(default_factory=FakeClients)
    quotas: dict[str, Quota] = field(default_factory=dict)
    usage: FakeUsage = field(default_factory=FakeUsage)
    seconds: float = 0.0
    """What the clock of the quotas shows."""
    asked: list[tuple[str, Request]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    outcomes: list[object] = field(default_factory=list)
    """What the next synchronous requests come to: a call, or an error."""
    ready: bool = True
    built: str = "/nowhere"
    """Folder of the built page."""
    items: list[Item] = field(default_factory=list)
    """What the catalogue has."""
    searches: list[tuple[str, Interval, Box]] = field(default_factory=list)
    """What it was asked."""

    shown: list[tuple[str, str, tuple[object, ...]]] = field(default_factory=list)
    """What was asked of results: job, method, arguments."""
    views: list[PendingCall[bytes]] = field(default_factory=list)
    """What the next of them come to; none: an answer at once."""
    stored: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded."""
    full: bool = False
    """Whether nothing more can be."""

    @property
    def page(self) -> PageCalls:
        def results(job: Job, method: str, arguments: tuple[object, ...]) -> PendingCall[bytes]:
            self.shown.append((job.id, method, arguments))
            return self.views.pop(0) if self.views else Settled(lambda: b'{"is":"' + b"x" * 2000 + b'"}')

        return PageCalls(
            results=results,
            describe=lambda client, url: Settled(lambda: b'{"features":3}'),
            places=lambda client: ["fields", "shared/me"] if client == "me" else [],
            store=lambda client, url, payload: self.store(url, payload),
            script=script_of_indices,
            offers=lambda: {"collections": []},
            most_upload=UPLOAD,
        )

    def store(self, url: str, payload: bytes) -> None:
        if self.full:
            raise StorageUnavailable("The disk is full", transient=True)
        self.stored[url] = payload

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        self.searches.append((collection.id, interval, box))
        if any(item.id == "broken" for item in self.items):
            raise CatalogUnavailable("The catalogue https://far.test does not answer (HTTP 502).", transient=True)
        near = shapely.box(*box)
        return tuple(
            item for item in self.items
            if item.collection == collection.id and item.within(interval) and shapely.intersects(item.footprint, near)
        )  # fmt: skip

    def bearer(self, name: str = "me") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.issue(self.clients.known[name])}"}


class Settled(Generic[Answer]):
    """A call that has ended when it is asked for."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self.future: Future[Answer] = Future()
        try:
            self.future.set_result(call())
        except Exception as error:
            self.future.set_exception(error)

    def begun(self) -> bool:
        return True

    def cancel(self) -> None:
        """Too late."""


def raising(error: Exception) -> NoReturn:
    raise error


def checked(here: World, owner: str, body: SentBody) -> str:
    here.checked.append(owner)
    text = body.whole()
    parse_batch(text)
    return text


def found(here: World, body: SentBody, address: str) -> bytes:
    # A reader that is guarded already: the catalogue then stays the one here. No image is read.
    reader = GuardedReader(cast(AssetReader, None), lambda: True)
    services = SimpleNamespace(catalog=here, collections=COLLECTIONS, reader=reader)
    return search_page(body.whole(), address, services)  # type: ignore[arg-type]


@contextmanager
def world(options: ServerOptions, built: str = "/nowhere") -> Iterator[World]:
    """The app on a free port, served by uvicorn in a thread."""
    here = World(url="", service=FakeService(), tokens=Tokens([KEY], 3600), built=built)

    def statistics(owner: str, body: SentBody) -> tuple[bytes, float, tuple[str, ...]]:
        request = parse_statistical(body.whole())
        here.asked.append((owner, request))
        if isinstance(request.script, str) and "panic" in request.script:
            raise PanicException("a native library broke: hunter2")
        if isinstance(request.script, str) and "boom" in request.script:
            raise RuntimeError("an inner thing broke: hunter2")
        hints = ("Something", "is odd: č.") if "odd" in str(request.script) else ()
        return b'{"data":[],"status":"OK"}', 5.040412902832031, hints

    def call(owner: str, body: SentBody) -> PendingCall[tuple[bytes, float, tuple[str, ...]]]:
        outcome = here.outcomes.pop(0) if here.outcomes else None
        if isinstance(outcome, RateLimited):
            raise outcome
        if outcome is not None and not isinstance(outcome, Exception):
            return cast("PendingCall[tuple[bytes, float, tuple[str, ...]]]", outcome)
        return Settled(lambda: raising(outcome) if outcome else statistics(owner, body))

    app = create_app(
        here.service,  # type: ignore[arg-type]
        access=AccessControl(
            clients=here.clients,  # type: ignore[arg-type]
            tokens=here.tokens,
            quotas=Quotas(lambda name: here.quotas.get(name, Quota()), here.usage, lambda: here.seconds),
        ),
        calls=ProcessCalls(
            statistics=call,
            check=lambda owner, body: Settled(lambda: checked(here, owner, body)),
            explain=lambda job, script, feature, start, draw: Settled(lambda: b"{}"),
            catalog=lambda owner, body, address: Settled(lambda: found(here, body, address)),
            collections=COLLECTIONS,
            page=here.page,
            admit=lambda owner: None,
            close=lambda: None,
        ),
        options=replace(options, page_files=Path(built)),
        ready=lambda: here.ready,
        metrics=lambda: "arpent_jobs 1\n",
    )
    with serving(app) as url:
        here.url = url
        yield here


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in ten seconds"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
