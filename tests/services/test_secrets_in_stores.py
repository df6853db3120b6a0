"""Where the keys of a request may be: in memory, and sealed in the database. A job on PostgreSQL and a real gateway, by
keys and by a role, on this machine's processes and on a Dask cluster that is told to spill to disk, watched while it
works."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import obstore
import psutil
import pytest
import requests
from requests_oauthlib import OAuth2Session
from sqlalchemy import create_engine, inspect, text

from tests.services.ceph import OWNER, STRANGER
from tests.services.conftest import Gateway
from tests.services.test_sts import KEEPER
from tests.support import client
from tests.support.chaos import ZYGOTE
from tests.support.dask_cluster import Cluster, cluster
from tests.support.gateway import allow
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import slow_script
from tests.support.server import Server

pytestmark = pytest.mark.services

SECRET = STRANGER[1]
SERVER_KEY = "the-key-of-this-server-9f3a71c05b-and-no-other"
SPILLING = {
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "0.000001",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "0.000001",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
}


@dataclass(kw_only=True)
class Watched:
    """A server and, perhaps, its cluster."""

    server: Server
    database: str
    workers: Cluster | None
    folders: Sequence[Path]
    """Everything that they write on disk."""

    def processes(self) -> list[psutil.Process]:
        found = {member.pid: member for member in self.server.members()}
        for process in self.workers.processes if self.workers else ():
            found[process.pid] = psutil.Process(process.pid)
        for parent in list(found.values()):
            try:
                found |= {child.pid: child for child in parent.children(recursive=True)}
            except psutil.NoSuchProcess:
                continue
        return list(found.values())

    def holders(self, secret: str) -> list[str]:
        """Where this secret stands: files, command lines, names and environments of processes, the database."""
        needles = [secret.encode(), base64.b64encode(secret.encode())[:-4]]
        held = {
            str(path): content
            for folder in self.folders
            for path in folder.rglob("*")
            if path.is_file() and (content := _content(path))
        }
        for process in self.processes():
            for name in ("cmdline", "comm", "environ"):
                path = Path(f"/proc/{process.pid}/{name}")
                held[f"{name} of {_title(process)}"] = _content(path)
        held |= {f"table {name}": rows for name, rows in self.tables().items()}
        return sorted(name for name, content in held.items() if any(needle in content for needle in needles))

    def tables(self) -> dict[str, bytes]:
        """Every table, as text."""
        engine = create_engine(self.database.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
            found = {
                name: connection.execute(text(f'SELECT t::text FROM "{name}" t')).scalars().all() for name in names
            }
        engine.dispose()
        return {name: "\n".join(rows).encode() for name, rows in found.items()}

    def interpreters(self) -> list[psutil.Process]:
        return [process for process in self.processes() if ZYGOTE in _title(process)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it is gone
        return b""


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "somebody gone"


@pytest.fixture(params=["processes", "dask"])
def watched(
    request: pytest.FixtureRequest, tmp_path: Path, catalog: Path, postgres: str, gateway: Gateway
) -> Iterator[Watched]:
    folder, temporary = tmp_path / "server", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    content = write_geopackage(folder / "parcels.gpkg", good_parcels(20)).read_bytes()
    obstore.put(gateway.store, "fields/parcels.gpkg", content)
    settings = {
        "BUCKETS": None, "DATABASE_URL": postgres, "LOG_FORMAT": "json", "PIXEL_BUDGET": "2000",
        "SECRET_KEY": SERVER_KEY,
    }  # fmt: skip
    variables = {"AWS_ENDPOINT_URL": gateway.endpoint, "AWS_REGION": "us-east-1", "TMPDIR": str(temporary)}
    with ExitStack() as stack:
        workers = None
        if request.param == "dask":
            pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")
            (tmp_path / "dask").mkdir()
            workers = stack.enter_context(cluster(tmp_path / "dask", (1, 1), **SPILLING, **variables))
            settings["EXECUTOR"] = workers.address.replace("tcp", "dask")
        server = Server(folder=folder, catalog=catalog, settings=settings, variables=variables)
        stack.callback(server.close)
        server.start()
        yield Watched(server=server, database=postgres, workers=workers, folders=[tmp_path])


def body(gateway: Gateway) -> dict[str, object]:
    """Features by keys, results by a role that these keys may assume."""
    asked = client.seed_body("s3://replaced/below", slow_script(10_000), aggregationInterval={"of": "P10D"})
    asked["input"]["features"] = gateway.access("fields/parcels.gpkg", STRANGER)
    output = gateway.access("results/secret", STRANGER)
    output["s3"]["iamRoleARN"] = KEEPER  # type: ignore[index]
    asked["output"] = output
    return asked


def test_no_secret_stands_anywhere(watched: Watched, gateway: Gateway) -> None:
    server = watched.server
    allow(gateway.endpoint, gateway.bucket, OWNER, "stranger", {"fields/*": ["s3:GetObject"]})
    credentials = server.add_client()
    said: list[str] = []

    def ask(session: OAuth2Session, job: str) -> str:
        answers = [session.get(f"{server.batch}{path}").text for path in ("", f"/{job}", f"/{job}/features")]
        said.extend([*answers, requests.get(f"{server.url}/metrics", timeout=10).text])
        return str(client.status(session, server, job)["status"])

    with client.signed_in(server, *credentials) as session:
        job = client.create(session, server, body(gateway))
        assert client.act(session, server, job, "start") == 204
        looks, interpreters = 0, 0
        while ask(session, job) not in client.ENDS:
            assert watched.holders(SECRET) == []
            for process in watched.interpreters():
                interpreters += 1
                assert SERVER_KEY.encode() not in _content(Path(f"/proc/{process.pid}/environ"))
            looks += 1
        done = client.wait_until(session, server, job)
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), (done, server.log[-3000:])
    assert looks > 3, "it was watched at work"
    assert interpreters > 0
    assert watched.holders(SECRET) == []
    assert watched.holders(credentials[1]) == []
    assert [text for text in said if SECRET in text or SERVER_KEY in text] == []
    assert SERVER_KEY not in server.log + (watched.workers.log if watched.workers else "")
    if watched.workers:
        for process in watched.workers.processes:
            assert SERVER_KEY.encode() not in _content(Path(f"/proc/{process.pid}/environ"))
    # the search finds what is there
    assert any(holder.startswith("table") for holder in watched.holders(job))
    assert any(holder.startswith("environ of") for holder in watched.holders(SERVER_KEY))
