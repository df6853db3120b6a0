"""The peers: the same NDVI, masked by SCL, with the tools people use today; on the same files, in the same run.

None of them samples each parcel's own grid as Sentinel Hub does but the two loops; exactextract weighs pixels by their
covered share, label image and rasterstats give each pixel to one parcel, or to all that touch it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.features import geometry_mask, rasterize
from rasterio.windows import Window

from benchmarks.clock import Taken, take

CLEAR = (4, 5, 6, 7, 11)
STATISTICS = ["count", "min", "max", "mean", "std"]


@dataclass(frozen=True, kw_only=True)
class Parcels:
    """What is summarised."""

    shapes: NDArray[np.object_]
    """(n,): in the imagery's CRS."""
    scenes: tuple[Path, ...]
    """Folders with B04.tif, B08.tif and SCL.tif."""

    def some(self, count: int, dates: int) -> tuple[Parcels, float]:
        """Parcels spread evenly over the file, fewer dates; and by what their time is to be multiplied."""
        rows = np.unique(np.linspace(0, len(self.shapes) - 1, min(count, len(self.shapes))).astype(int))
        fewer = Parcels(shapes=self.shapes[rows], scenes=self.scenes[:dates])
        return fewer, len(self.shapes) / len(rows) * len(self.scenes) / len(fewer.scenes)


def read(features: Path, catalog: Path, dates: int) -> Parcels:
    """Geometries, reprojected to the imagery's CRS beforehand: that is not what is measured here."""
    about, _, wkb, _ = pyogrio.raw.read(features)
    shapes = np.asarray(shapely.from_wkb(wkb), object)
    scenes = tuple(sorted(catalog.iterdir())[:dates])
    with rasterio.open(scenes[0] / "B04.tif") as image:
        there = CRS.from_user_input(image.crs.to_wkt())
    if CRS.from_user_input(about["crs"]) != there:
        x, y = Transformer.from_crs(about["crs"], there, always_xy=True).transform(*shapely.get_coordinates(shapes).T)
        shapes = shapely.set_coordinates(shapes, np.column_stack((x, y)))
    return Parcels(shapes=shapes, scenes=scenes)


def _whole(scene: Path) -> tuple[NDArray[np.float32], Affine]:
    """NDVI of the whole tile, NaN where it is masked."""
    bands = []
    for name in ("B04", "B08", "SCL"):
        with rasterio.open(scene / f"{name}.tif") as image:
            bands.append(image.read(1))
            transform = transform if name == "SCL" else image.transform  # type: ignore[has-type]  # noqa: F821
    red, near = bands[0].astype(np.float32), bands[1].astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (near - red) / (near + red)
    clear = np.isin(bands[2], CLEAR).repeat(2, 0).repeat(2, 1)[: red.shape[0], : red.shape[1]]
    index[~clear | (bands[0] == 0)] = np.nan
    return index, transform


