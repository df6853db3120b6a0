"""Served pixel types: those that kernels and evalscripts support. Images with others are refused when their header is
read."""

from __future__ import annotations

from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Raster

SERVED = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Names of the supported types. Pixels of fewer than 8 bits are read as uint8, those of other unusual sizes as the next
larger type; palette images give palette indices, not colours (docs/collections.md)."""

ODD = {
    "int64": "64-bit integers, which evalscripts cannot hold",
    "uint64": "64-bit integers, which evalscripts cannot hold",
    "float16": "16-bit floating-point numbers",
}
"""Unsupported pixel type → its description in messages."""


def check_served(raster: Raster) -> None:
    """Refuse an image whose pixel type is not supported. Raises AssetUnreadable, naming image, type and fix."""
    refuse(raster.href, raster.dtype.name)


def refuse(href: str, *types: str) -> None:
    """Refuse an image if one of these names of its bands' types is not supported. Raises AssetUnreadable."""
    odd = [name for name in types if name not in SERVED]
    if odd:
        what = "complex numbers" if "complex" in odd[0] else ODD.get(odd[0], "pixels of an unusual type")
        raise AssetUnreadable(
            f"image {public_name(href)} has {what} ({odd[0]}); supported are {', '.join(SERVED)}. Convert it, for "
            "example with gdal_translate -ot Float32",
            href=href,
        )
