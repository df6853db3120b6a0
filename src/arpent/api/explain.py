"""Explain: why one feature has its number in one interval, as data and as a picture that a notebook shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arpent import worker
from arpent.adapters.formats.picture import picture
from arpent.adapters.scripts.v8.runtime import announce
from arpent.api.fields import ID, Columns, read_fields
from arpent.api.query import Day, body_of, instant_of, query_of
from arpent.api.zones import one_in_metres
from arpent.domain.errors import FeatureNotFound
from arpent.domain.explanation import Explanation
from arpent.engine.explain import explain as explain_one
from arpent.settings import load
from arpent.wire.explanation import render_explanation
from arpent.wire.iso import parse_instant
from arpent.wire.request.parse import check_collections, parse_batch


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, which a notebook shows as a picture of imagery, mask and outputs."""

    found: Explanation

    @property
    def data(self) -> dict[str, Any]:
        """Grid, counts, items, samples, statistics and the script's log (docs/numbers.md)."""
        fields: dict[str, Any] = json.loads(render_explanation(self.found))
        return fields

    @property
    def png(self) -> bytes:
        """The picture as the content of a PNG file."""
        return picture(self.found)

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        counts = self.data.get("counts", {})
        return f"<explanation of feature {self.data.get('id')}: {counts.get('inside', 0)} samples inside>"


def explain(  # noqa: PLR0913
    features: Any,
    catalog: str | Path,
    *,
    feature: Any,
    start: Day,
    end: Day,
    interval: Day | None = None,
    every: str = "P10D",
    resolution: str | float = 10,
    index: str | Sequence[str] | None = None,
    script: str | Path | None = None,
    mask_clouds: bool = False,
    collection: str = "sentinel-2-l2a",
    order: str = "mostRecent",
    max_cloud_coverage: float | None = None,
    pixels: str = "service",
    id: str | None = None,  # noqa: A002
    crs: str | None = None,
) -> Explained:
    """Why one feature has its numbers; `feature` is its `id` in the table of `arpent.statistics`.

    Args:
        feature: The feature's id.
        interval: The start of the interval to explain; by default the first with data.
        features, catalog, start, end, every, resolution, index, script, mask_clouds, collection, order,
            max_cloud_coverage, pixels, id, crs: As for `arpent.statistics`.

    Raises:
        arpent.ArpentError: Its message says what is wrong.

    Example:
        >>> arpent.explain("fields.gpkg", "earth-search", feature=7, start="2023-06-01", end="2023-07-01", index="ndvi")
    """
    settings = load(catalog=str(catalog))
    worker.check_places(settings)
    announce(unfiltered=settings.unfiltered_scripts)
    services = worker.services_of(settings)
    query = query_of(
        start=start, end=end, every=every, resolution=resolution, index=index, script=script, mask_clouds=mask_clouds,
        collection=collection, order=order, max_cloud_coverage=max_cloud_coverage, pixels=pixels,
    )  # fmt: skip
    request = parse_batch(body_of(query, services.collections))
    check_collections(request, services.collections.get)
    fields = read_fields(features, Columns(id=id), settings, crs)
    known = fields.table[ID].to_pylist()
    if feature not in known:
        raise FeatureNotFound(f"There is no feature {feature!r:.80}; ids are {', '.join(map(str, known[:5]))} …")
    carried = one_in_metres(fields.features, known.index(feature))
    begins = None if interval is None else parse_instant(instant_of(interval), "interval")
    limits = worker.synchronous_limits(settings)
    assert limits.synchronous is not None
    services = replace(services, synchronous=replace(limits.synchronous, kept=True))
    return Explained(explain_one(request, carried, begins, services))