def label_image(parcels: Parcels) -> None:
    """Rasterise all parcels once, read whole images, group by label with bincount and reduceat (as odc-stac + flox)."""
    labels = order = starts = None
    for scene in parcels.scenes:
        index, transform = _whole(scene)
        if labels is None:
            pairs = ((shape, number) for number, shape in enumerate(parcels.shapes, 1))
            labels = rasterize(pairs, index.shape, transform=transform, dtype=np.int32).ravel()
            inside = np.flatnonzero(labels)
            order = inside[np.argsort(labels[inside], kind="stable")]
            starts = np.flatnonzero(np.diff(labels[order], prepend=0))
        values = index.ravel()[order]
        valid = ~np.isnan(values)
        kept = np.where(valid, values, 0).astype(np.float64)
        count = np.add.reduceat(valid.astype(np.int64), starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.add.reduceat(kept, starts) / count
            np.sqrt(np.add.reduceat(kept * kept, starts) / count - mean * mean)
        np.minimum.reduceat(np.where(valid, values, np.inf), starts)
        np.maximum.reduceat(np.where(valid, values, -np.inf), starts)


def exact_extract(parcels: Parcels) -> None:
    """Whole NDVI in memory, exactextract feature by feature."""
    import exactextract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    features = JSONFeatureSource(
        [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in parcels.shapes]
    )
    for scene in parcels.scenes:
        index, transform = _whole(scene)
        height, width = index.shape
        right, bottom = transform @ (width, height)
        source = NumPyRasterSource(
            index, xmin=transform.c, ymin=bottom, xmax=right, ymax=transform.f, nodata=float("nan")
        )
        exactextract.exact_extract(
            source, features, ["count", "min", "max", "mean", "stdev"], strategy="raster-sequential"
        )


def raster_stats(parcels: Parcels) -> None:
    """Whole NDVI in memory, rasterstats."""
    from rasterstats import zonal_stats

    for scene in parcels.scenes:
        index, transform = _whole(scene)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zonal_stats(
                list(parcels.shapes), index, affine=transform, nodata=float("nan"), stats=STATISTICS, all_touched=True
            )


def loop(parcels: Parcels, *, opened: bool) -> None:
    """Window by window with rasterio; `opened`: files stay open, and GDAL's block cache is warm."""
    for scene in parcels.scenes:
        paths = [scene / f"{name}.tif" for name in ("B04", "B08", "SCL")]
        held = [rasterio.open(path) for path in paths] if opened else []
        for shape in parcels.shapes:
            images = held or [rasterio.open(path) for path in paths]
            _one(shape, images)
            if not opened:
                for image in images:
                    image.close()
        for image in held:
            image.close()


def _one(shape: shapely.Geometry, images: list[rasterio.DatasetReader]) -> tuple[float, ...]:
    transform = images[0].transform
    left, bottom, right, top = shape.bounds
    column, row = int((left - transform.c) // transform.a), int((top - transform.f) // transform.e)
    width = int(-((transform.c - right) // transform.a)) - column
    height = int(-((transform.f - bottom) // transform.e)) - row
    window = Window(column, row, max(1, width), max(1, height))
    red, near = (image.read(1, window=window, boundless=False).astype(np.float32) for image in images[:2])
    half = Window(window.col_off / 2, window.row_off / 2, window.width / 2, window.height / 2)
    classes = images[2].read(1, window=half, out_shape=red.shape)
    outside = geometry_mask([shape], red.shape, rasterio.windows.transform(window, transform), all_touched=True)
    keep = ~outside & np.isin(classes, CLEAR) & (red > 0)
    values = ((near - red) / np.maximum(near + red, 1))[keep]
    return (values.min(), values.max(), values.mean(), values.std()) if len(values) else ()


def run(parcels: Parcels) -> dict[str, tuple[Taken, str]]:
    """Peer → time and a note. Samples are extrapolated linearly, and the note says so."""
    many, dates = len(parcels.shapes), len(parcels.scenes)
    plans: tuple[tuple[str, Callable[[Parcels], None], int, int], ...] = (
        ("label image + bincount", label_image, many, dates),
        ("exactextract", exact_extract, many, 1),
        ("rasterio loop, files open", partial(loop, opened=True), 2000, 1),
        ("rasterstats", raster_stats, 2000, 1),
        ("rasterio loop, opened per feature", partial(loop, opened=False), 150, 1),
    )
    found = {}
    for name, work, count, days in plans:
        chosen, factor = parcels.some(count, days)
        taken = take(partial(work, chosen))
        if name == "rasterstats":  # reading the whole tile is paid once, not per parcel
            base = take(partial(_whole, chosen.scenes[0]))
            per_date = dates / days
            share = many / len(chosen.shapes)
            taken = Taken(
                cpu=per_date * (base.cpu + max(0.0, taken.cpu - base.cpu) * share),
                wall=per_date * (base.wall + max(0.0, taken.wall - base.wall) * share),
            )
        else:
            taken = taken.scaled(factor)
        sampled = len(chosen.shapes) < many or days < dates
        note = f"measured on {len(chosen.shapes)} parcels and {days} dates, extrapolated" if sampled else ""
        found[name] = (taken, note)
    return found
