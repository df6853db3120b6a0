"""Compiled session: runs a script as machine code where it can, and lets the interpreter check the results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.kernel_cache import Kernel, KernelCache
from arpent.adapters.scripts.jit.sampling_policy import SamplingPolicy
from arpent.adapters.scripts.v8.shared_memory import arrays_of, columns_of
from arpent.domain.evalscript import Evalscript
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import MachineCode, Scene, ScriptAnswer, ScriptInput, ScriptSession
from arpent.evalscript.layout import MemoryLayout
from arpent.evalscript.outputs import gaps_of
from arpent.evalscript.service_functions import SERVED

_LOG = logging.getLogger("arpent.evalscript")
_FIRST, _SPREAD, _ODD = 2048, 1024, 1024
_ASKS_AGAIN = frozenset(SERVED) - {"setup", "evaluatePixel"}


@dataclass(slots=True, kw_only=True)
class _Compiled:
    """A kernel as one session uses it."""

    evalscript: Evalscript
    """The script, as updateOutput left it."""
    layout: MemoryLayout
    """Layout of the samples."""
    kernel: Kernel
    """Its machine code."""
    left: int
    """How many of its results the interpreter still has to check."""


class CompiledSession:
    """A ScriptSession over an interpreter's session, which is closed when it is no longer needed."""

    def __init__(
        self,
        start: Callable[[], AbstractContextManager[ScriptSession]],
        kernels: KernelCache,
        sampling: SamplingPolicy,
        declared: Evalscript | None = None,
    ) -> None:
        """`start` opens the script in an interpreter; it may be called again. `declared`: what setup() returns, if
        known; the interpreter is then opened only when needed."""
        self._start = start
        self._kernels = kernels
        self._sampling = sampling
        self._stack = ExitStack()
        self._inner: ScriptSession | None = None
        self._evalscript = self._current = declared or self._interpreter().evalscript
        self._known: dict[tuple[Evalscript, MemoryLayout], _Compiled] = {}
        self._last: _Compiled | None = None
        self._trusting = True

    def _interpreter(self) -> ScriptSession:
        if self._inner is None:
            self._inner = self._stack.enter_context(self._start())
        return self._inner

    def close(self) -> None:
        """Close the interpreter's session."""
        self._inner = None
        self._stack.close()

    @property
    def evalscript(self) -> Evalscript:
        return self._evalscript

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        return self._interpreter().preprocess(scenes, interval)

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        self._current = self._interpreter().update_output(scenes)
        return self._current

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        arrays, layout = self._arranged(inputs)
        count = arrays[0].shape[1]
        compiled = self._compiled(layout, count)
        if compiled is None:
            return self._interpreter().evaluate(inputs, offsets, seconds)
        low, high = int(offsets[0]), int(offsets[-1])
        values = np.empty((self._current.width, count))
        values[:, :low] = values[:, high:] = np.nan
        missing = _run(compiled.kernel, arrays, values, low, high)
        if not self._confirmed(inputs, values[:, low:high], low, compiled):
            return self._interpreter().evaluate(inputs, offsets, seconds)
        return ScriptAnswer(values=values, failures={}, gaps=gaps_of(self._current, missing))

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        arrays, layout = self._arranged(inputs)
        compiled = self._compiled(layout, 0)
        if compiled is None or compiled.left > 0:
            return None
        return compiled.kernel.bound([_plain(array) for array in arrays])

    def _arranged(self, inputs: Sequence[ScriptInput]) -> tuple[list[NDArray[np.generic]], MemoryLayout]:
        """(rows, N) for each band of each input, and their layout."""
        kinds = [entry.mosaicking for entry in self._current.inputs]
        arrays = [arrays_of(entry, kind) for entry, kind in zip(inputs, kinds, strict=True)]
        columns = tuple(columns_of(*parts) for parts in zip(arrays, inputs, kinds, strict=True))
        layout = MemoryLayout(inputs=columns, width=self._current.width)
        return [array for entry in arrays for array in entry], layout

    def _compiled(self, layout: MemoryLayout, count: int) -> _Compiled | None:
        """The kernel for `count` samples; None: use the interpreter. Script and layout are first compared with those of
        the last call, because hashing them takes longer."""
        last = self._last
        if not (self._trusting and self._kernels.trusts(self._current)):
            return None
        if last is not None and last.layout == layout and last.evalscript == self._current:
            return last
        kernel = self._kernels.kernel(self._current, layout, count)
        if kernel is None:
            return None
        key = (self._current, layout)
        if key not in self._known:
            left = self._sampling.samples(*key)
            self._known[key] = _Compiled(evalscript=self._current, layout=layout, kernel=kernel, left=left)
        self._last = self._known[key]
        return self._last

    # ---- checks by the interpreter

    def _confirmed(
        self, inputs: Sequence[ScriptInput], values: NDArray[np.float64], low: int, compiled: _Compiled
    ) -> bool:
        """Whether the interpreter agrees on some samples; True without a check once it has checked enough of this
        layout."""
        if compiled.left <= 0 or values.shape[1] == 0:
            return True
        chosen = choice(values)[: compiled.left]
        part = [replace(entry, values=tuple(array[..., chosen + low] for array in entry.values)) for entry in inputs]
        answer = self._interpreter().evaluate(part, np.array([0, len(chosen)]))
        if answer.failures or not same(answer.values, values[:, chosen]):
            _LOG.warning("a compiled evalscript disagreed with the interpreter; it is interpreted from now on")
            self._kernels.distrust(self._current)
            self._trusting = False
            return False
        compiled.left -= len(chosen)
        if compiled.left <= 0 and not self._current.functions & _ASKS_AGAIN:
            self.close()
        return True


def choice(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the samples of an answer (width, N) to check: the first, some from everywhere, some not finite."""
    count = values.shape[1]
    everywhere = np.linspace(0, count - 1, min(count, _SPREAD)).astype(np.intp)
    odd = np.flatnonzero(~np.isfinite(values).all(axis=0))
    some = odd[np.linspace(0, len(odd) - 1, min(len(odd), _ODD)).astype(np.intp)] if len(odd) else odd
    return np.unique(np.concatenate([np.arange(min(count, _FIRST)), everywhere, some]))


def same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether both arrays are equal bit for bit; any NaN equals any other."""
    bits = np.ascontiguousarray(one).view(np.int64) == np.ascontiguousarray(other).view(np.int64)
    return bool((bits | (np.isnan(one) & np.isnan(other))).all())


def _run(
    kernel: Kernel, arrays: Sequence[NDArray[np.generic]], values: NDArray[np.float64], low: int, high: int
) -> tuple[int, ...]:
    return kernel.run([_plain(array)[:, low:high] for array in arrays], values[:, low:high])


def _plain(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The array in native byte order with contiguous rows."""
    native = array.dtype.newbyteorder("=")
    whole = array[:1].flags.c_contiguous and array.strides[0] % array.itemsize == 0
    if whole and array.dtype == native and array.flags.aligned:
        return array
    return np.ascontiguousarray(array, dtype=native)
