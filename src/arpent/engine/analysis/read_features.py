"""Read features: the features of a job, read whole and checked as a set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from arpent.domain.boundary.text import clean
from arpent.domain.errors import FeatureNotFound, FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import ID, Location
from arpent.engine.output_keys import result_key, template
from arpent.engine.services import Limits, Services


def take_in(location: Location, services: Services, limits: Limits) -> Features:
    """All features of the GeoPackage. Raises FeaturesUnreadable or WorldError."""
    with TemporaryDirectory(prefix="arpent-") as folder:
        path = Path(folder) / "features.gpkg"
        services.objects.download(location, path)
        batches: list[Features] = []
        count = 0
        for batch in services.read_features(path):
            batches.append(batch)
            count += len(batch)
            if limits.maximum_features is not None and count > limits.maximum_features:
                raise FeaturesUnreadable(
                    f"The GeoPackage {location.url} holds more than the {limits.maximum_features} features "
                    "that this server takes at once; split it into several requests"
                )
    if not count:
        raise FeaturesUnreadable(f"The GeoPackage {location.url} holds no features")
    return Features(
        crs=batches[0].crs,
        ids=np.concatenate([batch.ids for batch in batches]),
        identifiers=tuple(_clean(identifier) for batch in batches for identifier in batch.identifiers),
        geometries=np.concatenate([batch.geometries for batch in batches]),
        flaws={feature: flaw for batch in batches for feature, flaw in batch.flaws.items()},
    )


def take_one(location: Location, feature: int, services: Services) -> Features:
    """One feature of the GeoPackage. Raises FeatureNotFound, FeaturesUnreadable or WorldError."""
    with TemporaryDirectory(prefix="arpent-") as folder:
        path = Path(folder) / "features.gpkg"
        services.objects.download(location, path)
        found = services.read_feature(path, feature)
    if found is None:
        raise FeatureNotFound(f"The GeoPackage {location.url} has no feature {feature}")
    return replace(found, identifiers=tuple(_clean(each) for each in found.identifiers))


def _clean(identifier: str | None) -> str | None:
    return None if identifier is None else clean(identifier)


def with_own_keys(job_id: str, output: Location, features: Features) -> Features:
    """The features, with identifiers of their own where two would be written to the same object: the later of them gets
    its id behind its identifier."""
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
    return replace(features, identifiers=tuple(identifiers))
