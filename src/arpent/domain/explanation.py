"""Explanation: why one feature's numbers in one interval are what they are, down to the single sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Mosaicking, SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Samples
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.result import PartitionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenItem:
    """One acquisition that the catalogue offered."""

    item: Item
    """The acquisition."""
    clear: bool
    """Not above `maxCloudCoverage`."""
    reached: bool
    """Its footprint meets the feature's box."""
    kept: bool
    """It took part: clear, reached, and not dropped by preProcessScenes."""
    samples: int
    """Samples inside the polygon that came from it; for ORBIT and TILE in all scenes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInput:
    """One input of the script, N samples in s scenes (1 for SIMPLE)."""

    name: str
    """Its datasource, or its ordinal as text."""
    collection: str
    """Collection id."""
    mosaicking: Mosaicking
    """What the samples are."""
    items: tuple[SeenItem, ...]
    """In mosaicking order."""
    bands: tuple[str, ...]
    """In the input's order, without dataMask."""
    units: tuple[str, ...]
    """Unit of each band."""
    values: tuple[NDArray[np.float64], ...] = ()
    """Per band (s, N): as the script saw it."""
    origin: NDArray[np.int64]
    """(s, N): row of `items` that the sample came from; -1: none, dataMask is 0."""
    scenes: tuple[Mapping[str, object], ...] = ()
    """(s,): what the script could read of them; none for SIMPLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOutput:
    """One output of the script for N samples, and in the last place for the samples outside the polygon."""

    id: str
    """Its id."""
    bands: tuple[str, ...]
    """Names of its b bands."""
    sample_type: SampleType
    """What the numbers become before statistics."""
    returned: NDArray[np.float64]
    """(b, N + 1): as evaluatePixel returned them."""
    values: NDArray[np.float64]
    """(b, N + 1): as the statistics take them; NaN: no data."""
    mask: NDArray[np.float64] | None
    """(N + 1,): its band of dataMask as returned; None: it is not masked."""
    valid: NDArray[np.bool_]
    """(b, N + 1): whether the sample counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One feature in one interval."""

    features: Features
    """The one feature."""
    interval: Interval
    """The interval."""
    grids: Grids | None
    """Its grid; None if its geometry cannot have one."""
    samples: Samples | None
    """Samples inside."""
    inputs: tuple[SeenInput, ...]
    """Per input of the script; empty where the feature's geometry cannot have numbers."""
    outputs: tuple[SeenOutput, ...]
    """Per output of the script; empty where it never answered."""
    result: PartitionResult
    """The numbers as reported; says, too, why there are none."""
    error: ScriptError | None = None
    """What the script threw, with its line."""
    log: tuple[str, ...] = ()
    """What the script said through console.log."""
