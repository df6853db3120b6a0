"""Zarr: time to read all chunks of a store that is laid out like EOPF products, by arpent, zarr-python and zarrs.

Run: python -m benchmarks.chunks --size S.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import zarr

from arpent.adapters.images.reader import CogReader
from arpent.domain.ports.imagery import Block
from benchmarks.clock import best, take
from benchmarks.country import SIZES, make
from benchmarks.reading import landscape
from benchmarks.report import tell_zarr
from tests.support.zarrs import GROUP, write_product

ROUNDS = 3
LAYOUTS: dict[str, dict[str, Any]] = {
    "version 2, blosc": {"version": 2, "packed": "blosc", "ratio": 3},
    "version 3, zstd": {"version": 3, "packed": "zstd", "ratio": 3},
    "version 3, zstd, sharded": {"version": 3, "packed": "zstd", "ratio": 15},
}
"""Name → options of a store. `ratio`: number of chunks along a side; a shard spans a third of the side."""


def zarr_chunks(folder: Path, size: str) -> dict[str, dict[str, float]]:
    """Layout → library → processor seconds to read all chunks, including the header."""
    warnings.simplefilter("ignore")  # of consolidated metadata in version 3, which is not specified yet
    side = SIZES[size].side // 15 * 15
    pixels = landscape(side, 0)
    found = {}
    for name, layout in LAYOUTS.items():
        path, chunk = folder / f"bench-{side}-{name.replace(', ', '-').replace(' ', '')}.zarr", side // layout["ratio"]
        if not path.exists():
            shards = (side // 3, side // 3) if "sharded" in name else None
            write_product(
                path, pixels, version=layout["version"], packed=layout["packed"], chunks=(chunk, chunk), shards=shards
            )
        found[name] = _measured(path, side, chunk)
    return found


def _measured(path: Path, side: int, chunk: int) -> dict[str, float]:
    href = f"{path}/{GROUP}/b04"
    starts = range(0, side, chunk)

    def ours() -> None:
        reader = CogReader()
        reader.describe(href)
        blocks = [Block(level=0, row=top // chunk, column=left // chunk) for top, left in product(starts, starts)]
        for _ in reader.read([(href, blocks)]):
            pass
        reader.close()

    def theirs() -> None:
        array = zarr.open_array(str(path), path=f"{GROUP}/b04", mode="r")
        for top, left in product(starts, starts):
            array[top : top + chunk, left : left + chunk]

    def rust() -> None:
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 1}):
            theirs()

    works: dict[str, Callable[[], None]] = {"arpent": ours, "zarr-python": theirs}
    if find_spec("zarrs"):
        works["zarrs"] = rust
    runs = [{who: take(work) for who, work in works.items()} for _ in range(ROUNDS)]
    return {who: best([run[who] for run in runs]).cpu for who in works}


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="S")
    size = arguments.parse_args().size
    folder = make(Path(__file__).parent / "out", size)
    print("\n".join(tell_zarr(zarr_chunks(folder, size))))


if __name__ == "__main__":
    main()
