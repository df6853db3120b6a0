"""Offers: checks processing options against the pixels of a collection (sentinelhub.md 2.2). arpent cannot apply such
processing itself: it accepts options that match how the pixels were made, and rejects others by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arpent.domain.imagery.collection import Collection
from arpent.domain.request import Source
from arpent.wire.request.schema import DataFilter, Processing
from arpent.wire.request.unserved import INSTANCES

NEUTRAL: Mapping[str, str] = {"orthorectify": "false"}
"""Option → value that changes nothing, and is accepted for collections that do not state the option."""


def requested_options(data_filter: DataFilter, processing: Processing) -> tuple[tuple[str, str], ...]:
    """The options of one entry of `input.data`: (path below the entry, value as text). JSON `true` and the texts
    `"true"` and `"True"` are equal."""
    given = {
        "dataFilter->demInstance": data_filter.dem_instance,
        "processing->backCoeff": processing.back_coeff,
        "processing->orthorectify": processing.orthorectify,
        "processing->demInstance": processing.dem_instance,
    }
    return tuple((place, text_of(value)) for place, value in given.items() if value is not None)


def text_of(value: object) -> str:
    """A value as text; booleans in lower case."""
    text = str(value)
    return text.lower() if text.lower() in ("true", "false") else text


def unoffered(source: Source, collection: Collection) -> Iterator[tuple[str, str]]:
    """Violations (path below the entry, violation) for the options that the collection does not match."""
    for place, option in source.options:
        name = place.rpartition("->")[2]
        offered = collection.offers.get(name)
        if offered is None and option == NEUTRAL.get(name):
            continue
        if offered is None:
            yield place, "is not supported yet; leave it out"
        elif option != offered:
            words = f"is '{option:.40}', but the pixels of {collection.id} are {offered}"
            reason = f" ({INSTANCES[option]})" if place == "dataFilter->demInstance" and option in INSTANCES else ""
            yield place, f"{words}{reason}; leave it out, or write {offered}"
