"""Read features: reads the features of a job and checks them as a set."""

from __future__ import annotations

from arpent.domain.boundary.text import clean
from arpent.domain.errors import FeatureNotFound
from arpent.domain.feature import Features
from arpent.domain.location import ID, FeatureFile, Location
from arpent.engine.output_keys import result_key, template
from arpent.engine.services import Limits, Services


def load_features(file: FeatureFile, services: Services, limits: Limits) -> Features:
    """All features of the file, checked as a set. Raises FeaturesUnreadable, LimitExceeded, NoLongerWanted or
    WorldError."""
    return _cleaned(services.features.features(file, limits.maximum_features))


def load_feature(file: FeatureFile, feature: int, services: Services) -> Features:
    """The feature with this primary key, as Features of length 1. Raises FeatureNotFound, FeaturesUnreadable or
    WorldError."""
    found = services.features.feature(file, feature)
    if found is None:
        raise FeatureNotFound(f"The file {file.url} has no feature {feature}")
    return _cleaned(found)


def _cleaned(features: Features) -> Features:
    """The features with identifiers that can be stored and sent."""
    whole = "".join([each for each in features.identifiers if each])
    if clean(whole) == whole:  # mostly; quicker than to look at each
        return features
    return features.renamed([None if each is None else clean(each) for each in features.identifiers])


def with_own_keys(job_id: str, output: Location, features: Features) -> Features:
    """The features with unique identifiers: where two results would have the same key, the later feature gets its id
    appended to its identifier."""
    pattern = template(output)
    if ID in pattern:
        return features
    taken: set[str] = set()
    identifiers: list[str | None] = []
    for feature, identifier in zip(features.ids.tolist(), features.identifiers, strict=True):
        name = identifier
        while (key := result_key(pattern, job_id, feature, name)) in taken:
            name = f"{name or ''}~{feature}"
        taken.add(key)
        identifiers.append(name)
    return features.renamed(identifiers)
