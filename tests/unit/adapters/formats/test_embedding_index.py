"""AlphaEarth's index as CSV and as Parquet: the items that a folder catalogue then finds, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.collections.files import load_collections
from arpent.cli.main import app
from arpent.domain.interval import Interval

PLACE = "s3://us-west-2.opendata.source.coop/tge-labs/aef/v1/annual"
ROWS = [
    {"fid": number, "path": f"{PLACE}/{year}/33N/x{number}-0000000000-0000000000.tiff", "year": year,
     "utm_zone": "33N", "wgs84_west": west, "wgs84_south": 46.0, "wgs84_east": west + 1, "wgs84_north": 46.8}
    for number, (year, west) in enumerate([(2023, 14.0), (2023, 20.0), (2024, 14.0)])
]  # fmt: skip


@pytest.fixture(params=["csv", "parquet"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"aef_index.{request.param}"
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, path) if request.param == "parquet" else pyarrow.csv.write_csv(table, path)
    return path


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["catalog", "from-index", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_folder_of_the_items_is_a_catalogue(index: Path, tmp_path: Path) -> None:
    to = tmp_path / "items.json"
    code, said = call(index, "--to", to, "--bbox", "14.5,46.1,14.6,46.2")
    assert (code, "2 items" in said) == (0, True)
    collection = load_collections()["alphaearth"]
    for year, number in ((2023, 0), (2024, 2)):
        interval = Interval(start=datetime(year, 1, 1, tzinfo=UTC), end=datetime(year + 1, 1, 1, tzinfo=UTC))
        (item,) = open_catalog(str(to)).search(collection, interval, (14.5, 46.1, 14.6, 46.2))
        assert len(item.assets) == 64
        hrefs = {asset.href for asset in item.assets.values()}
        path = f"tge-labs/aef/v1/annual/{year}/33N/x{number}-0000000000-0000000000.tiff"
        assert hrefs == {f"https://data.source.coop/{path}"}
        assert [collection.bands[band].index for band in ("A00", "A63")] == [0, 63]


def test_years_choose(index: Path, tmp_path: Path) -> None:
    assert call(index, "--to", tmp_path / "a.json", "--years", "2023")[0] == 0
    features = json.loads((tmp_path / "a.json").read_text())["features"]
    assert [each["id"] for each in features] == [f"aef-2023-33N-x{n}-0000000000-0000000000" for n in (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--bbox", "1,2,3"), "--bbox must be four numbers"),
        (("--bbox", "5,2,3,4"), "--bbox must be west"),
        (("--years", "soon"), "--years must be years"),
        (("--years", "20230"), "--years must lie between"),
        (("--years", "2017"), "has no file there"),
    ],
)
def test_refused(index: Path, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    code, said = call(index, "--to", tmp_path / "a.json", *arguments)
    assert code == 2
    assert told in " ".join(said.split())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"fid,year\n1,2023\n", "lacks the columns path, wgs84_west"),
        (b"PAR1 but nothing else", "neither a CSV nor a Parquet file"),
        (b"\xff\xfe\x00", "neither a CSV nor a Parquet file"),
        (b"path,year,wgs84_west,wgs84_south,wgs84_east,wgs84_north\nx,2023,a,1,2,3\n", "row 1 has no numbers"),
        (b"path,year,wgs84_west,wgs84_south,wgs84_east,wgs84_north\nx,2023,nan,1,2,3\n", "row 1 has bounds"),
        (b"", "lacks the columns"),
    ],
)
def test_a_file_that_is_no_index(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "index").write_bytes(content)
    code, said = call(tmp_path / "index", "--to", tmp_path / "a.json")
    assert code == 2
    assert told in " ".join(said.split())
