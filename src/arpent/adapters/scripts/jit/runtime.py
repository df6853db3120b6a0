"""Compiled runtime: runs evalscripts as machine code where that gives the same numbers, otherwise in the
interpreter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.jit.sampling_policy import SamplingPolicy
from arpent.adapters.scripts.jit.session import CompiledSession
from arpent.domain.ports.scripts import ScriptRuntime, ScriptSession

_LEAST = 1_000_000


class CompiledRuntime:
    """A ScriptRuntime over an interpreter's runtime, which runs setup() and whatever cannot be compiled, and checks
    samples of the compiled results. It can be pickled and used in another process, which then compiles for itself."""

    def __init__(self, interpreters: ScriptRuntime, *, least: int = _LEAST) -> None:
        """`least`: number of input values of a script and layout from which compiling pays off."""
        self._interpreters = interpreters
        self._least = least
        self._kernels = KernelCache(least)
        self._sampling = SamplingPolicy()

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (self._interpreters, self._least)

    @property
    def seconds(self) -> float:
        return self._interpreters.seconds

    @contextmanager
    def open(self, script: str) -> Iterator[ScriptSession]:
        declared = self._sampling.declared(script)
        session = CompiledSession(lambda: self._interpreters.open(script), self._kernels, self._sampling, declared)
        self._sampling.remember(script, session.evalscript)
        try:
            yield session
        finally:
            session.close()


def _revive(interpreters: ScriptRuntime, least: int) -> CompiledRuntime:
    return CompiledRuntime(interpreters, least=least)
