"""GDAL fallback: reads blocks with GDAL, slowly, for files that our own readers do not support (JPEG, LERC, one-tile
JP2 …).

GDAL only decodes: it gets the bytes of one file from our ByteSources, cannot open any other file or address, and must
use the driver that is chosen here, because for some drivers (VRT, WMS …) an image is a text that names other files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import RawIOBase
from itertools import count
from threading import Lock
from typing import Any, cast

import numpy as np
import rasterio
from isal import isal_zlib
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from arpent.adapters.images.beside.georeference import crs_of_dataset
from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import ByteSources, HeaderBytes, Replaced, replaced
from arpent.adapters.images.geotiff import mask_file
from arpent.adapters.images.header import number_told
from arpent.adapters.images.jp2.layout import CODESTREAM, JP2_SIGNATURE
from arpent.adapters.images.mask import masked, numbers_beside
from arpent.adapters.images.origin.href import local_path
from arpent.adapters.images.served import refuse
from arpent.adapters.images.table import SPARE_BYTES
from arpent.adapters.images.tiff_directories import TIFF, is_tiled, no_data_text, strip_rows
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.imagery import Block

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    *((signature, "GTiff") for signature in TIFF),
    (JP2_SIGNATURE, "JP2OpenJPEG"),
    (CODESTREAM, "JP2OpenJPEG"),
)
"""First bytes of a file, and the driver to open it with. Other files are not opened, whatever their name."""
QUIET = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # GDAL then requests files next to the image by name
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_NUM_THREADS": "1",  # errors in GDAL's own threads are lost; there is one worker per core anyway
}
"""GDAL's options while it opens or reads a file."""
_TRIED = "test"
"""The name that rasterio passes to an opener to test what it returns."""
_numbers = count(1)


