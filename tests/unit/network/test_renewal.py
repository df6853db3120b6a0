"""A key that ends: got once for all, renewed before its end, kept while its service is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from arpent.network import renewal
from arpent.network.access import AccessFailed
from arpent.network.renewal import Renewed, TimedKey


class Service:
    """Gives keys that last 100 seconds."""

    def __init__(self) -> None:
        self.now, self.given, self.failure = 0.0, 0, ""
        self.transient, self.refused = True, False
        self.renewed = Renewed(self.fetch, lambda: self.now)

    def fetch(self) -> TimedKey[str]:
        self.given += 1
        if self.failure:
            raise AccessFailed(self.failure, transient=self.transient, refused=self.refused)
        return TimedKey(key=f"key {self.given}", seconds=100.0)


def test_it_is_renewed_in_the_last_quarter() -> None:
    service = Service()
    found = []
    for service.now in (0.0, 74.9, 75.0, 149.0, 151.0, 400.0):
        found.append(service.renewed.get())
    assert found == ["key 1", "key 1", "key 2", "key 2", "key 3", "key 4"]


def test_all_threads_wait_for_one_answer() -> None:
    asked, go = [], Event()

    def fetch() -> TimedKey[str]:
        asked.append(1)
        go.wait(10)
        return TimedKey(key="key", seconds=100.0)

    renewed = Renewed(fetch)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(renewed.get) for _ in range(8)]
        go.set()
        assert [one.result() for one in waiting] == ["key"] * 8
    assert len(asked) == 1


def test_others_use_the_old_key_while_one_renews() -> None:
    service = Service()
    service.renewed.get()
    service.now = 80.0
    seen = []

    def fetch() -> TimedKey[str]:
        with ThreadPoolExecutor(1) as pool:  # another thread, in the midst of it
            seen.append(pool.submit(service.renewed.get).result(10))
        return TimedKey(key="new", seconds=100.0)

    service.renewed._fetch = fetch
    assert (service.renewed.get(), seen) == ("new", ["key 1"])


def test_the_old_key_serves_while_its_service_is_away() -> None:
    service = Service()
    service.renewed.get()
    service.failure, service.now = "away", 80.0
    assert service.renewed.get() == "key 1"
    service.now = 101.0
    with pytest.raises(AccessFailed, match="away"):
        service.renewed.get()
    service.failure, service.now = "", 101.0 + renewal.PAUSE_SECONDS
    assert service.renewed.get() == "key 4"


def test_a_refusal_is_told_at_once() -> None:
    service = Service()
    service.renewed.get()
    service.failure, service.transient, service.refused, service.now = "wrong secret", False, True, 80.0
    with pytest.raises(AccessFailed, match="wrong secret") as caught:
        service.renewed.get()
    assert not caught.value.transient


def test_any_other_failure_passes_where_there_were_keys_before() -> None:
    """As of a gateway that answers 404 in the service's place, or a file with a token that is being replaced."""
    service = Service()
    service.failure, service.transient = "is this its address?", False
    with pytest.raises(AccessFailed) as caught:
        service.renewed.get()
    assert not caught.value.transient
    service.failure, service.now = "", 10.0
    assert service.renewed.get() == "key 2"
    service.failure, service.now = "is this its address?", 90.0
    assert service.renewed.get() == "key 2", "which is good for longer"
    service.now = 111.0
    with pytest.raises(AccessFailed) as caught:
        service.renewed.get()
    assert caught.value.transient


def test_a_failure_is_told_to_all_who_wait_without_asking_again() -> None:
    service = Service()
    service.failure = "away"
    for service.now in (0.0, 0.5, 1.9):
        with pytest.raises(AccessFailed):
            service.renewed.get()
    assert service.given == 1


def test_a_refused_key_is_replaced_once() -> None:
    service = Service()
    first = service.renewed.get()
    assert not service.renewed.refuse(first), "it came this moment: another one would be refused as well"
    service.now = 50.0
    assert service.renewed.refuse(first)
    second = service.renewed.get()
    assert second == "key 2"
    assert service.renewed.refuse(first), "somebody else has got a new one by now"
    assert service.renewed.get() == second


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(TimedKey(key="secret", seconds=1.0))
