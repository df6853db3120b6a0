"""A zipped Shapefile: its parts, unpacked by us, so that nothing else of the archive is ever looked at."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from arpent.domain.errors import FeaturesUnreadable

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
MOST_BYTES = 8_000_000_000
"""Of all parts, unpacked."""
CHUNK = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The one Shapefile of an archive, as `….shp` with its parts beside it, for the time of the context. Raises
    FeaturesUnreadable."""
    with TemporaryDirectory(prefix="arpent-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                yield _extract(archive, Path(folder))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zipfile.LargeZipFile) as error:
            raise FeaturesUnreadable(f"The zip archive cannot be read: {str(error)[:200]}") from error


def _extract(archive: zipfile.ZipFile, folder: Path) -> Path:
    names = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
    shapes = [PurePosixPath(info.filename) for info in names if info.filename.lower().endswith(".shp")]
    if len(shapes) != 1:
        raise FeaturesUnreadable(f"The zip archive has {len(shapes)} files *.shp; it must have exactly one.")
    stem = shapes[0].with_suffix("")
    left = MOST_BYTES
    for info in names:
        part = PurePosixPath(info.filename)
        if part.with_suffix("") == stem and part.suffix.lower() in PARTS:
            with archive.open(info) as source, (folder / f"features{part.suffix.lower()}").open("wb") as target:
                while chunk := source.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise FeaturesUnreadable(f"The zip archive holds more than {MOST_BYTES:,} bytes.")
                    target.write(chunk)
    return folder / "features.shp"
