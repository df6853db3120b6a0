"""JPEG 2000: decoding compared with OpenJPEG alone, and reading crops from a remote file compared with GDAL.

Run: python -m benchmarks.jpeg2000 --size S. The file is laid out like those of Sentinel-2: no table of tiles, tiles of
1024 x 1024 pixels, six resolutions.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import rasterio

from arpent.adapters.images.gdal_fallback import GdalImage
from arpent.adapters.images.jp2.image import Jp2Image
from arpent.adapters.images.jp2.one_tile import one_tile, window_of
from arpent.adapters.images.reader import CogReader
from arpent.domain.ports.imagery import Block
from benchmarks.clock import best, take
from benchmarks.country import SIZES, make
from benchmarks.reading import LEFT, TOP, landscape
from benchmarks.remote import serving
from benchmarks.report import tell_jpeg2000

TILE, RESOLUTIONS = 1024, 6
CROPS = 4
"""Number of scattered crops, each of 2 x 2 tiles."""
ROUNDS = 3
Crop = Sequence[Block]


def jpeg2000(folder: Path, size: str, delay: float) -> dict[str, Any]:
    """Processor seconds to decode tiles, wall seconds to read crops from a remote file, and numbers of requests."""
    path = image(folder, SIZES[size].side)
    return {"delay": delay, **_decoding(path), **_crops(path, delay)}


def image(folder: Path, side: int) -> Path:
    """Path of the JPEG 2000 file, which is made if it does not exist."""
    path = folder / f"bench-{side}.jp2"
    if not path.exists():
        tile = min(TILE, side // 8)
        with rasterio.open(
            path, "w", driver="JP2OpenJPEG", width=side, height=side, count=1, dtype="uint16", crs="EPSG:32633",
            transform=rasterio.Affine(10.0, 0.0, LEFT, 0.0, -10.0, TOP), blockxsize=tile, blockysize=tile,
            QUALITY="100", REVERSIBLE="YES", RESOLUTIONS=RESOLUTIONS,
        ) as file:  # fmt: skip
            file.write(landscape(side, 0), 1)
    return path


def _decoding(path: Path) -> dict[str, Any]:
    """Processor seconds to decode the same tiles by OpenJPEG alone, from memory, and by arpent, from the file, with its
    header and the search for tiles."""
    href = str(path)
    reader = CogReader()
    level = reader.describe(href).levels[0]
    blocks = random.Random(1).sample(_blocks(level.blocks_down, level.blocks_across), 8)
    image = reader._image(href)
    assert isinstance(image, Jp2Image)
    layout = image._layout
    alone = [
        one_tile(
            layout, window_of(layout, 0, block.row, block.column), (block.row, block.column),
            image._tile(image._number(block)),
        )
        for block in blocks
    ]  # fmt: skip
    reader.close()

    def openjpeg() -> None:
        for content in alone:
            imagecodecs.jpeg2k_decode(content, numthreads=1)

    def ours() -> None:
        fresh = CogReader()
        for _ in fresh.read([(href, blocks)]):
            pass
        fresh.close()

    runs = [(take(openjpeg), take(ours)) for _ in range(ROUNDS)]
    return {
        "tiles": len(blocks),
        "OpenJPEG": best([run[0] for run in runs]).cpu,
        "arpent": best([run[1] for run in runs]).cpu,
    }


def _crops(path: Path, delay: float) -> dict[str, Any]:
    """Wall seconds and requests of scattered crops: by a reader that has not read the file before ("arpent"), by one
    that knows where the tiles lie ("known"), and by GDAL, which gets its bytes through the same client."""
    with serving(path.parent, delay) as address:
        href = f"{address}/{path.name}"
        reader = CogReader()
        level = reader.describe(href).levels[0]
        reader.close()
        chance = random.Random(2)
        crops = [_crop(chance, level.blocks_down, level.blocks_across) for _ in range(CROPS)]
        found: dict[str, list[float]] = {"arpent": [], "known": [], "GDAL": []}
        requests: dict[str, list[int]] = {"arpent": [], "known": [], "GDAL": []}
        for crop in crops:
            for name, options in (("arpent", {}), ("GDAL", {"other_formats": GdalImage})):
                reader = CogReader(**options)  # type: ignore[arg-type]
                asked = _counted(reader)
                for step in (name, "known") if name == "arpent" else (name,):
                    began, before = time.perf_counter(), len(asked)
                    for _ in reader.read([(href, crop)]):
                        pass
                    found[step].append(time.perf_counter() - began)
                    requests[step].append(len(asked) - before)
                reader.close()
    return {
        "crop seconds": {name: sum(each) / len(each) for name, each in found.items()},
        "most requests": {name: max(each) for name, each in requests.items()},
    }


def _counted(reader: CogReader) -> list[str]:
    """A list to which the URL of every request that the reader sends from now on is appended."""
    asked: list[str] = []
    web = reader._origins._web
    piece = web.piece

    def counted(url: str, *span: int) -> Any:
        asked.append(url)
        return piece(url, *span)

    web.piece = counted  # type: ignore[method-assign, assignment]
    return asked


def _blocks(down: int, across: int) -> list[Block]:
    return [Block(level=0, row=row, column=column) for row in range(down) for column in range(across)]


def _crop(chance: random.Random, down: int, across: int) -> Crop:
    top, left = chance.randrange(down - 1), chance.randrange(across - 1)
    return [Block(level=0, row=top + row, column=left + column) for row in range(2) for column in range(2)]


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="S")
    arguments.add_argument("--delay", type=float, default=0.03)
    given = arguments.parse_args()
    folder = make(Path(__file__).parent / "out", given.size)
    print("\n".join(tell_jpeg2000(jpeg2000(folder, given.size, given.delay))))


if __name__ == "__main__":
    main()
