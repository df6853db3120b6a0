"""LLVM kernel: assembly to machine code, and calls of it over arrays."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray


class LlvmCompiler:
    """Compiles for this machine's processor. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._machine: llvm.TargetMachine | None = None

    @property
    def triple(self) -> str:
        """What the code is for."""
        return str(llvm.get_process_triple())

    def compile(self, text: str) -> LlvmKernel:
        """A kernel of assembly that defines `evaluate`."""
        with self._lock:
            machine = self._target()
            module = llvm.parse_assembly(text)
            module.verify()
            options = llvm.create_pipeline_tuning_options(speed_level=3)
            options.loop_vectorization = options.slp_vectorization = True
            builder = llvm.create_pass_builder(machine, options)
            builder.getModulePassManager().run(module, builder)
            return LlvmKernel(llvm.create_mcjit_compiler(module, machine))

    def _target(self) -> llvm.TargetMachine:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_triple(self.triple)
        features = llvm.get_host_cpu_features().flatten()
        return target.create_target_machine(llvm.get_host_cpu_name(), features, opt=3, jit=True)


class LlvmKernel:
    """A compiled function; it holds no lock while it runs."""

    def __init__(self, engine: llvm.ExecutionEngine) -> None:
        engine.finalize_object()
        self._engine = engine
        self._address = engine.get_function_address("evaluate")

    def run(self, columns: Sequence[NDArray[np.generic]], rows: Sequence[NDArray[np.float64]]) -> None:
        """Fill `rows` (N,) from `columns` (rows, N); items of one row lie side by side."""
        count = rows[0].shape[0]
        if any(row.shape != (count,) or not row.flags.c_contiguous for row in rows):
            raise ValueError("rows of an answer must be contiguous and equally long")
        if any(column.shape[1] != count or not column[:1].flags.c_contiguous for column in columns):
            raise ValueError("columns must have contiguous rows as long as the answer")
        kinds = [ctypes.c_int64, *[ctypes.c_void_p] * len(columns), *[ctypes.c_int64] * len(columns),
                 *[ctypes.c_void_p] * len(rows)]  # fmt: skip
        strides = [column.strides[0] // column.itemsize for column in columns]
        addresses = [column.ctypes.data for column in columns], [row.ctypes.data for row in rows]
        function = ctypes.CFUNCTYPE(None, *kinds)(self._address)
        function(count, *addresses[0], *strides, *addresses[1])
