"""Layout of a Zarr array: parses metadata of version 2 or 3 for shape, chunks, shards, and how they are packed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arpent.adapters.images.bounds import MOST_BLOCK_BYTES
from arpent.adapters.images.zarr.codecs import Chain, order_of, step_of, unshuffled

MOST_DIMENSIONS = 8
MOST_INNER_CHUNKS = 1 << 20
"""Maximum number of chunks in one shard; its index has 16 bytes for each."""
_MOST_LENGTH = 1 << 40
_TYPES = {
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
}  # fmt: skip
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """How several chunks are stored in one object (a shard), with an index of their places."""

    shape: tuple[int, ...]
    """Pixels of a shard, by axis."""
    index: Chain
    """How the index is packed, which has two 64-bit numbers for each chunk: offset and length."""
    packed: int
    """Stored bytes of the index."""
    first: bool
    """Whether the index lies at the beginning of the object, instead of at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayLayout:
    """What the metadata says about one array."""

    shape: tuple[int, ...]
    """Number of pixels along each axis; the last two axes are y and x."""
    chunks: tuple[int, ...]
    """Pixels of a chunk along each axis."""
    dtype: np.dtype[np.generic]
    """Type of a pixel."""
    fill: float
    """Value of the pixels of a chunk that was never written; 0 if the metadata has no fill value."""
    told_fill: bool
    """Whether the metadata has a fill value."""
    chain: Chain
    """How a chunk is packed."""
    shards: Shards | None
    """How chunks are stored in shards; None: each chunk is an object of its own."""
    prefix: str
    """Beginning of the key of each chunk."""
    separator: str
    """Separator between the indices in a chunk's key."""
    dimensions: tuple[str, ...]
    """Names of the axes; empty if the metadata does not give them."""
    attributes: Document
    """User attributes of the array."""
    version: int
    """Version of the Zarr format: 2 or 3."""

    def key(self, place: Sequence[int]) -> str:
        """The key of the chunk or shard with these indices, relative to the array's path."""
        numbers = self.separator.join(map(str, place))
        return f"{self.prefix}{self.separator}{numbers}" if self.prefix else numbers or "0"

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize


def parse_array(document: Document, attributes: Document | None) -> ArrayLayout:
    """The layout from zarr.json, or from .zarray and .zattrs (`attributes`). Raises ValueError, with a message."""
    if document.get("zarr_format") == 3:
        return _third(document)
    if document.get("zarr_format") == 2:
        return _second(document, attributes or {})
    raise ValueError(f"its Zarr version is {str(document.get('zarr_format'))[:20]}; supported are 2 and 3")


def _second(document: Document, attributes: Document) -> ArrayLayout:
    shape = _sides(document.get("shape"), "shape")
    chunks = _sides(document.get("chunks"), "chunks")
    name = document.get("dtype")
    if not isinstance(name, str) or len(name) > 8:
        raise ValueError("its pixels are not single numbers")
    try:
        stored = np.dtype(name)
    except TypeError:
        raise ValueError(f"its pixels are {name!r}") from None
    dtype = _type(stored.name).newbyteorder("=")
    packing = [document.get("compressor")] if document.get("compressor") else []
    steps = [step_of(str(one.get("id"))) for one in _tables(packing, "compressor")]
    for one in reversed(_tables(document.get("filters") or [], "filters")):
        if one.get("id") != "shuffle":
            raise ValueError(f"it is filtered by {str(one.get('id'))[:40]!r}, which is not supported")
        steps.append(unshuffled(one))
    order = order_of(document.get("order", "C"), len(shape))
    separator = document.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise ValueError("the separator of its chunk keys is invalid")
    return _checked(
        ArrayLayout(
            shape=shape, chunks=chunks, dtype=dtype, fill=_number(document.get("fill_value")),
            told_fill=document.get("fill_value") is not None, shards=None, prefix="",
            chain=Chain(steps=tuple(steps), dtype=stored, order=order), separator=separator,
            dimensions=_names(attributes.get("_ARRAY_DIMENSIONS"), len(shape)), attributes=attributes, version=2,
        )
    )  # fmt: skip


def _third(document: Document) -> ArrayLayout:
    if document.get("node_type") != "array":
        raise ValueError("it is a group")
    if document.get("storage_transformers"):
        raise ValueError("its storage is transformed, which is not supported")
    shape = _sides(document.get("shape"), "shape")
    grid = _table(document.get("chunk_grid"), "chunk_grid")
    if grid.get("name") != "regular":
        raise ValueError("its chunks are not regular")
    outer = _sides(_table(grid.get("configuration"), "chunk_grid").get("chunk_shape"), "chunk_shape")
    dtype = _type(document.get("data_type"))
    codecs = _tables(document.get("codecs"), "codecs")
    shards, chunks = None, outer
    if len(codecs) == 1 and codecs[0].get("name") == "sharding_indexed":
        settings = _table(codecs[0].get("configuration"), "sharding_indexed")
        chunks = _sides(settings.get("chunk_shape"), "chunk_shape")
        codecs = _tables(settings.get("codecs"), "codecs")
        shards = _shards(settings, outer, chunks)
    keys = document.get("chunk_key_encoding")
    keys = {"name": keys} if isinstance(keys, str) else _table(keys, "chunk_key_encoding")
    if keys.get("name") not in ("default", "v2"):
        raise ValueError("its chunk_key_encoding is not supported")
    plain = keys["name"] == "v2"
    separator = (keys.get("configuration") or {}).get("separator", "." if plain else "/")
    if separator not in (".", "/"):
        raise ValueError("the separator of its chunk keys is invalid")
    attributes = document.get("attributes") or {}
    names = document.get("dimension_names") or _table(attributes, "attributes").get("_ARRAY_DIMENSIONS")
    return _checked(
        ArrayLayout(
            shape=shape, chunks=chunks, dtype=dtype, fill=_number(document.get("fill_value")),
            told_fill=document.get("fill_value") is not None,
            chain=_chain(codecs, dtype, len(shape)), shards=shards, prefix="" if plain else "c", separator=separator,
            dimensions=_names(names, len(shape)), attributes=attributes, version=3,
        )
    )  # fmt: skip


