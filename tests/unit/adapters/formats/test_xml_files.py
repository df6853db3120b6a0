"""Files of features in XML that are cut short: GDAL takes what there is of some, and says nothing."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
import shapely

from arpent.adapters.formats.vector.files import read_file
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.location import FeatureFile


def local(path: Path) -> FeatureFile:
    return FeatureFile(scheme="file", bucket="", key=path.as_posix().lstrip("/"), local=True)


@pytest.mark.parametrize("driver", ["GML", "KML"])
@pytest.mark.parametrize("left", [0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, driver: str, left: float) -> None:
    path = tmp_path / f"fields.{driver.lower()}"
    squares = [shapely.box(10 + row, 50, 10.5 + row, 51) for row in range(20)]
    geopandas.GeoDataFrame({"identifier": [f"ü{row}" for row in range(20)]}, geometry=squares, crs=4326).to_file(
        path, driver=driver
    )
    assert sum(len(batch) for batch in read_file(path, local(path))) == 20
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    with pytest.raises(FeaturesUnreadable, match=r"not complete XML, from line \d+ on|ERROR parsing kml"):
        list(read_file(path, local(path)))
