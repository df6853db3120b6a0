"""The server answers as its OpenAPI document says, whatever is sent (README.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from tests.fuzz.plan import plan
from tests.fuzz.schema import fuzz
from tests.support.server import Server
from tests.unit.server.fakes import serving

pytestmark = pytest.mark.slow


class Named(BaseModel):
    name: str


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    """A status that the document does not say, an answer that lacks a field, and a fault; but not a 503."""
    app = FastAPI()

    def refuse(status: int) -> None:
        raise HTTPException(status)

    app.get("/teapot")(lambda: refuse(418))
    app.get("/broken")(lambda: refuse(500))
    app.get("/away", responses={503: {}})(lambda: refuse(503))
    app.get("/lacking", responses={200: {"model": Named}}, response_model=None)(lambda: {"title": "x"})
    with serving(app) as url:
        found = fuzz(url, "Bearer nobody", tmp_path, examples=1, seconds=30, seed=1)
    assert len(found.failures) == 3
    for word in ("[418]", "[500]", '"title"'):
        assert [word in failure for failure in found.failures].count(True) == 1, found.failures


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "stac").mkdir()
    server = Server(folder=tmp_path, catalog=tmp_path / "stac", settings={"SCRIPT_SECONDS": "4"})
    with server:
        yield server


def test_a_real_server(running: Server, tmp_path: Path) -> None:
    """Every operation of a server over an empty catalogue, for FUZZ_SECONDS."""
    client, secret = running.add_client()
    form: dict[str, Any] = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    token = requests.post(running.token_url, form, timeout=10).json()["access_token"]
    wanted = plan(100, 20)
    print(f"seed {wanted.seed}")
    found = fuzz(
        running.url, f"Bearer {token}", tmp_path, examples=wanted.count, seconds=int(wanted.seconds), seed=wanted.seed
    )
    print(f"schema: {found.cases} cases")
    assert found.failures == []
    assert "Traceback" not in running.log, running.log[running.log.index("Traceback") :][:6000]
