"""The ports of evalscripts: an interpreter, what goes into it and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Evalscript, Gap
from arpent.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a script can read of one scene of ORBIT or TILE mosaicking; plain JSON."""

    fields: Mapping[str, object]
    """As in `scenes.orbits[i]` or `scenes.tiles[i]` (sentinelhub.md 5.2); instants are ISO text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptInput:
    """The samples of one input of a script for one call."""

    values: tuple[NDArray[np.generic], ...]
    """One array per band of the input, in the script's order, dataMask included: (N,) for SIMPLE, (scenes, N) for ORBIT
    and TILE."""
    scales: tuple[tuple[float, float], ...]
    """(scale, offset) per band; the script sees `value * scale + offset`, computed in doubles."""
    scenes: tuple[Scene, ...] = ()
    """The scenes, in the order of the samples; none for SIMPLE."""
    normalization_factor: float = 0.0001
    """Normalisation factor of the collection, for `inputMetadata` (sentinelhub.md 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptAnswer:
    """What evaluatePixel returned for N samples."""

    values: NDArray[np.float64]
    """(width, N): the bands of the outputs in the order declared, then those of the mask; NaN where the script returned
    nothing."""
    failures: Mapping[int, ScriptError]
    """Index of a segment → what it threw; the other segments are complete."""
    log: tuple[str, ...] = ()
    """Lines that the script wrote with console.log; their number and length are limited."""
    gaps: tuple[Gap, ...] = ()
    """What it left out, for the N samples together: missing outputs first, one entry for each kind and output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCode:
    """evaluatePixel as machine code, for N samples that are there: what cannot throw, log, or leave anything out."""

    address: int
    """Of `int64_t f(int64_t n, const int64_t *arguments)`, which evaluates n samples, and returns 0, or something else
    if it would have touched memory outside its arrays."""
    arguments: NDArray[np.int64]
    """(a,): its arguments for the first samples, without the addresses of the rows of doubles that it is to fill."""
    steps: NDArray[np.int64]
    """(a,): what to add to each of them for every sample further on."""
    rows: slice
    """Where these addresses belong: bands of the outputs in the order declared, then those of the mask."""
    count: int
    """How many samples there are, N."""
    most: int
    """How many samples it evaluates at once, at most."""
    owners: tuple[object, ...]
    """What must live while the code is called: code and samples."""


class ScriptSession(Protocol):
    """A script loaded into an interpreter of its own. Not thread-safe. The script's global variables live as long as
    the session."""

    @property
    def evalscript(self) -> Evalscript:
        """What setup() declared. Raises nothing: setup() ran when the session was opened."""

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        """Call preProcessScenes and then filterScenes: for each input, the indices of the scenes that remain, in their
        order. Raises ScriptError."""

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        """Call updateOutput: the outputs, now that the scenes are known. Raises ScriptError."""

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        """Run evaluatePixel over all N samples in one call.

        `offsets` (segments + 1,) divides the samples into segments: an exception fails only its own segment and is in
        `failures`. `seconds` shortens the runtime's time limit. Raises ScriptTimeout, ScriptOutOfMemory, or
        ScriptExecutionError when its process died for another reason; the session cannot be used afterwards.
        """

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        """What evaluates these samples without this session; None: only `evaluate` can, or is still to be checked.
        Raises nothing."""


class ScriptRuntime(Protocol):
    """Opens interpreters for evalscripts. A script cannot affect anything outside its session. Only `open` raises."""

    @property
    def seconds(self) -> float:
        """Time limit of one call, in seconds."""

    def open(self, script: str) -> AbstractContextManager[ScriptSession]:
        """Load a script and call setup(). Raises ScriptSyntaxError, ScriptSetupError, ScriptTimeout, ScriptOutOfMemory,
        or SandboxUnavailable."""
