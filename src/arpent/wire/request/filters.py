"""Filters: fields of `dataFilter` by which some collections choose among acquisitions (sentinelhub.md 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arpent.domain.imagery.collection import Collection
from arpent.domain.request import Source
from arpent.wire.request.schema import DataFilter

NEUTRAL: Mapping[str, tuple[str, ...]] = {"tiers": ("ALL_TIERS",)}
"""Field → values that exclude nothing, and are therefore accepted for collections without the filter."""


def filters_of(data_filter: DataFilter) -> tuple[tuple[str, str], ...]:
    """(field, value) of each filter that the request sets."""
    given = {
        "resolution": data_filter.resolution,
        "acquisitionMode": data_filter.acquisition_mode,
        "polarization": data_filter.polarization,
        "orbitDirection": data_filter.orbit_direction,
        "timeliness": data_filter.timeliness,
        "tiers": data_filter.tiers,
        "constellation": data_filter.constellation,
    }
    return tuple((name, value) for name, value in given.items() if value is not None)


def unfiltered(source: Source, collection: Collection) -> Iterator[tuple[str, str]]:
    """Violations (path below the entry, violation) for filters and filter values that the collection does not have."""
    for name, value in source.filters:
        known = collection.filters.get(name)
        if known is None and value not in NEUTRAL.get(name, ()):
            yield f"dataFilter->{name}", f"is not a filter of {collection.id}; leave it out"
        elif known is not None and value not in known.values:
            yield f"dataFilter->{name}", f"is '{value:.40}'; {collection.id} has {', '.join(known.values)}"
