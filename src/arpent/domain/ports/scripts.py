"""The ports of evalscripts: an interpreter, and what goes into and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Evalscript
from arpent.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a script may know of one scene of ORBIT or TILE mosaicking; plain JSON."""

    fields: Mapping[str, object]
    """As in `scenes.orbits[i]` or `scenes.tiles[i]` (sentinelhub.md 5.2); instants are ISO text."""


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
    """The collection's, for `inputMetadata` (sentinelhub.md 5.2)."""


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
        """preProcessScenes, then filterScenes: for each input, which of its scenes stay, in which order. Raises
        ScriptError."""

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
