"""`arpent sources`: the table without secrets; each catalogue and source is tried, and what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from arpent.cli.main import app
from tests.support.archives import Archive, archive
from tests.support.world import SEASON, make_imagery

AT = ["--at", "16.2,46.3", "--from", "2023-06-01T00:00:00Z", "--to", "2023-07-01T00:00:00Z"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One item, whose images are wherever a test puts them."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    return make_imagery(tmp_path / "imagery", SEASON[:1])


def call(arguments: list[str], at: Archive, world: Path, root: str = "", **sources: dict[str, Any]) -> Any:
    (path,) = world.glob("*/*.json")
    document = json.loads(path.read_text())
    west, south, east, north = document["bbox"]
    for asset in document["assets"].values():
        asset["href"] = f"{root or at.url}/{path.parent.name}/{asset['href'].removeprefix('./')}"
    Path("stac").mkdir(exist_ok=True)
    Path("stac/item.json").write_text(json.dumps(document))
    where = ["--at", f"{(west + east) / 2},{(south + north) / 2}", *AT[2:]] if "check" in arguments else []
    variables = {
        "ARPENT_CATALOG": "stac", "ARPENT_SOURCES": json.dumps(sources), "TOKEN": "fixed", "KEY": "testkey",
        "SECRET": "never-say-this-aloud",
    }  # fmt: skip
    done = CliRunner().invoke(app, ["sources", *arguments, *where], env=variables)
    assert "never-say-this-aloud" not in done.output
    assert "fixed" not in done.output
    return done


def steps(output: str) -> dict[str, str]:
    return {f"{name} {step}": f"{state} {words}" for name, step, state, words in
            (line.split("\t") for line in output.splitlines())}  # fmt: skip


def test_the_table_says_where_secrets_are(world: Path) -> None:
    with archive(world) as at:
        done = call(["list"], at, world, mine={"match": at.url, "token": "env:TOKEN"}, cdse={})
    assert done.exit_code == 0, done.output
    assert f"mine\t{at.url}\ttoken env:TOKEN" in done.output
    assert "access_key env:CDSE_ACCESS_KEY" in done.output


def test_all_is_well(world: Path) -> None:
    keys = {"access_key": "env:KEY", "secret_key": "env:SECRET"}
    with archive(world, wants="bearer") as at, archive(world, wants="keys", region="own") as own:
        store = {"match": "s3://results", "endpoint": own.url, "region": "own", **keys}
        done = call(["check"], at, world, mine={"match": at.url, "token": "env:TOKEN"}, store=store)
    assert done.exit_code == 0, done.output
    found = steps(done.output)
    assert found["stac search"].startswith("ok 1 items of sentinel-2-l2a")
    assert "256 x 256, uint16" in found["stac header"]
    assert found["stac block"] == "ok 128 x 128 pixels"
    assert found["mine login"].endswith("there is a login")
    assert found["store bucket"] == "ok s3://results: it lets us in"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"token": "env:NOT_SET"}, {"stac header": "set the variable NOT_SET", "mine login": "the variable NOT_SET"}),
        ({"token": "env:SECRET"}, {"stac header": "the login of source mine is refused"}),
    ],
)
def test_what_a_host_lacks(change: dict[str, str], expected: dict[str, str], world: Path) -> None:
    with archive(world, wants="bearer") as at:
        done = call(["check"], at, world, mine={"match": at.url, **change})
    assert done.exit_code == 1
    for step, words in expected.items():
        assert steps(done.output)[step].startswith("FAILED")
        assert words in steps(done.output)[step]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"region": "other"}, "region"),
        ({"access_key": "env:SECRET"}, "the store refuses (InvalidAccessKeyId)"),
        ({"secret_key": "file:/not/there"}, "set the file /not/there"),
        ({"profile": "nobody", "access_key": None, "secret_key": None}, "profile nobody, which no AWS file has"),
    ],
)
def test_what_a_bucket_lacks(change: dict[str, Any], words: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    entry = {"match": "s3://store", "region": "own", "access_key": "env:KEY", "secret_key": "env:SECRET"}
    with archive(world, wants="keys", region="own") as at:
        given = {name: value for name, value in {**entry, "endpoint": at.url, **change}.items() if value is not None}
        done = call(["check", "--json"], at, world, root="s3://store", store=given)
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.output.splitlines()]
    (words_shown,) = [line["words"] for line in lines if (line["name"], line["step"]) == ("store", "bucket")]
    assert words in words_shown
    assert [line["well"] for line in lines if line["step"] == "header"] == [False]


def test_a_page_in_place_of_an_image(world: Path) -> None:
    with archive(world, wants="bearer", page=True) as at:
        done = call(["check"], at, world, mine={"match": at.url})
    words = steps(done.output)["stac header"]
    assert "its server returns a login page" in words
    assert "give source mine a `token`, or `user` and `password`" in words


def test_a_place_without_images(world: Path) -> None:
    with archive(world) as at:
        done = call(["check", "--collection", "dem"], at, world)
    assert done.exit_code == 1
    assert "has no items of dem" in steps(done.output)["stac search"]
