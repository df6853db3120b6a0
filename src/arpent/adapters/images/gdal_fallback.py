"""GDAL: the slow way to blocks, for files that our own reader does not know (JPEG 2000, JPEG, LERC …).

GDAL decodes and does nothing else: it gets the bytes of one file from our own source, opens no other file and no
address, and is told which driver to use. For some of its drivers (VRT, WMS …) an image is a text that names others.
"""

from __future__ import annotations

from io import RawIOBase
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from arpent.adapters.images.byte_source import HeaderBytes, Replaced, public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.imagery import Block

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
"""How a file begins → the driver that opens it. Nothing else is opened, whatever the file's name."""
QUIET = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no masks, overviews, world files or XML beside the image
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_HTTP_MAX_RETRY": "0",
}
"""GDAL's options while a file is open."""
_TRIED = "test"
"""The name by which rasterio tries what an opener gives."""
_numbers = count(1)


class GdalImage:
    """One open file; only its full resolution. GDAL wants one thread at a time in a file."""

    def __init__(self, href: str, file: HeaderBytes) -> None:
        """Raises AssetUnreadable."""
        self._href = href
        self._lock = Lock()
        self._source = _OneFile(file)
        file.seek(0)
        beginning = file.read(16) or b""
        driver = next((name for signature, name in SIGNATURES if beginning.startswith(signature)), None)
        if driver is None:
            raise AssetUnreadable(
                f"image {public_name(href)} is not an image that can be read: it is neither a GeoTIFF nor JPEG 2000",
                href=href,
            )
        try:
            with rasterio.Env(**QUIET):
                self._dataset: Any = rasterio.open(self._source.name, driver=driver, opener=self._source.open)
        except (RasterioError, OSError):  # its text may repeat a signed URL
            raise self._source.failure or AssetUnreadable(
                f"image {public_name(href)} is not an image that can be read", href=href
            ) from None
        self.raster = self._describe()

    def read(self, block: Block, band: int) -> NDArray[np.generic]:
        """One block, padded to full size. Raises AssetUnreadable."""
        shape = self.raster.levels[0]
        window = Window(
            block.column * shape.block_width, block.row * shape.block_height, shape.block_width, shape.block_height
        )
        inside = window.intersection(Window(0, 0, shape.width, shape.height))
        try:
            with self._lock, rasterio.Env(**QUIET):
                self._source.failure = None
                pixels = self._dataset.read(band + 1, window=inside)
        except RasterioError:
            raise self._source.failure or AssetUnreadable(
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


class _OneFile:
    """What GDAL may open: this image. Files beside it (masks, overviews) are not there for it; whoever reads a mask's
    file opens it as an image of its own."""

    def __init__(self, file: HeaderBytes) -> None:
        self._file = file
        self.name = f"/arpent/image-{next(_numbers)}"
        """What GDAL knows it by; nothing lies there."""
        self.failure: AssetUnreadable | None = None
        """Why bytes did not come; GDAL only knows that they did not."""

    def open(self, name: str, mode: str = "rb") -> RawIOBase:
        if name not in (self.name, _TRIED) or "r" not in mode or "+" in mode:
            raise FileNotFoundError(name)
        return _Told(self._file.again(), self)


class _Told(RawIOBase):
    """A file that remembers why it could not be read."""

    def __init__(self, file: HeaderBytes, source: _OneFile) -> None:
        super().__init__()
        self._file = file
        self._source = source

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        try:
            return self._file.readinto(buffer)
        except AssetUnreadable as error:
            self._source.failure = error
        except Replaced:
            name, href = public_name(self._file.href), self._file.href
            self._source.failure = AssetUnreadable(
                f"image {name} was replaced while it was read", transient=True, href=href
            )
        return 0
