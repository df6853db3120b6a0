"""The Protocols between the domain and the world: everything arpent needs from outside, on three screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.errors import ScriptError
from arpent.model.collection import Collection
from arpent.model.evalscript import Evalscript
from arpent.model.finding import Finding
from arpent.model.interval import Interval
from arpent.model.item import Item
from arpent.model.job import Job, Progress
from arpent.model.location import Location
from arpent.model.partition import Outcome, Partition
from arpent.model.raster import Raster

# ---- jobs and work ---------------------------------------------------------------------------------------------


class SortKey(StrEnum):
    """Orders of the job list (FACTS 1.2)."""

    CREATED = "created"
    CREATED_DESCENDING = "created:desc"
    STATUS = "status"
    STATUS_DESCENDING = "status:desc"


class JobStore(Protocol):
    """Jobs, as values. A job read back carries its progress, summed over its partitions."""

    def add(self, job: Job) -> None:
        """Store a new job."""

    def get(self, job_id: str) -> Job:
        """The job, with progress. Raises JobNotFound."""

    def list(self, owner: str | None, sort: SortKey, offset: int, count: int) -> tuple[Job, ...]:
        """A page of one client's jobs, of which it reads no more than it returns; None: of everybody's, for the
        operator."""

    def save(self, job: Job) -> Job:
        """Store the job if its version is still the stored one; returns it with the next version. Raises Conflict."""

    def findings(self, job_id: str, offset: int, count: int) -> tuple[Finding, ...]:
        """A page of what is known of the job's features, by feature id; reads no more than it returns."""

    def unsettled(self) -> tuple[str, ...]:
        """Ids of the jobs a runner may have to move on: ANALYSIS_DONE with a START, PROCESSING without open work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do one piece of work until somebody may take it over."""

    job_id: str
    token: str
    """Unique per claim; only its holder can finish."""
    partition: Partition | None
    """What to process; None: analyse the job."""
    attempt: int
    """1 for the first try; one that ended with the worker's death is not counted."""
    deaths: int = 0
    """How often the worker that had it died."""
    vanished: int = 0
    """How often nobody gave it back in time, or whoever had it was lost: killed, frozen or cut off."""
    body: str = field(default="", repr=False)
    """The job's request, put in before the lease travels to a worker, which knows no database; may hold secrets."""
    owner: str = ""
    """The job's client, put in with it."""


class WorkStore(Protocol):
    """Analyses and partitions, handed out by lease."""

    def claim(self, now: datetime, seconds: float, *, analyses: bool = True, partitions: bool = True) -> Lease | None:
        """The next free piece of work: an ANALYSING job, or an open partition of a PROCESSING job, if wanted; jobs
        take turns. A lease that ran out is no failed attempt. Claiming an analysis changes the job's version."""

    def renew(self, lease: Lease, now: datetime, seconds: float) -> None:
        """Hold it longer. Raises LeaseLost."""

    def add(self, lease: Lease, partitions: Iterable[Partition], findings: Iterable[Finding]) -> None:
        """Replace the job's partitions and findings: the result of its analysis. Not atomic, and need not be: nobody
        works on partitions of an ANALYSING job. Raises LeaseLost, also when the job is no longer ANALYSING."""

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        """Close the piece of work (analysis: no outcome) and tell the job's progress; the outcome's findings are
        added to the job's. Raises LeaseLost."""

    def release(self, lease: Lease, retry_at: datetime | None, *, died: bool = False, lost: bool = False) -> None:
        """Give it back unfinished, not to be claimed before `retry_at`, which makes it a failed attempt, or, if its
        worker `died`, a death; None: at once, and not counted, or, if whoever had it was `lost`, as `vanished`. A lost
        lease is no error."""

    def cut(self, lease: Lease, deaths: int) -> bool:
        """Give a partition back as two halves, each with so many deaths on its account, free at once; no sum of the
        job's progress changes. False, and it is still held, if that leads nowhere: it is one feature, or too many
        parts of the same partition have no result. Raises LeaseLost."""

    def reopen(self, job_id: str) -> None:
        """Open the finished partitions with failed features again, reduced to those; their findings go."""


class ClientStore(Protocol):
    """OAuth2 clients; secrets are stored hashed."""

    def add(self, name: str) -> tuple[str, str]:
        """A new client: (client id, secret). The secret cannot be read again."""

    def verify(self, client_id: str, secret: str) -> bool:
        """Whether this is the client's secret; constant time."""


# ---- objects, catalogue, images ----------------------------------------------------------------------------------


