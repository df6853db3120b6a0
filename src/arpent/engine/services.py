"""Services: the ports that the engine uses. Limits: what the operator allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.feature import Features
from arpent.domain.imagery.collection import Collection
from arpent.domain.location import Location
from arpent.domain.ports.earlier import EarlierResults
from arpent.domain.ports.features import FeatureSource
from arpent.domain.ports.imagery import AssetReader, Catalog
from arpent.domain.ports.scripts import ScriptRuntime
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.request import Request
from arpent.domain.result import PartitionResult
from arpent.engine.stage_timer import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchronousLimits:
    """Limits of a request that is answered synchronously; see `engine.budget`."""

    samples: int
    """Maximum number of samples, over all scenes of an interval."""
    memory_mib: int
    """Memory of the process that computes it, in mebibytes."""
    kept: bool = False
    """Whether everything that the script sees and returns is kept for an explanation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports that are needed to turn a partition into statistics."""

    objects: ObjectStore
    """Buckets: features, scripts, results."""
    catalog: Catalog
    """Catalogue of items."""
    reader: AssetReader
    """Reader of images."""
    runtime: ScriptRuntime
    """Interpreters for evalscripts."""
    collections: Mapping[str, Collection]
    """Collections by id and alias."""
    features: FeatureSource
    """Reader of feature files."""
    table: Callable[[Sequence[tuple[PartitionResult, NDArray[np.bool_]]], Calculations, str], bytes] | None
    """Renders some features (n,) of the results of a partition, and its provenance (JSON), as a table; None: no table
    and no features file is written."""
    fingerprints: Callable[[Sequence[tuple[PartitionResult, NDArray[np.bool_]]], bytes], bytes] | None = None
    """Renders the fingerprints of some features (n,) of the results of a partition, beside their table; None: they are
    not written, and no later request can keep the numbers."""
    collection: Callable[[str, Request, Features], bytes] | None = None
    """Renders a STAC collection that describes what a job writes: its id, the request, all features; None: none is
    written."""
    open_earlier: Callable[[str, ObjectStore, Location], EarlierResults] | None = None
    """The results of an earlier request, for a job: its id, the store, and the prefix of the request's own objects."""
    earlier: EarlierResults | None = None
    """Those of the request that this one updates; None: it updates none."""
    stopwatch: Stopwatch = field(default_factory=lambda: Stopwatch(running=False), compare=False)
    """Times the stages; each partition has its own."""
    synchronous: SynchronousLimits | None = None
    """Limits of the current request if it is answered synchronously; None: no limit but the machine's."""
    samples_at_once: int = 4_000_000
    """Maximum number of samples of a partition that are in memory at once; see `engine.budget`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that the operator sets."""

    pixel_budget: int = 4_000_000
    """Number of samples that a worker works on at once; partitions of large features have a multiple of it."""
    parallelism: int = 1
    """Number of partitions that can be processed at once: a small job gets at least so many."""
    maximum_features: int | None = None
    """Maximum number of features per request; None: no limit."""
    lenient_histograms: bool = False
    """Whether integer histogram edges are accepted for a float output."""
    synchronous: SynchronousLimits | None = None
    """Limits of a request that is answered synchronously."""
