"""A client is taken away while its job runs: its tokens end at once, and the job ends with the same bytes. And one that
looks at its job every few seconds keeps its connection."""

from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

import requests
from requests_oauthlib import OAuth2Session

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.connection import make_engine
from tests.support import client
from tests.support.scripts import NDVI
from tests.support.server import Server, wait_for


def test_a_removed_client_is_out_and_its_job_goes_on(server: Server, oauth: OAuth2Session) -> None:
    body = client.seed_body("s3://fields/parcels-32633.gpkg", NDVI.text, "s3://results/removed")
    expected = client.result_bytes(server, client.run_job(oauth, server, body, 300))
    client_id, secret = server.add_client("to be removed")
    operator_id, operator_secret = json.loads(
        server.run(["client", "add", "boss", "--role", "operator", "--json"]).stdout
    ).values()
    with client.signed_in(server, client_id, secret) as theirs:
        job = client.create(theirs, server, body)
        assert client.act(theirs, server, job, "start") == 204
        SqlClientStore(make_engine(server.environment["ARPENT_DATABASE_URL"])).remove(client_id)
        assert theirs.get(f"{server.batch}/{job}").status_code == 401
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert requests.post(server.token_url, form, timeout=30).json()["error"] == "invalid_client"
    with client.signed_in(server, operator_id, operator_secret) as boss:
        shown = wait_for(lambda: done(boss, server, job), 300, "the end of a job without a client")
    assert shown["owner"] == client_id
    assert client.result_bytes(server, shown) == expected


def test_a_connection_outlasts_the_pause_between_two_looks(server: Server) -> None:
    """One that ends while a request is on its way fails it, and `requests` sends none again."""
    connection = http.client.HTTPConnection(urlsplit(server.token_url).netloc, timeout=30)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    mine = connection.sock.getsockname()
    time.sleep(6.0)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    assert connection.sock.getsockname() == mine
    connection.close()


def done(session: OAuth2Session, server: Server, job: str) -> dict[str, object] | None:
    found: dict[str, object] = session.get(f"{server.batch}/{job}").json()
    return found if found["status"] == "DONE" else None
