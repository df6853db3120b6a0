"""Files: the files of a folder that may hold STAC items, and the items of each file."""

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
"""A file changed this recently may still be being written, if it ends in the middle."""
MOST_TOLD = 10_000
"""How many files that are left out the log names once, not each time they are tried."""
GONE_SECONDS = 0.3
"""A file that is missing is looked for again after this: a writer may have deleted it before writing it again."""
Stamp = tuple[int, int]
"""Time of change in nanoseconds, and size in bytes."""


def stamps(path: Path, *, known: bool = False) -> Iterator[tuple[str, Stamp]]:
    """Files that may hold items, with their stamps. `known`: the catalogue was there before, so that what is wrong with
    it may pass. Raises CatalogUnavailable."""
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
    """Files that may hold items. What cannot be read (a broken link, another user's sub-folder) is skipped, with a line
    in the log; `whole`: the folder itself must exist."""
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
    """Whether the name of a file is UTF-8. One that is not goes into no database, no JSON and no message."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def still_gone(paths: Sequence[str]) -> list[str]:
    """Those of the files that are gone, now and in a moment."""
    gone = [path for path in paths if not os.path.isfile(path)]
    if gone:
        time.sleep(GONE_SECONDS)
    return [path for path in gone if not os.path.isfile(path)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a readable file; not a broken or circular link."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size


def read(names: Sequence[str]) -> Iterator[tuple[str, tuple[Document, ...] | None]]:
    """Yield each file with its items; None for one that is just being written: it was changed a moment ago, and ends in
    the middle. What is not JSON otherwise is skipped with a line in the log. A file that is gone or may not be read is
    not yielded: that may change without another time of its content. Raises CatalogUnavailable, transient, if a file
    cannot be read."""
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
    """No items, and a line in the log that says why."""
    log.warning("%s is not JSON (%s) and is left out of the catalogue", name, error)
    return ()


def being_written(name: str) -> CatalogUnavailable:
    """The error of a search that needs a file which is incomplete now: another try may help."""
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
    """Raises CatalogUnavailable, transient, if the catalogue holds no file any more: more than the one that was missed
    may be away for a moment, as where a disk is mounted again or one folder takes the place of another."""
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
