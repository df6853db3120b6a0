"""Guard pages: kernels get their arrays in memory that ends where nothing may be touched, so a step beyond crashes."""

from __future__ import annotations

import ctypes
import importlib
import itertools
import mmap
import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numba.core.registry import CPUDispatcher
from numpy.typing import NDArray

import arpent
from arpent.adapters.scripts.jit.llvm_kernel import LlvmKernel

PACKAGES = ("arpent.raster", "arpent.zonal", "arpent.adapters", "arpent.engine", "arpent.landscape")
"""Packages that may hold kernels."""
PAGE = mmap.PAGESIZE
_NO_ACCESS = 0
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(array: NDArray[Any], *, front: bool = False) -> NDArray[Any]:
    """A copy, contiguous, between two pages that may not be touched. It ends at the second one, so that whatever lies
    behind it crashes; with `front` it begins at the first one."""
    size = -(-max(array.nbytes, 1) // PAGE) * PAGE
    room = mmap.mmap(-1, size + 2 * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for page in (address, address + PAGE + size):
        if _LIBC.mprotect(page, PAGE, _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = PAGE if front else PAGE + size - array.nbytes
    copy: NDArray[Any] = np.ndarray(array.shape, array.dtype, room, start)
    copy[...] = array
    copy.flags.writeable = array.flags.writeable
    return copy


class Guarded:
    """A kernel whose arrays are guarded while it runs; what it writes is copied back. The side changes from call to
    call."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._turns = itertools.count()

    def __call__(self, *arguments: Any) -> Any:
        front = next(self._turns) % 2 == 1
        copies: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}

        def moved(argument: Any) -> Any:
            if isinstance(argument, np.ndarray):
                if id(argument) not in copies:
                    copies[id(argument)] = argument, guarded(argument, front=front)
                return copies[id(argument)][1]
            if isinstance(argument, tuple | list):
                return type(argument)(moved(each) for each in argument)
            return argument

        answer = self._kernel(*(moved(argument) for argument in arguments))
        for original, copy in copies.values():
            if original.flags.writeable:
                original[...] = copy
        return answer


@contextmanager
def guarded_kernels() -> Iterator[int]:
    """Every kernel that Python calls, and the machine code of scripts, run guarded; how many kernels those are."""
    modules = [importlib.import_module(name) for name in _modules()]
    inner = {id(kernel) for module in modules for kernel in _called_by_kernels(module)}
    places = [
        (module, name, kernel) for module in modules for name, kernel in _kernels(module) if id(kernel) not in inner
    ]
    wrapped = {id(kernel): Guarded(kernel) for _, _, kernel in places}
    run = LlvmKernel.run
    for module, name, kernel in places:
        setattr(module, name, wrapped[id(kernel)])
    LlvmKernel.run = _run_guarded(run)  # type: ignore[method-assign]
    try:
        yield len(wrapped)
    finally:
        LlvmKernel.run = run  # type: ignore[method-assign]
        for module, name, kernel in places:
            setattr(module, name, kernel)


def _run_guarded(run: Any) -> Any:
    turns = itertools.count()

    def guarded_run(self: LlvmKernel, columns: Sequence[NDArray[Any]], rows: Sequence[NDArray[np.float64]]) -> None:
        front = next(turns) % 2 == 1
        answers = [guarded(row, front=front) for row in rows]
        run(self, [guarded(column, front=front) for column in columns], answers)
        for row, answer in zip(rows, answers, strict=True):
            row[...] = answer

    return guarded_run


def _modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(arpent.__path__, "arpent."):
        if found.name.startswith(PACKAGES) and ".migrations" not in found.name and ".dask" not in found.name:
            yield found.name


def _kernels(module: ModuleType) -> list[tuple[str, CPUDispatcher]]:
    return [(name, value) for name, value in vars(module).items() if isinstance(value, CPUDispatcher)]


def _called_by_kernels(module: ModuleType) -> Iterator[CPUDispatcher]:
    """Numba looks these up by their names when it compiles their callers: they must stay what they are."""
    for _, kernel in _kernels(module):
        python = kernel.py_func
        for name in python.__code__.co_names:
            if isinstance(python.__globals__.get(name), CPUDispatcher):
                yield python.__globals__[name]
