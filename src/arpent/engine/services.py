"""Services: the ports that the engine uses. Limits: the limits that the operator sets."""

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
    """Limits on a request that is answered synchronously; see `engine.budget`."""

    samples: int
    """Maximum number of samples, over all scenes of an interval."""
    memory_mib: int
    """Memory of the process that computes the answer, in mebibytes."""
    kept: bool = False
    """Whether everything that the script sees and returns is kept in memory, for an explanation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports and settings that are needed to turn a partition into statistics."""

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
    """Renders results of a partition as a table: each result with the features (n,) to include, the calculations and
    the provenance (JSON). None: no table and no features file is written."""
    fingerprints: Callable[[Sequence[tuple[PartitionResult, NDArray[np.bool_]]], bytes], bytes] | None = None
    """Renders the fingerprints that go with such a table, from the same results and the table's bytes. None: they are
    not written, and no later request can reuse the numbers."""
    collection: Callable[[str, Request, Features], bytes] | None = None
    """Renders a STAC collection that describes what a job writes, from the job's id, the request and all features.
    None: none is written."""
    open_earlier: Callable[[str, ObjectStore, Location], EarlierResults] | None = None
    """Opens the results of an earlier request, given its job id, the store, and the prefix of arpent's own objects."""
    earlier: EarlierResults | None = None
    """The results of the earlier request that this one updates; None: it updates none."""
    stopwatch: Stopwatch = field(default_factory=lambda: Stopwatch(running=False), compare=False)
    """Measures the time of each stage; every partition has its own stopwatch."""
    synchronous: SynchronousLimits | None = None
    """Limits on the current request if it is answered synchronously; None: no limits but those of the machine."""
    samples_at_once: int = 4_000_000
    """Maximum number of samples of a partition that are in memory at once; see `engine.budget`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that the operator sets."""

    pixel_budget: int = 4_000_000
    """Number of samples that a worker processes at once; partitions of large features have a multiple of it."""
    parallelism: int = 1
    """Number of partitions that can be processed at once; even a small job is divided into at least this many."""
    maximum_features: int | None = None
    """Maximum number of features per request; None: no limit."""
    lenient_histograms: bool = False
    """Whether integer histogram edges are accepted for a float output."""
    synchronous: SynchronousLimits | None = None
    """Limits on a request that is answered synchronously."""
