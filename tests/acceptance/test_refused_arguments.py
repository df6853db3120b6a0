"""Arguments of every command that cannot be: told as tests/support/refusals.py demands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.refusals import call, check, made_by, prepared


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    with prepared(monkeypatch, tmp_path) as folder:
        yield folder


ARGUMENTS: list[tuple[str, list[str]]] = [
    ("run absent.json", ["absent.json"]),
    ("run folder", ["folder"]),
    ("run latin.json", ["latin.json", "UTF-8", "byte 10"]),
    ("run broken.json", ["not valid JSON"]),
    ("run ndvi.js", ["not valid JSON"]),
    ("run request.json --executor threads", ["--executor", "threads", "processes:N"]),
    ("run request.json --executor processes:0", ["--executor", "processes:N"]),
    ("run request.json --executor processes:-1", ["--executor", "processes:N"]),
    ("run request.json --executor ''", ["--executor", "processes:N"]),
    ("work --executor dask://nowhere", ["--executor", "dask://host:port"]),
    ("work --executor dask://host:port", ["--executor", "dask://host:port"]),
    ("stats", ["features"]),
    ("stats absent.gpkg", ["--from", "--to", "--output"]),
    ("stats absent.gpkg --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv", ["absent.gpkg"]),
    ("stats folder --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv", ["folder"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.xlsx", ["x.xlsx", ".parquet"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o absent/x.csv", ["--output", "absent"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o folder", ["--output", "folder"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --resolution ten", ["ten", "10m"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --resolution 0", ["above 0"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --percentiles five", ["--percentiles"]),
    (
        "stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --max-cloud-coverage 101",
        ["--max-cloud-coverage"],
    ),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --script absent.js", ["absent.js"]),
    ("stats ndvi.js --from 2023-06-01 --to 2023-07-01 --index ndvi -o x.csv --catalog absent", ["absent"]),
    ("status abcd", ["No request begins", "arpent jobs"]),
    ("conformance", ["URL", "--client-id", "--client-secret", "--help"]),
    ("conformance ftp://host --client-id a --client-secret b", ["ftp://host", "http"]),
    ("conformance http://host --client-id a --client-secret b --at 1", ["--at"]),
    ("conformance http://host --client-id a --client-secret b --from June", ["--from"]),
    ("conformance http://host --client-id a --client-secret b --only x", ["--only", "token"]),
    ("conformance http://host --client-id a --client-secret b --report x.pdf", ["--report", ".html"]),
    ("conformance http://host --client-id a --client-secret b --report absent/x.html", ["--report", "absent"]),
    ("conformance http://host --client-id a --client-secret b --data folder", ["--data", "--make-data"]),
    ("conformance http://host --client-id a --client-secret b --bucket here", ["--bucket", "s3://"]),
    ("conformance http://127.0.0.1:1 --client-id a --client-secret b", ["127.0.0.1:1", "does not answer"]),
    ("explain latin.json --feature 1", ["latin.json", "UTF-8"]),
    ("explain broken.json --feature 1", ["not valid JSON"]),
    ("explain request.json --feature one", ["--feature"]),
    ("explain request.json", ["--feature"]),
    ("explain request.json --feature 1 --from yesterday", ["--from", "2020-06-01T00:00:00Z"]),
    ("explain request.json --feature 1 --from 2020-13-45T00:00:00Z", ["--from"]),
    ("explain request.json --feature 1 --png folder", ["--png", "folder"]),
    ("explain request.json --feature 1 --png absent/x.png", ["--png", "absent"]),
    ("results ''", ["''"]),
    ("results absent", ["absent"]),
    ("results ndvi.js", ["ndvi.js"]),
    ("results folder", ["no results in folder"]),
    ("results ftp://host/x", ["s3://bucket/prefix"]),
    ("results s3://", ["s3://"]),
    ("results s3:///x", ["s3://"]),
    ("results folder --csv folder", ["--csv", "folder"]),
    ("results folder --csv absent/x.csv", ["--csv", "absent"]),
    ("results folder --parquet absent/x.parquet", ["--parquet", "absent"]),
    ("results .", ["broken.json"]),
    ("jobs --count 0", ["--count"]),
    ("jobs --count many", ["--count"]),
    (f"jobs --count {10**30}", ["--count"]),
    ("demo --port 65536", ["--port"]),
    ("demo --port x", ["--port"]),
    ("demo --folder ndvi.js", ["ndvi.js"]),
    ("demo --folder ndvi.js/x", ["ndvi.js"]),
    ("demo --folder .", ["not empty"]),
    ("demo --features absent.gpkg --catalog folder", ["absent.gpkg"]),
    ("demo --catalog folder", ["--features"]),
    ("sources check --at here", ["--at", "11.35,46.5"]),
    ("sources check --at 1,2,3", ["--at", "11.35,46.5"]),
    ("sources check --at 200,0", ["--at", "11.35,46.5"]),
    ("sources check --from yesterday", ["--from", "2020-06-01T00:00:00Z"]),
    ("sources check --from 2024-01-02T00:00:00Z --to 2024-01-01T00:00:00Z", ["--to", "--from"]),
    ("script new", ["--index"]),
    ("script new --index ''", ["arpent script list"]),
    ("script new --index ndvo", ["ndvo", "did you mean ndvi"]),
    ("script new --index ndvi --mask fog", ["fog", "qa_pixel"]),
    ("script new --index ndvi --mask fmask", ["fmask", "hls"]),
    ("script new --index ndvi --composite best", ["best", "median"]),
    ("script new --index ndvi --collection sentinel-1-grd", ["sentinel-1-grd"]),
    ("script new --index savi --constant L", ["--constant", "L=0.5"]),
    ("script new --index savi --constant L=nan", ["--constant", "finite"]),
    ("script new --index savi --constant L=1e999", ["--constant", "finite"]),
    ("script new --index savi --constant M=1", ["M", "known: L"]),
    ("script new --index fai", ["--constant lambda"]),
    ("script new --index ndvi -o absent/x.js", ["--output", "absent"]),
    ("script list --collection sentinel-1-grd", ["sentinel-1-grd", "hls"]),
    ("script check absent.js", ["absent.js"]),
    ("script check latin.json", ["latin.json", "UTF-8"]),
    ("script check folder", ["folder"]),
    ("script check ndvi.js --collection nothing", ["nothing"]),
    ("script run ndvi.js --on absent.json", ["--on", "absent.json"]),
    ("script run ndvi.js --on folder", ["--on", "folder"]),
    ("script run ndvi.js --on latin.json", ["latin.json", "UTF-8"]),
    ("script run ndvi.js --on broken.json", ["--on", "not valid JSON"]),
    ("script run ndvi.js --on 7", ["--on"]),
    ("script run ndvi.js --on ''", ["--on"]),
    (f"script run ndvi.js --on {'x' * 5000}", ["--on"]),
    (f"script run ndvi.js --on {'[' * 100_000}", ["--on"]),
    ("script run ndvi.js --on request.json", ["--feature"]),
    ("script run ndvi.js --on request.json --feature x", ["--feature"]),
    ("script run ndvi.js", ["--on"]),
    ("catalog from-index absent --to x.json", ["absent"]),
    ("catalog from-index ndvi.js --to x.json", ["ndvi.js", "lacks the columns"]),
    ("catalog from-index latin.json --to x.json", ["latin.json", "neither a CSV nor a Parquet"]),
    ("catalog from-index ndvi.js --to folder", ["--to", "folder"]),
    ("catalog from-index ndvi.js --to x.json --bbox 1", ["--bbox"]),
    ("catalog from-index ndvi.js --to x.json --years x", ["--years"]),
    ("catalog from-index ndvi.js", ["--to"]),
    ("client add ''", ["NAME is empty"]),
    ("client add me --role boss", ["--role", "operator"]),
    *(
        (f"client {command} nobody", ["nobody", "arpent client list"])
        for command in ("show", "rotate", "disable", "enable", "remove")
    ),
    ("client rotate nobody --overlap -1", ["--overlap"]),
    ("client rotate nobody --overlap nan", ["--overlap"]),
    ("jobs --owner \udcff", ["UTF-8"]),
    ("status \udcff", ["not the id of a request", "arpent jobs"]),
    ("status ''", ["not the id of a request", "arpent jobs"]),
    ("results s3://with%20space!/x", ["must be a bucket's name"]),
    ("client add", ["name"]),
    ("client forget me", ["forget"]),
    ("serv", ["serv"]),
    ("jobs --wat", ["--wat"]),
]


@pytest.mark.parametrize(("line", "words"), ARGUMENTS, ids=[line[:50] for line, _ in ARGUMENTS])
def test_arguments(line: str, words: list[str], place: Path) -> None:
    Path("buckets/fields").mkdir(parents=True)
    arguments = [word.strip("'") for word in line.split(" ")]
    made_by(None, "jobs.db")
    settings = {"CATALOG": "folder", "DATABASE_URL": "sqlite:///jobs.db"}
    result = call(arguments, settings if "s3://" in line else {**settings, "BUCKETS": "buckets"})
    check(result, *words)
