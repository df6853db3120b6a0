"""Explanation: how the numbers of one feature in one interval came about, down to the individual sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Gap, Mosaicking, SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.result import PartitionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenItem:
    """One acquisition that the catalogue returned."""

    item: Item
    """The acquisition itself."""
    clear: bool
    """Whether its cloud cover is at most `maxCloudCoverage`."""
    reached: bool
    """Whether its footprint intersects the feature's bounding box."""
    kept: bool
    """Whether it was used: clear, reached, not excluded by a filter and not dropped by preProcessScenes."""
    samples: int
    """Number of samples inside the polygon that came from it; for ORBIT and TILE, summed over all scenes."""
    excluded_by: str | None = None
    """Field of `dataFilter`, other than maxCloudCoverage, that excludes it; None if none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInput:
    """One input of the script, N samples in s scenes (1 for SIMPLE)."""

    name: str
    """Its `datasource`, or its position as text."""
    collection: str
    """Id of its collection."""
    mosaicking: Mosaicking
    """Mosaicking of the input."""
    items: tuple[SeenItem, ...]
    """The acquisitions, in mosaicking order."""
    bands: tuple[str, ...]
    """Band names in the input's order, without dataMask."""
    units: tuple[str, ...]
    """Unit of each band."""
    values: tuple[NDArray[np.float64], ...] = ()
    """One array (s, N) per band, as the script saw it."""
    origin: NDArray[np.int64]
    """(s, N): index in `items` of the item that the sample came from; -1: no item, so dataMask is 0."""
    scenes: tuple[Mapping[str, object], ...] = ()
    """(s,): the fields of each scene that the script could read; empty for SIMPLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOutput:
    """One output of the script: the N samples inside the polygon, then one that represents all samples outside."""

    id: str
    """Id of the output."""
    bands: tuple[str, ...]
    """Names of its b bands."""
    sample_type: SampleType
    """Type that the numbers are converted to before statistics."""
    returned: NDArray[np.float64]
    """(b, N + 1): numbers as evaluatePixel returned them."""
    values: NDArray[np.float64]
    """(b, N + 1): numbers as the statistics use them; NaN: no data."""
    mask: NDArray[np.float64] | None
    """(N + 1,): this output's band of dataMask, as returned; None: not masked."""
    valid: NDArray[np.bool_]
    """(b, N + 1): whether the sample counts as valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How the numbers of one feature in one interval came about."""

    features: Features
    """The feature, as Features of length 1."""
    interval: Interval
    """The interval that is explained."""
    grids: Grids | None
    """The feature's grid; None if no grid can be made for its geometry."""
    samples: Samples | None
    """The samples inside the polygon; None if there is no grid."""
    inputs: tuple[SeenInput, ...]
    """One per input of the script; empty if no statistics can be computed for the geometry."""
    outputs: tuple[SeenOutput, ...]
    """One per output of the script; empty if the script returned nothing."""
    result: PartitionResult
    """The numbers as reported, or the reason why there are none."""
    error: ScriptError | None = None
    """What the script threw, with its line; None if it threw nothing."""
    log: tuple[str, ...] = ()
    """Lines that the script wrote with console.log."""
    gaps: tuple[Gap, ...] = ()
    """What evaluatePixel left out."""
