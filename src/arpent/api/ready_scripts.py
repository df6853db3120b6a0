"""Ready scripts: evalscripts of spectral indices, and what they can be made from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arpent.api.query import names_of
from arpent.domain.errors import InvalidRequest
from arpent.domain.imagery.collection import Collection
from arpent.evalscript.indices.bands import BANDS
from arpent.evalscript.indices.composites import COMPOSITES
from arpent.evalscript.indices.formulas import indices
from arpent.evalscript.indices.masks import MASKS
from arpent.evalscript.indices.script import IndexQuery, available, index_script


def new_text(
    known: Mapping[str, Collection],
    index: str,
    collection: str,
    mask: str | None,
    composite: str | None,
    constants: Sequence[str],
) -> str:
    """The evalscript. `known`: collections by id and alias; `constants`: `NAME=NUMBER`. Raises InvalidRequest."""
    return index_script(
        IndexQuery(
            index=names_of(index),
            collection=_id(known, collection),
            mask=mask,
            composite=composite,
            constants=dict(map(_constant, constants)),
        )
    )


def list_fields(known: Mapping[str, Collection], collection: str | None) -> dict[str, Any]:
    """All indices with the collections that have their bands, or only those of one collection; cloud masks; composites.
    Raises InvalidRequest for a collection whose bands are unknown."""
    wanted = list(BANDS) if collection is None else [_id(known, collection)]
    if wanted[0] not in BANDS:
        raise InvalidRequest(f"Indices are known for {', '.join(BANDS)}, not for {collection}")
    entries = [
        {
            "index": index.output,
            "name": index.name,
            "title": index.title,
            "domain": index.domain,
            "formula": index.formula,
            "bands": list(index.roles),
            "constants": dict(index.constants),
            "collections": there,
            "reference": index.reference,
        }
        for index in indices().values()
        if (there := [one for one in wanted if available(index, one)])
    ]
    masks = [
        {"mask": name, "rule": mask.words, "collections": there}
        for name, mask in MASKS.items()
        if (there := [one for one in wanted if one in mask.bands])
    ]
    return {"data": entries, "masks": masks, "composites": list(COMPOSITES)}


def list_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A line per index, separated by tabs: name, domain, formula, title; then masks and composites."""
    for entry in found["data"]:
        yield "\t".join((entry["index"], entry["domain"], entry["formula"], entry["title"]))
    for mask in found["masks"]:
        yield f"--mask {mask['mask']}\t{', '.join(mask['collections'])}\t{mask['rule']}"
    yield f"--composite {', '.join(found['composites'])}"


def _id(known: Mapping[str, Collection], collection: str) -> str:
    return known[collection].id if collection in known else collection


def _constant(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidRequest(f"--constant {text!r:.40} must be a name and a finite number: L=0.5")
    return name.strip(), number
