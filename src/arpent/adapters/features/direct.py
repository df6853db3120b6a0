"""Direct: a FeatureSource that reads in the current process, which a damaged file may crash."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arpent.adapters.features.temporary_folder import temporary_folder
from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError, FeaturesUnreadable
from arpent.domain.feature import Features, joined_features
from arpent.domain.location import FeatureFile, Location
from arpent.domain.ports.storage import ObjectStore

log = logging.getLogger(__name__)

NAME = "features"
MOST_ENDING = 12
"""Maximum length of a file name's ending that is kept, since it indicates the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectFeatures:
    """A FeatureSource over a bucket and a file reader. Picklable if its parts are."""

    objects: ObjectStore
    """Where the files are stored."""
    read: Callable[[Path, FeatureFile], Iterator[Features]]
    """Reads a file's features in batches."""
    read_one: Callable[[Path, FeatureFile, int], Features | None]
    """Reads one feature by its primary key."""
    write_copy: Callable[[Path, FeatureFile, Path, str], None]
    """Writes a file's features as GeoParquet: (file, which columns, target, provenance)."""
    most_bytes: int
    """Maximum size of a file in bytes."""
    most_rows: int
    """Maximum number of features of a file, whatever the caller allows."""

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        return joined(file, self.batches(file, most))

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        with temporary_folder() as folder:
            path = self._fetched(file, folder)
            with _faults(file):
                found = self.read_one(path, file, feature)
                return None if found is None else found.checked()

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        with temporary_folder() as folder:
            made = folder / "copy.parquet"
            path = self._fetched(file, folder)
            with _faults(file):
                self.write_copy(path, file, made, about)
            self.objects.write(target, made.read_bytes())

    def batches(self, file: FeatureFile, most: int | None) -> Iterator[Features]:
        """The features in batches. Raises FeaturesUnreadable if there are more than `most` or `most_rows`."""
        limit = self.most_rows if most is None else min(most, self.most_rows)
        count = 0
        with temporary_folder() as folder:
            batches = self.read(self._fetched(file, folder), file)
            while (batch := _next_of(batches, file)) is not None:
                count += len(batch)
                if count > limit:
                    raise FeaturesUnreadable(
                        f"The file {file.url} holds more than the {limit} features that this server accepts "
                        "at once; split it into several requests"
                    )
                yield batch

    def _fetched(self, file: FeatureFile, folder: Path) -> Path:
        if file.local:
            return Path("/", file.key)
        ending = Path(file.key).suffix.lower()
        path = folder / (NAME + (ending if ending[1:].isalnum() and len(ending) <= MOST_ENDING else ".gpkg"))
        self.objects.download(file, path, self.most_bytes)
        return path


def _next_of(batches: Iterator[Features], file: FeatureFile) -> Features | None:
    """The next batch, None at the end. Its outlines are checked here, in the process that may take long and may
    crash."""
    with _faults(file):
        batch = next(batches, None)
        return None if batch is None else batch.checked()


@contextmanager
def _faults(file: FeatureFile) -> Iterator[None]:
    """Turn any error of a file's reader into FeaturesUnreadable, unless the machine is to blame."""
    try:
        with panics_as_errors():
            yield
    except FeaturesUnreadable as error:  # a reader may mistake a full disk for a damaged file
        if error.__cause__ is not None and (fault := environment_fault(error.__cause__)) is not None:
            raise fault from error
        raise
    except (ArpentError, MemoryError):
        raise
    except Exception as error:
        log.exception("A file of features made its reader fail")
        fault = environment_fault(error)
        raise fault or FeaturesUnreadable(sentence(error, f"The file {file.url} makes its reader fail")) from error


def load_readers(configure: Callable[[], None], load: Callable[[], None], *_used: object) -> None:
    """Run first in a process that will read: `load` and unpickling `_used` load libraries, so that their memory is not
    attributed to a file."""
    configure()
    load()


def joined(location: Location, batches: Iterator[Features]) -> Features:
    """All batches as one. Raises FeaturesUnreadable if there is no feature."""
    parts = [batch for batch in batches if len(batch)]
    if not parts:
        raise FeaturesUnreadable(f"The file {location.url} holds no features")
    return joined_features(parts)
