"""Whole jobs over archives that want keys, while every key ends in the middle: the same bytes as from a folder."""

from __future__ import annotations

import json
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import rasterio
import zarr

from arpent.network.renewal import YOUNG_SECONDS
from tests.support import client
from tests.support.archives import archive
from tests.support.jpeg2000 import write_jp2
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

pytestmark = pytest.mark.slow

KEYS = {"access_key": "env:STORE_KEY", "secret_key": "env:STORE_SECRET"}
VARIABLES = {"STORE_KEY": "testkey", "STORE_SECRET": "never-say-this-aloud", "CLIENT_SECRET": "good", "EARTH": "earth"}
Place = tuple[str, str | None]
"""Where an image is said to be, and its alternate."""


def items(catalog: Path, folder: Path, *places: Place) -> Path:
    """The catalogue's items, whose images are elsewhere: in one place after the other."""
    folder.mkdir()
    for path, (root, alternate) in zip(sorted(catalog.glob("*/*.json")), cycle(places), strict=False):
        document = json.loads(path.read_text())
        for asset in document["assets"].values():
            name = f"{path.parent.name}/{asset['href'].removeprefix('./')}"
            asset["href"] = f"{root}/{name}"
            if alternate:
                asset["alternate"] = {"s3": {"href": f"{alternate}/{name}"}}
        (folder / path.name).write_text(json.dumps(document))
    return folder


def run(folder: Path, catalog: Path, settings: dict[str, str | None], **variables: str) -> tuple[dict[str, Any], str]:
    """`arpent run` over two workers: its outcome, and all that it said."""
    body = client.seed_body("s3://fields/parcels.gpkg", NDVI.text, aggregationInterval={"of": "P10D"})
    body["input"]["features"] = {"s3": {"url": "s3://fields/parcels.gpkg"}}  # without keys of the request's own
    body["output"] = {"s3": {"url": "s3://results/out"}}
    (folder / "buckets" / "results").mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps(body))
    machine = Server(folder=folder, catalog=catalog, settings=settings, variables=variables)
    try:
        done = machine.run(["run", "--json", str(folder / "request.json")], seconds=400)
    finally:
        machine.close()
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return json.loads(done.stdout), done.stdout + done.stderr


def files(results: Path, job: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (results / "out" / job).glob("*.json")}


