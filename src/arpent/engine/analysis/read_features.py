"""Read features: reads the features of a job, and gives them identifiers under which results can be stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

from arpent.domain.boundary.text import clean
from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.domain.feature import Features
from arpent.domain.location import IDENTIFIER, REQUEST_ID, FeatureFile, Location
from arpent.engine.output_keys import own_keys, result_key, template
from arpent.engine.services import Limits, Services

NOBODYS = "~"
"""An identifier with which no result has the name of one of arpent's own objects."""


def load_features(file: FeatureFile, services: Services, limits: Limits) -> Features:
    """All features of the file. Raises FeaturesUnreadable, LimitExceeded, NoLongerWanted or WorldError."""
    return _cleaned(services.features.features(file, limits.maximum_features))


def load_feature(file: FeatureFile, feature: int, services: Services) -> Features:
    """The feature with this primary key, as Features of length 1. Raises FeatureNotFound, FeaturesUnreadable or
    WorldError."""
    found = services.features.feature(file, feature)
    if found is None:
        raise FeatureNotFound(f"The file {file.url} has no feature {feature}")
    return _cleaned(found)


def _cleaned(features: Features) -> Features:
    """The features, with identifiers cleaned of characters that cannot be stored or sent."""
    whole = "".join([each for each in features.identifiers if each])
    if clean(whole) == whole:  # the usual case; faster than checking each one
        return features
    return features.renamed([None if each is None else clean(each) for each in features.identifiers])


def with_own_keys(job_id: str, output: Location, features: Features, *sources: Location) -> Features:
    """The features, with identifiers that give each result a unique key. If a key is taken by an earlier feature, by
    one of arpent's own objects or by one of `sources`, the feature's id is appended to its identifier, or replaces it.
    Raises InvalidRequest if keys are made of ids only and one is that of a source, and if no name would help."""
    pattern, is_ours = template(output), own_keys(output, job_id)
    if is_ours(result_key(pattern, job_id, 0, NOBODYS)):
        raise InvalidRequest.at(
            "output->s3->url", "the results would be among the parts of this request's own tables: use another folder"
        )
    read = {each.key for each in sources if (each.scheme, each.bucket) == (output.scheme, output.bucket)}
    if IDENTIFIER not in pattern:
        _check_ids(job_id, pattern, features, read)
        return features
    taken = set(read)
    identifiers: list[str | None] = []
    for feature, identifier in zip(features.ids.tolist(), features.identifiers, strict=True):
        for name in _names(feature, identifier):
            key = result_key(pattern, job_id, feature, name)
            if key not in taken and not is_ours(key):
                break
        taken.add(key)
        identifiers.append(name)
    return features.renamed(identifiers)


def _check_ids(job_id: str, pattern: str, features: Features, read: Collection[str]) -> None:
    """Raises InvalidRequest if a result would have one of the keys `read`."""
    for feature in features.ids.tolist() if read and REQUEST_ID not in pattern else ():
        if (key := result_key(pattern, job_id, feature, None)) in read:
            raise InvalidRequest.at(
                "output->s3->url", f"the results of feature {feature} would replace {key!r}, which this request reads"
            )


def _names(feature: int, identifier: str | None) -> Iterator[str | None]:
    """Names to try for a feature. From the third on they are so short that they are not cut, so all give different
    keys."""
    yield identifier
    yield f"{identifier or ''}~{feature}"
    for number in count(2):
        yield f"~{feature}~{number}"