class GdalImage:
    """One open file, read at full resolution. GDAL allows only one thread at a time to use it."""

    def __init__(self, href: str, origins: ByteSources, file: HeaderBytes) -> None:
        """`file`: the image, with its beginning loaded. Raises AssetUnreadable."""
        self._href = href
        self._origins = origins
        self._lock = Lock()
        self._source = _OneFile(origins, href, file)
        path = local_path(href)
        self._beside = {} if path is None else numbers_beside(path)
        driver = self._source.driver()
        if driver is None:
            raise AssetUnreadable(
                f"image {public_name(href)} is not an image that can be read: it is neither a GeoTIFF nor JPEG 2000",
                href=href,
            )
        try:
            self._dataset = self._source.opened(driver)
            inks = self._dataset.colorinterp
            self._alpha = len(inks) - 1 if len(inks) > 1 and inks[-1] is ColorInterp.alpha else None
            told = no_data_text(file.again()) if driver == "GTiff" else None  # type: ignore[arg-type]
            self._told = None if told is None else number_told(told)
            self.raster = self._describe()
            silent = driver == "GTiff" and not self.raster.masked and self.raster.no_data is None
            if silent and path is None and (mask := mask_file(origins, href)) is not None:
                self._dataset.close()
                self._source = _OneFile(origins, href, file, mask)
                self._dataset = self._source.opened(driver)
                self.raster = self._describe()
            self._tiff = driver == "GTiff"
            shape = self.raster.levels[0]
            rowwise = self._tiff and shape.block_height == 1 < shape.height
            self._cut = rowwise and strip_rows(file.again()) > 1  # type: ignore[arg-type]
            """Whether GDAL presents one high strip as blocks of one row each."""
            self._inflates = self._tiff and not self._cut and self._dataset.profile.get("compress") == "deflate"
            self._tiled = self._inflates and is_tiled(file.again())  # type: ignore[arg-type]
        except AssetUnreadable:
            self.close()
            raise
        except Exception:  # GDAL raises errors of many types; their text may repeat a signed URL
            raise self._source.failure or AssetUnreadable(
                f"image {public_name(href)} is not an image that can be read", href=href
            ) from None
        if (fault := fault_of(self.raster, self._together())) is not None:
            self.close()
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {fault}", href=href)

    @property
    def versions(self) -> Mapping[str, Version]:
        """The files that its pixels come from, and their versions."""
        return self._source.versions

    def packed_bytes(self, block: Block, band: int) -> int:
        return 0

    def fetch(self, blocks: Sequence[Block], band: int) -> None:
        """Do nothing: GDAL reads the bytes when it decodes."""

    def read(self, block: Block, band: int, fetched: None = None) -> NDArray[np.generic]:
        """One block, padded to full size. Raises AssetUnreadable; and Replaced if a local file has changed, since GDAL
        may have cached parts of the old one."""
        self._origins.check_here(self.versions)
        shape = self.raster.levels[0]
        window = Window(
            block.column * shape.block_width, block.row * shape.block_height, shape.block_width, shape.block_height
        )
        inside = window.intersection(Window(0, 0, shape.width, shape.height))
        try:
            with self._lock, rasterio.Env(**QUIET):
                self._source.failure = None
                self._check_inflated(block, band)
                pixels = self._dataset.read(band + 1, window=inside)
                if self._tiff and band in self._beside and not self._tag("OFFSET", block, band):
                    pixels[:] = self._empty(band)
                valid = self._valid(band, inside)
        except (RasterioError, MemoryError, ValueError, IndexError):
            raise self._source.failure or AssetUnreadable(
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
        """Which pixels of a band are valid by masks and alpha; None: all. Alpha does not apply to itself."""
        valid = None
        if MaskFlags.per_dataset in self._dataset.mask_flag_enums[band]:
            valid = np.asarray(self._dataset.read_masks(band + 1, window=window) != 0)
        if self._alpha is not None and band != self._alpha:
            opaque = np.asarray(self._dataset.read(self._alpha + 1, window=window) != 0)
            valid = opaque if valid is None else valid & opaque
        return valid

    def close(self) -> None:
        with self._lock:
            self._dataset.close()

    def _check_inflated(self, block: Block, band: int) -> None:
        """Inflate the block to check its length. If it is longer than it should be, libdeflate leaves the end of the
        block uninitialised when libtiff calls it, and GDAL does not notice. Raises ValueError."""
        if not self._inflates:
            return
        shape = self.raster.levels[0]
        offset, length = (self._tag(what, block, band) for what in ("OFFSET", "SIZE"))
        if not offset or not length:
            return
        bits = int(self._dataset.tags(band + 1, ns="IMAGE_STRUCTURE").get("NBITS", 8 * self.raster.dtype.itemsize))
        rows = shape.block_height
        if not self._tiled:
            rows = min(rows, shape.height - block.row * rows)
        whole = -(-shape.block_width * bits * self._together() // 8) * rows
        packed = self._source.piece(offset, min(length, 2 * whole + SPARE_BYTES))
        try:
            found = isal_zlib.decompressobj().decompress(packed, whole + 1)
        except cast("type[Exception]", isal_zlib.error):
            raise ValueError("its bytes are damaged") from None
        if len(found) > whole:
            raise ValueError(f"it holds more than {whole} bytes")

    def _tag(self, what: str, block: Block, band: int) -> int:
        """Offset or size of a block of a GeoTIFF in its file; 0: it was never written."""
        place = f"{block.column}_{0 if self._cut else block.row}"
        return int(self._dataset.get_tag_item(f"BLOCK_{what}_{place}", "TIFF", bidx=band + 1) or 0)

    def _empty(self, band: int) -> float:
        """The value of a block that was never written: the no-data number of the `.aux.xml`, which GDAL does not read;
        0 if no pixel can have that number."""
        number, dtype = self._beside[band], self.raster.dtype
        if dtype.kind == "f":
            return number
        limits = np.iinfo(dtype)  # type: ignore[type-var]
        return number if limits.min <= number <= limits.max else 0.0

    def _together(self) -> int:
        """How many bands GDAL decodes at once, even if only one is requested."""
        return self._dataset.count if self._dataset.interleaving is Interleaving.pixel else 1

    def _no_data(self) -> tuple[float | None, ...]:
        """No-data number of each band: that of the `.aux.xml` overrides the image's, as in GDAL. A number that no pixel
        can have is included, though rasterio omits it: without one, the collection's own (often 0) would apply."""
        inside = (self._told if number is None else number for number in self._dataset.nodatavals)
        return tuple(self._beside.get(band, number) for band, number in enumerate(inside))

    def _describe(self) -> Raster:
        dataset = self._dataset
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
        numbers = self._no_data()
        return Raster(
            href=self._href,
            crs=crs_of_dataset(self._href, dataset),
            transform=dataset.transform,
            dtype=np.dtype(dataset.dtypes[0]),
            band_count=dataset.count,
            no_data=numbers[0],
            band_no_data=numbers if len(set(numbers)) > 1 else (),
            masked=self._alpha is not None or any(MaskFlags.per_dataset in each for each in dataset.mask_flag_enums),
            levels=(level,),
        )


class _OneFile:
    """The only files that GDAL can open: the image, and the `.msk` next to it if that is a TIFF."""

    def __init__(self, origins: ByteSources, href: str, file: HeaderBytes, mask: HeaderBytes | None = None) -> None:
        """`file`: the image; `mask`: the `.msk` of a remote image, if there is one; that of a local image is opened
        here, since it costs no request. Raises AssetUnreadable."""
        self._file = file
        self._mask = mask_file(origins, href) if local_path(href) is not None else mask
        self.versions = {part.href: part.version for part in (file, self._mask) if part is not None}
        """The files and their versions."""
        self.name = f"/arpent/image-{next(_numbers)}"
        """Virtual name under which GDAL opens the image; no such file exists."""
        self.failure: AssetUnreadable | None = None
        """The last error of reading bytes; GDAL itself only sees that they are missing."""

    def piece(self, offset: int, length: int) -> bytes:
        """Bytes of the image."""
        file = self._file.again()
        file.seek(offset)
        return file.read(length) or b""

    def driver(self) -> str | None:
        """The driver for the file's first bytes; None if it must not be opened."""
        return _driver_of(self._file)

    def opened(self, driver: str) -> Any:
        """The image, opened by GDAL. Raises errors of many types."""
        with rasterio.Env(**QUIET):
            return rasterio.open(self.name, driver=driver, opener=self.open)

    def open(self, name: str, mode: str = "rb") -> RawIOBase:
        file = {self.name: self._file, _TRIED: self._file, f"{self.name}.msk": self._mask}.get(name)
        if file is None or "r" not in mode or "+" in mode:
            raise FileNotFoundError(name)
        return _RecordingFile(file.again(), self)


def _driver_of(file: HeaderBytes) -> str | None:
    beginning = file.again().read(16) or b""
    return next((name for signature, name in SIGNATURES if beginning.startswith(signature)), None)


class _RecordingFile(RawIOBase):
    """A file object that records why reading failed, for GDAL does not pass on exceptions."""

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
            self._source.failure = replaced(self._file.href)
        return 0
