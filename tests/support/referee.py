"""A script over made samples, interpreted and compiled: both must give the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.jit.session import same
from arpent.adapters.scripts.v8.shared_memory import arrays_of, columns_of
from arpent.domain.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.domain.ports.scripts import Scene, ScriptInput, ScriptRuntime, ScriptSession
from arpent.evalscript.compile import Unsupported
from arpent.evalscript.layout import MemoryLayout

ODD = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 0.49999999999999994, 1e308, -1e308, 5e-324, 2.0**31, 2.0**53 + 2,
       -(2.0**32) - 1.5, 1e20, np.inf, -np.inf, np.nan)  # fmt: skip
DATE = {
    "dateFrom": "2020-06-01T00:00:00Z",
    "dateTo": "2020-06-01T23:59:59Z",
    "tiles": [],
    "date": "2020-06-01T10:00:00Z",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came out."""

    reason: str | None
    """Why it was not compiled; None: it was."""
    failed: bool
    """Whether the interpreter failed on some samples."""
    agreed: bool
    """Whether all bits are the same; True if it was not compiled."""


def made(evalscript: Evalscript, count: int, scenes: int, *, odd: bool = False) -> list[ScriptInput]:
    """Samples for a script: plausible reflectances, classes and masks; or doubles of every odd kind."""
    random = np.random.default_rng(count + scenes)
    inputs = []
    for entry in evalscript.inputs:
        simple = entry.mosaicking is Mosaicking.SIMPLE
        shape = (count,) if simple else (scenes, count)
        arrays, scales = [], []
        for band in entry.bands:
            if odd:
                arrays.append(
                    np.where(random.random(shape) < 0.5, random.choice(ODD, shape), random.normal(0, 3, shape))
                )
            elif band in (DATA_MASK, "CLM", "is_data"):
                arrays.append(random.integers(0, 2, shape).astype(np.uint8))
            elif band in ("SCL", "SCL_20", "CLP", "quality_flags", "BQA"):
                arrays.append(random.integers(0, 12, shape).astype(np.uint8))
            else:
                arrays.append(
                    np.where(random.random(shape) < 0.1, 0, random.integers(0, 12000, shape)).astype(np.uint16)
                )
            scales.append((0.0001, 0.0) if arrays[-1].dtype == np.uint16 else (1.0, 0.0))
        known = () if simple else (Scene(fields=DATE),) * scenes
        inputs.append(ScriptInput(values=tuple(arrays), scales=tuple(scales), scenes=known))
    return inputs


def judge(
    runtime: ScriptRuntime, kernels: KernelCache, source: str, *, count: int = 600, scenes: int = 3, odd: bool = False
) -> Verdict:
    """Run it both ways. Raises ScriptError as the interpreter does."""
    with runtime.open(source) as session:
        evalscript = session.evalscript
        given = made(evalscript, count, scenes, odd=odd)
        if "updateOutput" in evalscript.functions:
            evalscript = session.update_output([entry.scenes for entry in given])
        return compare(session, kernels, evalscript, given)


def compare(
    session: ScriptSession, kernels: KernelCache, evalscript: Evalscript, given: Sequence[ScriptInput]
) -> Verdict:
    """The same for samples that are given."""
    kinds = [entry.mosaicking for entry in evalscript.inputs]
    arrays = [arrays_of(*parts) for parts in zip(given, kinds, strict=True)]
    columns = tuple(columns_of(*parts) for parts in zip(arrays, given, kinds, strict=True))
    count = arrays[0][0].shape[1]
    expected = session.evaluate(given, np.array([0, count]))
    try:
        kernel = kernels.make(evalscript, MemoryLayout(inputs=columns, width=evalscript.width))
    except Unsupported as reason:
        return Verdict(reason=str(reason), failed=bool(expected.failures), agreed=True)
    values = np.empty((evalscript.width, count))
    kernel.run([array for entry in arrays for array in entry], values)
    agreed = not expected.failures and same(expected.values, values)
    return Verdict(reason=None, failed=bool(expected.failures), agreed=agreed)
