"""Direct: a FeatureSource that reads in this process, which must be one that may die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import Location
from arpent.domain.ports.storage import ObjectStore

FILE = "features.gpkg"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectFeatures:
    """A FeatureSource over a bucket and a file reader. Picklable if its parts are."""

    objects: ObjectStore
    """Where the files lie."""
    read: Callable[[Path], Iterator[Features]]
    """Reads a file's features in batches."""
    read_one: Callable[[Path, int], Features | None]
    """Reads one feature by its primary key."""
    most_bytes: int
    """Maximum size of a file in bytes."""
    most_rows: int
    """Maximum number of features of a file, whatever the caller allows."""

    def features(self, location: Location, most: int | None = None) -> Features:
        return joined(location, self.batches(location, most))

    def feature(self, location: Location, feature: int) -> Features | None:
        with TemporaryDirectory(prefix="arpent-") as folder:
            return self.read_one(self._fetched(location, Path(folder)), feature)

    def batches(self, location: Location, most: int | None) -> Iterator[Features]:
        """The features in batches. Raises FeaturesUnreadable if there are more than `most` or `most_rows`."""
        limit = self.most_rows if most is None else min(most, self.most_rows)
        count = 0
        with TemporaryDirectory(prefix="arpent-") as folder:
            for batch in self.read(self._fetched(location, Path(folder))):
                count += len(batch)
                if count > limit:
                    raise FeaturesUnreadable(
                        f"The GeoPackage {location.url} holds more than the {limit} features that this server takes "
                        "at once; split it into several requests"
                    )
                yield batch

    def _fetched(self, location: Location, folder: Path) -> Path:
        path = folder / FILE
        self.objects.download(location, path, self.most_bytes)
        return path


def load_readers(configure: Callable[[], None], *_used: object) -> None:
    """Run first in a process that will read: unpickling `_used` loads the libraries behind it, so that their memory is
    not counted for a file."""
    configure()


def joined(location: Location, batches: Iterator[Features]) -> Features:
    """All batches as one. Raises FeaturesUnreadable if there is no feature."""
    parts = [batch for batch in batches if len(batch)]
    if not parts:
        raise FeaturesUnreadable(f"The GeoPackage {location.url} holds no features")
    return Features(
        crs=parts[0].crs,
        ids=np.concatenate([part.ids for part in parts]),
        identifiers=tuple(identifier for part in parts for identifier in part.identifiers),
        geometries=np.concatenate([part.geometries for part in parts]),
        flaws={feature: flaw for part in parts for feature, flaw in part.flaws.items()},
    )
