"""Other formats: opens images that our own GeoTIFF reader does not support, in this process, or in one that may die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_source import ByteSources, HeaderBytes, Replaced, replaced
from arpent.adapters.images.image import Image, NeedsGdal
from arpent.adapters.images.zarr.store import store_location
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.execution import PendingCall
from arpent.domain.ports.imagery import Block
from arpent.network.access import SourceAccess
from arpent.network.policy import EgressPolicy

Opener = Callable[[str, ByteSources, HeaderBytes | None], Image]
"""Opens an image. The third argument is the file with its beginning loaded, or None. Raises AssetUnreadable, and
Replaced."""
Submit = Callable[[Callable[[Any], Any], object], PendingCall[Any]]


def open_other_format(href: str, origins: ByteSources, file: HeaderBytes | None) -> Image:
    """Open an array of Zarr, a JPEG 2000 file whose tiles can be read one by one, or, with GDAL, any other image."""
    if (place := store_location(href)) is not None:
        from arpent.adapters.images.zarr.image import ZarrImage

        return ZarrImage(href, origins, place)
    if file is None:
        file = origins.head(href)
    # GDAL takes long to load, so it is imported only if an image needs it.
    from arpent.adapters.images.gdal_fallback import GdalImage
    from arpent.adapters.images.jp2.image import Jp2Image

    try:
        return Jp2Image(href, origins, file.again())
    except NeedsGdal:
        return GdalImage(href, origins, file)


class IsolatedHeader:
    """The header of an image, read by another process, since reading a damaged file may crash the process. Its blocks
    cannot be read here."""

    def __init__(self, submit: Submit, href: str, origins: ByteSources, file: HeaderBytes | None) -> None:
        """`submit` runs a picklable function with a picklable argument in the other process. Raises AssetUnreadable."""
        self._href = href
        try:
            self.raster: Raster = submit(partial(isolated_header, origins.policy, origins.access), href).future.result()
        except AssetUnreadable:
            raise
        except Exception as error:
            words = f"image {public_name(href)} crashes the process that reads it: {error}"
            raise AssetUnreadable(words, href=href) from None

    def packed_bytes(self, block: Block, band: int) -> int:
        return 0

    def fetch(self, blocks: Sequence[Block], band: int) -> None:
        """Do nothing: blocks are not read in this process."""

    def read(self, block: Block, band: int, fetched: None = None) -> NDArray[np.generic]:
        raise AssetUnreadable(f"image {public_name(self._href)} is not read in this process", href=self._href)

    def close(self) -> None:
        """Do nothing: no file is open."""


def isolated_header(policy: EgressPolicy | None, access: SourceAccess, href: str) -> Raster:
    """Read only the header of an image; called in the process that may die. Raises AssetUnreadable."""
    origins = ByteSources(policy=policy, access=access)
    try:
        image = open_other_format(href, origins, None)
        try:
            return image.raster
        finally:
            image.close()
    except Replaced:
        raise replaced(href) from None
    finally:
        origins.close()
