"""The port of features: the polygons of a batch request, in a file of any supported format."""

from __future__ import annotations

from typing import Protocol

from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location


class FeatureSource(Protocol):
    """Reads features files, with limits on time, memory, bytes and rows. Raises FeaturesUnreadable, LimitExceeded,
    NoLongerWanted, and what ObjectStore raises."""

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        """All features of the file: at least one, at most `most`. Raises FeaturesUnreadable if the file is empty or has
        more features."""

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        """The feature with this primary key, as Features of length 1; None if there is none. Other rows are not
        checked."""

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        """Write the features to the target as GeoParquet 1.1: `id`, `identifier`, the requested columns of the file,
        `geometry` and `bbox`. `about`: JSON that is stored in the file's metadata under `arpent`."""
