"""Whatever is wrong with settings, files and arguments: every command says so in one line, with the name of what is
wrong and a way out, and ends with exit code 2. Nobody is shown a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arpent.adapters.traces import sending
from arpent.cli.main import app
from arpent.settings import variables
from tests.support.refusals import COMMANDS, READING, STORING, call, check, made_by, prepared


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    with prepared(monkeypatch, tmp_path) as folder:
        yield folder


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "abc"}, ["ARPENT_PORT", '"abc"', "from 0 to 65535"]),
        ({"PROT": "8000"}, ["ARPENT_PROT", "did you mean ARPENT_PORT?"]),
        ({"CONFIG": "absent.toml"}, ["ARPENT_CONFIG", "absent.toml", "does not exist"]),
        ({"CONFIG": "broken.toml"}, ["ARPENT_CONFIG", "broken.toml", "not TOML"]),
        ({"DATABASE_URL": "postgres://me:hush@host/name"}, ["ARPENT_DATABASE_URL", "postgresql://"]),
        ({"DATABASE_URL": "mysql://me:hush@host/name"}, ["ARPENT_DATABASE_URL", "no support for mysql"]),
        ({"DATABASE_URL": "jobs.db"}, ["ARPENT_DATABASE_URL", "a file is written sqlite:///file"]),
        ({"POLICY__ATEMPTS": "1"}, ["ARPENT_POLICY__ATEMPTS", "did you mean ARPENT_POLICY__ATTEMPTS?"]),
    ],
)
def test_every_command_refuses_wrong_settings(
    command: str, settings: dict[str, str], words: list[str], place: Path
) -> None:
    before = sorted(place.rglob("*"))
    result = call(COMMANDS[command], settings)
    check(result, *words)
    assert "hush" not in result.output
    assert sorted(place.rglob("*")) == before, "and does nothing"


def test_no_command_is_left_out() -> None:
    from typer.main import get_command

    groups = get_command(app).commands  # type: ignore[attr-defined]
    names = {
        name if not hasattr(command, "commands") else f"{name} {inner}"
        for name, command in groups.items()
        for inner in getattr(command, "commands", [""])
    }
    tried = {
        " ".join(words[:2]) if words[0] in ("client", "script", "sources") else words[0] for words in COMMANDS.values()
    }
    assert names - tried == {"version", "catalog from-index", "conformance"}, "these read no settings"


@pytest.mark.parametrize("command", STORING)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///text.db", ["not a database"]),
        ("sqlite:///folder", ["which is a folder"]),
        ("sqlite:///ndvi.js/jobs.db", ["ndvi.js"]),
        ("sqlite:///absent/jobs.db", ["absent"]),
        ("postgresql://me:hush@127.0.0.1:abc/name", ["cannot be read"]),
        ("postgresql://me:hush@127.0.0.1:1/name?foo=bar", ["invalid connection option"]),
        (f"sqlite:///{'x' * 300}", ["File name too long"]),
        ("postgresql://me:hush@127.0.0.1:1/name", ["Connection refused", "127.0.0.1:1"]),
        ("newer", ["newer version of arpent", "9999"]),
    ],
)
def test_databases_that_cannot_be_used(command: str, url: str, words: list[str], place: Path) -> None:
    url = made_by("9999", "newer.db") if url == "newer" else url
    result = call(COMMANDS[command], {"DATABASE_URL": url})
    check(result, "ARPENT_DATABASE_URL", *words)
    assert "hush" not in result.output


@pytest.mark.parametrize("command", READING)
def test_to_look_makes_no_database(command: str, place: Path) -> None:
    before = sorted(place.iterdir())
    check(call(COMMANDS[command]), str(place / "arpent.db"), "there is no database")
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    ("revision", "words"),
    [("none", ["has no arpent tables"]), ("0003", ["older version (0003)", "arpent migrate"]), (None, [])],
)
def test_to_look_changes_no_database(command: str, revision: str | None, words: list[str], place: Path) -> None:
    """One without tables, an older one, and one that is as it should be: no byte, no journal, not even a key."""
    path = Path("arpent.db")
    if revision == "none":
        path.touch()
    else:
        made_by(revision, str(path))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    before = path.read_bytes()
    looked = call(COMMANDS[command])
    if words:
        check(looked, "ARPENT_DATABASE_URL", "arpent.db", *words)
    else:
        assert looked.exit_code == (2 if command == "status" else 0), looked.output
    assert path.read_bytes() == before


@pytest.mark.parametrize(("command", "refused"), [("serve", True), ("work", True), ("explain", False)])
def test_only_what_somebody_watches_ends_without_the_library_for_traces(
    command: str, refused: bool, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setattr(sending, "_otlp_recorder", lambda: None)
    result = call(COMMANDS[command], {"PORT": "0", "OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    if refused:
        check(result, "ARPENT_OTLP_ENDPOINT", "pip install 'arpent[otel]'")
    assert ("OTLP" in result.stderr) == refused, result.stderr  # the other one stumbles over its request later


PLACES: list[tuple[str, dict[str, str], list[str]]] = [
    ("serve", {"BUCKETS": "absent"}, ["ARPENT_BUCKETS", "absent"]),
    ("serve", {"BUCKETS": "ndvi.js"}, ["ARPENT_BUCKETS", "ndvi.js"]),
    ("serve", {"CATALOG": "earthsearch"}, ["ARPENT_CATALOG", "earthsearch", "earth-search"]),
    ("serve", {"CATALOGS": '{"dem": "absent"}'}, ["ARPENT_CATALOGS", "dem", "absent"]),
    ("serve", {"COLLECTIONS": "absent"}, ["ARPENT_COLLECTIONS", "absent"]),
    ("work", {"BUCKETS": "absent"}, ["ARPENT_BUCKETS", "absent"]),
    ("work", {"CATALOG": "absent"}, ["ARPENT_CATALOG", "absent"]),
    ("run", {"COLLECTIONS": "absent"}, ["ARPENT_COLLECTIONS", "absent"]),
    ("run", {"COLLECTIONS": "ndvi.js"}, ["ARPENT_COLLECTIONS", "ndvi.js"]),
    ("run", {"BUCKETS": "absent"}, ["ARPENT_BUCKETS", "absent"]),
    ("run", {"CATALOG": "absent"}, ["ARPENT_CATALOG", "absent"]),
    ("explain", {"BUCKETS": "absent"}, ["ARPENT_BUCKETS", "absent"]),
    ("collections", {"COLLECTIONS": "absent"}, ["ARPENT_COLLECTIONS", "absent"]),
    ("collections", {"COLLECTIONS": "ndvi.js"}, ["ARPENT_COLLECTIONS", "ndvi.js"]),
    ("sources", {"CATALOG": "absent"}, ["ARPENT_CATALOG", "absent"]),
    ("list", {"SOURCES": '{"mine": {"unsigned": true}}'}, ["`sources.mine`", "`match`"]),
    ("serve", {"SOURCES": '{"mine": {"unsigned": true}}'}, ["`sources.mine`", "`match`"]),
    ("check", {"COLLECTIONS": "absent"}, ["ARPENT_COLLECTIONS", "absent"]),
]


@pytest.mark.parametrize(("command", "settings", "words"), PLACES)
def test_places(command: str, settings: dict[str, str], words: list[str], place: Path) -> None:
    check(call(COMMANDS[command], {"PORT": "0", **settings}), *words)


def test_a_port_that_is_taken(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        check(call(["serve"], {"PORT": port}), "ARPENT_HOST 127.0.0.1", f"ARPENT_PORT {port}", "Address already in use")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
        ([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 0))], "Cannot assign requested address"),
    ],
)
def test_a_host_that_is_not_here(found: object, reason: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    check(call(["serve"], {"HOST": "elsewhere"}), "ARPENT_HOST elsewhere", reason)


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("AWS_ENDPOINT_URL", "nonsense", "results s3://bucket/x"),
        ("AWS_ENDPOINT_URL", "ftp://host", "results s3://bucket/x"),
        ("AWS_ENDPOINT_URL_S3", "http://[::", "results s3://bucket/x"),
        ("AWS_ENDPOINT_URL_S3", "http://host:99999", "serve"),
        ("AWS_ENDPOINT_URL_STS", "http://ho st", "work"),
        ("GOOGLE_BASE_URL", "http://", "results gs://bucket/x"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "absent", "results gs://bucket/x"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "ndvi.js", "results gs://bucket/x"),
        ("AWS_REGION", "a b", "results s3://bucket/x"),
    ],
)
def test_variables_of_others(
    variable: str, value: str, command: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library behind buckets panics at some of these, which no `except Exception` catches."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv(variable, value)
    check(call(command.split(" ")), variable)


FILES: list[tuple[str, bytes | None, list[str]]] = [
    ("broken", b"id", ["is not TOML"]),
    ("deep", b"a = " + b"[" * 5000, ["is not TOML"]),
    ("latin", b'id = "\xe9"', ["is not UTF-8", "byte 6"]),
    ("surplus", b'id = "x"\nwrong = 1\n[units]\n[bands]\n', ["`wrong`", "docs/collections.md"]),
    ("incomplete", b'id = "x"\n', ["`bands`", "docs/collections.md"]),
    ("folder", None, ["cannot be read", "Is a directory"]),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=[name for name, *_ in FILES])
def test_collection_files(name: str, content: bytes | None, words: list[str], place: Path) -> None:
    path = Path("folder") / f"{name}.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    check(call(COMMANDS["collections"], {"COLLECTIONS": "folder"}), str(path), *words)


@pytest.fixture
def nobody(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user whom rights hold back, in a folder with what that user may not read or change."""
    folder = Path(tempfile.mkdtemp())
    for name in ("ndvi.js", "request.json"):
        shutil.copy(name, folder)
    made_by(None, str(folder / "jobs.db"))
    (folder / "settings.toml").touch()
    (folder / "collections").mkdir()
    (folder / "collections" / "x.toml").touch()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.chmod(0)
    folder.chmod(0o555)
    monkeypatch.chdir(folder)
    root = os.getuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    try:
        yield folder
    finally:
        if root:
            os.setresuid(0, 0, 0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("command", "settings", "words"),
    [
        (["collections"], {"CONFIG": "settings.toml"}, ["ARPENT_CONFIG", "Permission denied"]),
        (["collections"], {"COLLECTIONS": "collections"}, ["x.toml", "Permission denied"]),
        (["jobs"], {"DATABASE_URL": "sqlite:///jobs.db"}, ["ARPENT_DATABASE_URL", "jobs.db", "may not open"]),
        (["migrate"], {"DATABASE_URL": "sqlite:///jobs.db"}, ["ARPENT_DATABASE_URL", "jobs.db", "may not open"]),
        (["migrate"], {}, ["ARPENT_DATABASE_URL", "may not write to"]),
        (["results", "collections", "--csv", "x.csv"], {}, ["--csv", "x.csv", "may not be written"]),
        (["demo", "--folder", "new"], {}, ["new", "Permission denied"]),
    ],
)
def test_rights(nobody: Path, command: list[str], settings: dict[str, str], words: list[str]) -> None:
    check(call(command, settings), *words)


