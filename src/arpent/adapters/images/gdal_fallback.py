"""GDAL: the slow way to blocks, for files that our own reader does not know (JPEG 2000, JPEG, LERC …)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import local_path, public_name
from arpent.adapters.images.mask import masked
from arpent.adapters.images.served import refuse
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.execution import PendingCall
from arpent.domain.ports.imagery import Block

MOST_AUXILIARY = 1 << 20
"""Bytes of the file beside an image in which GDAL keeps what the format has no room for."""


def says_more(path: Path) -> bool:
    """Whether the `.aux.xml` beside an image names numbers that are no data, band by band: then GDAL knows better."""
    try:
        with open(f"{path}.aux.xml", "rb") as file:
            return b"<NoDataValue" in file.read(MOST_AUXILIARY)
    except OSError:
        return False


Submit = Callable[[Callable[[Any], Any], object], PendingCall[Any]]


class GdalImage:
    """One open file; only its full resolution. GDAL wants one thread at a time in a file."""

    def __init__(self, href: str) -> None:
        """Raises AssetUnreadable."""
        self._href = href
        self._lock = Lock()
        try:
            self._dataset: Any = rasterio.open(_gdal_name(href))
            inks = self._dataset.colorinterp
            self._alpha = len(inks) - 1 if len(inks) > 1 and inks[-1] is ColorInterp.alpha else None
            self.raster = self._describe()
        except AssetUnreadable:
            self.close()
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
                valid = self._valid(band, inside)
        except (RasterioError, MemoryError, ValueError, IndexError):
            raise AssetUnreadable(
                f"image {public_name(self._href)}: block (row {block.row}, column {block.column}) cannot be decoded",
                href=self._href,
                block=(block.level, block.row, block.column),
            ) from None
        padded = np.zeros((shape.block_height, shape.block_width), pixels.dtype)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels
        if valid is None:
            return padded
        counts = np.zeros(padded.shape, np.bool_)
        counts[: pixels.shape[0], : pixels.shape[1]] = valid
        return masked(padded, [counts])

    def _valid(self, band: int, window: Window) -> NDArray[np.bool_] | None:
        """Which pixels of a band count by masks and alpha, of which the latter says nothing about itself."""
        if MaskFlags.per_dataset in self._dataset.mask_flag_enums[band]:
            return np.asarray(self._dataset.read_masks(band + 1, window=window) != 0)
        if self._alpha is not None and band != self._alpha:
            return np.asarray(self._dataset.read(self._alpha + 1, window=window) != 0)
        return None

    def close(self) -> None:
        with self._lock:
            self._dataset.close()

    def _describe(self) -> Raster:
        dataset = self._dataset
        if dataset.crs is None:
            raise AssetUnreadable(
                f"image {public_name(self._href)} has no coordinate reference system", href=self._href
            )
        refuse(self._href, *dataset.dtypes)
        if len(set(dataset.dtypes)) > 1:
            kinds = ", ".join(dict.fromkeys(dataset.dtypes))
            raise AssetUnreadable(
                f"image {public_name(self._href)} has bands of different types ({kinds}); put them into files of their "
                "own", href=self._href,
            )  # fmt: skip
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
            band_no_data=dataset.nodatavals if len(set(dataset.nodatavals)) > 1 else (),
            masked=self._alpha is not None or any(MaskFlags.per_dataset in each for each in dataset.mask_flag_enums),
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
