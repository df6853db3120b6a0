"""Header of a GeoTIFF: turns the tags that tifffile reads into a Raster and tables of blocks."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from tifffile import TiffFile, TiffPage

from arpent.adapters.images.bounds import MOST_BLOCK_BYTES, fault_of
from arpent.adapters.images.byte_source import HeaderBytes
from arpent.adapters.images.image import NeedsGdal
from arpent.adapters.images.mask import Mask
from arpent.adapters.images.table import Table, block_table
from arpent.adapters.images.tiff_directories import Oversized, check_directories
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import COLUMNS_AND_ROWS, Raster

# tifffile warns of every unusual tag, on standard error if no log is configured; faults that matter are raised here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_REDUCED, _MASK = 1, 4
_ALPHAS = (1, 2)
"""Values of ExtraSamples that mean alpha, premultiplied or not."""
_USER_DEFINED = 32767
_MODEL_TYPE, _RASTER_TYPE = 1024, 1025
_GEODETIC_CRS, _ANGULAR_UNITS = 2048, 2054
_PROJECTED_CRS, _LINEAR_UNITS = 3072, 3076
"""Keys of OGC's GeoTIFF."""
_MODELS = {_PROJECTED_CRS: 1, _GEODETIC_CRS: 2}
"""Key with an EPSG code → the model type of such a CRS."""
_UNITS = ((_LINEAR_UNITS, 9001), (_ANGULAR_UNITS, 9102, 9122))
"""Key of a unit → codes of metre or degree; files with other units are left to GDAL."""
_PIXEL_IS_POINT = 2
_SCALE, _TIE_POINTS, _MATRIX, _KEY_DIRECTORY = 33550, 33922, 34264, 34735
"""Codes of the TIFF tags that georeference an image."""
_MICROSOFT = {
    "1.#QNAN": math.nan, "-1.#QNAN": math.nan, "1.#SNAN": math.nan, "-1.#IND": math.nan, "1.#INF": math.inf,
    "-1.#INF": -math.inf,
}  # fmt: skip
"""How programs built with older Microsoft compilers write NaN and infinity."""
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan\b|inf)", re.ASCII | re.IGNORECASE)
_PLACE_TAGS = (_SCALE, _TIE_POINTS, _MATRIX, _KEY_DIRECTORY, 50844)
"""Tags that georeference an image; the last one holds rational polynomials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything that is needed to read the blocks of one file."""

    raster: Raster
    """The header in the domain's terms."""
    tables: tuple[Table, ...]
    """One table of blocks per level."""
    version: Version
    """Version of the file when the header was read."""
    masks: tuple[Mask, ...] = ()
    """Masks that say which pixels are valid."""

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.version[2]

    @property
    def most_packed(self) -> int:
        """Maximum bytes that a stored block can have."""
        return max(table.most_packed for table in self.tables)


def parse_header(href: str, file: HeaderBytes, beside: HeaderBytes | None = None) -> Header:
    """The header of a GeoTIFF; `beside`: its `.msk` file. Raises NeedsGdal, Oversized if GDAL should not read it
    either, and what tifffile raises if it is not a TIFF."""
    check_directories(cast(BinaryIO, file))
    with TiffFile(cast(BinaryIO, file), name="image", _useframes=False) as tiff:
        pages = [cast(TiffPage, page) for page in tiff.pages]
        first, order = pages[0], tiff.byteorder
        overviews = [page for page in pages[1:] if _overview_of(first, page)]
        overviews.sort(key=lambda page: page.imagewidth, reverse=True)
        tables = tuple(block_table(page, order) for page in (first, *overviews))
        places = (href, file.version)
        inside = [block_table(page, order, mask=True) for page in pages[1:] if int(page.subfiletype) & _MASK]
        masks = [_mask(places, tables, inside)] if inside else []
        if beside is not None:
            masks.append(_mask((mask_beside(href), beside.version), tables, _pages_of(beside)))
        if (alpha := _alpha(first)) is not None:
            masks.append(Mask(href=href, version=file.version, tables=tables, band=alpha))
        tables, masks = _common_levels(tables, masks)
        keys = _geo_keys(first)
        tells = any(code in first.tags for code in _PLACE_TAGS)
        raster = Raster(
            href=href,
            crs=_crs(keys) if tells else COLUMNS_AND_ROWS,
            transform=_transform(first, keys) if tells else Affine.identity(),
            dtype=tables[0].dtype.newbyteorder("="),
            band_count=first.samplesperpixel,
            no_data=_no_data(first),
            masked=bool(masks),
            levels=tuple(table.shape for table in tables),
            block_bytes=tables[0].mean_length(),
        )
    if (fault := fault_of(raster, max(table.samples for table in tables))) is not None:
        raise Oversized(fault)
    return Header(raster=raster, tables=tables, masks=tuple(masks), version=file.version)


def mask_beside(href: str) -> str:
    """Href of the `.msk` of an image: `.msk` is added to the path; the query (a signature) stays."""
    path, mark, query = href.partition("?") if "://" in href else (href, "", "")
    return f"{path}.msk{mark}{query}"


def _pages_of(file: HeaderBytes) -> list[Table]:
    check_directories(cast(BinaryIO, file))
    with TiffFile(cast(BinaryIO, file), name="mask", _useframes=False) as tiff:
        return [block_table(cast(TiffPage, page), tiff.byteorder, mask=True) for page in tiff.pages]


