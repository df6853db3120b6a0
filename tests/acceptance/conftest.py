"""One server, one made-up country and one client for the whole acceptance suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests_oauthlib import OAuth2Session

from tests.support.client import signed_in
from tests.support.parcels import bad_parcels, good_parcels, write_geopackage
from tests.support.server import Server
from tests.support.world import make_imagery

CRS = (32633, 4326, 3035)
QUICK = {"analysis", "official_client", "real_imagery", "refusals", "same_numbers", "seed_workflow", "synchronous"}
"""Files (`test_<name>.py`) that `make test` runs: one of each kind. `make test-jobs` runs the others, also new ones."""


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem.removeprefix("test_") not in QUICK:
            item.add_marker("jobs")


@pytest.fixture(scope="session", autouse=True)
def plain_http() -> Iterator[None]:
    """oauthlib asks to be told that http is meant; a user of the quickstart sets the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
        for name in [name for name in os.environ if name.startswith(("SH_", "AWS_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_imagery(tmp_path_factory.mktemp("country") / "stac")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Server]:
    """With the parcels in `s3://fields/parcels-<EPSG>.gpkg` and `s3://fields/mixed.gpkg` (bad ones among them)."""
    settings = {"SCRIPT_SECONDS": "4", "SCRIPT_MEMORY": "128", "POLICY__ABSENCE_SECONDS": "0.5"}
    server = Server(folder=tmp_path_factory.mktemp("server"), catalog=catalog, settings=settings)
    for epsg in CRS:
        write_geopackage(server.buckets / "fields" / f"parcels-{epsg}.gpkg", good_parcels(), epsg)
    write_geopackage(server.buckets / "fields" / "mixed.gpkg", good_parcels(2) + bad_parcels())
    (server.buckets / "results").mkdir()
    with server:
        yield server


@pytest.fixture(scope="session")
def credentials(server: Server) -> tuple[str, str]:
    """(client id, secret)."""
    return server.add_client()


@pytest.fixture(scope="session")
def oauth(server: Server, credentials: tuple[str, str]) -> Iterator[OAuth2Session]:
    with signed_in(server, *credentials) as session:
        yield session
