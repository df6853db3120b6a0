"""The port of features: the polygons of a batch request, in a file of any supported format."""

from __future__ import annotations

from typing import Protocol

from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location


class FeatureSource(Protocol):
    """Files of features. Reading one is bounded in time, memory, bytes and rows.
    Raises FeaturesUnreadable, LimitExceeded, NoLongerWanted, and what ObjectStore raises."""

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        """All features of the file: at least one, at most `most`. Raises FeaturesUnreadable for an empty file and for
        one with more features."""

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        """The feature with this primary key, as Features of length 1; None if there is none. Other rows are not
        checked."""

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        """Write the features into the target as GeoParquet 1.1: `id`, `identifier`, the file's columns that were asked
        for, `geometry` and `bbox`. `about`: JSON that is kept in the file's metadata under `arpent`."""
