"""Kernel cache: compiles kernels once per script and layout, and remembers which scripts cannot be compiled."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numba import config
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.llvm_kernel import LlvmCompiler, LlvmKernel
from arpent.adapters.scripts.jit.parser import ScriptParser
from arpent.domain.evalscript import Evalscript
from arpent.domain.ports.scripts import MachineCode
from arpent.evalscript.compile import SyntaxTree, Unsupported, compile_script
from arpent.evalscript.layout import MemoryLayout
from arpent.evalscript.program import prelude

_LOG = logging.getLogger("arpent.evalscript")
_KEPT = 256
_Key = tuple[Evalscript, MemoryLayout]
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A compiled script for one layout."""

    code: LlvmKernel
    """Machine code of the kernel."""
    missing: tuple[int | None, ...]
    """Indices of extra rows: per output, the row that is 1 where it is missing; then the row that is 1 where nothing
    was returned; then, per output, the row that is 1 where undefined counts as 0. None: this cannot happen."""
    width: int
    """Number of rows of results; the extra rows follow them."""

    def run(self, columns: list[NDArray[np.generic]], values: NDArray[np.float64]) -> tuple[int, ...]:
        """Fill `values` (width, N). Returns numbers of samples: per output, those that lack it; those that lack all
        outputs; and, per output, those where undefined counts as 0."""
        extra = sum(row is not None for row in self.missing)
        more = np.empty((extra, values.shape[1]))
        self.code.run(columns, [*values, *more])
        return tuple(0 if row is None else int(more[row - self.width].sum()) for row in self.missing)

    def bound(self, columns: list[NDArray[np.generic]]) -> MachineCode | None:
        """The code bound to these samples; None if the kernel has extra rows, which must be counted."""
        return self.code.bound(columns, self.width) if set(self.missing) <= {None} else None


class KernelCache:
    """A cache of kernels. Thread-safe."""

    def __init__(self, least: int, checked: bool | None = None) -> None:
        """`least`: number of input values of a script and layout from which compiling pays off. `checked`: make code
        that checks its bounds, for tests; None: as NUMBA_BOUNDSCHECK says."""
        self._least = least
        self._checked = bool(config.BOUNDSCHECK) if checked is None else checked  # type: ignore[attr-defined]
        self._lock = threading.Lock()
        self._compiler = LlvmCompiler()
        self._parser = ScriptParser()
        self._prelude: SyntaxTree | None = None
        self._kernels: OrderedDict[tuple[Evalscript, MemoryLayout], Kernel | None] = OrderedDict()
        self._asked: OrderedDict[tuple[Evalscript, MemoryLayout], int] = OrderedDict()
        self._distrusted: set[str] = set()

    def kernel(self, evalscript: Evalscript, layout: MemoryLayout, count: int) -> Kernel | None:
        """The kernel for `count` samples; None: use the interpreter."""
        key = (evalscript, layout)
        with self._lock:
            if evalscript.source in self._distrusted:
                return None
            if key not in self._kernels:
                asked = self._asked.pop(key, 0) + count * sum(column.rows for column in layout.columns)
                self._asked[key] = asked
                if asked < self._least:
                    _bounded(self._asked)
                    return None
                self._kernels[key] = self._made(evalscript, layout)
                _bounded(self._kernels)
            self._kernels.move_to_end(key)
            return self._kernels[key]

    def trusts(self, evalscript: Evalscript) -> bool:
        """Whether `distrust` has not been called for this script."""
        return evalscript.source not in self._distrusted

    def distrust(self, evalscript: Evalscript) -> None:
        """Never run this script as machine code again."""
        with self._lock:
            self._distrusted.add(evalscript.source)

    def _made(self, evalscript: Evalscript, layout: MemoryLayout) -> Kernel | None:
        try:
            return self.make(evalscript, layout)
        except Unsupported as reason:
            _LOG.debug("an evalscript is interpreted, not compiled: %s", reason)
        except Exception:
            _LOG.warning("an evalscript is interpreted, not compiled: the compiler failed", exc_info=True)
        return None

    def make(self, evalscript: Evalscript, layout: MemoryLayout) -> Kernel:
        """Compile the script for a layout. Raises Unsupported if it cannot be compiled."""
        if self._prelude is None:
            self._prelude = self._parser(prelude())
        try:
            script = self._parser(evalscript.source)
        except RecursionError:
            raise Unsupported("a very deep text") from None
        assembly = compile_script(
            evalscript,
            layout,
            script=script,
            prelude=self._prelude,
            triple=self._compiler.triple,
            checked=self._checked,
        )
        code = self._compiler.compile(assembly, layout.columns)
        return Kernel(code=code, missing=assembly.missing_rows, width=assembly.width)


def _bounded(kept: OrderedDict[_Key, _Kept]) -> None:
    while len(kept) > _KEPT:
        kept.popitem(last=False)
