"""The ports of evalscripts: an interpreter, its inputs and its answers."""

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
    """The fields of one scene of ORBIT or TILE mosaicking that a script can read; plain JSON."""

    fields: Mapping[str, object]
    """Fields of `scenes.orbits[i]` or `scenes.tiles[i]` (sentinelhub.md 5.2); instants are ISO text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptInput:
    """The samples of one input of a script for one call."""

    values: tuple[NDArray[np.generic], ...]
    """One array per band of the input, in the script's order, including dataMask: (N,) for SIMPLE, (scenes, N) for
    ORBIT and TILE."""
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
    """Index of a segment → the exception thrown in it; all other segments are complete."""
    log: tuple[str, ...] = ()
    """Lines that the script wrote with console.log; their number and length are limited."""
    gaps: tuple[Gap, ...] = ()
    """What evaluatePixel left out, over all N samples: missing outputs first, one entry for each kind and output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCode:
    """evaluatePixel as machine code, bound to N samples; only for scripts that cannot throw, log or omit anything."""

    address: int
    """Address of `int64_t f(int64_t n, const int64_t *arguments)`, which evaluates n samples. It returns 0, or another
    number if it would have accessed memory outside its arrays."""
    arguments: NDArray[np.int64]
    """(a,): arguments for the first sample; the addresses of the rows of doubles to fill are still to be set."""
    steps: NDArray[np.int64]
    """(a,): what to add to each argument per sample in order to start at a later sample."""
    rows: slice
    """Where in `arguments` the row addresses belong: bands of the outputs in the order declared, then the mask's."""
    count: int
    """Number of samples, N."""
    most: int
    """Maximum number of samples per call."""
    owners: tuple[object, ...]
    """Objects that must stay alive while the code is called: the code and the samples."""


class ScriptSession(Protocol):
    """A script loaded into its own interpreter. Not thread-safe. The script's global variables live as long as the
    session."""

    @property
    def evalscript(self) -> Evalscript:
        """What setup() declared. Raises nothing, since setup() was run when the session was opened."""

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        """Call preProcessScenes and then filterScenes. Returns, for each input, the indices of the remaining scenes in
        order. Raises ScriptError."""

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        """Call updateOutput, which may adapt the outputs to the scenes. Raises ScriptError."""

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        """Run evaluatePixel over all N samples in one call.

        `offsets` (segments + 1,) divides the samples into segments: an exception fails only its own segment and is
        recorded in `failures`. `seconds` shortens the runtime's time limit. Raises ScriptTimeout, ScriptOutOfMemory, or
        ScriptExecutionError if the process died for another reason; the session cannot be used afterwards.
        """

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        """Machine code that evaluates these samples without this session. None: only `evaluate` can do so, or the code
        still has to be checked against it. Raises nothing."""


class ScriptRuntime(Protocol):
    """Opens interpreters for evalscripts. A script cannot affect anything outside its session. Only `open` raises."""

    @property
    def seconds(self) -> float:
        """Time limit of one call, in seconds."""

    def open(self, script: str) -> AbstractContextManager[ScriptSession]:
        """Load a script and call setup(). Raises ScriptSyntaxError, ScriptSetupError, ScriptTimeout, ScriptOutOfMemory,
        or SandboxUnavailable."""
