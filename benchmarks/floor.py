"""The decode floor: the time to read, inflate and un-predict each block that holds a sample, once, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from isal import igzip_lib, isal_zlib
from numba import njit
from numpy.typing import NDArray

from arpent.adapters.images.reader import CogReader
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.imagery.raster import Raster
from arpent.domain.request import Request, Resampling
from arpent.engine.analysis.read_features import load_features
from arpent.engine.processing.sample_geometry import sample_geometry
from arpent.engine.services import Limits, Services
from benchmarks.clock import Taken, best, take

BANDS = ("B04", "B08", "SCL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One compressed block of an image."""

    path: str
    """Path of the file."""
    offset: int
    """Offset of the block in the file."""
    length: int
    """Compressed bytes."""
    side: int
    """Pixels per side."""
    itemsize: int
    """Bytes per pixel."""


def needed(request: Request, world: Services, catalog: Path, dates: int, first: int = 0) -> list[Piece]:
    """Blocks with a sample of any feature, image by image, in the order in which they lie in the file."""
    features = load_features(request.features, world, Limits())
    # In portions: all samples of a full tile would take more memory than arpent itself ever needs.
    portions = [features.take(rows) for rows in np.array_split(np.arange(len(features)), len(features) // 20_000 + 1)]
    reader = CogReader()
    pieces = []
    blocks: dict[object, NDArray[np.int64]] = {}
    for scene in sorted(catalog.iterdir())[first : first + dates]:
        for band in BANDS:
            href = str(scene / f"{band}.tif")
            raster = reader.describe(href)
            if (key := (raster.transform, raster.width)) not in blocks:
                blocks[key] = _blocks(portions, request, raster)
            table = reader._image(href).tables[0]  # type: ignore[union-attr]
            side = table.shape.block_width
            across = -(-table.shape.width // side)
            entries = sorted(table.entry(*divmod(int(number), across), 0) for number in blocks[key])
            pieces += [
                Piece(path=href, offset=offset, length=length, side=side, itemsize=raster.dtype.itemsize)
                for offset, length in entries if length
            ]  # fmt: skip
    reader.close()
    return pieces


def _blocks(portions: list[Features], request: Request, raster: Raster) -> NDArray[np.int64]:
    """Numbers of the blocks that hold a sample."""
    found = []
    for features in portions:
        sampling = sample_geometry(features, Grids.over(features.bounds, request.sampling)).sampling
        found.append(sampling.indices(raster, Resampling.NEAREST, Resampling.NEAREST)[0].blocks)
    return np.unique(np.concatenate(found))


def floor(pieces: list[Piece], rounds: int = 3) -> tuple[str, Taken]:
    """Name and time of the fastest decoder in this installation."""
    decoders = {"libdeflate (imagecodecs)": _libdeflate, "ISA-L (isal)": _isal, "ISA-L, streaming (isal)": _stream}
    for decode in decoders.values():
        run(pieces[:9], decode)
    times = {name: best([take(lambda d=d: run(pieces, d)) for _ in range(rounds)]) for name, d in decoders.items()}
    name = min(times, key=lambda each: times[each].cpu)
    return name, times[name]


def run(pieces: list[Piece], decode: Callable[[bytes, bytearray], object]) -> None:
    """Decode every block, into buffers that are reused."""
    buffers = {(p.side, p.itemsize): bytearray(p.side * p.side * p.itemsize) for p in pieces}
    pixels = {
        key: np.frombuffer(buffer, f"u{key[1]}").reshape(key[0], key[0]) for key, buffer in buffers.items()
    }  # fmt: skip
    files = {path: Path(path).open("rb") for path in {piece.path for piece in pieces}}  # noqa: SIM115
    try:
        for piece in pieces:
            key = (piece.side, piece.itemsize)
            files[piece.path].seek(piece.offset)
            raw = decode(files[piece.path].read(piece.length), buffers[key])
            if raw is not buffers[key] and not isinstance(raw, bytearray):
                source = np.frombuffer(raw, f"u{key[1]}").reshape(key[0], key[0])
            else:
                source = pixels[key]
            _undo(source, pixels[key])
    finally:
        for file in files.values():
            file.close()


def _libdeflate(payload: bytes, out: bytearray) -> object:
    return imagecodecs.deflate_decode(payload, out=out)


def _isal(payload: bytes, out: bytearray) -> object:
    return igzip_lib.decompress(payload, igzip_lib.DECOMP_ZLIB, 15, len(out))


def _stream(payload: bytes, out: bytearray) -> object:
    return isal_zlib.decompressobj().decompress(payload, len(out))


@njit(cache=True, nogil=True)
def _undo(source, pixels):  # type: ignore[no-untyped-def]
    """Running sums along rows, four rows at a time; the height of a tile is a multiple of 16."""
    for row in range(0, source.shape[0], 4):
        a = b = c = d = source[0, 0] & 0
        for column in range(source.shape[1]):
            a = a + source[row, column]
            b = b + source[row + 1, column]
            c = c + source[row + 2, column]
            d = d + source[row + 3, column]
            pixels[row, column] = a
            pixels[row + 1, column] = b
            pixels[row + 2, column] = c
            pixels[row + 3, column] = d
