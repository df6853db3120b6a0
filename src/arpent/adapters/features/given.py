"""GivenFeatures: a FeatureSource of features that are in memory already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location


@dataclass(frozen=True, slots=True)
class GivenFeatures:
    """Answers with these features, whatever file is named."""

    given: Features
    """The features, at least one."""

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        """All of them. Raises FeaturesUnreadable if there are more than `most`."""
        if most is not None and len(self.given) > most:
            raise FeaturesUnreadable(f"There are more than the {most} features that are accepted at once")
        return self.given

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        rows = np.flatnonzero(self.given.ids == feature)
        return self.given.take(rows[:1]) if len(rows) else None

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        """Do nothing: the caller already has the features."""
