"""Peers that decode whole images: a label image (by GDAL alone, with odc-stac), exactextract, rasterstats."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from benchmarks.parcels import Numbers, Parcels

CLEAR = np.isin(np.arange(256), (4, 5, 6, 7, 11))
"""Scene class → whether its pixels are clear."""
BANDS = ("B04", "B08", "SCL")

Pixels = NDArray[np.uint16]
Classes = NDArray[np.uint8]
Index = NDArray[np.float32]


def opened(scene: Path) -> tuple[Pixels, Pixels, Classes, Affine]:
    """Red, near infrared, scene classes at their own resolution, and the transform from pixel corner to metres."""
    bands = []
    for name in BANDS:
        with rasterio.open(scene / f"{name}.tif") as image:
            bands.append(image.read(1))
            if name == "B04":
                transform = image.transform
    return bands[0], bands[1], bands[2], transform


def index_of(red: Pixels, near: Pixels, classes: Classes) -> Index:
    """NDVI of the whole image; NaN where it is masked."""
    total = near.astype(np.float32)
    index = total - red
    total += red
    with np.errstate(divide="ignore", invalid="ignore"):
        index /= total
    clear = CLEAR[classes].repeat(2, 0).repeat(2, 1)[: red.shape[0], : red.shape[1]]
    index[~clear | (red == 0)] = np.nan
    return index


def ndvi(scene: Path) -> tuple[Index, Affine]:
    """NDVI of a scene, read by GDAL."""
    red, near, classes, transform = opened(scene)
    return index_of(red, near, classes), transform


# ---- a label image


class Labels:
    """Assigns each pixel to the parcel that holds its centre; made once, and used for all dates."""

    def __init__(self, parcels: Parcels, shape: tuple[int, ...], transform: Affine) -> None:
        pairs = ((parcel, number) for number, parcel in enumerate(parcels.shapes, 1))
        image = rasterize(pairs, shape, transform=transform, dtype=np.int32).ravel()
        self.inside = np.flatnonzero(image)
        """Indices of the pixels that belong to a parcel, in the order of the image."""
        self.order = np.argsort(image[self.inside], kind="stable")
        """Positions in `inside`, sorted by parcel."""
        labels = image[self.inside][self.order]
        self.starts = np.flatnonzero(np.diff(labels, prepend=0))
        self.present = labels[self.starts] - 1
        """Rows of the parcels that have at least one pixel."""

    def summarise(self, values: NDArray[np.float32], into: Numbers, date: int) -> None:
        """Compute statistics of each parcel from the `values` of the pixels `inside`. Faster than bincount, which
        offers no minimum."""
        values = values[self.order]
        valid = ~np.isnan(values)
        kept = np.where(valid, values, 0).astype(np.float64)
        count = np.add.reduceat(valid.astype(np.int64), self.starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.add.reduceat(kept, self.starts) / count
            np.sqrt(np.add.reduceat(kept * kept, self.starts) / count - mean * mean)
        np.minimum.reduceat(np.where(valid, values, np.inf), self.starts)
        np.maximum.reduceat(np.where(valid, values, -np.inf), self.starts)
        into.count[date, self.present], into.mean[date, self.present] = count, mean


def label_image(parcels: Parcels) -> Numbers:
    """Read whole images with GDAL, compute NDVI of the whole tile, and group it by label."""
    found, labels = Numbers.empty(parcels), None
    for date, scene in enumerate(parcels.scenes):
        index, transform = ndvi(scene)
        labels = labels or Labels(parcels, index.shape, transform)
        labels.summarise(index.ravel()[labels.inside], found, date)
    return found


def labelled_pixels(parcels: Parcels) -> Numbers:
    """As `label_image`, but with NDVI only where parcels lie: the minimum cost if whole images are read."""
    found, labels = Numbers.empty(parcels), None
    for date, scene in enumerate(parcels.scenes):
        red, near, classes, transform = opened(scene)
        labels = labels or Labels(parcels, red.shape, transform)
        clear = CLEAR[classes].repeat(2, 0).repeat(2, 1)[: red.shape[0], : red.shape[1]]
        first = red.ravel()[labels.inside].astype(np.float32)
        second = near.ravel()[labels.inside].astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = (second - first) / (second + first)
        values[~clear.ravel()[labels.inside] | (first == 0)] = np.nan
        labels.summarise(values, found, date)
    return found


def odc_stac(parcels: Parcels) -> Numbers:
    """Load items with odc.stac.load, and group pixels by a label image from rasterio with np.bincount.

    Items are loaded eagerly, date by date: on one core, this is faster than Dask chunks of any size, and takes less
    memory. Classes are loaded at their own 20 m and doubled with numpy, since GDAL would take eight times as long.
    """
    import pystac
    from odc.geo.geobox import GeoBox
    from odc.stac import load

    found, labels, boxes = Numbers.empty(parcels), None, {}
    for date, scene in enumerate(parcels.scenes):
        item = pystac.Item.from_file(next(scene.glob("*.json")))
        if not boxes:
            for asset in ("red", "scl"):
                with rasterio.open(item.assets[asset].get_absolute_href()) as image:
                    boxes[asset] = GeoBox(image.shape, image.transform, image.crs)
        bands = load([item], bands=["red", "nir"], geobox=boxes["red"]).isel(time=0)
        classes = load([item], bands=["scl"], geobox=boxes["scl"]).isel(time=0)
        index = index_of(bands.red.values, bands.nir.values, classes.scl.values).ravel()
        if labels is None:
            pairs = ((parcel, number) for number, parcel in enumerate(parcels.shapes, 1))
            image = rasterize(pairs, boxes["red"].shape, transform=boxes["red"].affine, dtype=np.int32)
            labels = image.ravel()
        _grouped(labels, index, found, date)
    return found


def _grouped(labels: NDArray[np.int32], index: Index, into: Numbers, date: int) -> None:
    """Count, mean and standard deviation by np.bincount, minimum and maximum by ufunc.at."""
    kept = (labels > 0) & ~np.isnan(index)
    own, values, bins = labels[kept], index[kept].astype(np.float64), into.count.shape[1] + 1
    count = np.bincount(own, minlength=bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(own, values, bins) / count
        np.sqrt(np.maximum(0, np.bincount(own, values * values, bins) / count - mean * mean))
    np.minimum.at(np.full(bins, np.inf), own, values)
    np.maximum.at(np.full(bins, -np.inf), own, values)
    into.count[date], into.mean[date] = count[1:], mean[1:]


# ---- libraries for zonal statistics


def exact_extract(parcels: Parcels) -> Numbers:
    """Run exactextract, feature by feature, on NDVI of whole images in memory."""
    import exactextract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    features = JSONFeatureSource(
        [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in parcels.shapes]
    )
    found = Numbers.empty(parcels)
    for date, scene in enumerate(parcels.scenes):
        index, transform = ndvi(scene)
        height, width = index.shape
        right, bottom = transform @ (width, height)
        source = NumPyRasterSource(
            index, xmin=transform.c, ymin=bottom, xmax=right, ymax=transform.f, nodata=float("nan")
        )
        statistics = ["count", "min", "max", "mean", "stdev"]
        told = exactextract.exact_extract(source, features, statistics, strategy="raster-sequential")
        found.take(date, (one["properties"] for one in told))
    return found


def raster_stats(parcels: Parcels) -> Numbers:
    """Run rasterstats on NDVI of whole images in memory."""
    from rasterstats import zonal_stats

    found = Numbers.empty(parcels)
    for date, scene in enumerate(parcels.scenes):
        index, transform = ndvi(scene)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = zonal_stats(
                list(parcels.shapes), index, affine=transform, nodata=float("nan"), all_touched=True,
                stats=["count", "min", "max", "mean", "std"],
            )  # fmt: skip
        found.take(date, told)
    return found