@pytest.mark.parametrize("line", ["run request.json", "script check ndvi.js", "explain request.json --feature 1"])
def test_files_that_may_not_be_read(nobody: Path, line: str) -> None:
    check(call(line.split(" ")), "not readable")


@pytest.mark.parametrize("command", STORING)
def test_a_driver_that_is_not_installed(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    result = call(COMMANDS[command], {"DATABASE_URL": "postgresql://me:hush@h/d"})
    check(result, "ARPENT_DATABASE_URL", "pip install 'arpent[postgres]'")
    assert "hush" not in result.output


def test_the_library_of_a_cluster_that_is_not_installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arpent.adapters.executors.dask.executor", None)
    check(call(["work", "--executor", "dask://127.0.0.1:1"]), "ARPENT_EXECUTOR", "pip install 'arpent[dask]'")


@pytest.mark.parametrize("address", ["dask://127.0.0.1:1", "dask+tls://127.0.0.1:1"])
def test_a_cluster_that_is_not_there(address: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = pytest.importorskip("arpent.adapters.executors.dask.executor", reason="needs `pip install arpent[dask]`")
    monkeypatch.setattr(executor, "CONNECT_SECONDS", 0.3)
    check(call(["work", "--executor", address]), "ARPENT_EXECUTOR", "127.0.0.1:1")


def test_what_nobody_foresaw_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the rest of it is to be had."""

    def break_down(_settings: object) -> None:
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr("arpent.worker.collections", break_down)
    done = call(["collections"])
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert "unexpected ZeroDivisionError: by nothing (test_refusals.py:" in done.stderr
    assert "ARPENT_TRACEBACK=true" in done.stderr
    done = call(["collections"], {"TRACEBACK": "true"})
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_broken_pipe_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(_settings: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("arpent.worker.collections", hang_up)
    assert (call(["collections"]).exit_code, call(["collections"]).stderr) == (1, "")


def test_the_table_of_variables_is_whole() -> None:
    assert {"ARPENT_CONFIG", "ARPENT_TRACEBACK"} <= variables().keys()
