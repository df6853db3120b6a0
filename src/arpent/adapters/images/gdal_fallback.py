"""GDAL: the slow way to blocks, for files that our own reader does not know (JPEG 2000, JPEG, LERC …)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import local_path, public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.execution import PendingCall
from arpent.domain.ports.imagery import Block

Submit = Callable[[Callable[[Any], Any], object], PendingCall[Any]]


class GdalImage:
    """One open file; only its full resolution. GDAL wants one thread at a time in a file."""

    def __init__(self, href: str) -> None:
        """Raises AssetUnreadable."""
        self._href = href
        self._lock = Lock()
        try:
            self._dataset: Any = rasterio.open(_gdal_name(href))
            self.raster = self._describe()
        except AssetUnreadable:
            raise
        except Exception:  # a damaged file makes GDAL raise many things; their text may repeat a signed URL
            raise AssetUnreadable(f"image {public_name(href)} is not an image that can be read", href=href) from None
        if (fault := fault_of(self.raster)) is not None:
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {fault}", href=href)

    def read(self, block: Block, band: int) -> NDArray[np.generic]:
        """One block, padded to full size. Raises AssetUnreadable."""
        shape = self.raster.levels[0]
        window = Window(
            block.column * shape.block_width, block.row * shape.block_height, shape.block_width, shape.block_height
        )
        inside = window.intersection(Window(0, 0, shape.width, shape.height))
        try:
            with self._lock:
                pixels = self._dataset.read(band + 1, window=inside)
        except (RasterioError, MemoryError, ValueError, IndexError):
            raise AssetUnreadable(
                f"image {public_name(self._href)}: block (row {block.row}, column {block.column}) cannot be decoded",
                href=self._href,
                block=(block.level, block.row, block.column),
            ) from None
        padded = np.zeros((shape.block_height, shape.block_width), pixels.dtype)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels
        return padded

    def close(self) -> None:
        with self._lock:
            self._dataset.close()

    def _describe(self) -> Raster:
        dataset = self._dataset
        if dataset.crs is None:
            raise AssetUnreadable(
                f"image {public_name(self._href)} has no coordinate reference system", href=self._href
            )
        height, width = dataset.block_shapes[0]
        try:
            level = Level(width=dataset.width, height=dataset.height, block_width=width, block_height=height)
        except ValueError as error:
            raise AssetUnreadable(f"image {public_name(self._href)} cannot be read: {error}", href=self._href) from None
        return Raster(
            href=self._href,
            crs=CRS.from_user_input(dataset.crs.to_wkt()),
            transform=dataset.transform,
            dtype=np.dtype(dataset.dtypes[0]),
            band_count=dataset.count,
            no_data=dataset.nodata,
            levels=(level,),
        )


class ApartImage(GdalImage):
    """The header of a file, read by another process, for one that must not die; its blocks are not read here."""

    def __init__(self, submit: Submit, href: str) -> None:
        """`submit` runs a picklable function with a picklable argument there. Raises AssetUnreadable."""
        self._href = href
        try:
            self.raster = submit(gdal_header, href).future.result()
        except AssetUnreadable:
            raise
        except Exception as error:
            raise AssetUnreadable(f"image {public_name(href)} ends whoever reads it: {error}", href=href) from None

    def read(self, block: Block, band: int) -> NDArray[np.generic]:
        raise AssetUnreadable(f"image {public_name(self._href)} is not read in this process", href=self._href)

    def close(self) -> None:
        """Nothing is open."""


def gdal_header(href: str) -> Raster:
    """The header alone. Raises AssetUnreadable."""
    image = GdalImage(href)
    try:
        return image.raster
    finally:
        image.close()


def _gdal_name(href: str) -> str:
    path = local_path(href)
    if path is not None:
        return str(path)
    parts = urlsplit(href)
    return f"/vsis3/{parts.netloc}{parts.path}" if parts.scheme == "s3" else f"/vsicurl/{href}"