class ObjectStore(Protocol):
    """Buckets. Writes are atomic: an object is there whole or not at all.
    Raises StorageDenied, StorageNotFound or StorageUnavailable, naming bucket, key and action."""

    def read(self, location: Location) -> bytes:
        """One object, whole."""

    def download(self, location: Location, path: Path) -> None:
        """One object into a local file, streaming."""

    def write(self, location: Location, payload: bytes) -> None:
        """One object."""

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        """Many objects (key, payload) in the bucket of `prefix`, concurrently, with a bounded number in flight."""

    def list(self, prefix: Location) -> Iterator[str]:
        """Keys below a prefix."""


class Catalog(Protocol):
    """A STAC catalogue."""

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        """Items of the interval whose footprint meets the box (EPSG:4326, longitude first); by time.
        The same acquisition appears once, in its newest processing. Raises CatalogUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One internal tile of one level of one image."""

    level: int
    row: int
    column: int
    rows: int | None = field(default=None, compare=False)
    """How many of its rows, from the top, are enough; None: all. A reader may stop decoding there."""


class Count(Protocol):
    """How much it is so far, of something that goes on."""

    @property
    def total(self) -> int:
        """So far."""


class AssetReader(Protocol):
    """Cloud-optimised GeoTIFFs. Raises AssetUnreadable, naming the image."""

    def counting(self) -> AbstractContextManager[Count]:
        """Counts the compressed bytes that are read on behalf of the calling thread within, for metrics: whatever else
        goes on in the process, and whichever threads read. What two need is counted for the one that asked first."""

    def prepare(self, hrefs: Sequence[str]) -> None:
        """Begin to read these headers, all at once, so that describe() need not wait for one after another."""

    def describe(self, href: str) -> Raster:
        """The header; cached."""

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        """Blocks (block_height, block_width) of several images, each decoded once, in the order asked;
        reading ahead and decoding run concurrently. Edge blocks come padded to full size. A block asked for
        with `rows` may come with so many rows only."""


# ---- scripts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a script may know of one scene of ORBIT or TILE mosaicking; plain JSON."""

    fields: Mapping[str, object]
    """As in `scenes.orbits[i]` or `scenes.tiles[i]` (FACTS 5.2); instants are ISO text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptInput:
    """The samples of one input of a script for one call."""

    values: tuple[NDArray[np.generic], ...]
    """One array per band of the input, in its order, dataMask included. SIMPLE: (N,). ORBIT and TILE: (scenes, N)."""
    scales: tuple[tuple[float, float], ...]
    """(scale, offset) per band, applied in doubles when the script sees it."""
    scenes: tuple[Scene, ...] = ()
    """The scenes, in the order of the samples; none for SIMPLE."""
    normalization_factor: float = 0.0001
    """The collection's, for `inputMetadata` (FACTS 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptAnswer:
    """What evaluatePixel returned for N samples."""

    values: NDArray[np.float64]
    """(width, N): bands of the outputs in the order declared, then the mask's bands; NaN where nothing came back."""
    failures: Mapping[int, ScriptError]
    """Segment → what it threw; the other segments are whole."""
    log: tuple[str, ...] = ()
    """What the script said through console.log, bounded."""


class ScriptSession(Protocol):
    """A script loaded into an interpreter of its own. Not thread-safe. Global state lives as long as it does."""

    @property
    def evalscript(self) -> Evalscript:
        """What setup() declared."""

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        """preProcessScenes: for each input, which of its scenes stay, in which order. Raises ScriptError."""

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        """updateOutput: the outputs once the scenes are known. Raises ScriptError."""

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        """Run evaluatePixel over all samples in one call. `offsets` (segments + 1,) cuts them so that an exception
        costs one segment only; `seconds`: a shorter time than the runtime's own. Raises ScriptTimeout,
        ScriptOutOfMemory, or ScriptExecutionError when its process died otherwise; the session is then dead."""


class ScriptRuntime(Protocol):
    """Interpreters for evalscripts; nothing a script does reaches beyond its session."""

    @property
    def seconds(self) -> float:
        """Longest one call may take."""

    def open(self, script: str) -> AbstractContextManager[ScriptSession]:
        """Load a script and call setup(). Raises ScriptSyntaxError, ScriptSetupError, ScriptTimeout."""


# ---- execution -------------------------------------------------------------------------------------------------


class Ticket(Protocol):
    """Work under way elsewhere."""

    def done(self) -> bool:
        """Whether it has ended, well or not."""

    def begun(self) -> bool:
        """Whether somebody is known to be at it, or it has ended; what has not begun may be cancelled without loss."""

    def result(self) -> Outcome:
        """Its outcome; raises what it raised, WorldError(transient) if its process died."""

    def cancel(self) -> None:
        """End it if it has not begun; it may also be ended midway."""


class Executor(Protocol):
    """Runs functions of (lease) somewhere: processes of this machine, or a cluster."""

    @property
    def slots(self) -> int:
        """How many run at once now."""

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> Ticket:
        """Start one. The function and the lease are picklable."""

    def close(self) -> None:
        """End everything, leaving no process behind."""
