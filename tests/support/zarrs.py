"""Zarr stores as EOPF and GeoZarr lay them out, written by zarr-python and xarray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

GROUP = "measurements/reflectance/r10m"
LEFT, TOP, STEP = 600000.0, 5000040.0, 10.0
PLACE = {"proj:epsg": 32633, "proj:transform": [STEP, 0.0, LEFT, 0.0, -STEP, TOP, 0.0, 0.0, 1.0]}
PACKED_2 = {
    "blosc": "numcodecs.Blosc(cname='zstd', clevel=3, shuffle=2)",
    "blosc lz4": "numcodecs.Blosc(cname='lz4', clevel=5, shuffle=1)",
    "zstd": "numcodecs.Zstd(3)",
    "zlib": "numcodecs.Zlib(3)",
    "gzip": "numcodecs.GZip(3)",
    "lz4": "numcodecs.LZ4()",
    "none": "None",
}
"""Packing of version 2 → what makes it."""
PACKED_3: dict[str, list[Any]] = {
    "blosc": [BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")],
    "zstd": [ZstdCodec(level=3)],
    "zstd and sum": [ZstdCodec(level=3, checksum=True)],
    "gzip": [GzipCodec(level=3)],
    "sum, then zstd": [Crc32cCodec(), ZstdCodec(level=1)],
    "gzip, then zstd": [GzipCodec(level=1), ZstdCodec(level=1)],
    "none": [],
}


def compressor(name: str) -> Any:
    import numcodecs

    return eval(PACKED_2[name], {"numcodecs": numcodecs})


def write_product(
    path: Path, pixels: np.ndarray, *, version: int = 2, chunks: Sequence[int] = (64, 64), packed: str = "blosc",
    shards: Sequence[int] | None = None, consolidated: bool = True, place: str = "array", big: bool = False,
    **more: Any,
) -> str:  # fmt: skip
    """A product of one band, `b04`; returns the href of its array. `place`: what tells where it lies: `array`, `root`
    (CRS only), `mapping` or `coordinates`."""
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    epsg = {"other_metadata": {"horizontal_CRS_code": "EPSG:32633"}}
    root.attrs.update(epsg if place in ("root", "coordinates") else {})
    group = root.require_group(GROUP)
    names = [*(["band"] if pixels.ndim == 3 else []), "y", "x"]
    attributes = {
        "_eopf_attrs": {"fill_value": 0, "scale_factor": 0.0001, "add_offset": -0.1},
        **(PLACE if place == "array" else {}),
    }
    options: dict[str, Any] = {"fill_value": 0, **more}
    if version == 2:
        keys = {"name": "v2", "separator": options.pop("separator", "/")}
        options |= {"compressors": compressor(packed), "chunk_key_encoding": keys}
        attributes["_ARRAY_DIMENSIONS"] = names
    else:
        options |= {
            "compressors": PACKED_3[packed],
            "dimension_names": names,
            "shards": tuple(shards) if shards else None,
        }
        if big:
            options["serializer"] = BytesCodec(endian="big")
        if options.pop("turned", False):
            options["filters"] = [TransposeCodec(order=tuple(range(pixels.ndim))[::-1])]
    array = group.create_array("b04", shape=pixels.shape, chunks=tuple(chunks), dtype=pixels.dtype, **options)
    array.attrs.update(attributes | ({"grid_mapping": "spatial_ref"} if place == "mapping" else {}))
    array[...] = pixels
    height, width = pixels.shape[-2:]
    for name, values in (
        ("x", LEFT + STEP * (np.arange(width) + 0.5)), ("y", TOP - STEP * (np.arange(height) + 0.5))
    ):  # fmt: skip
        own = {"dimension_names": [name]} if version == 3 else {}
        axis = group.create_array(name, shape=values.shape, chunks=(100,), dtype="f8", **own)
        axis[...] = values
        if version == 2:
            axis.attrs["_ARRAY_DIMENSIONS"] = [name]
    if place == "mapping":
        from pyproj import CRS

        mapping = group.create_array("spatial_ref", shape=(), dtype="i4")
        mapping.attrs.update({"_ARRAY_DIMENSIONS": []} if version == 2 else {})
        mapping.attrs.update(
            {"crs_wkt": CRS.from_epsg(32633).to_wkt(), "GeoTransform": f"{LEFT} {STEP} 0 {TOP} 0 -{STEP}"}
        )
    if consolidated:
        zarr.consolidate_metadata(str(path), zarr_format=version)
    return f"{path}/{GROUP}/b04"
