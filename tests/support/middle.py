"""The middle of a job: a server with fields to compute, a job that takes its time, and the moment to disturb it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.parcels import Parcel, good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server, wait_for

FIELDS = good_parcels(30)
TURNS = 20_000
"""Of a loop per pixel: enough to be caught in the middle of the job, the same numbers always."""


@contextmanager
def serving(
    folder: Path,
    catalog: Path,
    settings: Mapping[str, str | None],
    variables: Mapping[str, str] | None = None,
    fields: Sequence[Parcel] = FIELDS,
) -> Iterator[Server]:
    """A server that has the fields in `s3://fields/parcels.gpkg` and room for results in `s3://results`."""
    server = Server(folder=folder, catalog=catalog, settings=settings, variables=variables or {})
    write_geopackage(server.buckets / "fields" / "parcels.gpkg", fields)
    (server.buckets / "results").mkdir()
    with server:
        yield server


def slow_body(output: str, turns: int = TURNS) -> dict[str, Any]:
    """A request for these fields that takes seconds."""
    return client.seed_body("s3://fields/parcels.gpkg", slow_script(turns), output, aggregationInterval={"of": "P10D"})


def undisturbed(session: OAuth2Session, server: Server, body: Mapping[str, Any]) -> dict[str, Any]:
    """The job of an undisturbed run."""
    job = client.run_job(session, server, body, seconds=120)
    assert (job["status"], job["progress"]["failed"]) == ("DONE", 0), job
    return job


def catch(session: OAuth2Session, server: Server, body: Mapping[str, Any]) -> str:
    """Start a job and return its id once it has written some of its files and has others to write."""
    job = client.create(session, server, body)
    assert client.act(session, server, job, "start") == 204
    folder = client.result_folder(server, {"id": job, "request": body})
    wait_for(lambda: len(list(folder.glob("*.json"))) > 2, 60, "the first results", pause=0.005)
    assert client.status(session, server, job)["status"] == "PROCESSING"
    return job


def stop(session: OAuth2Session, server: Server, job: str) -> dict[str, Any]:
    """STOP it once its first partition is done; the job, STOPPED somewhere between its beginning and its end."""

    def some() -> bool:
        return bool(client.status(session, server, job)["completionPercentage"] > 0)

    wait_for(some, 60, "the first whole partition")
    assert client.act(session, server, job, "stop") == 204
    stopped = client.wait_until(session, server, job, ("STOPPED",))
    assert stopped["stoppedStatusReason"] == "USER_ACTION"
    assert 0 < stopped["completionPercentage"] < 100
    return stopped


def check_the_same(
    session: OAuth2Session, server: Server, job: str, expected: Mapping[str, bytes], seconds: float = 90
) -> dict[str, Any]:
    """It ends DONE, with exactly these files; tells the job."""
    done = client.wait_until(session, server, job, seconds=seconds)
    assert (done["status"], done["completionPercentage"]) == ("DONE", 100), done
    assert client.result_bytes(server, done) == expected
    folder = client.result_folder(server, done)
    others = [path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".json"]
    # a file that was being written when the power went may lie there under its hidden name, and under no other
    leftovers = [name for name in others if not name.startswith(".arpent-partial-")]
    assert leftovers == []
    return done