@pytest.fixture(scope="module")
def expected(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """From folders."""
    folder = tmp_path_factory.mktemp("folders")
    write_geopackage(folder / "buckets" / "fields" / "parcels.gpkg", good_parcels(), 32633)
    outcome, _ = run(folder, catalog, {"PARQUET": "false"})
    return files(folder / "buckets" / "results", outcome["id"])


def test_stores_of_every_kind_and_keys_that_end(catalog: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Images in five archives, GeoPackages and results in a store of their own, with other keys than one of these."""
    store = tmp_path / "store"
    write_geopackage(store / "fields" / "parcels.gpkg", good_parcels(), 32633)
    for name in ("temporary", "paid", "free", "account/container"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(catalog)
    ending: dict[str, Any] = {"uses": 8, "rest": YOUNG_SECONDS + 0.1}
    with (
        archive(tmp_path, wants="signature", **ending) as blobs,
        archive(catalog, wants="bearer", **ending) as protected,
        archive(tmp_path, wants="keys", **ending) as temporary,
        archive(tmp_path, wants="keys", pays=True, region="paid") as paid,
        archive(tmp_path, wants="nothing") as free,
        archive(store, wants="keys", region="own") as own,
    ):
        found = items(
            catalog, tmp_path / "stac", (f"{blobs.url}/account/container", None), (protected.url, None),
            ("s3://temporary", None), ("https://nobody.invalid", "s3://paid"),
            ("s3://free", None),
        )  # fmt: skip
        oidc = {"token_url": f"{protected.url}/oidc/token", "client_id": "me", "client_secret": "env:CLIENT_SECRET"}
        login = {
            "s3_credentials_url": f"{temporary.url}/s3credentials",
            "login_host": "127.0.0.1",
            "token": "env:EARTH",
        }
        sources = {
            "blobs": {"match": blobs.url, "sas_url": f"{blobs.url}/sas"},
            "protected": {"match": protected.url, **oidc},
            "temporary": {"match": "s3://temporary", "endpoint": temporary.url, "region": "us-east-1", **login},
            "behind": {"match": "https://nobody.invalid", "alternate": "s3"},
            "paid": {"match": "s3://paid", "endpoint": paid.url, "region": "paid", "requester_pays": True, **KEYS},
            "free": {"match": "s3://free", "endpoint": free.url, "region": "us-east-1", "unsigned": True},
            "own": {"match": ["s3://fields", "s3://results"], "endpoint": own.url, "region": "own", **KEYS},
        }
        settings = {"PARQUET": "false", "BUCKETS": None, "SOURCES": json.dumps(sources)}
        outcome, said = run(tmp_path / "machine", found, settings, **VARIABLES)
    assert (outcome["status"], outcome["failed"]) == ("DONE", 0)
    assert files(store / "results", outcome["id"]) == expected
    given = [token for at in (blobs, protected, temporary) for token in at.given]
    assert all(at.refused for at in (blobs, protected, temporary)), "keys ended in the middle"
    assert any(path.startswith("/paid/") for path, _ in paid.asked)
    assert free.asked
    assert not any("authorization" in headers for _, headers in free.asked)
    assert not any(secret in said for secret in (*given, VARIABLES["STORE_SECRET"]))


def test_an_outage_costs_its_items_only(catalog: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """One archive of two refuses for good: intervals that do not need it have their numbers, the others a sentence."""
    write_geopackage(tmp_path / "machine" / "buckets" / "fields" / "parcels.gpkg", good_parcels(), 32633)
    with archive(catalog, wants="bearer") as images:
        stac = items(catalog, tmp_path / "stac", (images.url, None))
        for path in stac.glob("S2A_33TYM*"):
            document = json.loads(path.read_text().replace(images.url, f"{images.url}/closed"))
            path.write_text(json.dumps(document))
        sources = {
            "open": {"match": images.url, "token": "env:OPEN"},
            "closed": {"match": f"{images.url}/closed", "token": "env:CLOSED"},
        }
        settings = {"PARQUET": "false", "SOURCES": json.dumps(sources), "POLICY__RETRY_SECONDS": "0"}
        outcome, _ = run(tmp_path / "machine", stac, settings, OPEN="fixed", CLOSED="expired")
    found = files(tmp_path / "machine" / "buckets" / "results", outcome["id"])
    assert found.keys() == expected.keys()
    told = "".join(content.decode() for content in found.values())
    right = sum(found[name] == content for name, content in expected.items())
    assert 0 < right < len(expected), "fields in the open tile only have all their numbers"
    assert "the login of source closed is refused: its token or password may be wrong or have expired" in told


def repacked(catalog: Path, folder: Path) -> Path:
    """The catalogue with every other item's images as JPEG 2000, which do not say where they lie, and the others' as
    arrays of a Zarr store. Their items tell it."""
    for number, path in enumerate(sorted(catalog.glob("*/*.json"))):
        document, place = json.loads(path.read_text()), folder / path.parent.name
        place.mkdir(parents=True)
        store = zarr.open_group(str(place / "p.zarr"), mode="w", zarr_format=3) if number % 2 else None
        for name, asset in document["assets"].items():
            with rasterio.open(path.parent / asset["href"]) as image:
                pixels, told = image.read(1), {"proj:shape": list(image.shape), "proj:transform": [*image.transform]}
            asset.update(told | {"href": f"./p.zarr/{name}" if store is not None else f"./{name}.jp2"})
            if store is not None:
                array = store.create_array(name, shape=pixels.shape, chunks=(64, 64), dtype=pixels.dtype, fill_value=0)
                array[...] = pixels
            else:
                write_jp2(place / f"{name}.jp2", pixels, 64, RESOLUTIONS=2, crs=None, transform=None)
        (place / path.name).write_text(json.dumps(document))
    return folder


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_jpeg_2000_and_zarr_behind_keys_that_end(catalog: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Keys end after thirty pieces: the same bytes as of GeoTIFFs in a folder."""
    images = repacked(catalog, tmp_path / "bucket")
    write_geopackage(tmp_path / "machine" / "buckets" / "fields" / "parcels.gpkg", good_parcels(), 32633)
    (tmp_path / "account").mkdir()
    (tmp_path / "account" / "container").symlink_to(images)
    ending: dict[str, Any] = {"uses": 30, "rest": YOUNG_SECONDS + 0.1}
    with (
        archive(tmp_path, wants="signature", **ending) as blobs,
        archive(images, wants="bearer", **ending) as protected,
        archive(tmp_path, wants="keys", **ending) as temporary,
    ):
        places = (f"{blobs.url}/account/container", None), (protected.url, None), ("s3://bucket", None)
        found = items(images, tmp_path / "stac", *places)
        oidc = {"token_url": f"{protected.url}/oidc/token", "client_id": "me", "client_secret": "env:CLIENT_SECRET"}
        login = {
            "s3_credentials_url": f"{temporary.url}/s3credentials", "login_host": "127.0.0.1", "token": "env:EARTH",
        }  # fmt: skip
        sources = {
            "blobs": {"match": blobs.url, "sas_url": f"{blobs.url}/sas"},
            "protected": {"match": protected.url, **oidc},
            "temporary": {"match": "s3://bucket", "endpoint": temporary.url, "region": "us-east-1", **login},
        }
        settings = {"PARQUET": "false", "SOURCES": json.dumps(sources)}
        outcome, said = run(tmp_path / "machine", found, settings, **VARIABLES)
    assert "NotGeoreferenced" not in said
    assert (outcome["status"], outcome["failed"]) == ("DONE", 0)
    assert files(tmp_path / "machine" / "buckets" / "results", outcome["id"]) == expected
    for at in (blobs, protected, temporary):
        assert at.refused, "keys ended in the middle"
        assert {Path(path.partition("?")[0]).suffix for path, _ in at.asked} >= {".jp2"}
        assert any("p.zarr" in path for path, _ in at.asked)
