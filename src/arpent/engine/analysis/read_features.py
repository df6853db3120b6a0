"""Read features: the features of a job, checked as a set."""

from __future__ import annotations

from dataclasses import replace

from arpent.domain.boundary.text import clean
from arpent.domain.errors import FeatureNotFound, FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import ID, IDENTIFIER, Location
from arpent.engine.output_keys import result_key, template
from arpent.engine.services import Limits, Services


def take_in(location: Location, services: Services, limits: Limits) -> Features:
    """All features of the GeoPackage. Raises FeaturesUnreadable, ReadingStopped or WorldError."""
    return _cleaned(services.features.features(location, limits.maximum_features))


def take_one(location: Location, feature: int, services: Services) -> Features:
    """One feature of the GeoPackage. Raises FeatureNotFound, FeaturesUnreadable or WorldError."""
    found = services.features.feature(location, feature)
    if found is None:
        raise FeatureNotFound(f"The GeoPackage {location.url} has no feature {feature}")
    return _cleaned(found)


def _cleaned(features: Features) -> Features:
    """With identifiers that can be stored and sent."""
    return replace(features, identifiers=tuple(None if each is None else clean(each) for each in features.identifiers))


def check_keys(job_id: str, output: Location, features: Features) -> None:
    """Two features that would write the same object are refused: one would be lost. Raises FeaturesUnreadable."""
    pattern = template(output)
    if ID in pattern:
        return
    seen: dict[str, int] = {}
    for feature, identifier in zip(features.ids.tolist(), features.identifiers, strict=True):
        key = result_key(pattern, job_id, feature, identifier)
        if key in seen:
            raise FeaturesUnreadable(
                f"Features {seen[key]} and {feature} would both be written to '{key}'; "
                f"put {ID} into output.s3.url beside {IDENTIFIER}, or make the identifiers differ"
            )
        seen[key] = feature
