"""Every output that R's sf can open: rows, types, dates, geometry and CRS as they were written."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pyarrow as pa
import pytest

from arpent.api.fields import Columns
from arpent.api.files import save
from arpent.api.query import query_of
from arpent.api.statistics import answer_of
from tests.support.parcels import good_parcels, write_geopackage

pytestmark = pytest.mark.services
RSCRIPT = os.environ.get("ARPENT_TEST_R", "")
if not RSCRIPT:
    pytest.skip("needs R with sf: set ARPENT_TEST_R to its Rscript", allow_module_level=True)

READ = r"""
suppressMessages(library(sf))
options(warn = 2)
path <- commandArgs(trailingOnly = TRUE)[1]
csv <- grepl("csv$", path)
d <- st_read(path, quiet = TRUE, options = if (csv) "AUTODETECT_TYPE=YES" else character(0))
quoted <- function(x) paste0("\"", x, "\"")
kind <- function(name) quoted(class(d[[name]])[1])
said <- list(
  rows = nrow(d), mean = sprintf("%.17g", sum(d$mean, na.rm = TRUE)), tiny = sum(as.logical(d$tiny)),
  from = quoted(format(min(d$from), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC")), crops = length(unique(d$crop)),
  types = paste0("[", paste(sapply(c("mean", "from", "sown", "crop", "sample_count"), kind), collapse = ","), "]"))
if (inherits(d, "sf")) {
  said$epsg <- st_crs(d)$epsg
  said$area <- sprintf("%.9g", sum(as.numeric(st_area(st_transform(d, 32633)))))
  said$kinds <- quoted(paste(sort(unique(as.character(st_geometry_type(d)))), collapse = " "))
}
cat("{", paste0("\"", names(said), "\":", said, collapse = ","), "}")
"""


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    frame = geopandas.read_file(write_geopackage(folder / "given.gpkg", good_parcels(), 32633), fid_as_index=True)
    frame["crop"] = ["wheat" if number % 2 else "Käse" for number in range(len(frame))]
    frame["sown"] = pd.array([date(2023, 4, 1)] * len(frame), dtype=pd.ArrowDtype(pa.date32()))
    frame.to_file(folder / "fields.gpkg", driver="GPKG", use_arrow=True)
    return folder / "fields.gpkg"


@pytest.fixture(scope="module")
def written(fields: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same long table as `ndvi` in each format."""
    folder = tmp_path_factory.mktemp("out")
    query = query_of(
        start="2023-06-01", end="2023-07-31", every="P10D", resolution=10, index="ndvi", script=None, mask_clouds=True,
        collection="sentinel-2-l2a", order="leastCC", max_cloud_coverage=None, pixels="service,flagged",
    )  # fmt: skip
    found = answer_of(fields, catalog, query, Columns(), progress=False)
    for ending in ("parquet", "gpkg", "fgb", "geojson", "csv"):
        save(found, folder / f"ndvi.{ending}", wide=False)
    return folder


def of_r(path: Path, folder: Path) -> dict[str, Any]:
    script = folder / "read.R"
    script.write_text(READ)
    done = subprocess.run(
        [RSCRIPT, "--vanilla", str(script), str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("ending", ["gpkg", "fgb", "geojson", "csv"])
def test_sf_reads_what_was_written(written: Path, fields: Path, tmp_path: Path, ending: str) -> None:
    table = pd.read_parquet(written / "ndvi.parquet")
    told = of_r(written / f"ndvi.{ending}", tmp_path)
    assert (told["rows"], told["tiny"], told["crops"]) == (len(table), table["tiny"].sum(), 2)
    assert told["mean"] == pytest.approx(table["mean"].sum(), rel=1e-12)
    assert told["from"] == f"{table['from'].min():%Y-%m-%dT%H:%M:%SZ}"
    number, instant, sown, crop, count = told["types"]
    assert (number, instant, crop) == ("numeric", "POSIXct", "character")
    assert sown == ("POSIXct" if ending == "fgb" else "Date"), "FlatGeobuf has no type for days"
    assert count in ("integer", "numeric")
    if ending == "csv":
        return
    assert told["epsg"] == (4326 if ending == "geojson" else 32633)
    own = geopandas.read_file(fields, fid_as_index=True)
    # One parcel has no row, and each of the others has some.
    areas = table.merge(pd.DataFrame({"id": own.index, "area": own.area}), on="id")["area"]
    assert len(areas) == len(table)
    assert told["area"] == pytest.approx(areas.sum(), rel=1e-6)
    assert set(told["kinds"].split()) <= {"POLYGON", "MULTIPOLYGON"}
