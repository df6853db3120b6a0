"""The port of features: the polygons of a batch request, wherever and in whatever file they lie."""

from __future__ import annotations

from typing import Protocol

from arpent.domain.feature import Features
from arpent.domain.location import Location


class FeatureSource(Protocol):
    """Files of features. Reading one is bounded in time, memory, bytes and rows.
    Raises FeaturesUnreadable, LimitExceeded, NoLongerWanted, and what ObjectStore raises."""

    def features(self, location: Location, most: int | None = None) -> Features:
        """All features, of which there is at least one; more than `most` are FeaturesUnreadable."""

    def feature(self, location: Location, feature: int) -> Features | None:
        """The one feature whose primary key this is, None if there is none; the others are not looked at."""
