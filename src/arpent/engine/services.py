"""Services: the ports that the engine works with, and the limits it works under."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.imagery.collection import Collection
from arpent.domain.ports.features import FeatureSource
from arpent.domain.ports.imagery import AssetReader, Catalog
from arpent.domain.ports.scripts import ScriptRuntime
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.result import PartitionResult
from arpent.engine.stage_timer import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a request may take that is answered at once; see `engine.budget`."""

    samples: int
    """Samples, over all scenes of an interval."""
    memory_mib: int
    """Mebibytes of the process that computes it."""
    kept: bool = False
    """What the script sees and returns is kept, to be explained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a process needs from outside to turn a partition into numbers."""

    objects: ObjectStore
    """Buckets: the GeoPackage, scripts, results."""
    catalog: Catalog
    """Where items are found."""
    reader: AssetReader
    """Images."""
    runtime: ScriptRuntime
    """Interpreters for evalscripts."""
    collections: Mapping[str, Collection]
    """By id and alias."""
    features: FeatureSource
    """GeoPackages."""
    table: Callable[[Sequence[tuple[PartitionResult, NDArray[np.bool_]]], Calculations, str], bytes] | None
    """Renders some features (n,) of the results of a partition, and its provenance (JSON), as a table; None: no table
    and no features file is written."""
    stopwatch: Stopwatch = field(default_factory=lambda: Stopwatch(running=False), compare=False)
    """Times the stages; each partition has its own."""
    allowance: Allowance | None = None
    """What the request at hand may take, if it is answered at once; None: no limit but the machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the operator allows."""

    pixel_budget: int = 4_000_000
    """Samples a partition may hold, over all scenes that are in memory at once."""
    parallelism: int = 1
    """Partitions that can be worked on at once: a small job is cut into at least so many."""
    maximum_features: int | None = None
    """Features per request; None: no limit."""
    lenient_histograms: bool = False
    """Integer histogram edges pass for a float output."""
    allowance: Allowance | None = None
    """What a request may take that is answered at once."""