def _shards(settings: Document, outer: tuple[int, ...], chunks: tuple[int, ...]) -> Shards:
    if len(outer) != len(chunks) or any(whole % part for whole, part in zip(outer, chunks, strict=True)):
        raise ValueError("its shards are not whole chunks")
    count = math.prod(whole // part for whole, part in zip(outer, chunks, strict=True))
    if count > MOST_INNER_CHUNKS:
        raise ValueError(f"its shards have {count:,} chunks, more than {MOST_INNER_CHUNKS:,}")
    codecs = _tables(settings.get("index_codecs"), "index_codecs")
    if not all(one.get("name") in ("bytes", "crc32c") for one in codecs):
        raise ValueError("the index of its shards is compressed")
    location = settings.get("index_location", "end")
    if location not in ("start", "end"):
        raise ValueError("the index_location of its shards is invalid")
    sums = sum(one.get("name") == "crc32c" for one in codecs)
    return Shards(
        shape=outer, index=_chain(codecs, np.dtype(np.uint64), 2), packed=16 * count + 4 * sums,
        first=location == "start",
    )  # fmt: skip


def _chain(codecs: Sequence[Document], dtype: np.dtype[np.generic], dimensions: int) -> Chain:
    """The chain for these codecs, which are in the order of writing: transposition, conversion to bytes, packing."""
    order, rest = None, list(codecs)
    while rest and rest[0].get("name") == "transpose":
        if order is not None:
            raise ValueError("it is transposed twice, which is not supported")
        order = order_of(_table(rest.pop(0).get("configuration"), "transpose").get("order"), dimensions)
    if not rest or rest[0].get("name") not in ("bytes", "endian"):
        name = rest[0].get("name") if rest else None
        raise ValueError(
            f"its codec is {str(name)[:40]!r}; supported are bytes, and sharding_indexed around the others"
        )
    endian = (rest.pop(0).get("configuration") or {}).get("endian", "little")
    if endian not in ("little", "big"):
        raise ValueError("its byte order is invalid")
    steps = tuple(step_of(str(one.get("name"))) for one in reversed(rest))
    return Chain(steps=steps, dtype=dtype.newbyteorder("<" if endian == "little" else ">"), order=order)


def _checked(layout: ArrayLayout) -> ArrayLayout:
    if not 1 <= len(layout.shape) <= MOST_DIMENSIONS or len(layout.chunks) != len(layout.shape):
        raise ValueError(f"it has {len(layout.shape)} axes, and chunks of {len(layout.chunks)}")
    if layout.chunk_bytes > MOST_BLOCK_BYTES:  # along all axes together, since a chunk is decoded whole
        raise ValueError(
            f"one of its blocks takes {layout.chunk_bytes:,} bytes, more than {MOST_BLOCK_BYTES >> 20} MiB: write it "
            "in smaller chunks"
        )
    return layout


def _sides(value: object, name: str) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(one) is int and 0 < one < _MOST_LENGTH for one in value):
        raise ValueError(f"its `{name}` is not a list of lengths")
    return tuple(value)


def _type(name: object) -> np.dtype[np.generic]:
    if name not in _TYPES:
        raise ValueError(f"its pixels are {str(name)[:40]!r}, not single numbers")
    return np.dtype(str(name))


def _number(value: object) -> float:
    """A fill value as a number; 0 if there is none. Raises ValueError."""
    if isinstance(value, str):
        found = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
        if found is None:
            raise ValueError(f"its fill value is {value[:40]!r}")
        return found
    if value is not None and not isinstance(value, int | float | list):  # a list is a complex number
        raise ValueError("its fill value is not a number")
    return float(value) if isinstance(value, int | float) else 0.0


def _names(value: object, dimensions: int) -> tuple[str, ...]:
    known = isinstance(value, list) and len(value) == dimensions and all(isinstance(one, str) for one in value)
    return tuple(value) if known else ()  # type: ignore[arg-type]


def _table(value: object, name: str) -> Document:
    if not isinstance(value, dict):
        raise ValueError(f"its `{name}` is not an object")
    return value


def _tables(value: object, name: str) -> list[Document]:
    """A list of codecs as tables; one that is given by its name alone becomes a table. Raises ValueError."""
    found = [{"name": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else None
    if found is None or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"its `{name}` is not a list of objects")
    return found
