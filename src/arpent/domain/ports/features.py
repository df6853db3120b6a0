"""The port of features: the polygons of a batch request, in a file of any supported format."""

from __future__ import annotations

from typing import Protocol

from arpent.domain.feature import Features
from arpent.domain.location import Location


class FeatureSource(Protocol):
    """Files of features. Reading one is bounded in time, memory, bytes and rows.
    Raises FeaturesUnreadable, LimitExceeded, ReadingStopped, and what ObjectStore raises."""

    def features(self, location: Location, most: int | None = None) -> Features:
        """All features of the file: at least one, at most `most`. Raises FeaturesUnreadable for an empty file and for
        one with more features."""

    def feature(self, location: Location, feature: int) -> Features | None:
        """The feature with this primary key, as Features of length 1; None if there is none. Other rows are not
        checked."""
