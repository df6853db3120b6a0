"""Zipped Shapefile: unpacks its parts, so that nothing else in the archive is ever read."""

from __future__ import annotations

import errno
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from arpent.domain.errors import FeaturesUnreadable

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
MOST_BYTES = 2_000_000_000
"""Default maximum size in bytes of all parts, unpacked."""
CHUNK = 1 << 20


@contextmanager
def unpacked(path: Path, most_bytes: int = MOST_BYTES, place: Path | None = None) -> Iterator[Path]:
    """The only Shapefile of an archive, as `….shp` with its parts next to it, while the context lasts. `place`: where
    its folder is created; None: where temporary files are. Raises FeaturesUnreadable, also if its parts have more than
    `most_bytes`."""
    with TemporaryDirectory(prefix="arpent-", dir=place) as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                yield _extract(archive, Path(folder), most_bytes)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zipfile.LargeZipFile) as error:
            raise FeaturesUnreadable(f"The zip archive cannot be read: {str(error)[:200]}") from error
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise FeaturesUnreadable("The zip archive cannot be read: it names a place before its start") from error


def _extract(archive: zipfile.ZipFile, folder: Path, most_bytes: int) -> Path:
    names = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
    names = [info for info in names if PurePosixPath(info.filename).suffix]  # others have no stem, such as ".."
    shapes = [PurePosixPath(info.filename) for info in names if info.filename.lower().endswith(".shp")]
    if len(shapes) != 1:
        raise FeaturesUnreadable(f"The zip archive has {len(shapes)} files *.shp; it must have exactly one.")
    stem = shapes[0].with_suffix("")
    paths = [(info, PurePosixPath(info.filename)) for info in names]
    parts = [
        (info, path.suffix.lower())
        for info, path in paths
        if path.with_suffix("") == stem and path.suffix.lower() in PARTS
    ]
    if sum(info.file_size for info, _ in parts) > most_bytes:
        raise _too_large(most_bytes)
    left = most_bytes  # the sizes that an archive states may be wrong
    for info, ending in parts:
        with archive.open(info) as source, (folder / f"features{ending}").open("wb") as target:
            while chunk := _read(source):
                left -= len(chunk)
                if left < 0:
                    raise _too_large(most_bytes)
                target.write(chunk)
    return folder / "features.shp"


def _read(source: IO[bytes]) -> bytes:
    """The next piece. Raises BadZipFile for any error that its decompression raises for damaged data."""
    try:
        return source.read(CHUNK)
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # an error of the disk, not of the archive
            raise
        raise zipfile.BadZipFile("one of its parts is damaged") from error


def _too_large(most_bytes: int) -> FeaturesUnreadable:
    return FeaturesUnreadable(
        f"The Shapefile in the zip archive has more than the {most_bytes:,} bytes that a file of features may have; "
        "split it, or let the operator raise ARPENT_FEATURES_BYTES."
    )
