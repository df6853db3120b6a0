"""Files: finds the files in a folder that may hold STAC items, and reads the items of each file."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from arpent.adapters.catalogs.folder.links import WalkedFolders
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.lenient_json import is_unfinished, loads
from arpent.domain.boundary.address_names import public_name
from arpent.domain.boundary.text import clean
from arpent.domain.errors import CatalogUnavailable

log = logging.getLogger(__name__)

NEW_SECONDS = 2.0
"""If an incomplete file was changed within this time, it may still be being written."""
MOST_TOLD = 10_000
"""Maximum number of skipped files to remember, so that the log names each of them only once."""
GONE_SECONDS = 0.3
"""Pause before looking for a missing file again: the program that rewrites it may have deleted it first."""
Stamp = tuple[int, int]
"""Time of the last change in nanoseconds, and size in bytes."""


def stamps(path: Path, *, known: bool = False) -> Iterator[tuple[str, Stamp]]:
    """Yield the files that may hold items, with their stamps. `known`: the catalogue was readable before, so that
    errors may be temporary. Raises CatalogUnavailable."""
    try:
        if path.is_file():
            yield os.path.abspath(path), _stamp(path.stat())
            return
        if not path.is_dir():
            name = public_name(str(path))
            raise CatalogUnavailable(
                f"The catalogue {name} does not exist: set `catalog` to a folder or file of STAC items.",
                transient=known,
            )
        folder = os.path.abspath(path)
        yield from _walk(folder, WalkedFolders(folder))
    except OSError as error:
        told = f"The catalogue {public_name(str(path))} cannot be read: {error.strerror}."
        raise CatalogUnavailable(told, transient=known) from error


def _walk(folder: str, walked: WalkedFolders, *, whole: bool = True) -> Iterator[tuple[str, Stamp]]:
    """Yield the files that may hold items. Entries that cannot be read (a broken link, another user's sub-folder) are
    skipped with a line in the log. `whole`: raise an error if `folder` itself cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_utf8(entry.name):
                    _tell_once(clean(entry.path), "its name is not UTF-8: rename it")
                elif walked.leads_on(entry):
                    yield from _walk(entry.path, walked, whole=False)
                elif entry.name.endswith((".json", ".geojson")) and _is_file(entry):
                    yield entry.path, _stamp(entry.stat())
                elif entry.is_symlink() and not os.path.exists(entry.path):
                    _tell_once(entry.path, "it is a broken link")
    except (PermissionError, FileNotFoundError) as error:
        if whole:
            raise
        log.warning("The folder %s of the catalogue is left out: %s", folder, error.strerror)


def is_utf8(name: str) -> bool:
    """Whether the name of a file is UTF-8. Other names cannot be used in databases, JSON and messages."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def still_gone(paths: Sequence[str]) -> list[str]:
    """Those of the files that are missing now, and still after a short pause."""
    gone = [path for path in paths if not os.path.isfile(path)]
    if gone:
        time.sleep(GONE_SECONDS)
    return [path for path in gone if not os.path.isfile(path)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a file or a link to one; false for a broken or circular link."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size


def read(names: Sequence[str]) -> Iterator[tuple[str, tuple[Document, ...] | None]]:
    """Yield each file with its items, or with None if it is just being written (changed a moment ago, and incomplete).
    Other files that are not JSON yield no items, and are logged. A missing file, or one without read permission, is not
    yielded, since that may change without a change of its stamp. Raises CatalogUnavailable, transient, if a file cannot
    be read for another reason."""
    for name in names:
        try:
            yield name, documents(name)
        except FileNotFoundError:
            continue
        except PermissionError as error:
            _tell_once(name, str(error.strerror))
        except (ValueError, RecursionError) as error:
            yield name, None if is_unfinished(error) and _is_new(name) else left_out(name, error)


def left_out(name: str, error: object) -> tuple[Document, ...]:
    """Log that a file is skipped, and why. Returns no items."""
    log.warning("%s is not JSON (%s) and is left out of the catalogue", name, error)
    return ()


def being_written(name: str) -> CatalogUnavailable:
    """The transient error for a search that needs a file which is just being written."""
    return CatalogUnavailable(f"{public_name(name)} of the catalogue is still being written.", transient=True)


@lru_cache(MOST_TOLD)
def _tell_once(name: str, why: str) -> None:
    log.warning("%s is left out of the catalogue: %s", name, why)


def _is_new(name: str) -> bool:
    try:
        return time.time() - os.stat(name).st_mtime < NEW_SECONDS
    except OSError:
        return False


def check_there(path: Path) -> None:
    """Raise CatalogUnavailable, transient, if the catalogue has no files any more: then the whole folder may be missing
    for a moment, because its disk is being mounted again or another folder is taking its place."""
    try:
        with os.scandir(path) as entries:
            there = next(entries, None) is not None
    except OSError:
        there = path.is_file()
    if not there:
        raise CatalogUnavailable(f"The catalogue {public_name(str(path))} is not available.", transient=True)


def documents(name: str) -> tuple[Document, ...]:
    """The STAC items of a file; empty if it holds something else. Raises ValueError if it is not JSON,
    FileNotFoundError, PermissionError, and CatalogUnavailable, transient, if it cannot be read for another reason."""
    try:
        payload = Path(name).read_bytes()
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise CatalogUnavailable(f"{public_name(name)} cannot be read: {error.strerror}.", transient=True) from error
    content = loads(payload)
    if not isinstance(content, dict):
        return ()
    members = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    return tuple(member for member in members if _is_item(member)) if isinstance(members, list) else ()


def _is_item(member: object) -> bool:
    return isinstance(member, dict) and member.get("type") == "Feature" and "assets" in member
