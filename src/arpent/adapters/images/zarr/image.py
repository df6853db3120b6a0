"""ZarrImage: an array of a Zarr store as an image, whose blocks are the chunks."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.decode import Buffer
from arpent.adapters.images.zarr.chunks import Chunks, Number
from arpent.adapters.images.zarr.georeference import crs_of, transform_of
from arpent.adapters.images.zarr.layout import ArrayLayout, parse_array
from arpent.adapters.images.zarr.store import Store, StoreLocation
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.imagery import Block

_MOST_COORDINATES = 1 << 20
"""Maximum pixels of an axis whose coordinates are read."""
_MOST_COORDINATE_CHUNKS = 256
"""Maximum number of chunks that the coordinates of an axis are stored in."""
_ALONE = 1 << 30
"""Bytes reported for a block: more than the limit of one fetch, so that each block is fetched separately. It takes a
request of its own anyway."""
_DAMAGED = (TypeError, AttributeError, LookupError, OverflowError, RecursionError)
"""Exceptions raised if a value in the metadata is not of the expected type."""
_TIMES = {"t", "time", "dates", "date"}
_ACROSS = {"x", "lon", "lng", "longitude", "easting", "eastings", "column", "columns", "col", "width", "samples"}
"""Words in the names of axes that run along x."""
_DOWN = {"y", "lat", "latitude", "northing", "northings", "row", "rows", "height", "lines"}
"""Words in the names of axes that run along y."""
Fetched = Mapping[Number, "Buffer | None"]
"""Indices of a chunk → its stored bytes; None: it was never written."""


class ZarrImage:
    """One array, whose last axes are y and x; at most one axis before them, that of the bands, has several values."""

    pixels_elsewhere = True
    """True: the files in `versions` hold metadata only; chunks are files of their own."""

    def __init__(self, href: str, origins: ByteSources, place: StoreLocation) -> None:
        """Read the metadata of the array at `place`. Raises AssetUnreadable."""
        self._href = href
        self._origins = origins
        self._place = place
        try:
            store = Store(origins, place)
            self._layout = _layout(store, place.path)
            self._bands = _band_axis(self._layout)
            self._chunks = Chunks(origins, place, place.path, self._layout)
            self.raster = self._raster(store)
            self.versions: Mapping[str, Version] = dict(store.versions)
            """The metadata documents that were read, and their versions."""
            fault = fault_of(self.raster, self._layout.chunks[self._bands] if self._bands is not None else 1)
        except ValueError as error:
            raise self._unreadable(str(error)) from None
        except _DAMAGED as error:
            raise self._unreadable(f"its metadata is not that of Zarr ({type(error).__name__})") from None
        if fault is not None:
            raise self._unreadable(fault)

    def packed_bytes(self, block: Block, band: int) -> int:
        return _ALONE

    def fetch(self, blocks: Sequence[Block], band: int) -> Fetched:
        found: dict[Number, Buffer | None] = {}
        for block in blocks:
            number = self._number(block, band)
            try:
                found[number] = self._chunks.packed(number)
            except ValueError:
                continue  # `read` reports it
        return found

    def read(self, block: Block, band: int, fetched: Fetched | None) -> NDArray[np.generic]:
        self._origins.check_here(self.versions)  # the metadata says what the pixels mean
        number, layout = self._number(block, band), self._layout
        packed = fetched[number] if fetched and number in fetched else self._chunks.packed(number)
        pixels = self._chunks.pixels(packed)
        inside = tuple(
            band % layout.chunks[axis] if axis == self._bands else 0 for axis in range(len(layout.chunks) - 2)
        )
        found: NDArray[np.generic] = pixels[inside]
        return found

    def close(self) -> None:
        """Do nothing: no file is open."""

    # ---- header

    def _raster(self, store: Store) -> Raster:
        layout, path = self._layout, self._place.path
        groups = [node.attributes for node in store.groups(path)]
        group = path.rpartition("/")[0]

        def neighbour(name: str) -> str:
            return f"{group}/{name}" if group else name

        rows, columns = layout.shape[-2:]
        chunk_rows, chunk_columns = layout.chunks[-2:]
        return Raster(
            href=self._href,
            crs=crs_of(layout, groups, lambda name: store.node(neighbour(name)) if path else None),
            transform=transform_of(
                layout, groups, lambda name: store.node(neighbour(name)) if path else None,
                lambda name, length: _coordinates(self._origins, store, neighbour(name), length, layout.dimensions),
            ),
            dtype=layout.dtype,
            band_count=1 if self._bands is None else layout.shape[self._bands],
            no_data=_no_data(layout),
            declared_scale=_scale(layout),
            levels=(Level(width=columns, height=rows, block_width=chunk_columns, block_height=chunk_rows),),
        )  # fmt: skip

    def _unreadable(self, reason: str) -> AssetUnreadable:
        return AssetUnreadable(f"image {public_name(self._href)} cannot be read: {reason}", href=self._href)

    def _number(self, block: Block, band: int) -> Number:
        leading = (
            band // self._layout.chunks[axis] if axis == self._bands else 0
            for axis in range(len(self._layout.shape) - 2)
        )  # fmt: skip
        return (*leading, block.row, block.column)


def _layout(store: Store, path: str) -> ArrayLayout:
    node = store.node(path)
    if node is None or not node.is_array:
        there = store.arrays()
        what = "is a group of arrays" if node is not None else "is not in the store"
        hint = f"; there are {there}" if there else ""
        raise ValueError(f"{path[:200] or 'its root'} {what}: the asset must point to one array{hint}")
    return parse_array(node.document, node.attributes)


def _band_axis(layout: ArrayLayout) -> int | None:
    """Index of the axis of bands, which lies before y and x; None if there is none. Raises ValueError if there are
    several, if it is an axis of dates, or if y and x are not the last axes."""
    names = layout.dimensions or ("",) * len(layout.shape)
    if len(layout.shape) < 2:
        raise ValueError("it has one axis")
    if _is_along(names[-2], _ACROSS) or _is_along(names[-1], _DOWN):
        raise _turned(names)
    long = [axis for axis, side in enumerate(layout.shape[:-2]) if side > 1]
    if len(long) > 1:
        raise ValueError(
            f"it has {len(layout.shape)} axes of more than one value; supported are y, x, and bands before them"
        )
    if long and names[long[0]].lower() in _TIMES:
        raise ValueError(f"it holds {layout.shape[long[0]]:,} dates; an item's array must have one")
    return long[0] if long else None


def _no_data(layout: ArrayLayout) -> float | None:
    """The no-data number in attributes of CF or EOPF; otherwise, in Zarr version 2, the fill value, as in xarray."""
    own = layout.attributes
    inner = own.get("_eopf_attrs")
    eopf = inner.get("fill_value") if isinstance(inner, dict) else None
    for value in (own.get("_FillValue"), own.get("missing_value"), own.get("nodata"), own.get("fill_value"), eopf):
        if (number := _plain(value)) is not None:
            return number
    return layout.fill if layout.version == 2 and layout.told_fill else None


def _scale(layout: ArrayLayout) -> float | None:
    """`scale_factor` of CF or EOPF; without one, 1 for floats, which then are values already, otherwise None."""
    inner = layout.attributes.get("_eopf_attrs")
    eopf = inner.get("scale_factor") if isinstance(inner, dict) else None
    for value in (layout.attributes.get("scale_factor"), eopf):
        if (number := _plain(value)) is not None:
            return number
    return 1.0 if layout.dtype.kind == "f" else None


def _plain(value: object) -> float | None:
    """An attribute as a number; None if it is none. xarray writes floats as base64 of their eight bytes."""
    if isinstance(value, str):
        if value == "NaN":
            return float("nan")
        try:
            return float(struct.unpack("<d", base64.b64decode(value, validate=True))[0])
        except (ValueError, struct.error):
            return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_along(name: str, words: set[str]) -> bool:
    return not words.isdisjoint(re.split(r"[\W_\d]+", name.lower()))


def _turned(names: Sequence[str]) -> ValueError:
    return ValueError(f"its axes end with {names[-2][:80]}, {names[-1][:80]}; supported is y, x")


def _coordinates(
    origins: ByteSources, store: Store, path: str, length: int, names: Sequence[str]
) -> NDArray[np.float64] | None:
    """(length,) centres of pixels along the axis whose coordinates lie at `path`; None if there is no such array.
    `names`: the array's axes. Raises ValueError."""
    node = store.node(path)
    if node is None or not node.is_array:
        return None
    layout = parse_array(node.document, node.attributes)
    across = path.rpartition("/")[2] == names[-1]
    for told in ("axis", "standard_name"):  # attributes of the CF conventions
        if _is_along(str(layout.attributes.get(told)), _DOWN if across else _ACROSS):
            raise _turned(names)
    if layout.shape != (length,) or max(length, *layout.chunks) > _MOST_COORDINATES:
        raise ValueError(f"its coordinates {path[:80]} are not of its length")
    count = -(-length // layout.chunks[0])
    if count > _MOST_COORDINATE_CHUNKS:
        raise ValueError(f"its coordinates {path[:80]} are cut into {count:,} chunks")
    chunks = Chunks(origins, store.place, path, layout)
    parts = [chunks.pixels(chunks.packed((number,))).astype(np.float64) for number in range(count)]
    scale, offset = _plain(layout.attributes.get("scale_factor")), _plain(layout.attributes.get("add_offset"))
    found: NDArray[np.float64] = np.concatenate(parts)[:length] * (1.0 if scale is None else scale) + (offset or 0.0)
    return found
