"""`arpent rotate-keys`: what it says, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from arpent.adapters.database import rotation
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher, stored_key
from arpent.cli.main import app
from arpent.settings import load
from arpent.wiring import store
from tests.support.jobs import make_job

KEY, LOST = b"qW8zL1vN5xR2tY7uB4mK9pS3dF6gH0jC", b"a lost key of thirty-two bytes !"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARPENT_SECRET_KEY", KEY.decode())
    return store.database(load())


def told(*options: str, code: int) -> str:
    result = CliRunner().invoke(app, ["rotate-keys", *options])
    assert result.exit_code == code, result.output
    return result.output


def test_all_is_well(engine: Engine) -> None:
    SqlJobStore(engine, body_cipher(stored_key(engine))).add(make_job())
    assert "see --forget-database-key" in told(code=0)
    assert json.loads(told("--forget-database-key", "--json", code=0)) == {
        "renewed": 0, "unreadable": [], "databaseKey": False,
    }  # fmt: skip


def test_a_request_that_no_key_opens_is_named(engine: Engine) -> None:
    job = make_job()
    SqlJobStore(engine, body_cipher(LOST)).add(job)
    assert f"{job.id}: add the key it was stored with" in told(code=3)


def test_a_key_that_is_still_used_stays(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_key(engine)
    monkeypatch.setattr(rotation, "_forget", lambda *_: False)  # a server stores requests with it all the time
    assert "restart servers and runners" in told("--forget-database-key", code=3)
