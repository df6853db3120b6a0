"""A catalogue that trickles, stalls, sends without end or cannot be found: every search ends, in words."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.boundary.wanted import while_wanted
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.network import deadline, sessions
from tests.support.slow_server import BEHAVIOURS, ask_for_an_hour, say_nothing, serving, trickle
from tests.support.stac_api import stac_api

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)
HANG = 60.0
"""Seconds after which a search counts as hanging, on the slowest machine."""


@pytest.mark.parametrize("behave", BEHAVIOURS, ids=lambda one: str(one.__name__))
def test_every_search_ends(behave: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LONGEST_RETRY_AFTER", 0.2)
    monkeypatch.setattr(sessions, "MOST_ANSWER_BYTES", 1 << 20)
    began = time.monotonic()
    with serving(behave) as url:
        catalog = ApiCatalog(url, backoff=0.01, seconds=2.0, timeout=(0.5, 0.5))
        with pytest.raises(CatalogUnavailable, match="does not answer") as caught:
            catalog.search(COLLECTION, JUNE, BOX)
    assert caught.value.transient
    assert time.monotonic() - began < HANG


def test_nobody_waits_for_the_search_of_another() -> None:
    """One thread hangs in an answer; the catalogue of another thread is the same object, and answers."""
    elsewhere = {"collection": "sentinel-2-l2a", "bbox": [90, 10, 91, 11]}
    with stac_api([elsewhere]) as api, serving(trickle) as slow:
        catalog = ApiCatalog(slow, backoff=0.01, seconds=5.0, timeout=(1.0, 1.0))
        first = threading.Thread(target=lambda: _fails(catalog), daemon=True)
        first.start()
        time.sleep(0.3)
        catalog._url = api.url
        assert catalog.search(COLLECTION, JUNE, BOX) == ()
        assert first.is_alive()
        first.join(HANG)
        assert not first.is_alive()


def test_a_host_that_does_not_resolve_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(deadline.socket, "getaddrinfo", unknown)
    began = time.monotonic()
    with pytest.raises(CatalogUnavailable, match=r"no\.such\.host\.invalid.*does not resolve"):
        ApiCatalog("http://no.such.host.invalid/v1").search(COLLECTION, JUNE, BOX)
    assert time.monotonic() - began < HANG


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "RESOLVE_SECONDS", 0.2)
    monkeypatch.setattr(deadline.socket, "getaddrinfo", lambda *_, **__: time.sleep(30) or [])
    began = time.monotonic()
    with pytest.raises(CatalogUnavailable, match="does not resolve"):
        ApiCatalog("http://slow.example.test/v1").search(COLLECTION, JUNE, BOX)
    assert time.monotonic() - began < HANG


@pytest.mark.parametrize("behave", [trickle, say_nothing, ask_for_an_hour], ids=lambda one: str(one.__name__))
def test_a_search_ends_when_it_is_no_longer_wanted(behave: Callable[[socket.socket], None]) -> None:
    """By its own limits it would go on for minutes: in an answer, before one, and in a pause between two tries."""
    asked = threading.Event()

    def tell_and_behave(connection: socket.socket) -> None:
        asked.set()
        behave(connection)

    def search(url: str) -> None:
        with while_wanted(lambda: not asked.is_set()):
            _fails(ApiCatalog(url, seconds=3600.0, timeout=(5.0, 600.0)))

    with serving(tell_and_behave) as url:
        thread = threading.Thread(target=search, args=(url,), daemon=True)
        thread.start()
        thread.join(HANG)
        assert asked.is_set()
        assert not thread.is_alive()


def _fails(catalog: ApiCatalog) -> None:
    with suppress(CatalogUnavailable):
        catalog.search(COLLECTION, JUNE, BOX)
