"""Frames: a table as a DataFrame, a GeoDataFrame or an xarray vector cube; each library is imported only if needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from arpent.adapters.formats.plain_columns import for_pandas
from arpent.adapters.formats.vector.copy import own_names
from arpent.api.fields import ID, KEY
from arpent.api.local import Answer
from arpent.api.tables import wide_table
from arpent.domain.errors import InvalidRequest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

COORDINATES = ("from", "output", "band")
NOT_NUMBERS = {"to", "status", "reason", "items", "histogram_edges", "histogram_counts"}


def data_frame(answer: Answer, *, wide: bool, geometry: bool) -> pd.DataFrame:
    """A long or wide DataFrame; with `geometry`, a GeoDataFrame in the CRS of the features. Raises InvalidRequest if
    the library is not installed."""
    _needed("pandas")
    table = wide_table(answer.rows, answer.fields.table) if wide else answer.rows
    frame: pd.DataFrame = for_pandas(table).to_pandas()
    frame.attrs["arpent"] = answer.about
    if not geometry:
        return frame
    geopandas = _needed("geopandas")
    fields = answer.fields.table
    places = {each: place for place, each in enumerate(fields[ID].to_pylist())}
    shapes = np.asarray(shapely.from_wkb(fields["geometry"].to_pylist()), np.object_)
    taken = shapes[[places[each] for each in table[ID].to_pylist()]]
    located: pd.DataFrame = geopandas.GeoDataFrame(frame, geometry=list(taken), crs=answer.fields.features.crs)
    return located


def cube(answer: Answer) -> xr.Dataset:
    """A Dataset with the dimensions `geometry` (shapely, with `id` and the caller's columns along it), `from`, `output`
    and `band`, and a variable per statistic (NaN: none). `xvec` reads it. Raises InvalidRequest without xarray."""
    xarray = _needed("xarray")
    fields = answer.fields.table
    numbers = answer.rows.filter(pa.compute.is_valid(answer.rows["output"]))
    axes = {name: sorted(set(numbers[name].to_pylist())) for name in COORDINATES}
    at = [_places(numbers[ID], fields[ID].to_pylist())]
    at += [_places(numbers[name], axes[name]) for name in COORDINATES]
    shape = (len(fields), *(len(axes[name]) for name in COORDINATES))
    own = [name for name in answer.rows.column_names if name not in _caller(answer)]
    variables: dict[str, Any] = {}
    for name in own:
        if name in COORDINATES or name in NOT_NUMBERS:
            continue
        values = np.full(shape, np.nan)
        values[tuple(at)] = numbers[name].to_numpy(zero_copy_only=False).astype(float)
        variables[name] = (("geometry", *COORDINATES), values)
    shapes = np.asarray(shapely.from_wkb(fields["geometry"].to_pylist()), np.object_)
    coordinates: dict[str, Any] = {
        "geometry": ("geometry", shapes, {"crs": answer.fields.features.crs.to_wkt()}),
        "from": ("from", np.array([moment.replace(tzinfo=None) for moment in axes["from"]], "datetime64[ns]")),
        "output": axes["output"],
        "band": axes["band"],
    }
    given = [name for name in fields.column_names if name not in (KEY, "geometry")]
    known = for_pandas(fields.select(given))
    for name, label in own_names(given, (*variables, *coordinates)).items():
        coordinates[label] = ("geometry", known[name].to_pandas().to_numpy())
    made: xr.Dataset = xarray.Dataset(variables, coords=coordinates, attrs={"arpent": answer.about})
    return made


def _caller(answer: Answer) -> set[str]:
    """Those columns of the long table that come from the caller."""
    names = answer.rows.column_names
    return set(names[: names.index("from")])


def _places(column: pa.ChunkedArray, values: list[Any]) -> list[int]:
    places = {value: place for place, value in enumerate(values)}
    return [places[value] for value in column.to_pylist()]


def _needed(library: str) -> Any:
    import importlib

    try:
        return importlib.import_module(library)
    except ImportError:
        raise InvalidRequest(f"This needs {library}: pip install 'arpent[frames]'") from None
