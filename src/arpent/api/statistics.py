"""Statistics: `arpent.statistics` computes statistics of fields as a DataFrame, with the same engine as the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from arpent import worker
from arpent.api.fields import Columns, is_frame, read_fields
from arpent.api.files import check_long_table, save
from arpent.api.frames import cube, data_frame
from arpent.api.local import Answer, answer
from arpent.api.progress import bar
from arpent.api.query import Day, Query, names_of, query_of
from arpent.settings import load

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Options(TypedDict, total=False):
    """Optional arguments of `statistics`, which describes them."""

    every: str
    resolution: str | float
    index: str | Sequence[str] | None
    script: str | Path | None
    mask_clouds: bool
    collection: str
    order: str
    max_cloud_coverage: float | None
    percentiles: Sequence[float]
    pixels: str
    more: str | Sequence[str] | None
    shares: Mapping[str, int] | None
    columns: str | Sequence[str] | None
    id: str | None
    crs: str | None
    wide: bool
    geometry: bool | None
    executor: str | None
    progress: bool | None
    update: str | Path | None


@overload
def statistics(
    features: Any, catalog: str | Path, *, start: Day, end: Day, as_xarray: Literal[True], **options: Unpack[Options]
) -> xr.Dataset: ...


@overload
def statistics(
    features: Any,
    catalog: str | Path,
    *,
    start: Day,
    end: Day,
    as_xarray: Literal[False] = False,
    **options: Unpack[Options],
) -> pd.DataFrame: ...


def statistics(  # noqa: PLR0913
    features: Any,
    catalog: str | Path,
    *,
    start: Day,
    end: Day,
    every: str = "P10D",
    resolution: str | float = 10,
    index: str | Sequence[str] | None = None,
    script: str | Path | None = None,
    mask_clouds: bool = False,
    collection: str = "sentinel-2-l2a",
    order: str = "mostRecent",
    max_cloud_coverage: float | None = None,
    percentiles: Sequence[float] = (),
    pixels: str = "service",
    more: str | Sequence[str] | None = None,
    shares: Mapping[str, int] | None = None,
    columns: str | Sequence[str] | None = None,
    id: str | None = None,  # noqa: A002
    crs: str | None = None,
    wide: bool = False,
    geometry: bool | None = None,
    as_xarray: bool = False,
    executor: str | None = None,
    progress: bool | None = None,
    update: str | Path | None = None,
) -> pd.DataFrame | xr.Dataset:
    """Statistics of each feature in each interval of time.

    Args:
        features: A path (GeoPackage, GeoJSON, Shapefile, FlatGeobuf, GeoParquet or another format that GDAL reads); a
            GeoDataFrame or GeoSeries; GeoJSON (dict or text); geometries of shapely; or a box (minx, miny, maxx, maxy).
        catalog: A folder of STAC items, the URL of a STAC API, or `earth-search`.
        start, end: Days or instants; `end` is exclusive.
        every: Length of an interval, ISO 8601 (`P10D`, `P1M`); the last one may be shorter.
        resolution: Metres on the ground. Features in degrees (or in a CRS that requests may not have) are transformed
            to their UTM zone, which the imagery uses, too; others stay in their CRS.
        index: `"ndvi"`, `"ndvi,evi"` or a list; `arpent script list` shows the known names.
        script: Instead of an index: an evalscript's text, or the path of its file.
        mask_clouds: Leave cloudy samples out (SCL of Sentinel-2, QA_PIXEL of Landsat); for indices.
        collection: The data collection.
        order: Which acquisition wins a pixel within an interval: `mostRecent`, `leastRecent` or `leastCC`.
        max_cloud_coverage: Acquisitions with more cloud cover (percent) are left out.
        percentiles: Adds columns `p5.0`, `p50.0` … to min, max, mean and stDev.
        pixels: Which samples belong to a polygon: `service` (all that it touches, except slivers), `centre`, `touched`
            or `weighted` (by the share that is covered). After commas: `inner:10` (shrinks the polygon by 10 metres),
            `nearest` (a polygon without samples gets the nearest one) and `flagged` (adds a column `tiny`: the polygon
            is smaller than a sample, or has at most one).
        more: Columns `sum`, `count`, `variance`, `median`, `mode`, `weightedMean`; `cloudyShare` adds a column
            `cloudy_share`: of the samples inside the polygon, those that have imagery but are removed by the script's
            mask (it is included with `mask_clouds`).
        shares: Name → value of classes of an integer output, for columns `share_<name>`.
        columns: Columns of the features to keep; all by default.
        id: Column that identifies the features; by default a column `id` whose values differ (of a frame: its index),
            else the primary key.
        crs: CRS of geometries and boxes; longitude and latitude by default.
        wide: A row per feature and a column per date (the mean), instead of a row per feature, interval and band.
        geometry: Return a GeoDataFrame; by default if the features are given as a GeoDataFrame or GeoSeries.
        as_xarray: Return an xarray.Dataset with the dimensions geometry, from, output and band.
        executor: `inline`, `processes`, `processes:N`, `dask://host:port`; by default the setting `executor`; if that
            is not set either, small jobs run in this process.
        progress: Show a bar on standard error; by default in a terminal.
        update: A long table (.parquet) from an earlier call or from `arpent stats`. Rows are kept if their features,
            imagery and query are unchanged; only the others are computed, and the file is rewritten. It is created if
            it does not exist.

    Returns:
        A row per feature, interval, output and band: `id`, your columns, `from`, `to` (UTC), `output`, `band`, `min`,
        `max`, `mean`, `stDev`, `sample_count`, `no_data_count`, `geometry_pixel_count`, `valid_share`, the percentiles,
        `status`, `reason`, `items` (docs/numbers.md). `frame.attrs["arpent"]` records how the numbers were made.

    Raises:
        arpent.ArpentError: Its message says what is wrong with a request, a file, a catalogue or a script.

    Example:
        >>> arpent.statistics("fields.gpkg", "earth-search", start="2023-04-01", end="2023-10-01", index="ndvi")
    """
    query = query_of(
        start=start, end=end, every=every, resolution=resolution, index=index, script=script, mask_clouds=mask_clouds,
        collection=collection, order=order, max_cloud_coverage=max_cloud_coverage, percentiles=percentiles,
        pixels=pixels, more=more, shares=shares,
    )  # fmt: skip
    asked = Columns(keep=None if columns is None else names_of(columns), id=id)
    earlier = None if update is None else Path(update)
    if earlier is not None:
        check_long_table(earlier)
    found = answer_of(features, catalog, query, asked, crs=crs, executor=executor, progress=progress, earlier=earlier)
    if earlier is not None:
        save(found, earlier, wide=False)
    if as_xarray:
        return cube(found)
    return data_frame(found, wide=wide, geometry=is_frame(features) if geometry is None else geometry)


def answer_of(  # noqa: PLR0913
    features: Any,
    catalog: str | Path,
    query: Query,
    columns: Columns,
    *,
    crs: str | None = None,
    executor: str | None = None,
    progress: bool | None = None,
    earlier: Path | None = None,
) -> Answer:
    """The answer to a query, before it becomes a frame or a file. `earlier`: a long table to update."""
    from rich.console import Console

    settings = load(catalog=str(catalog), executor=executor)
    worker.check_places(settings)
    console = Console(stderr=True)
    shown = console.is_terminal if progress is None else progress
    with bar(console if shown else None) as watch:
        fields = read_fields(features, columns, settings, crs)
        return answer(settings, fields, query, watch, earlier)
