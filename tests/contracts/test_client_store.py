"""What every ClientStore does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.schema import clients
from arpent.domain.errors import ClientNotFound
from arpent.domain.ports.clients import Client, ClientStore, Role
from tests.support.jobs import Clock


@pytest.fixture
def store(engine: Engine, clock: Clock) -> SqlClientStore:
    return SqlClientStore(engine, now=clock)


class TestClientStore:
    def test_knows_its_clients(self, store: ClientStore) -> None:
        client_id, secret = store.add("paying agency")
        other_id, other_secret = store.add("paying agency")
        assert store.verify(client_id, secret)
        assert store.verify(other_id, other_secret)
        assert client_id != other_id

    def test_refuses_the_rest(self, store: ClientStore) -> None:
        client_id, secret = store.add("anna")
        _, other = store.add("bert")
        for name, text in ((client_id, other), (client_id, ""), (client_id, secret + "x"), ("", secret)):
            assert not store.verify(name, text)
        assert not store.verify("nobody", "\N{SNOWMAN}")

    def test_keeps_no_secret(self, store: ClientStore, engine: Engine) -> None:
        _, secret = store.add("anna")
        with engine.connect() as connection:
            (row,) = connection.execute(select(clients))
        assert secret not in str(tuple(row))
        assert secret.encode() not in bytes(row.hash)

    def test_tells_of_its_clients(self, store: ClientStore, clock: Clock) -> None:
        first, _ = store.add("anna")
        clock.tick(1)
        second, _ = store.add("watch", Role.METRICS)
        assert [(each.id, each.name, each.role) for each in store.list()] == [
            (first, "anna", Role.USER), (second, "watch", Role.METRICS)
        ]  # fmt: skip
        assert store.find(second) == store.list()[1]
        assert store.find("nobody") is None

    def test_rotates_with_an_overlap(self, store: SqlClientStore, clock: Clock) -> None:
        client_id, first = store.add("anna")
        second = store.rotate(client_id, timedelta(hours=1))
        assert store.verify(client_id, first)
        assert store.verify(client_id, second)
        clock.tick(3599)
        assert store.verify(client_id, first)
        clock.tick(1)
        assert not store.verify(client_id, first)
        assert store.verify(client_id, second)

    def test_a_second_rotation_ends_the_first_secret(self, store: ClientStore) -> None:
        client_id, first = store.add("anna")
        second = store.rotate(client_id, timedelta(hours=1))
        third = store.rotate(client_id, timedelta(hours=1))
        assert [bool(store.verify(client_id, one)) for one in (first, second, third)] == [False, True, True]

    def test_rotates_without_an_overlap_and_ends_tokens(self, store: ClientStore) -> None:
        client_id, first = store.add("anna")
        before = found(store, client_id)
        second = store.rotate(client_id, timedelta(hours=1))
        assert found(store, client_id).generation == before.generation, "an overlap leaves its tokens"
        third = store.rotate(client_id, timedelta(0))
        assert [bool(store.verify(client_id, one)) for one in (first, second, third)] == [False, False, True]
        assert found(store, client_id).generation == before.generation + 1

    def test_disables_and_enables(self, store: ClientStore) -> None:
        client_id, secret = store.add("anna")
        other_id, other = store.add("bert")
        store.disable(client_id)
        assert not store.verify(client_id, secret)
        assert (found(store, client_id).disabled, found(store, client_id).generation) == (True, 1)
        assert store.verify(other_id, other)
        store.enable(client_id)
        verified = store.verify(client_id, secret)
        assert verified is not None
        assert verified.generation == 1, "the tokens from before stay ended"

    def test_removes(self, store: ClientStore) -> None:
        client_id, secret = store.add("anna")
        other_id, other = store.add("bert")
        store.remove(client_id)
        assert not store.verify(client_id, secret)
        assert store.find(client_id) is None
        assert store.verify(other_id, other)
        for act in (store.remove, store.disable, store.enable, lambda one: store.rotate(one, timedelta(0))):
            with pytest.raises(ClientNotFound, match=client_id):
                act(client_id)


def found(store: ClientStore, client_id: str) -> Client:
    client = store.find(client_id)
    assert client is not None
    return client
