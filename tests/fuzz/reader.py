"""A process that reads files, one a line of its input (`kind path`), and answers how that ended.

It may die or hang; its parent notices. Run as a module."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.formats.geopackage import read_feature, read_features
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import ArpentError
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Block

ALWAYS = Interval(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)
COLLECTION = load_collections()["sentinel-2-l2a"]


def _geopackage(path: Path) -> None:
    for _ in read_features(path):
        pass
    read_feature(path, 1)


def _image(path: Path) -> None:
    reader = CogReader(retry_seconds=0.0)
    try:
        raster = reader.describe(str(path))
        blocks = [Block(level=level, row=0, column=0) for level in range(len(raster.levels))]
        for _ in reader.read([(str(path), blocks)]):
            pass
    finally:
        reader.close()


def _item(path: Path) -> None:
    folder = path.with_suffix(".folder")
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "item.json")
    FolderCatalog(folder, recheck_seconds=0.0).search(COLLECTION, ALWAYS, WORLD)


READERS: dict[str, Callable[[Path], None]] = {"geopackage": _geopackage, "image": _image, "item": _item}


def main() -> None:
    for line in sys.stdin:
        kind, _, name = line.strip().partition(" ")
        try:
            READERS[kind](Path(name))
            ended = "read"
        except ArpentError as error:
            ended = f"refused {type(error).__name__}"
        except BaseException as error:
            ended = f"raw {type(error).__name__}: {str(error)[:200]!r}"
        print(ended, flush=True)


if __name__ == "__main__":
    main()