def _mask(place: tuple[str, Version], tables: Sequence[Table], pages: Sequence[Table]) -> Mask:
    """The mask with its page for each level of the image; a level without one gets the page of the full image, whose
    size differs. Raises NeedsGdal if the full image has none."""
    sides = {(page.shape.width, page.shape.height): page for page in pages}
    full = sides.get((tables[0].shape.width, tables[0].shape.height))
    if full is None:
        raise NeedsGdal("its mask has another size")
    if any(page.shape.block_width * page.shape.block_height * page.samples > MOST_BLOCK_BYTES for page in pages):
        raise Oversized("one of the blocks of its mask is too large")
    own = tuple(sides.get((table.shape.width, table.shape.height), full) for table in tables)
    planes = len(full.offsets) // (full.shape.blocks_across * full.shape.blocks_down) * full.samples
    return Mask(href=place[0], version=place[1], tables=own, each=planes > 1)


def _common_levels(tables: tuple[Table, ...], masks: list[Mask]) -> tuple[tuple[Table, ...], list[Mask]]:
    """The levels for which every mask has a page; the others are dropped, so that a finer level is read instead."""

    def whole(number: int) -> bool:
        size = (tables[number].shape.width, tables[number].shape.height)
        return all((mask.tables[number].shape.width, mask.tables[number].shape.height) == size for mask in masks)

    kept = [number for number in range(len(tables)) if whole(number)]
    chosen = [replace(mask, tables=tuple(mask.tables[number] for number in kept)) for mask in masks]
    return tuple(tables[number] for number in kept), chosen


def _alpha(page: TiffPage) -> int | None:
    """Index of the alpha band, which is the last; None if there is none."""
    extra = tuple(int(kind) for kind in page.extrasamples or ())
    return page.samplesperpixel - 1 if extra and extra[-1] in _ALPHAS and page.samplesperpixel > 1 else None


def _overview_of(first: TiffPage, page: TiffPage) -> bool:
    kind = int(page.subfiletype)
    return bool(kind & _REDUCED) and not kind & _MASK and (page.samplesperpixel, page.dtype) == (
        first.samplesperpixel, first.dtype
    )  # fmt: skip


def _geo_keys(page: TiffPage) -> dict[int, int]:
    """The GeoKeys whose values are numbers, which is all that is needed. tifffile could parse them, too, but takes long
    to load the names of all keys."""
    directory = page.tags.valueof(_KEY_DIRECTORY)
    if not isinstance(directory, tuple) or len(directory) < 4 or directory[0] != 1:
        return {}
    entries = (directory[begin : begin + 4] for begin in range(4, min(4 + 4 * directory[3], len(directory) - 3), 4))
    return {key: value for key, tag, _, value in entries if tag == 0}


def _crs(keys: Mapping[int, int]) -> CRS:
    """The CRS whose EPSG code the keys give. Raises NeedsGdal if they give none, or also a projection based on that
    geographic CRS, or units that may differ from those of the CRS."""
    for key, model in _MODELS.items():
        code = keys.get(key)
        if code is None:
            continue
        units = [keys.get(name, usual) in (usual, *same) for name, usual, *same in _UNITS]
        if code == _USER_DEFINED or keys.get(_MODEL_TYPE, model) != model or not all(units):
            break
        try:
            return CRS.from_epsg(code)
        except CRSError:
            break
    raise NeedsGdal("its CRS is not an EPSG code")


def _transform(page: TiffPage, keys: Mapping[int, int]) -> Affine:
    """The transform by GDAL's rules: scale and tie point take precedence over the matrix, and the sign of the scale
    along y is ignored. Raises NeedsGdal if the tags give neither."""
    scale, tie, matrix = (page.tags.valueof(tag) for tag in (_SCALE, _TIE_POINTS, _MATRIX))
    if scale is not None and tie is not None and np.size(tie) == 6:
        step_x, step_y = np.asarray(scale, np.float64)[:2].tolist()
        column, row, _, x, y, _ = np.asarray(tie, np.float64).ravel().tolist()
        transform = Affine(step_x, 0.0, x - column * step_x, 0.0, -abs(step_y), y + row * abs(step_y))
    elif matrix is not None and scale is None:
        (a, b, _, c), (d, e, _, f) = np.asarray(matrix, np.float64).reshape(4, 4)[:2].tolist()
        transform = Affine(a, b, c, d, e, f)
        if transform == Affine.identity():
            raise NeedsGdal("its pixels lie where their columns and rows say")
    else:
        raise NeedsGdal("it is not georeferenced by a scale and one point")
    if keys.get(_RASTER_TYPE, 1) == _PIXEL_IS_POINT:
        transform = transform @ Affine.translation(-0.5, -0.5)
    return transform


def _no_data(page: TiffPage) -> float | None:
    tag = page.tags.get(42113)
    return None if tag is None else number_told(str(tag.value))


def number_told(text: str) -> float | None:
    """The number at the beginning of the tag GDAL_NODATA, parsed as GDAL does; None if there is none."""
    text = text.strip().replace(",", ".")
    for word, number in _MICROSOFT.items():
        if text.startswith(word):
            return number
    found = _NUMBER.match(text)
    return None if found is None else float(found[0])
