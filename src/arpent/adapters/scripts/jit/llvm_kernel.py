"""LLVM kernel: compiles assembly to machine code, and calls it with arrays."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from arpent.domain.ports.scripts import MachineCode
from arpent.evalscript.compile import CHECKED, PACKED, ScriptAssembly
from arpent.evalscript.layout import Column

MOST = 4096
"""Number of samples that bound code evaluates at once: its results then stay in the processor's L2 cache."""


class LlvmCompiler:
    """Compiles for this machine's processor. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._machine: llvm.TargetMachine | None = None

    @property
    def triple(self) -> str:
        """Target triple of the machine."""
        return str(llvm.get_process_triple())

    def compile(self, assembly: ScriptAssembly, columns: Sequence[Column]) -> LlvmKernel:
        """The kernel of a script, for arrays with the types and rows of these columns."""
        with self._lock:
            machine = self._target()
            module = llvm.parse_assembly(assembly.text)
            module.verify()
            options = llvm.create_pipeline_tuning_options(speed_level=3)
            options.loop_vectorization = options.slp_vectorization = True
            builder = llvm.create_pass_builder(machine, options)
            builder.getModulePassManager().run(module, builder)
            return LlvmKernel(llvm.create_mcjit_compiler(module, machine), tuple(columns), assembly.function)

    def _target(self) -> llvm.TargetMachine:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_triple(self.triple)
        features = llvm.get_host_cpu_features().flatten()
        return target.create_target_machine(llvm.get_host_cpu_name(), features, opt=3, jit=True)


class LlvmKernel:
    """A compiled function; it runs without the GIL."""

    def __init__(self, engine: llvm.ExecutionEngine, columns: tuple[Column, ...], function: str) -> None:
        engine.finalize_object()
        self._engine = engine
        self._columns = columns
        self._checked = function == CHECKED
        self._address = engine.get_function_address(function)
        self._packed = engine.get_function_address(PACKED)
        self._functions: dict[tuple[int, int], Callable[..., int]] = {}

    def run(self, columns: Sequence[NDArray[np.generic]], rows: Sequence[NDArray[np.float64]]) -> None:
        """Fill `rows` (N,) from `columns` (rows, N), whose rows must be contiguous. Raises ValueError for arrays that
        do not fit the code; IndexError if checked code would have accessed memory outside them."""
        count = rows[0].shape[0]
        self._check(columns, count)
        if any(row.shape != (count,) or not row.flags.c_contiguous for row in rows):
            raise ValueError("rows of an answer must be contiguous and equally long")
        strides = _strides(columns)
        addresses = [column.ctypes.data for column in columns], [row.ctypes.data for row in rows]
        bounds = _bounds(columns, count) if self._checked else []
        fault = self._function(len(rows), len(bounds))(count, *addresses[0], *strides, *addresses[1], *bounds)
        if fault:
            raise IndexError(f"index is out of bounds in {f'column {fault}' if fault > 0 else 'the answer'}")

    def bound(self, columns: Sequence[NDArray[np.generic]], rows: int) -> MachineCode:
        """The code bound to `columns`, which must be as in `run`, to fill `rows` rows. Raises ValueError as `run`
        does."""
        count = columns[0].shape[1]
        self._check(columns, count)
        inputs, bounds = len(columns), _bounds(columns, count) if self._checked else []
        if bounds:
            bounds[0] = MOST  # room: the results of one call
        given = [*(column.ctypes.data for column in columns), *_strides(columns), *[0] * rows, *bounds]
        steps = np.zeros(len(given), np.int64)
        steps[:inputs] = [column.itemsize for column in columns]
        steps[2 * inputs + rows + 1 :] = -1  # lows and ends count from pointers that move on
        return MachineCode(
            address=self._packed,
            arguments=np.array(given, np.int64),
            steps=steps,
            rows=slice(2 * inputs, 2 * inputs + rows),
            count=count,
            most=MOST,
            owners=(self, *columns),
        )

    def _check(self, columns: Sequence[NDArray[np.generic]], count: int) -> None:
        if len(columns) != len(self._columns) or not all(map(_suits, columns, self._columns)):
            raise ValueError("columns must have the kinds and rows that the code was made for")
        if any(column.shape[1] != count or not column[:1].flags.c_contiguous for column in columns):
            raise ValueError("columns must have contiguous rows as long as the answer")

    def _function(self, rows: int, bounds: int) -> Callable[..., int]:
        """The code as a function with this many rows and bounds; kept, because making it takes longer than a small
        call."""
        if (rows, bounds) not in self._functions:
            count = len(self._columns)
            kinds = [ctypes.c_int64, *[ctypes.c_void_p] * count, *[ctypes.c_int64] * count,
                     *[ctypes.c_void_p] * rows, *[ctypes.c_int64] * bounds]  # fmt: skip
            self._functions[rows, bounds] = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self._address)
        return self._functions[rows, bounds]


def _suits(array: NDArray[np.generic], column: Column) -> bool:
    return array.dtype.str[1:] == column.kind and array.dtype.isnative and array.shape[0] >= column.rows


def _strides(columns: Sequence[NDArray[np.generic]]) -> list[int]:
    """Number of items from one row to the next, for each column."""
    return [column.strides[0] // column.itemsize for column in columns]


def _bounds(columns: Sequence[NDArray[np.generic]], room: int) -> list[int]:
    """Bounds for checked code: items per row of results; then, from each column's pointer, first items and ends."""
    lasts = [(len(column) - 1) * (column.strides[0] // column.itemsize) if len(column) else 0 for column in columns]
    ends = [max(last, 0) + column.shape[1] if len(column) else 0 for last, column in zip(lasts, columns, strict=True)]
    return [room, *(min(last, 0) for last in lasts), *ends]
