"""What every ClientStore does."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.schema import clients
from arpent.domain.ports.jobs import ClientStore


@pytest.fixture
def store(engine: Engine) -> SqlClientStore:
    return SqlClientStore(engine)


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
